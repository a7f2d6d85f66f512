//! Evidence whose own signature did not hold until something covered it: it takes trust away and gives none.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use jiff::Timestamp;
use sigillo_ers::{RevocationEffect, RevocationSet, RevocationStatus};

use crate::revocations::{GOOD, Installation, TSA, has_openssl, issue_until, of_tsa};

/// What is known of the certificate of the time-stamping authority at a time.
fn told(world: &Installation, evidence: &[&[u8]], at: &str) -> RevocationStatus {
    let at: Timestamp = format!("{at}-01-01T00:00:00Z").parse().unwrap();
    let mut set = RevocationSet::new();
    for bytes in evidence {
        set.add("file", bytes).unwrap();
    }
    of_tsa(&world.verify_as(&world.record(), Some(&set), Some(at)))
}

#[track_caller]
fn is_not_covered(status: &RevocationStatus) {
    let RevocationStatus::Unknown { missing } = status else { panic!("it counted: {status:?}") };
    assert!(missing.contains("nothing covered it by then"), "{missing}");
}

#[test]
fn a_list_counts_while_its_signer_lasts_unless_it_takes_trust_away() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    // When all certificates have ended, and nothing covered the evidence before.
    is_not_covered(&told(&world, &[&world.list("authority", 1, &[], "")], "2041"));
    let void = world.list("authority", 1, &[(TSA, -1, "superseded")], "");
    let found = told(&world, &[&void], "2041");
    assert!(matches!(found, RevocationStatus::Revoked { .. }), "{found:?}");
    // Revoked so that it means nothing for the time-stamp is as good as not revoked.
    let safe = world.list("authority", 1, &[(TSA, 9, "superseded")], "");
    assert!(matches!(told(&world, &[&safe], "2035"), RevocationStatus::Revoked { .. }));
    is_not_covered(&told(&world, &[&safe], "2041"));
}

#[test]
fn whoever_has_the_ended_key_of_a_responder_cannot_prove_anything() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    issue_until("30", world.path(), "brief", "responder", ("authority", "31"));
    let revoked =
        |reason| format!("R\t400101000000Z\t290101000000Z,{reason}\t20\tunknown\t/CN=tsa\n");
    let [safe, unsafe_key] =
        ["superseded", "keyCompromise"].map(|it| world.answer("brief", &revoked(it)));
    assert!(matches!(told(&world, &[&safe], "2029"), RevocationStatus::Revoked { .. }));
    is_not_covered(&told(&world, &[&safe], "2035"));
    is_not_covered(&told(&world, &[&world.answer("brief", GOOD)], "2035"));
    let list = world.list("authority", 1, &[], "");
    let found = told(&world, &[&list, &safe], "2035");
    assert!(matches!(found, RevocationStatus::Good { .. }), "{found:?}");
    // It does not make less of what somebody says whose key did not end.
    let grave = world.list("authority", 2, &[(TSA, 9, "keyCompromise")], "");
    for both in [[&grave[..], &safe], [&safe, &grave]] {
        let found = told(&world, &both, "2035");
        let effect = RevocationEffect::Doubtful;
        assert!(
            matches!(found, RevocationStatus::Revoked { effect: it, .. } if it == effect),
            "{found:?}"
        );
    }
    // What takes trust away counts.
    let found = told(&world, &[&list, &unsafe_key], "2035");
    assert!(matches!(found, RevocationStatus::Revoked { .. }), "{found:?}");
}

#[test]
fn whoever_has_the_ended_key_of_an_issuer_silences_no_responder() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    issue_until("49", world.path(), "long", "responder", ("authority", "31"));
    let revoked = "R\t400101000000Z\t200101000000Z,keyCompromise\t20\tunknown\t/CN=tsa\n";
    let answer = world.answer("long", revoked);
    let forged = world.list("authority", 0, &[("31", -9, "keyCompromise")], "");
    let void = RevocationEffect::Void;
    for evidence in [&[&answer[..]][..], &[&answer, &forged], &[&forged, &answer]] {
        let found = told(&world, evidence, "2045");
        assert!(
            matches!(found, RevocationStatus::Revoked { effect, .. } if effect == void),
            "{found:?}"
        );
    }
    // While its key holds the issuer may do so, and at any time whoever says good counts no more.
    let found = told(&world, &[&answer, &forged], "2035");
    assert!(!matches!(found, RevocationStatus::Revoked { .. }), "{found:?}");
    let good = world.answer("long", GOOD);
    assert!(matches!(told(&world, &[&good], "2045"), RevocationStatus::Good { .. }));
    let found = told(&world, &[&good, &forged], "2045");
    assert!(matches!(found, RevocationStatus::Unknown { .. }), "{found:?}");
}
