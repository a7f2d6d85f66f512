//! Paths over a certificate between the authority's and the anchor.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{sync::mpsc, thread, time::Duration};

use sigillo_ers::{
    AlgorithmTable, CertificateRole, DueCause, HashFunction, Trust, TrustAnchors, VerifiedToken,
    renewals_due, token_certificate_end, token_renewals_due, verify_token,
};
use sigillo_model::{FindingCode, Severity};

use crate::{
    forge::{Forgery, KEY_USAGE, Node, change_certificate, extensions},
    world::{Key, World, certificate, content, time, verify_lone},
};

const MIDDLE: &str = "Sigillo TRIAL middle";
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 14];

/// Verifies a token whose authority is certified by a middle one, altered by `change`.
fn verify(change: impl FnOnce(&mut Node)) -> VerifiedToken {
    let (world, token) = under_the_middle(change);
    verify_token(&token, World::request().imprint, &world.anchors).unwrap()
}

/// Makes a token whose authority is certified by a middle one, altered by `change`.
fn under_the_middle(change: impl FnOnce(&mut Node)) -> (World, Vec<u8>) {
    let mut world = World::new();
    let middle_key = Key::generate();
    // A root of its own first, then certified by the other root.
    let mut own = content(CertificateRole::TrialRoot, MIDDLE, &middle_key, &middle_key);
    MIDDLE.clone_into(&mut own.issuer);
    let own = certificate(&own, &middle_key);
    let root_name = Node::parse(&world.root).at(&[0, 5]).clone();
    let middle = change_certificate(&own, &world.root_key, |tbs| {
        *tbs.at(&[3]) = root_name;
        // The key identifiers still name its own key: they are hints, and webpki takes none.
        change(tbs);
    });
    let mut under_it = content(
        CertificateRole::TrialTimeStamping,
        "TRIAL under the middle",
        &world.tsa_key,
        &middle_key,
    );
    MIDDLE.clone_into(&mut under_it.issuer);
    world.tsa = certificate(&under_it, &middle_key);
    let request = World::request();
    let token = Forgery::of_response(&world.response(&request, &[middle])).token();
    (world, token)
}

/// A table in which nothing ends.
const TABLE: &str = "source = \"made up\"\nissued = \"2026-01-01\"\n[[hash]]\nname = \"SHA-256\"\n\
                     [[signature]]\nscheme = \"ecdsa\"\nbits_min = 256\n";

#[test]
fn evidence_ends_with_the_first_certificate_of_its_path() {
    // The middle one ends in 2030, the signer's in 2036.
    let (world, token) = under_the_middle(|tbs| tbs.at(&[4, 1]).bytes = b"300101000000Z".to_vec());
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    let end = time("2030-01-01T00:00:00Z");
    for (at, codes) in [
        ("2029-12-31T00:00:00Z", &[][..]),
        ("2030-01-02T00:00:00Z", &[FindingCode::EvidenceEnded]),
        ("2040-01-01T00:00:00Z", &[FindingCode::EvidenceEnded]),
    ] {
        let report =
            verify_lone(&token, HashFunction::Sha256, &world.anchors, (&algorithms, time(at)));
        let doubts = report.findings.iter().filter(|it| it.severity > Severity::Note);
        assert_eq!(doubts.map(|it| it.code).collect::<Vec<_>>(), codes, "{at}");
        let due = renewals_due(&report.stamps[0], &algorithms);
        // Where the signer's ended too, its own path is what is known.
        assert_eq!(due[0].before, Some(end), "{at}");
    }
    let by = (&world.anchors, time("2027-01-01T00:00:00Z"));
    let due = token_renewals_due(&token, &algorithms, by).unwrap();
    assert_eq!((due[0].before, due[0].cause), (Some(end), DueCause::Certificate));
    assert_eq!(token_certificate_end(&token, by), Ok(end));
}

#[test]
fn a_path_over_a_middle_certificate_is_found() {
    let verified = verify(|_| {});
    assert_eq!(verified.trust, Trust::Anchored { anchor: "trial".to_owned() });
    assert_eq!(verified.stray_certificates, 0);
}

#[track_caller]
fn check_unknown(change: impl FnOnce(&mut Node)) {
    let verified = verify(change);
    assert_eq!(verified.trust, Trust::Unknown);
    assert_eq!(verified.stray_certificates, 1);
}

#[test]
fn a_key_that_may_not_certify_makes_no_path() {
    check_unknown(|tbs| {
        let index = extensions(tbs).position_of(KEY_USAGE);
        // digitalSignature only.
        extensions(tbs).at(&[index, 2]).bytes = vec![3, 2, 7, 0x80];
    });
}

#[test]
fn a_certificate_that_is_no_authority_makes_no_path() {
    check_unknown(|tbs| {
        let index = extensions(tbs).position_of(BASIC_CONSTRAINTS);
        extensions(tbs).at(&[index, 2]).bytes = vec![0x30, 0];
    });
}

#[test]
fn an_expired_middle_certificate_makes_no_path() {
    check_unknown(|tbs| tbs.at(&[4, 1]).bytes = b"261125083014Z".to_vec());
}

#[test]
fn a_middle_certificate_for_other_purposes_makes_no_path() {
    check_unknown(|tbs| {
        // Extended key usage, server authentication only, instead of the key identifier.
        let index = extensions(tbs).position_of(SUBJECT_KEY_IDENTIFIER);
        *extensions(tbs).at(&[index]) = Node::list(
            0x30,
            vec![
                Node::leaf(6, &[0x55, 0x1d, 37]),
                Node::leaf(4, &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1]),
            ],
        );
    });
}

#[test]
fn an_unknown_critical_extension_makes_no_path() {
    check_unknown(|tbs| {
        let fields = vec![Node::leaf(6, &[0x2a, 3]), Node::leaf(1, &[0xff]), Node::leaf(4, &[])];
        extensions(tbs).nodes.push(Node::list(0x30, fields));
    });
}

/// Verifies a token whose authority is certified by an anchor, altered by `change`.
#[track_caller]
fn check_anchor(change: impl FnOnce(&mut Node), counts: bool) {
    let world = World::new();
    let root = change_certificate(&world.root, &world.root_key, change);
    let mut anchors = TrustAnchors::new();
    anchors.add_der("altered", &root).unwrap();
    let token = Forgery::of_response(&world.response(&World::request(), &[])).token();
    let verified = verify_token(&token, World::request().imprint, &anchors).unwrap();
    let anchored = Trust::Anchored { anchor: "altered".to_owned() };
    assert_eq!(verified.trust, if counts { anchored } else { Trust::Unknown });
}

fn remove(tbs: &mut Node, extension: &[u8]) {
    let index = extensions(tbs).position_of(extension);
    extensions(tbs).nodes.remove(index);
}

#[test]
fn an_anchor_certifies_others_only_if_it_may() {
    let no_authority = |tbs: &mut Node| {
        let index = extensions(tbs).position_of(BASIC_CONSTRAINTS);
        extensions(tbs).at(&[index, 2]).bytes = vec![0x30, 0];
    };
    check_anchor(no_authority, false);
    let no_usage = |tbs: &mut Node| {
        let index = extensions(tbs).position_of(KEY_USAGE);
        extensions(tbs).at(&[index, 2]).bytes = vec![3, 2, 7, 0x80];
    };
    check_anchor(no_usage, false);
    let neither = |tbs: &mut Node| {
        remove(tbs, BASIC_CONSTRAINTS);
        remove(tbs, KEY_USAGE);
    };
    check_anchor(neither, false);
    check_anchor(|tbs| remove(tbs, BASIC_CONSTRAINTS), true);
    check_anchor(|tbs| remove(tbs, KEY_USAGE), true);
    // Of version 1 there are no extensions.
    let first_version = |tbs: &mut Node| {
        tbs.nodes.remove(0);
        tbs.nodes.pop();
    };
    check_anchor(first_version, true);
    check_anchor(|_| {}, true);
}

#[test]
fn an_anchor_stays_one_after_its_own_certificate_has_ended() {
    check_anchor(|tbs| tbs.at(&[4, 1]).bytes = b"260201000000Z".to_vec(), true);
}

/// Makes a certificate that states `issuer` for `subject`, signed by a key of nobody.
fn made_up(subject: &str, issuer: &str) -> Vec<u8> {
    let key = Key::generate();
    let mut content = content(CertificateRole::TrialRoot, subject, &key, &key);
    subject.clone_into(&mut content.issuer);
    let name = certificate(&content, &key);
    issuer.clone_into(&mut content.subject);
    issuer.clone_into(&mut content.issuer);
    let above = Node::parse(&certificate(&content, &key)).at(&[0, 5]).clone();
    change_certificate(&name, &key, |tbs| {
        *tbs.at(&[3]) = above;
        // With authorities below it, however many.
        let index = extensions(tbs).position_of(BASIC_CONSTRAINTS);
        extensions(tbs).at(&[index, 2]).bytes = vec![0x30, 3, 1, 1, 0xff];
    })
}

#[test]
fn of_certificates_beside_a_time_stamp_only_those_named_above_it_take_part() {
    // 25 of names that nobody asks for.
    let (world, token) = under_the_middle(|_| {});
    let strays: Vec<_> = (0..25).map(|n| made_up(&format!("TRIAL stray {n}"), MIDDLE)).collect();
    let mut token = Forgery(Node::parse(&token));
    let mut beside = token.certificates().nodes.iter().map(Node::encode);
    let middle = beside.find(|it| *it != world.tsa).unwrap();
    let all = [&strays[..], &[middle]].concat();
    let token = Forgery::of_response(&world.response(&World::request(), &all)).token();
    let verified = verify_token(&token, World::request().imprint, &world.anchors).unwrap();
    assert_eq!(verified.trust, Trust::Anchored { anchor: "trial".to_owned() });
    assert_eq!(verified.stray_certificates, 25);
}

#[test]
fn many_certificates_of_one_name_do_not_take_long() {
    // Each may be above each: without a bound there are more paths than can be tried.
    let mut world = World::new();
    let same: Vec<_> = (0..28).map(|_| made_up("TRIAL loop", "TRIAL loop")).collect();
    let mut under = content(
        CertificateRole::TrialTimeStamping,
        "TRIAL under it",
        &world.tsa_key,
        &world.root_key,
    );
    "TRIAL loop".clone_into(&mut under.issuer);
    world.tsa = certificate(&under, &world.root_key);
    let token = Forgery::of_response(&world.response(&World::request(), &same)).token();
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        for _ in 0..300 {
            let verified = verify_token(&token, World::request().imprint, &world.anchors).unwrap();
            assert_eq!(verified.trust, Trust::Unknown);
        }
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
}
