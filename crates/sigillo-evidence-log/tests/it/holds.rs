//! Certificates on hold: they are asked about again, and a hold that ended was none.

use jiff::SignedDuration;
use rstest::rstest;

use sigillo_ers::AlgorithmTable;
use sigillo_evidence_log::{
    GatherOutcome, GatherPlan, GatherRules, LogAudit, copy_revocations, gather_again,
    plan_gathering, stamp_sealings,
};
use sigillo_model::{Clock as _, FindingCode};

use crate::{
    gathering::{algorithms, audit},
    validation::{Far, LINE, RealClock, has_openssl, stamp},
    world::{Place, World},
};

/// In an hour, when all lists were made.
fn rules<'a>(far: &'a Far, algorithms: &'a AlgorithmTable) -> GatherRules<'a> {
    let at = RealClock.now() + SignedDuration::from_hours(1);
    GatherRules { anchors: &far.anchors, algorithms, at }
}

async fn plan(world: &World, far: &Far) -> GatherPlan {
    plan_gathering(&world.archive().await, &rules(far, &algorithms())).await.unwrap()
}

async fn ask(world: &World, far: &Far) -> GatherOutcome {
    let (plan, log) = (plan(world, far).await, world.writer().await);
    gather_again(&log, &plan, &rules(far, &algorithms()), &far.authorities, &RealClock)
        .await
        .unwrap()
}

/// Counts the time-stamps that an audit found to rest on a revoked certificate.
fn revoked(audit: &LogAudit) -> usize {
    let codes = [FindingCode::CertificateRevoked, FindingCode::RevokedLater];
    audit.findings.iter().filter(|it| codes.contains(&it.code)).count()
}

#[rstest]
#[case::later(30)]
#[case::when_it_was_stamped(-86_400)]
#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_hold_is_asked_about_until_that_ends(#[case] since: i64) {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    far.publish();
    let hold = Some((since, "certificateHold"));
    far.list_as_of(60, hold);
    assert_eq!(ask(&world, &far).await.stored, 1);
    let planned = plan(&world, &far).await;
    assert_eq!((planned.wanting.len(), planned.unknown()), (1, 0), "{planned:?}");
    assert!(matches!(planned.revoked[..], [ref one] if one.on_hold), "{planned:?}");
    assert_eq!(revoked(&audit(&world, &far).await), 1);
    // It ended.
    far.list_as_of(120, None);
    let again = ask(&world, &far).await;
    assert_eq!((again.stored, again.unchanged), (1, 0), "{again:?}");
    let planned = plan(&world, &far).await;
    assert_eq!((planned.wanting.len(), planned.revoked.len()), (0, 0), "{planned:?}");
    assert_eq!(revoked(&audit(&world, &far).await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_hold_ends_it_for_all_by_the_same_certificate() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    far.list_as_of(60, Some((-86_400, "certificateHold")));
    let mut log = world.writer().await;
    for _ in 0..3 {
        log.commit(&[world.batch(1).await]).await.unwrap();
        world.sealed(&mut log).await;
    }
    let (authorities, entropy) = (&far.authorities, &*world.entropy);
    let stamped = stamp_sealings(&mut log, LINE, authorities, &RealClock, entropy).await.unwrap();
    assert_eq!(stamped.gathered.stored, 3);
    assert_eq!(revoked(&audit(&world, &far).await), 3);
    // Nobody stamps with it until it is learnt that the hold ended, here of the first alone.
    far.list_as_of(120, None);
    let refused = stamp(&world, &far).await.refused;
    assert!(refused[0].words.contains("renew --gather"), "{refused:?}");
    let mut first = plan(&world, &far).await;
    first.wanting.truncate(1);
    let (log, table) = (world.writer().await, algorithms());
    let asked = gather_again(&log, &first, &rules(&far, &table), authorities, &RealClock).await;
    assert_eq!(asked.unwrap().stored, 1);
    let audited = audit(&world, &far).await;
    assert_eq!(revoked(&audited), 0, "{:?}", audited.findings);
    // It is put beside the others, too.
    let planned = plan(&world, &far).await;
    assert_eq!((planned.copies.len(), planned.revoked.len()), (2, 0), "{planned:?}");
    assert_eq!(planned.wanting.len(), 0, "{planned:?}");
    assert_eq!(copy_revocations(&log, &planned, &RealClock).await.unwrap().stored, 2);
    let planned = plan(&world, &far).await;
    assert_eq!((planned.copies.len(), planned.revoked.len()), (0, 0), "{planned:?}");
    // A later one counts again, for the one that waited and another.
    far.list_as_of(180, Some((150, "certificateHold")));
    assert_eq!(stamp(&world, &far).await.stamped.len(), 2);
    assert_eq!(revoked(&audit(&world, &far).await), 5);
}
