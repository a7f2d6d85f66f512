//! Evidence lines of SHA-512 while calls of the store go wrong, while others stamp, and with trees that are
//! not what they should be.

use std::{error::Error, sync::Arc};

use bytes::Bytes;

use sigillo_custody::{MadeTree, Rehasher, VerifyProgress};
use sigillo_evidence_log::{
    Archive, Chains, LogView, StampOutcome, StampWith, Stamping, read_view,
};
use sigillo_model::{
    BatchesSealed, HashTree, ObjectKey, RenewalId, Sha256Digest, Sha512Digest, Verdict,
};
use sigillo_testkit::{Fault, FaultPlan};

use crate::{
    sixty_years::{FIRST, World},
    support::slow,
};

/// The line of SHA-512 of these tests.
const LONG: &str = "plain-sha512-prova";

/// In the short form every so-many-th call goes wrong.
const EVERY: u64 = 9;

type Failed = Box<dyn Error + Send + Sync>;

/// Changes what a time-stamp is to cover.
type Change<'c> = &'c (dyn Fn(&mut HashTree) + Sync);

async fn make(
    world: &World,
    (archive, view): (&Archive, &LogView),
    sealing: &BatchesSealed,
) -> Result<MadeTree, Failed> {
    let chains = Chains::default();
    let progress = Arc::new(VerifyProgress::default());
    let rehasher =
        Rehasher { archive, cpu: &world.cpu, view, chains: &chains, line: LONG, progress };
    Ok(rehasher.first(sealing, RenewalId::random(&*world.entropy)).await?)
}

/// Stamps what waits on the line.
async fn stamp(world: &World, change: Change<'_>) -> Result<StampOutcome, Failed> {
    let mut log = world.try_writer().await?;
    let authorities = world.authorities(FIRST);
    let (clock, entropy) = (&world.clock, &*world.entropy);
    let with = StampWith { line: LONG, authorities: &authorities, clock, entropy };
    let mut stamping = Stamping::begin(&log, with).await?;
    for sealing in stamping.waiting() {
        let archive = log.archive().clone();
        let mut made = Box::pin(make(world, (&archive, stamping.view()), &sealing)).await?;
        change(&mut made.tree);
        if made.tree.sealings.is_empty() {
            break;
        }
        let made = Some(made.unstamped());
        if !Box::pin(stamping.stamp(&mut log, &sealing, made)).await? {
            break;
        }
    }
    Ok(stamping.finish(&log).await?)
}

async fn sealed() -> World {
    let world = World::new(false).await;
    Box::pin(world.ingest(FIRST)).await;
    assert_eq!(world.stamp(FIRST).await, 0);
    world
}

/// Counts the time-stamps on the line, which must be over all documents.
async fn stamps_on_line(world: &World) -> usize {
    let view = read_view(&world.archive().await).await.unwrap();
    let stamps: Vec<_> = view.stamps.iter().filter(|it| it.body.line == LONG).collect();
    for stamp in &stamps {
        let documents = stamp.body.tree.as_ref().map(|tree| tree.documents);
        assert_eq!(documents, Some(view.documents()), "nothing is left out for a passing failure");
    }
    stamps.len()
}

#[tokio::test]
async fn what_the_store_does_not_give_now_is_never_left_out_of_the_trees_of_a_line() {
    let mut world = sealed().await;
    Box::pin(world.ingest(FIRST + 1)).await;
    let (whole, view) = (world.store.clone(), read_view(&world.archive().await).await.unwrap());
    let sealing = view.unstamped(LONG)[0].body.clone();
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::LosesRequest] {
        let (mut number, mut failed) = (1, 0);
        loop {
            let faulty = FaultPlan::at(number, fault);
            world.store = faulty.wrap(&whole);
            if let Ok(archive) = world.try_archive().await {
                match Box::pin(make(&world, (&archive, &view), &sealing)).await {
                    Ok(made) => {
                        let call = faulty.trace().into_iter().find(|it| it.number == number);
                        assert_eq!(
                            (made.left_out, made.findings),
                            (0, vec![]),
                            "{fault:?}: {call:?}"
                        );
                    }
                    Err(_) => failed += 1,
                }
            }
            if !faulty.struck() {
                break;
            }
            number += 1;
        }
        assert!(number > 10 && failed > 5, "{number} calls only, of which {failed} stopped it");
    }
}

/// Stamps while a call of the store goes wrong, and sees that nothing acknowledged is lost and that the
/// same again brings it to its end. Returns whether the fault was reached.
async fn check_fault(number: u64, fault: Fault) -> bool {
    let mut world = sealed().await;
    let (whole, faulty) = (world.store.clone(), FaultPlan::at(number, fault));
    world.store = faulty.wrap(&whole);
    let stamped = Box::pin(stamp(&world, &|_| ())).await;
    let acknowledged = stamped.is_ok_and(|it| !it.stamped.is_empty());
    world.store = whole;
    let what = format!("call {number}, {fault:?}");
    drop(world.writer().await);
    let by_then = stamps_on_line(&world).await;
    assert!(by_then <= 1 && (!acknowledged || by_then == 1), "{what}");
    if by_then == 0 {
        let stamped = Box::pin(stamp(&world, &|_| ())).await.unwrap();
        assert_eq!((stamped.stamped.len(), stamped.waiting), (1, 0), "{what}");
    }
    Box::pin(world.audit(FIRST)).await;
    Box::pin(world.prove(FIRST)).await;
    faulty.struck()
}

#[tokio::test]
async fn whatever_call_goes_wrong_a_line_of_sha_512_has_its_time_stamp_or_waits() {
    let step = if slow() { 1 } else { EVERY };
    for fault in Fault::ALL {
        let mut number = 1;
        while Box::pin(check_fault(number, fault)).await {
            number += step;
        }
        assert!(number > 20, "{number} calls only");
    }
}

#[tokio::test]
async fn of_two_that_stamp_a_line_of_sha_512_at_once_one_counts() {
    let world = sealed().await;
    let authorities = world.authorities(FIRST);
    let (clock, entropy) = (&world.clock, &*world.entropy);
    let with = StampWith { line: LONG, authorities: &authorities, clock, entropy };
    let mut slow = world.writer().await;
    let mut stamping = Stamping::begin(&slow, with).await.unwrap();
    let sealing = stamping.waiting().remove(0);
    let archive = slow.archive().clone();
    let made = make(&world, (&archive, stamping.view()), &sealing).await.unwrap();
    assert_eq!(stamp(&world, &|_| ()).await.unwrap().stamped.len(), 1);
    assert!(stamping.stamp(&mut slow, &sealing, Some(made.unstamped())).await.unwrap());
    assert_eq!(stamping.finish(&slow).await.unwrap().stamped.len(), 0);
    assert_eq!(stamps_on_line(&world).await, 1);
    Box::pin(world.audit(FIRST)).await;
    Box::pin(world.prove(FIRST)).await;
}

#[tokio::test]
async fn a_line_of_sha_512_is_not_stamped_without_its_trees_nor_another_with_them() {
    let world = sealed().await;
    Box::pin(world.ingest(FIRST + 1)).await;
    let authorities = world.authorities(FIRST);
    let (clock, entropy) = (&world.clock, &*world.entropy);
    let mut log = world.writer().await;
    for (line, with_tree) in [(LONG, false), ("plain-sha256-prova", true)] {
        let with = StampWith { line, authorities: &authorities, clock, entropy };
        let mut stamping = Stamping::begin(&log, with).await.unwrap();
        let sealing = stamping.waiting().remove(0);
        let archive = log.archive().clone();
        let made = make(&world, (&archive, stamping.view()), &sealing).await.unwrap();
        let tree = with_tree.then_some(made.unstamped());
        assert!(!stamping.stamp(&mut log, &sealing, tree).await.unwrap(), "{line}");
        assert!(stamping.finish(&log).await.unwrap().stamped.is_empty(), "{line}");
    }
}

/// Stores the leaves of a batch that has none of its documents, and returns their digest and root.
async fn foreign_leaves(world: &World, count: usize) -> (Sha256Digest, Sha512Digest) {
    let leaves: Vec<_> = (0..count).map(|number| Sha512Digest::of(&number.to_be_bytes())).collect();
    let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
    let sha256 = Sha256Digest::of(&bytes);
    let key = ObjectKey::hash_tree_leaves(sha256);
    world.store.create(&key, Bytes::from(bytes)).await.unwrap();
    (sha256, sigillo_ers::tree_root(&leaves).unwrap())
}

#[tokio::test]
async fn a_tree_that_is_not_of_its_sealing_and_its_documents_is_found() {
    let count = {
        let world = sealed().await;
        read_view(&world.archive().await).await.unwrap().documents()
    };
    let other = || Sha512Digest::of(b"another");
    let changes: [(&str, Change<'_>); 6] = [
        ("do not give the value that it has there", &|it| it.sealings[0].value = other()),
        ("it is not in the store", &|it| it.objects.push(other())),
        ("it is another tree than the log says", &|it| it.sealings[0].number += 1),
        ("it is another tree than the log says", &|it| it.line = "plain-sha512-x".to_owned()),
        ("it names older time-stamps", &|it| it.sealings[0].tokens.push(Sha256Digest::of(b""))),
        ("it is of more sealings than one", &|it| it.sealings.push(it.sealings[0].clone())),
    ];
    for (said, change) in changes {
        let world = sealed().await;
        assert_eq!(stamp(&world, change).await.unwrap().stamped.len(), 1, "{said}");
        demand_damage(&world, said).await;
    }
    let world = sealed().await;
    let (sha256, root) = foreign_leaves(&world, usize::try_from(count).unwrap()).await;
    let change = |tree: &mut HashTree| {
        let batch = &mut tree.sealings[0].batches[0];
        (batch.leaves, batch.root) = (Some(sha256), Some(root));
    };
    assert_eq!(stamp(&world, &change).await.unwrap().stamped.len(), 1);
    demand_damage(&world, "do not give the leaves that they have there").await;
}

async fn demand_damage(world: &World, said: &str) {
    let report = Box::pin(world.verified()).await;
    assert_eq!(report.verdict, Verdict::Damaged, "{said}");
    let mut found = report.findings.iter().filter(|it| it.code.code() == "F503");
    assert!(found.any(|it| it.message.contains(said)), "{said}: {:?}", report.findings);
}
