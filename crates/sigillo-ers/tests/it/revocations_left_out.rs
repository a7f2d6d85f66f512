//! Which time-stamps are left out, for their certificate was revoked: whoever looks, and wherever it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use jiff::{SignedDuration, Timestamp};
use sigillo_ers::{
    RevocationKind, RevocationSet, TrustAnchors, fill_token, pem_blocks, revoked_by_others,
    revoked_now, revoked_stamp,
};
use sigillo_model::FindingCode;

use crate::{
    forge::Node,
    revocations::{Installation, TSA, has_openssl, issue_until, openssl},
};

fn set_of(evidence: &[&[u8]]) -> RevocationSet {
    let mut set = RevocationSet::new();
    for bytes in evidence {
        set.add("file", bytes).unwrap();
    }
    set
}

/// Days after the time-stamp.
fn days(world: &Installation, days: i64) -> Timestamp {
    let stamped_at = world.verify(&[]).stamps[0].stamped_at.unwrap();
    stamped_at + SignedDuration::from_hours(24 * days)
}

/// Returns the place of the newest of some time-stamps that is left out by who knows the authority, and by
/// who does not.
fn left_out(world: &Installation, tokens: &[&[u8]], evidence: &[&[u8]]) -> [Option<usize>; 2] {
    let (set, at) = (set_of(evidence), days(world, 2));
    [&world.anchors, &TrustAnchors::new()]
        .map(|anchors| revoked_stamp(tokens, (anchors, &set), at).map(|it| it.place))
}

/// Puts certificates of a world before those in its token.
fn bring(world: &mut Installation, certificates: &[Vec<u8>]) {
    let mut token = Node::parse(&world.token);
    let brought = token.at(&[1, 0, 3]);
    for certificate in certificates {
        brought.nodes.insert(0, Node::parse(certificate));
    }
    world.token = token.encode();
}

fn certificate(world: &Installation, name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(world.path().join(format!("{name}.pem"))).unwrap();
    pem_blocks(&text, "CERTIFICATE").unwrap().remove(0)
}

#[test]
fn what_is_revoked_is_left_out_whether_the_authority_is_believed_or_not() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let tokens = [&[][..], &world.token];
    let void = world.list("authority", 1, &[(TSA, -1, "superseded")], "");
    assert_eq!(left_out(&world, &tokens, &[&void]), [Some(1); 2]);
    let good = world.list("authority", 1, &[], "");
    assert_eq!(left_out(&world, &tokens, &[&good]), [None; 2]);
}

#[test]
fn whoever_has_an_authority_of_the_same_name_gets_nothing_left_out() {
    if !has_openssl() {
        return;
    }
    let (mut world, other) = (Installation::new(), Installation::new());
    let forged = other.list("authority", 1, &[(TSA, -1, "keyCompromise")], "");
    bring(&mut world, &[certificate(&other, "authority"), certificate(&other, "root")]);
    assert_eq!(left_out(&world, &[&[], &world.token], &[&forged]), [None; 2]);
}

#[test]
fn whoever_certifies_the_issuer_anew_gets_nothing_left_out() {
    if !has_openssl() {
        return;
    }
    let mut world = Installation::new();
    issue_until("40", world.path(), "stranger", "authority", ("stranger", "90"));
    openssl(
        world.path(),
        "req -new -key authority.key -subj /CN=authority -config openssl.cnf -out request.csr",
    );
    openssl(
        world.path(),
        "x509 -req -in request.csr -CA stranger.pem -CAkey stranger.key -set_serial 0x91 -days 365 \
         -extfile openssl.cnf -extensions authority -out anew.pem",
    );
    let brought = ["stranger", "anew"].map(|name| certificate(&world, name));
    bring(&mut world, &brought);
    let forged = world.list("stranger", 1, &[("91", -1, "keyCompromise")], "");
    assert_eq!(left_out(&world, &[&[], &world.token], &[&forged]), [None; 2]);
    // Who checks it finds the same.
    world.anchors = TrustAnchors::new();
    let report = world.verify(&[forged]);
    let revoked = FindingCode::CertificateRevoked;
    assert!(report.findings.iter().all(|it| it.code != revoked), "{:?}", report.findings);
}

#[test]
fn what_one_time_stamp_brings_counts_for_the_others() {
    if !has_openssl() {
        return;
    }
    let mut world = Installation::new();
    let older = world.token.clone();
    let void = world.list("authority", 1, &[(TSA, -1, "superseded")], "");
    issue_until("40", world.path(), "tsa", "tsa", ("authority", "21"));
    openssl(
        world.path(),
        "ts -reply -config openssl.cnf -section t -queryfile request.tsq -token_out -out token",
    );
    world.token = std::fs::read(world.path().join("token")).unwrap();
    let lists: [(RevocationKind, &[u8]); 1] = [(RevocationKind::Crl, &void)];
    let filled = fill_token(&world.token, &world.anchors, &lists).unwrap();
    assert_eq!(left_out(&world, &[&[], &older, &filled], &[]), [Some(1); 2]);
    assert_eq!(left_out(&world, &[&filled, &older], &[]), [Some(1); 2]);
    assert_eq!(left_out(&world, &[&[], &older, &world.token], &[]), [None; 2]);
    // As whoever is to put the older one over the other one is told.
    let by = (&world.anchors, days(&world, 0));
    let others = |others: &[&[u8]]| revoked_by_others(&older, others.iter().copied(), by);
    let why = others(&[b"", &filled]).unwrap();
    assert!(why.contains("revoked"), "{why}");
    assert_eq!(others(&[&world.token]), None);
}

#[test]
fn of_a_new_time_stamp_all_counts_that_is_told_whatever_the_clocks_say() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let told = |evidence: &[&[u8]], day| {
        let now = days(&world, day);
        revoked_now(&world.token, (&world.anchors, &set_of(evidence)), now).is_some()
    };
    // The list is of a day after the time-stamp.
    let void = world.list("authority", 1, &[(TSA, -1, "superseded")], "");
    assert!(told(&[&void], 2) && told(&[&void], 0) && told(&[&void], -2));
    let held = world.list("authority", 1, &[(TSA, -1, "certificateHold")], "");
    let ended = world.list("authority", 2, &[], "");
    assert!(told(&[&held], 0) && !told(&[&held, &ended], 3) && !told(&[&held, &ended], -2));
}
