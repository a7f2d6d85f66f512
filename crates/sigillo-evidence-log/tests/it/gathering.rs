//! What audits make of revocation evidence, and gathering it again.

use std::fs;

use jiff::SignedDuration;

use sigillo_ers::AlgorithmTable;
use sigillo_evidence_log::{
    AuditKnowledge, AuditTime, GatherOutcome, GatherPlan, GatherRules, LogAudit, RENEWAL_LEAD,
    RenewOutcome, RenewalPlan, RenewalRules, Renewer, gather_again, plan_gathering, plan_renewals,
    read_validation,
};
use sigillo_model::{
    Clock as _, EvidenceDigest, EvidenceRenewed, FindingCode, ObjectKey, RenewalMembers,
    Sha256Digest, parse_canonical, to_canonical,
};

use crate::{
    validation::{Far, LINE, RealClock, has_openssl, stamp},
    world::{Place, World},
};

/// SHA-256 and ECDSA hold for ever.
pub(crate) const TABLE: &str = r#"
    source = "a future that was made up"
    issued = "2026-01-01"
    [[hash]]
    name = "SHA-256"
    [[signature]]
    scheme = "ecdsa"
    bits_min = 256
"#;

/// Returns the table by which everything here holds.
pub(crate) fn algorithms() -> AlgorithmTable {
    AlgorithmTable::from_toml(TABLE).unwrap()
}

pub(crate) async fn audit(world: &World, far: &Far) -> LogAudit {
    audit_in(1, world, far).await
}

/// Audits as of some days from now.
async fn audit_in(days: i64, world: &World, far: &Far) -> LogAudit {
    let at = RealClock.now() + SignedDuration::from_hours(24 * days);
    let algorithms = algorithms();
    world
        .audit_of(AuditKnowledge {
            anchors: far.anchors.clone(),
            log_key_trusted: true,
            seen: None,
            seen_before: Vec::new(),
            time: Some(AuditTime { algorithms, at }),
        })
        .await
}

/// Returns how many time-stamps of an audit are known about, and how many not.
fn counts(audit: &LogAudit) -> (u64, u64, u64) {
    let told = audit.findings.iter().filter(|it| it.code == FindingCode::RevocationUnknown).count();
    let revocation = &audit.revocation;
    assert_eq!(told, usize::from(revocation.unknown > 0), "one finding for all");
    (revocation.known, revocation.unknown, revocation.trial)
}

pub(crate) async fn plan(world: &World, far: &Far) -> GatherPlan {
    let rules =
        GatherRules { anchors: &far.anchors, algorithms: &algorithms(), at: RealClock.now() };
    plan_gathering(&world.archive().await, &rules).await.unwrap()
}

/// Gathers again; returns how many answers were kept, how many addresses gave nothing, and for how
/// many time-stamps nothing new came.
async fn gather(world: &World, far: &Far) -> (usize, usize, usize) {
    let outcome = ask_again(world, far).await;
    (outcome.stored, outcome.refused.len(), outcome.unchanged)
}

pub(crate) async fn ask_again(world: &World, far: &Far) -> GatherOutcome {
    let (plan, log) = (plan(world, far).await, world.writer().await);
    let rules =
        GatherRules { anchors: &far.anchors, algorithms: &algorithms(), at: RealClock.now() };
    gather_again(&log, &plan, &rules, &far.authorities, &RealClock).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_says_by_which_lists_it_judged_and_what_it_cannot_tell() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    let outcome = stamp(&world, &far).await;
    let audited = audit(&world, &far).await;
    assert_eq!(counts(&audited), (1, 0, 0), "{:?}", audited.findings);
    let evidence = audited.revocation.evidence();
    let [used] = &evidence[..] else { panic!("{evidence:?}") };
    assert_eq!((used.not_revoked, used.revoked), (1, 0));
    let key = ObjectKey::validation(outcome.stamped[0].sealing, used.source.sha256);
    assert_eq!(used.source.name, key.as_str());
    // Damaged, it says nothing; damage it is not.
    let file = world.file(&key);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let audited = audit(&world, &far).await;
    assert_eq!(counts(&audited), (0, 1, 0), "{:?}", audited.findings);
    // Without a time nothing is judged.
    let audited = world.audit().await;
    assert_eq!(counts(&audited), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_what_was_revoked_before_it_was_stamped() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    far.revoke("superseded");
    let stamped = stamp(&world, &far).await;
    assert_eq!(stamped.gathered.stored, 1);
    let [revoked] = &stamped.gathered.revoked[..] else { panic!("{:?}", stamped.gathered) };
    assert_eq!(revoked.token_sha256, stamped.stamped[0].token_sha256);
    let audited = audit(&world, &far).await;
    let codes: Vec<_> = audited.findings.iter().map(|it| it.code).collect();
    assert!(codes.contains(&FindingCode::CertificateRevoked), "{:?}", audited.findings);
    assert_eq!(audited.revocation.evidence()[0].revoked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_to_be_had_at_stamping_is_gathered_later_and_once() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    for _ in 0..3 {
        assert_eq!(stamp(&world, &far).await.gathered.stored, 0);
    }
    let planned = plan(&world, &far).await;
    assert_eq!((planned.wanting.len(), planned.known, planned.nobody), (3, 0, 0));
    assert!(planned.wanting[0].why.contains("no revocation list"), "{planned:?}");
    assert!(planned.wanting[0].addresses[0].ends_with("/a.crl"), "{planned:?}");
    // Nobody knows more than before; of each address that is told once.
    assert_eq!(gather(&world, &far).await, (0, 1, 3));
    far.publish();
    far.new_list();
    let (before, first) = (world.keys_in_folder().len(), plan(&world, &far).await);
    assert_eq!(gather(&world, &far).await, (3, 0, 0));
    let after = world.keys_in_folder().len();
    assert_eq!(after, before + 6, "a list and what it names for each");
    assert_eq!(plan(&world, &far).await.wanting.len(), 0);
    assert_eq!(gather(&world, &far).await, (0, 0, 0), "enough is known");
    // By the plan of before, the same comes again and is not kept again.
    let rules =
        GatherRules { anchors: &far.anchors, algorithms: &algorithms(), at: RealClock.now() };
    let (log, clock) = (world.writer().await, &RealClock);
    let again = gather_again(&log, &first, &rules, &far.authorities, clock).await.unwrap();
    assert_eq!((again.stored, again.unchanged), (0, 3));
    assert_eq!(world.keys_in_folder().len(), after);
    assert_eq!(counts(&audit(&world, &far).await), (3, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filled_time_stamp_brings_from_before_it_is_not_asked_about_for_ever() {
    if !has_openssl() {
        return;
    }
    let (world, mut far) = (World::new(Place::Folder).await, Far::new(true));
    far.authorities = far.authorities.clone().filling_tokens();
    // Lists state whole seconds: that in the time-stamp is of an earlier one.
    let second = std::time::Duration::from_millis(1_100);
    tokio::time::sleep(second).await;
    let outcome = stamp(&world, &far).await;
    assert_eq!((outcome.stamped.len(), outcome.gathered.stored), (1, 0), "{outcome:?}");
    assert_eq!(plan(&world, &far).await.unknown(), 1);
    // What is in it is not kept once more.
    assert_eq!(gather(&world, &far).await, (0, 0, 1));
    tokio::time::sleep(second).await;
    far.new_list();
    assert_eq!(gather(&world, &far).await, (1, 0, 0));
    let planned = plan(&world, &far).await;
    assert_eq!((planned.wanting.len(), planned.known), (0, 1), "{planned:?}");
}

/// Renews everything with a certificate that lasts longer, and returns what the log says of it.
pub(crate) async fn renew(world: &World, far: &Far, over_lost: bool) -> EvidenceRenewed {
    far.certify_again();
    renew_now(world, far, over_lost).await
}

/// Says what is to be renewed if everything is, with new hash trees if they are wanted.
pub(crate) async fn renewals(world: &World, far: &Far, all_trees: bool) -> RenewalPlan {
    planned(world, far, (all_trees, false)).await
}

async fn planned(world: &World, far: &Far, (all_trees, over_lost): (bool, bool)) -> RenewalPlan {
    let algorithms = algorithms();
    let rules = RenewalRules {
        line: LINE,
        anchors: &far.anchors,
        algorithms: &algorithms,
        at: RealClock.now(),
        lead: RENEWAL_LEAD,
        all: true,
        all_trees,
        over_lost,
    };
    plan_renewals(&world.archive().await, &rules).await.unwrap()
}

/// Renews everything with the certificate that the authority has.
pub(crate) async fn renew_now(world: &World, far: &Far, over_lost: bool) -> EvidenceRenewed {
    try_renewing(world, far, over_lost).await.renewed[0].0.clone()
}

/// Does the same, and returns what became of it.
pub(crate) async fn try_renewing(world: &World, far: &Far, over_lost: bool) -> RenewOutcome {
    let algorithms = algorithms();
    let planned = planned(world, far, (false, over_lost)).await;
    let renewer = Renewer {
        authorities: &far.authorities,
        anchors: &far.anchors,
        algorithms: &algorithms,
        clock: &RealClock,
        entropy: &*world.entropy,
    };
    renewer.renew(&mut world.writer().await, &planned).await.unwrap()
}

/// Returns the digests of evidence in `members.json` of a renewal, sealing by sealing.
pub(crate) fn covered(world: &World, body: &EvidenceRenewed) -> Vec<Vec<EvidenceDigest>> {
    let bytes = fs::read(world.file(&ObjectKey::renewal_members(body.renewal))).unwrap();
    let members: RenewalMembers = parse_canonical(&bytes).unwrap();
    members.members.into_iter().map(|it| it.validation).collect()
}

/// Days after which the certificate that signed all lists has ended.
const LISTER_ENDED_DAYS: i64 = 7_400;

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_a_renewal_covers_outlives_who_signed_it() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    for _ in 0..2 {
        assert_eq!(stamp(&world, &far).await.gathered.stored, 1);
    }
    // Nothing covers it yet.
    let audited = audit_in(LISTER_ENDED_DAYS, &world, &far).await;
    assert_eq!(counts(&audited), (0, 2, 0), "{:?}", audited.findings);
    let body = renew(&world, &far, false).await;
    let first = covered(&world, &body);
    assert_eq!((first[0].len(), first[1].len()), (1, 1));
    // What is covered was current, too, when the renewal was made.
    let audited = audit_in(LISTER_ENDED_DAYS, &world, &far).await;
    assert_eq!(counts(&audited), (3, 0, 0), "{:?}", audited.findings);
    // What came after the renewal is covered by the next one.
    far.new_list();
    assert!(gather(&world, &far).await.0 > 0);
    let audited = audit_in(LISTER_ENDED_DAYS, &world, &far).await;
    assert_eq!(counts(&audited), (3, 0, 0), "{:?}", audited.findings);
    let body = renew(&world, &far, false).await;
    for (first, second) in first.iter().zip(covered(&world, &body)) {
        assert!(!second.is_empty() && !second.contains(&first[0]), "each is covered once");
    }
    let audited = audit_in(LISTER_ENDED_DAYS, &world, &far).await;
    assert_eq!(counts(&audited), (4, 0, 0), "{:?}", audited.findings);
    // Who asks again asks about the newest only: what is covered says enough for ever.
    let rules = GatherRules {
        anchors: &far.anchors,
        algorithms: &algorithms(),
        at: RealClock.now() + SignedDuration::from_hours(24 * LISTER_ENDED_DAYS),
    };
    let planned = plan_gathering(&world.archive().await, &rules).await.unwrap();
    assert_eq!((planned.known, planned.wanting.len()), (3, 1), "{planned:?}");
    assert!(!world.audit().await.findings.iter().any(|it| it.code.code().starts_with("F9")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_time_stamp_covered_is_covered_anew() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    assert_eq!(stamp(&world, &far).await.gathered.stored, 1);
    let lost = renew(&world, &far, false).await;
    assert_eq!(covered(&world, &lost)[0].len(), 1);
    fs::remove_file(world.file(&ObjectKey::renewal_token(lost.renewal))).unwrap();
    let audited = audit_in(LISTER_ENDED_DAYS, &world, &far).await;
    assert_eq!(counts(&audited), (0, 1, 0), "{:?}", audited.findings);
    let body = renew(&world, &far, true).await;
    assert_eq!(covered(&world, &body), covered(&world, &lost));
    let audited = audit_in(LISTER_ENDED_DAYS, &world, &far).await;
    assert_eq!(counts(&audited), (2, 0, 0), "{:?}", audited.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn covered_evidence_that_is_lost_or_changed_is_missed() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    let outcome = stamp(&world, &far).await;
    let body = renew(&world, &far, false).await;
    let [covered] = &covered(&world, &body)[0][..] else { panic!("one is covered") };
    let key = ObjectKey::validation(outcome.stamped[0].sealing, covered.sha256().unwrap());
    let told = |audit: LogAudit| {
        let lost = audit.findings.into_iter();
        let lost = lost.filter(|it| it.code == FindingCode::CoveredEvidenceLost);
        lost.map(|it| it.object).collect::<Vec<_>>()
    };
    assert_eq!(told(audit(&world, &far).await), Vec::<String>::new());
    let file = world.file(&key);
    let mut bytes = fs::read(&file).unwrap();
    bytes[10] ^= 1;
    fs::write(&file, bytes).unwrap();
    let members = ObjectKey::renewal_members(body.renewal).to_string();
    assert_eq!(told(audit(&world, &far).await), std::slice::from_ref(&members));
    fs::remove_file(&file).unwrap();
    assert_eq!(told(audit(&world, &far).await), [members]);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_was_not_covered_is_not_taken_for_it() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    stamp(&world, &far).await;
    let body = renew(&world, &far, false).await;
    let key = ObjectKey::renewal_members(body.renewal);
    let bytes = fs::read(world.file(&key)).unwrap();
    let mut members: RenewalMembers = parse_canonical(&bytes).unwrap();
    members.members[0].validation.clear();
    fs::write(world.file(&key), to_canonical(&members)).unwrap();
    let audited = audit(&world, &far).await;
    let told = audited.findings.iter().any(|it| it.code == FindingCode::RenewalDamaged);
    assert!(told, "{:?}", audited.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_renewals_it_is_gathered_and_judged_as_well() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    for _ in 0..2 {
        stamp(&world, &far).await;
    }
    let body = renew(&world, &far, false).await;
    assert_eq!(body.members, 2);
    // That of the renewal counts once, though it proves two sealings.
    assert_eq!(counts(&audit(&world, &far).await), (0, 3, 0));
    far.publish();
    far.new_list();
    assert_eq!(gather(&world, &far).await.0, 3);
    assert_eq!(counts(&audit(&world, &far).await), (3, 0, 0));
    let kept = read_validation(&world.archive().await, body.renewal, body.token_sha256).await;
    let kept = kept.unwrap();
    let key = ObjectKey::validation(body.renewal, Sha256Digest::of(&kept[0]));
    assert!(key.as_str().starts_with(&format!("renewals/{}/validation/", body.renewal)));
    assert!(world.keys_in_folder().contains(&key));
    far.revoke("keyCompromise");
    assert_eq!(plan(&world, &far).await.wanting.len(), 0);
}

#[tokio::test]
async fn of_trial_time_stamps_nothing_is_known_or_asked() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    log.commit(&[world.batch(1).await]).await.unwrap();
    world.sealed(&mut log).await;
    world.stamp(&mut log).await;
    let rules =
        GatherRules { anchors: &world.anchors(), algorithms: &algorithms(), at: world.clock.now() };
    let planned = plan_gathering(&world.archive().await, &rules).await.unwrap();
    assert_eq!((planned.wanting.len(), planned.trial), (0, 1));
    let algorithms = algorithms();
    let time = Some(AuditTime { algorithms, at: world.clock.now() });
    let anchors = world.anchors();
    let audited = world
        .audit_of(AuditKnowledge {
            anchors,
            log_key_trusted: true,
            seen: None,
            seen_before: Vec::new(),
            time,
        })
        .await;
    assert_eq!(counts(&audited), (0, 0, 1));
}
