//! Authorities that the archive knows to be revoked: their time-stamps are not taken as first ones.

use rstest::rstest;

use sigillo_evidence_log::{StampOutcome, stamp_sealings};

use crate::{
    gathering::ask_again,
    validation::{Far, RealClock, has_openssl, stamp},
    world::{Place, World},
};

/// What was refused, in words.
fn refused(outcome: &StampOutcome) -> String {
    outcome.refused.iter().map(|it| &*it.words).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_known_to_be_revoked_gives_no_first_time_stamp() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    far.list_revoked("250101000000Z,superseded", "20");
    // It is learnt with the first time-stamp, and no other is taken.
    assert_eq!(stamp(&world, &far).await.gathered.revoked.len(), 1);
    let outcome = stamp(&world, &far).await;
    assert_eq!((outcome.stamped.len(), outcome.waiting), (0, 1), "{outcome:?}");
    let words = refused(&outcome);
    assert!(words.contains("was revoked on 2025-01-01T00:00:00Z (superseded)"), "{words}");
    assert!(words.contains("another authority, or a new certificate"), "{words}");
    // Nor on another line.
    let mut log = world.writer().await;
    let (line, authorities) = ("plain-sha256-other", &far.authorities);
    let (clock, entropy) = (&RealClock, &*world.entropy);
    let other = stamp_sealings(&mut log, line, authorities, clock, entropy).await.unwrap();
    assert_eq!((other.stamped.len(), other.waiting), (0, 2), "{other:?}");
    // Nothing is lost.
    far.certify("22", 4000);
    let outcome = stamp(&world, &far).await;
    assert_eq!((outcome.stamped.len(), outcome.waiting), (2, 0), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_hold_gives_none_until_it_is_learnt_that_this_ended() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    far.list_revoked("250101000000Z,certificateHold", "20");
    stamp(&world, &far).await;
    let outcome = stamp(&world, &far).await;
    assert_eq!((outcome.stamped.len(), outcome.waiting), (0, 1), "{outcome:?}");
    let words = refused(&outcome);
    assert!(words.contains("(on hold)") && words.contains("renew --gather --yes"), "{words}");
    // Lists state whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    far.list_as_of(0, None);
    assert_eq!(ask_again(&world, &far).await.stored, 1);
    assert_eq!(stamp(&world, &far).await.stamped.len(), 2);
}

#[rstest]
#[case::the_key_is_safe("superseded", 1)]
#[case::it_is_not("keyCompromise", 0)]
#[tokio::test(flavor = "multi_thread")]
async fn who_is_to_be_revoked_gives_time_stamps_until_then_if_the_key_is_safe(
    #[case] reason: &str,
    #[case] stamped: usize,
) {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    far.revoke_in(10, reason);
    stamp(&world, &far).await;
    let outcome = stamp(&world, &far).await;
    assert_eq!(outcome.stamped.len(), stamped, "{outcome:?}");
}
