//! Revocations that are known of one time-stamp and concern others, and evidence that is none.

use std::{collections::BTreeSet, fs};

use bytes::Bytes;

use sigillo_evidence_log::{LogAudit, copy_revocations, read_validation};
use sigillo_model::{
    EvidenceKind, FindingCode, ListedEvidence, LogTime, ObjectKey, SealingStamped, Sha256Digest,
    VALIDATION_EVIDENCE_MAX, VALIDATION_FORMAT, ValidationList, to_canonical,
};

use crate::{
    gathering::{ask_again, audit, covered, plan, renew},
    validation::{Far, LINE, RealClock, has_openssl, stamp},
    world::{Place, World},
};

/// Returns which time-stamps an audit found to rest on a revoked certificate.
fn revoked(audit: &LogAudit) -> BTreeSet<&str> {
    let codes = [FindingCode::CertificateRevoked, FindingCode::RevokedLater];
    let found = audit.findings.iter().filter(|it| codes.contains(&it.code));
    found.map(|it| &*it.object).collect()
}

async fn stamped(world: &World, far: &Far) -> SealingStamped {
    stamp(world, far).await.stamped[0].clone()
}

/// Names evidence beside a sealing, in the next list.
async fn name(world: &World, of: &SealingStamped, number: u64, digests: Vec<Sha256Digest>) {
    let listed = |sha256| ListedEvidence { kind: EvidenceKind::Crl, sha256, size_bytes: 1 };
    let list = ValidationList {
        at: LogTime::new("2026-01-01T00:00:00Z".parse().unwrap()),
        evidence: digests.into_iter().map(listed).collect(),
        format: VALIDATION_FORMAT,
        line: LINE.to_owned(),
        token_sha256: of.token_sha256,
    };
    let key = ObjectKey::validation_list(of.sealing, number);
    world.store.create(&key, Bytes::from(to_canonical(&list))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_learnt_of_one_time_stamp_is_so_for_all_by_its_certificate() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    let first = stamped(&world, &far).await;
    stamp(&world, &far).await;
    assert!(revoked(&audit(&world, &far).await).is_empty());
    far.revoke("keyCompromise");
    stamp(&world, &far).await;
    let audited = audit(&world, &far).await;
    assert_eq!(revoked(&audited).len(), 3, "{:?}", audited.findings);
    // It is put beside them too, and told each time.
    let planned = plan(&world, &far).await;
    assert_eq!((planned.copies.len(), planned.revoked.len()), (2, 3), "{planned:?}");
    let log = world.writer().await;
    assert_eq!(copy_revocations(&log, &planned, &RealClock).await.unwrap().stored, 2);
    let planned = plan(&world, &far).await;
    assert_eq!((planned.copies.len(), planned.revoked.len()), (0, 3), "{planned:?}");
    let archive = world.archive().await;
    let kept = read_validation(&archive, first.sealing, first.token_sha256).await.unwrap();
    assert!(kept.contains(&Bytes::from(far.list())), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_certificate_that_was_replaced_is_asked_about_again() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    far.revoke_in(10, "superseded");
    far.publish();
    assert_eq!(ask_again(&world, &far).await.stored, 1);
    assert!(revoked(&audit(&world, &far).await).is_empty());
    let planned = plan(&world, &far).await;
    assert_eq!((planned.wanting.len(), planned.unknown()), (1, 0), "{planned:?}");
    // Who says the same again says nothing new.
    far.new_list();
    let again = ask_again(&world, &far).await;
    assert_eq!((again.stored, again.unchanged), (0, 1), "{again:?}");
    far.revoke_in(10, "keyCompromise");
    assert_eq!(ask_again(&world, &far).await.stored, 1);
    assert_eq!(revoked(&audit(&world, &far).await).len(), 1);
    let planned = plan(&world, &far).await;
    assert_eq!((planned.wanting.len(), planned.revoked.len()), (0, 1), "{planned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_lies_there_damaged_is_told_and_stops_nothing_else() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    let first = stamped(&world, &far).await;
    stamp(&world, &far).await;
    far.publish();
    let key = ObjectKey::validation(first.sealing, Sha256Digest::of(&far.list()));
    world.store.create(&key, Bytes::from_static(b"damaged")).await.unwrap();
    let outcome = ask_again(&world, &far).await;
    assert_eq!(outcome.damaged, std::slice::from_ref(&key), "{outcome:?}");
    assert_eq!(outcome.stored, 1);
    let list = ObjectKey::validation_list(first.sealing, 1);
    assert!(!world.keys_in_folder().contains(&list), "nothing names what is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_covers_evidence_and_nothing_else() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    let first = stamped(&world, &far).await;
    // Of no form, and of somebody else by the same name.
    let strange = Far::new(true).list();
    let mut named = Vec::new();
    for junk in [b"junk".to_vec(), strange] {
        let digest = Sha256Digest::of(&junk);
        let key = ObjectKey::validation(first.sealing, digest);
        world.store.create(&key, Bytes::from(junk)).await.unwrap();
        named.push(digest);
    }
    name(&world, &first, 2, named).await;
    let archive = world.archive().await;
    let there = read_validation(&archive, first.sealing, first.token_sha256).await.unwrap();
    assert_eq!(there.len(), 3);
    let body = renew(&world, &far, false).await;
    assert_eq!(covered(&world, &body), [[Sha256Digest::of(&far.list()).into()]]);
    // So nobody misses the rest.
    fs::remove_dir_all(world.file(&ObjectKey::validation_list(first.sealing, 1)).parent().unwrap())
        .unwrap();
    let audited = audit(&world, &far).await;
    let lost = audited.findings.iter().filter(|it| it.code == FindingCode::CoveredEvidenceLost);
    assert_eq!(lost.count(), 1, "{:?}", audited.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_evidence_than_is_looked_at_is_told() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    let first = stamped(&world, &far).await;
    let absent = |from: usize| {
        let digests = (from..from + 500).map(|it| Sha256Digest::of(&it.to_be_bytes()));
        digests.collect::<Vec<_>>()
    };
    for list in 0..VALIDATION_EVIDENCE_MAX / 500 {
        name(&world, &first, list as u64 + 1, absent(list * 500)).await;
    }
    let told = |audit: LogAudit| {
        let told =
            audit.findings.into_iter().filter(|it| it.code == FindingCode::RevocationUnknown);
        told.filter(|it| it.message.contains("than the 1000 pieces")).count()
    };
    assert_eq!(told(audit(&world, &far).await), 0);
    name(&world, &first, 3, absent(10_000)).await;
    assert_eq!(told(audit(&world, &far).await), 1);
    far.publish();
    assert_eq!(ask_again(&world, &far).await.stored, 1);
    let archive = world.archive().await;
    let kept = read_validation(&archive, first.sealing, first.token_sha256).await.unwrap();
    assert!(kept.is_empty(), "it is beyond what is read, which is told");
    // The same names again and again end as well.
    let second = stamped(&world, &far).await;
    for list in 2..24 {
        name(&world, &second, list, absent(0)).await;
    }
    assert_eq!(told(audit(&world, &far).await), 1);
    let cut = audit(&world, &far).await.findings.into_iter();
    let cut = cut.filter(|it| it.message.contains("on 2 time-stamps"));
    assert_eq!(cut.count(), 1);
}
