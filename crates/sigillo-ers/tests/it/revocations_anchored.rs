//! What counts of the revocation of a certificate that is an anchor itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use jiff::SignedDuration;
use rstest::rstest;
use sigillo_ers::{
    ListedPeriod, ListedService, RecordReport, RevocationSet, RevocationStatus, Standing,
    TrustAnchors, evidence_told, pem_blocks, revocation_questions, token_revocation,
};
use sigillo_model::{FindingCode, Verdict};

use crate::{
    forge::Node,
    revocations::{Installation, TSA, has_openssl, missing, of_tsa},
};

fn certificate(world: &Installation, name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(world.path().join(format!("{name}.pem"))).unwrap();
    pem_blocks(&text, "CERTIFICATE").unwrap().remove(0)
}

fn anchors(world: &Installation, names: &[&str]) -> TrustAnchors {
    let mut anchors = TrustAnchors::new();
    for name in names {
        anchors.add_der(name, &certificate(world, name)).unwrap();
    }
    anchors
}

/// Anchors of the verifier, and a trusted list that grants somebody.
fn listing(world: &Installation, names: &[&str], listed: &str) -> TrustAnchors {
    let mut anchors = anchors(world, names);
    let periods = vec![ListedPeriod {
        from: "2020-01-01T00:00:00Z".parse().unwrap(),
        until: "2070-01-01T00:00:00Z".parse().unwrap(),
        standing: Standing::Qualified,
        status: "granted".to_owned(),
    }];
    let certificates = vec![certificate(world, listed)];
    let name = "IT: Prova".to_owned();
    anchors.add_listed(&ListedService { name, certificates, periods }).unwrap();
    anchors
}

fn codes(report: &RecordReport) -> Vec<FindingCode> {
    let codes = report.findings.iter().map(|finding| finding.code);
    codes.filter(|code| *code != FindingCode::NotQualified).collect()
}

/// Takes the certificate of the authority out of the token.
fn without_authority(world: &mut Installation) {
    let authority = certificate(world, "authority");
    let mut token = Node::parse(&world.token);
    token.at(&[1, 0, 3]).nodes.retain(|node| node.encode() != authority);
    world.token = token.encode();
}

#[rstest]
#[case::root(&["root"], None)]
#[case::unit_beside_root(&["root", "tsa"], None)]
#[case::unit(&["tsa"], None)]
#[case::authority(&["authority"], None)]
#[case::list_of_the_unit(&["root"], Some("tsa"))]
#[case::list_of_the_unit_alone(&[], Some("tsa"))]
fn a_revoked_unit_is_revoked_whatever_the_anchor(
    #[case] own: &[&str],
    #[case] listed: Option<&str>,
) {
    if !has_openssl() {
        return;
    }
    let mut world = Installation::new();
    world.anchors = match listed {
        Some(listed) => listing(&world, own, listed),
        None => anchors(&world, own),
    };
    let list = world.list("authority", 1, &[(TSA, -1, "keyCompromise")], "");
    let report = world.verify(std::slice::from_ref(&list));
    assert!(codes(&report).contains(&FindingCode::CertificateRevoked), "{:?}", report.findings);
    assert_eq!(report.verdict(), Verdict::Damaged);
    // The archive hears of it, too, and puts it beside other time-stamps.
    let mut set = RevocationSet::new();
    set.add("list", &list).unwrap();
    let told = evidence_told(&world.token, &world.anchors, &set);
    assert!(told.iter().any(|it| it.revoked.is_some()), "{told:?}");
}

#[rstest]
#[case::root(&["root"], true)]
#[case::authority_beside_root(&["root", "authority"], true)]
// Whoever believes the unit itself does not ask who issued the certificate of its authority.
#[case::unit(&["root", "tsa"], false)]
fn a_revoked_anchor_is_revoked_if_its_issuer_is_at_hand(
    #[case] own: &[&str],
    #[case] counts: bool,
) {
    if !has_openssl() {
        return;
    }
    let mut world = Installation::new();
    world.anchors = anchors(&world, own);
    let report = world.verify(&[world.list("root", 1, &[("10", -1, "keyCompromise")], "")]);
    let found = codes(&report).contains(&FindingCode::CertificateRevoked);
    assert_eq!(found, counts, "{:?}", report.findings);
}

#[test]
fn that_an_anchor_is_good_is_demanded_of_the_signer_alone() {
    if !has_openssl() {
        return;
    }
    let mut world = Installation::new();
    let lists = |world: &Installation| [world.list("authority", 1, &[], "")];
    world.anchors = anchors(&world, &["root", "authority"]);
    let report = world.verify(&lists(&world));
    assert_eq!(codes(&report), [], "{:?}", report.findings);
    assert_eq!(report.stamps[0].revocation.len(), 1);
    world.anchors = anchors(&world, &["tsa"]);
    let report = world.verify(&lists(&world));
    assert_eq!(codes(&report), [], "{:?}", report.findings);
    assert!(matches!(of_tsa(&report), RevocationStatus::Good { .. }));
    assert_eq!(missing(&world.verify(&[])), "no revocation list and no OCSP response for it");
}

#[test]
fn of_a_unit_that_is_an_anchor_its_issuer_is_asked_if_it_is_at_hand() {
    if !has_openssl() {
        return;
    }
    let mut world = Installation::new();
    let list = world.list("authority", 1, &[], "");
    world.anchors = anchors(&world, &["tsa"]);
    let questions = revocation_questions(&world.token, &world.anchors).unwrap();
    let places: Vec<usize> = questions.iter().map(|it| it.certificate).collect();
    assert_eq!(places, [0, 0], "{questions:?}");
    let mut set = RevocationSet::new();
    set.add("list", &list).unwrap();
    let stamped_at = world.verify(&[]).stamps[0].stamped_at.unwrap();
    let known_by = stamped_at + SignedDuration::from_hours(48);
    let told = token_revocation(&world.token, &world.anchors, &set, known_by).unwrap();
    assert!(matches!(told[..], [ref one] if matches!(one.status, RevocationStatus::Good { .. })));
    // Neither in the token nor in the trust store.
    without_authority(&mut world);
    assert_eq!(revocation_questions(&world.token, &world.anchors).unwrap(), []);
    let report = world.verify(std::slice::from_ref(&list));
    assert_eq!(codes(&report), [FindingCode::RevocationUnknown], "{:?}", report.findings);
    let expected = "it is believed itself, and the certificate of its issuer is not at hand, so that \
                    nobody can be asked";
    assert_eq!(missing(&report), expected);
    // In the trust store or in a list.
    for anchors in [anchors(&world, &["tsa", "authority"]), listing(&world, &["tsa"], "authority")]
    {
        world.anchors = anchors;
        let report = world.verify(std::slice::from_ref(&list));
        assert_eq!(codes(&report), [], "{:?}", report.findings);
    }
}
