//! New hash trees while calls of the store go wrong, while documents come in, and while others renew.

use std::{error::Error, sync::Arc};

use sigillo_custody::{MadeTree, RehashJournal, Rehasher, VerifyProgress};
use sigillo_evidence_log::{
    Chains, EVIDENCE_LINE, RehashOutcome, RenewalPlan, commit_hash_tree, read_view,
};
use sigillo_model::{RenewalId, Sha512Digest, Verdict};
use sigillo_proof::Bundle;
use sigillo_testkit::{Fault, FaultPlan};

use crate::{
    sixty_years::{FIRST, World},
    support::slow,
};

/// In the short form every so-many-th call goes wrong.
const EVERY: u64 = 9;

type Failed = Box<dyn Error + Send + Sync>;

/// Makes new hash trees of everything; they lack only their time-stamp.
async fn make(
    world: &World,
    journal: &mut RehashJournal,
) -> Result<(RenewalPlan, MadeTree), Failed> {
    let plan = world.plan_with(false, true).await?;
    let archive = world.try_archive().await?;
    let view = read_view(&archive).await?;
    let chains = Chains::read(&archive, &view).await?;
    let rehasher = Rehasher {
        archive: &archive,
        cpu: &world.cpu,
        view: &view,
        chains: &chains,
        line: EVIDENCE_LINE,
        progress: Arc::new(VerifyProgress::default()),
    };
    let renewal = RenewalId::random(&*world.entropy);
    let made = rehasher.make(&plan.trees, renewal, journal).await?;
    Ok((plan, made))
}

async fn commit(
    world: &World,
    plan: &RenewalPlan,
    made: &MadeTree,
) -> Result<RehashOutcome, Failed> {
    let mut log = world.try_writer().await?;
    let authorities = world.authorities(FIRST);
    let renewer = world.renewer(&authorities);
    Ok(commit_hash_tree(&renewer, &mut log, plan, made.unstamped()).await?)
}

/// Makes new hash trees while a call of the store goes wrong, and sees that nothing acknowledged is
/// lost and that the same again brings it to its end. Returns whether the fault was reached.
async fn check_fault(number: u64, fault: Fault) -> bool {
    let mut world = World::new(false).await;
    Box::pin(world.ingest(FIRST)).await;
    assert_eq!(world.stamp(FIRST).await, 0);
    let (whole, faulty) = (world.store.clone(), FaultPlan::at(number, fault));
    world.store = faulty.wrap(&whole);
    let mut acknowledged = false;
    let mut journal = RehashJournal::default();
    if let Ok((plan, made)) = Box::pin(make(&world, &mut journal)).await
        && let Ok(outcome) = Box::pin(commit(&world, &plan, &made)).await
    {
        acknowledged = outcome.rehashed.is_some();
    }
    world.store = whole;
    let what = format!("call {number}, {fault:?}");
    drop(world.writer().await);
    let view = read_view(&world.archive().await).await.unwrap();
    let made_by_then = view.rehashes.len();
    let whole = view.rehashes.iter().all(|it| it.body.documents == view.documents());
    assert!(whole, "{what}: nothing is left out for a passing failure");
    assert!(made_by_then <= 1 && (!acknowledged || made_by_then == 1), "{what}");
    if made_by_then == 0 {
        let (plan, made) = Box::pin(make(&world, &mut journal)).await.unwrap();
        assert_eq!((made.tree.sealings.len(), made.left_out), (1, 0), "{what}");
        let outcome = Box::pin(commit(&world, &plan, &made)).await.unwrap();
        assert!(outcome.rehashed.is_some(), "{what}");
    }
    Box::pin(world.audit(FIRST)).await;
    world.prove(FIRST).await;
    faulty.struck()
}

#[tokio::test]
async fn whatever_call_goes_wrong_new_hash_trees_are_there_or_are_not() {
    let step = if slow() { 1 } else { EVERY };
    for fault in Fault::ALL {
        let mut number = 1;
        while check_fault(number, fault).await {
            number += step;
        }
        assert!(number > 20, "{number} calls only");
    }
}

#[tokio::test]
async fn what_the_store_does_not_give_now_is_never_left_out_of_new_hash_trees() {
    let mut world = World::new(false).await;
    for year in [FIRST, FIRST + 1] {
        Box::pin(world.ingest(year)).await;
        assert_eq!(world.stamp(year).await, 0);
    }
    let whole = world.store.clone();
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::LosesRequest] {
        let (mut number, mut failed) = (1, 0);
        loop {
            let faulty = FaultPlan::at(number, fault);
            world.store = faulty.wrap(&whole);
            match Box::pin(make(&world, &mut RehashJournal::default())).await {
                Ok((_, made)) => {
                    let call = faulty.trace().into_iter().find(|it| it.number == number);
                    assert_eq!((made.left_out, made.findings), (0, vec![]), "{fault:?}: {call:?}");
                }
                Err(_) => failed += 1,
            }
            if !faulty.struck() {
                break;
            }
            number += 1;
        }
        assert!(number > 20 && failed > 10, "{number} calls only, of which {failed} stopped it");
    }
}

#[tokio::test]
async fn documents_come_in_while_new_hash_trees_are_made() {
    let world = World::new(false).await;
    Box::pin(world.ingest(FIRST)).await;
    assert_eq!(world.stamp(FIRST).await, 0);
    let (plan, made) = make(&world, &mut RehashJournal::default()).await.unwrap();
    Box::pin(world.ingest(FIRST + 1)).await;
    assert_eq!(world.stamp(FIRST).await, 0);
    let outcome = commit(&world, &plan, &made).await.unwrap();
    assert_eq!(outcome.rehashed.unwrap().0.sealings, 1, "the later one has no part in it");
    Box::pin(world.audit(FIRST)).await;
    world.prove(FIRST).await;
    // It gets its own, and those that have theirs get no others.
    let (plan, made) = make(&world, &mut RehashJournal::default()).await.unwrap();
    assert_eq!(plan.trees.len(), 1);
    assert!(commit(&world, &plan, &made).await.unwrap().rehashed.is_some());
    Box::pin(world.audit(FIRST)).await;
    world.prove(FIRST).await;
}

#[tokio::test]
async fn new_hash_trees_give_way_to_who_renewed_meanwhile() {
    let world = World::new(false).await;
    Box::pin(world.ingest(FIRST)).await;
    assert_eq!(world.stamp(FIRST).await, 0);
    let mut journal = RehashJournal::default();
    let (plan, made) = make(&world, &mut journal).await.unwrap();
    let all = world.plan_with(true, false).await.unwrap();
    let authorities = world.authorities(FIRST);
    let mut log = world.writer().await;
    let renewed = world.renewer(&authorities).renew(&mut log, &all).await.unwrap();
    assert_eq!(renewed.renewed.len(), 1, "{:?}", renewed.refused);
    let outcome = commit(&world, &plan, &made).await.unwrap();
    assert!(outcome.overtaken && outcome.rehashed.is_none());
    let (plan, made) = make(&world, &mut journal).await.unwrap();
    assert!(commit(&world, &plan, &made).await.unwrap().rehashed.is_some());
    Box::pin(world.audit(FIRST)).await;
    world.prove(FIRST).await;
}

#[tokio::test]
async fn what_was_made_before_an_interruption_is_not_made_again() {
    let world = World::new(false).await;
    Box::pin(world.ingest(FIRST)).await;
    assert_eq!(world.stamp(FIRST).await, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let first = make(&world, &mut RehashJournal::open(path.clone()).unwrap()).await.unwrap().1;
    assert!(first.content_bytes > 0);
    let again = make(&world, &mut RehashJournal::open(path).unwrap()).await.unwrap().1;
    assert_eq!((again.content_bytes, again.documents), (0, first.documents));
    assert_eq!(again.tree.sealings, first.tree.sealings);
    let lost = make(&world, &mut RehashJournal::default()).await.unwrap().1;
    assert_eq!(lost.content_bytes, first.content_bytes);
}

/// Changes something in a bundle.
type Change = fn(&mut Bundle);

#[tokio::test]
async fn whatever_is_changed_of_new_hash_trees_in_a_bundle_is_found() {
    let world = World::new(false).await;
    Box::pin(world.ingest(FIRST)).await;
    assert_eq!(world.stamp(FIRST).await, 0);
    let (plan, made) = make(&world, &mut RehashJournal::default()).await.unwrap();
    assert!(commit(&world, &plan, &made).await.unwrap().rehashed.is_some());
    let bundle = world.prove(FIRST).await;
    assert!(bundle.receipt.documents.iter().all(|it| !it.hash_trees.is_empty()));
    let other = Sha512Digest::of(b"another");
    assert_ne!(bundle.receipt.documents[0].sha512[0], other);
    let changes: [(&str, Change); 7] = [
        ("a second digest", |it| {
            it.receipt.documents[0].sha512[0] = Sha512Digest::of(b"another");
        }),
        ("a second digest too many", |it| {
            it.receipt.documents[0].sha512.push(Sha512Digest::of(b"another"));
        }),
        ("a sibling of a document", |it| {
            it.receipt.documents[0].hash_trees[0].path[0] = Sha512Digest::of(b"another");
        }),
        ("the places of two documents", |it| {
            let first = it.receipt.documents[0].hash_trees.clone();
            it.receipt.documents[0].hash_trees = it.receipt.documents[1].hash_trees.clone();
            it.receipt.documents[1].hash_trees = first;
        }),
        ("a place on another line", |it| {
            it.receipt.documents[0].hash_trees[0].line = "another".to_owned();
        }),
        ("a sibling of the sealing", |it| {
            let tree = it.receipt.sealings[0].tokens[0].hash_tree.as_mut().unwrap();
            tree.path[0] = Sha512Digest::of(b"another");
        }),
        ("the time-stamp", |it| {
            let token = it.receipt.sealings[0].tokens[0].token.clone();
            it.receipt.sealings[0].tokens[0].hash_tree.as_mut().unwrap().token = token;
        }),
    ];
    for (what, change) in changes {
        let mut forged = bundle.clone();
        change(&mut forged);
        assert_eq!(world.check(&forged).await, Verdict::Damaged, "{what}");
        world.second_says(&forged, what, "DAMAGED");
    }
    // A document that says nothing of them is proven by SHA-256 alone, and a note says so.
    let mut silent = bundle.clone();
    for document in &mut silent.receipt.documents {
        (document.hash_trees, document.sha512) = (Vec::new(), Vec::new());
    }
    assert_eq!(world.check(&silent).await, Verdict::Intact);
    world.second_says(&silent, "silent", "INTACT");
}
