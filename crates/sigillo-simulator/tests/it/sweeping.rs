//! Sweeps after ingests that died, sweeps that die, and ingests that wake after a sweep.

use std::{cell::RefCell, collections::BTreeSet};

use sigillo_ingest::NoteCode;
use sigillo_simulator::{
    Actor, Gate, Template, World,
    checker::{self, Snapshot, Violation, check},
    run_to_end,
};
use sigillo_testkit::{Durability, Fault, FaultPlan};

use crate::support::{Tally, documents, slow, small_documents, template_of};

/// No run has more calls.
const CALLS_MAX: u64 = 2_000;

/// The first batch that an ingest commits in a new archive, after it said what it received.
const FIRST_BATCH: &str = "create log/seq/00000000000000000003";

/// What a sweep has to remove, by the checker: content that no commit names, but for the reports of
/// submissions that may still come to their end.
fn sweepable(world: &World<'_>) -> BTreeSet<String> {
    let snapshot = world.snapshot();
    let log = checker::replay(&snapshot, &mut Vec::new());
    let received: BTreeSet<String> = log
        .entries_of("submission.received")
        .map(|entry| entry.body["submission"].as_str().unwrap().to_owned())
        .collect();
    let may_end = |key: &str| {
        let id = key.strip_prefix("submissions/").and_then(|it| it.strip_suffix("/report.json"));
        id.is_some_and(|id| received.contains(id))
    };
    let content = |key: &String| {
        ["packs/", "acts/", "submissions/"].iter().any(|folder| key.starts_with(folder))
    };
    checker::orphans(&snapshot, &log)
        .into_iter()
        .filter(content)
        .filter(|it| !may_end(it))
        .collect()
}

fn packs_of(keys: &BTreeSet<String>) -> usize {
    keys.iter().filter(|key| key.strip_suffix(".zip").is_some()).count()
}

fn keys(snapshot: &Snapshot) -> BTreeSet<String> {
    ["packs", "acts", "submissions", "batches", "sealings"]
        .iter()
        .flat_map(|folder| snapshot.below(folder))
        .map(|(key, _)| key.to_owned())
        .collect()
}

/// Sweeps without faults, and says where that differs from what the checker expects.
async fn sweep_exactly(world: &mut World<'_>) -> Vec<Violation> {
    let wrong = |message: String| Violation::new(checker::Invariant::ComesToItsEnd, message);
    let (mut violations, expected) = (Vec::new(), sweepable(world));
    let before = keys(&world.snapshot());
    let outcome = world.run_sweep(&FaultPlan::none()).await.unwrap();
    let removed: BTreeSet<String> =
        outcome.removed.iter().map(|object| object.key.as_str().to_owned()).collect();
    let gone: BTreeSet<String> = before.difference(&keys(&world.snapshot())).cloned().collect();
    if removed != expected || gone != expected {
        violations.push(wrong(format!("{expected:?} were to go, went {gone:?}, told {removed:?}")));
    }
    let again = world.run_sweep(&FaultPlan::none()).await.unwrap();
    if !again.removed.is_empty() || again.epoch <= outcome.epoch {
        violations.push(wrong(format!("a second sweep: {again:?}")));
    }
    violations.extend(check(&world.snapshot(), world.outside()));
    violations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_removes_exactly_what_dead_ingests_left() {
    let template = template_of(Durability::OnAnswer, &documents()).await;
    let (mut tally, mut swept) = (Tally::default(), 0);
    for fault in [Fault::Crashes, Fault::CrashesAfter] {
        for number in (1..=CALLS_MAX).step_by(if slow() { 1 } else { 3 }) {
            let mut world = template.world(number).unwrap();
            let plan = FaultPlan::at(number, fault);
            drop(world.run(&plan, 0).await);
            if !plan.struck() {
                break;
            }
            world.backend().power_cut();
            swept += sweepable(&world).len();
            let mut violations = sweep_exactly(&mut world).await;
            violations.extend(Box::pin(world.finish_and_check()).await.unwrap());
            tally.take(&format!("{fault:?} at call {number}, then a sweep"), &violations);
        }
    }
    println!("{swept} objects were swept");
    assert!(swept > 5, "nothing was left by the dead");
    tally.finish("a sweep after a dead ingest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_goes_and_writes_nothing() {
    let template = template_of(Durability::OnAnswer, &documents()).await;
    let whole = FaultPlan::none();
    template.world(1).unwrap().run(&whole, 0).await.unwrap();
    let trace = whole.trace();
    let mut calls = trace.iter().map(|it| (it.number, format!("{} {}", it.operation, it.key)));
    let (commit, _) = calls.find(|(_, call)| call == FIRST_BATCH).unwrap();
    let mut world = template.world(1).unwrap();
    world.run(&FaultPlan::at(commit, Fault::Crashes), 0).await.unwrap_err();
    world.backend().power_cut();
    let before = world.snapshot();
    let process = world.open(world.backend().store(), 900).await.unwrap();
    let opened = world.snapshot();
    let plan = world.plan_sweep(&process).await.unwrap();
    assert_eq!(world.snapshot(), opened, "planning writes");
    let planned: BTreeSet<_> = plan.unnamed.iter().map(|it| it.key.as_str().to_owned()).collect();
    assert_eq!(planned, sweepable(&world));
    assert_eq!(packs_of(&planned), 2, "{planned:?}");
    assert_eq!(plan.batches, 1, "the lists of the batch are truth");
    assert_eq!(keys(&before), keys(&opened));
    assert!(plan.unnamed.iter().all(|it| it.size_bytes > 0));
}

/// Lets a sweep of what a dead ingest left go wrong at one call.
async fn sweep_with(
    template: &Template,
    crash: u64,
    plan: &FaultPlan,
    seed: u64,
) -> Vec<Violation> {
    let mut world = template.world(seed).unwrap();
    world.run(&FaultPlan::at(crash, Fault::Crashes), 0).await.unwrap_err();
    world.backend().power_cut();
    assert!(!sweepable(&world).is_empty());
    drop(world.run_sweep(plan).await);
    if plan.crashed() {
        world.backend().power_cut();
    }
    let mut violations = check(&world.snapshot(), world.outside());
    violations.extend(sweep_exactly(&mut world).await);
    violations.extend(Box::pin(world.finish_and_check()).await.unwrap());
    violations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_may_go_wrong_at_every_call() {
    let template = template_of(Durability::OnAnswer, &small_documents()).await;
    let whole = FaultPlan::none();
    template.world(1).unwrap().run(&whole, 0).await.unwrap();
    // Two of the commits: before one a batch is lost, before the other the report.
    let trace = whole.trace();
    let commits = trace.iter().filter(|it| it.operation == "create" && it.key.contains("/seq/"));
    let commits: Vec<u64> = commits.map(|it| it.number).take(2).collect();
    let mut tally = Tally::default();
    for (crash, fault) in commits.iter().flat_map(|at| Fault::ALL.map(|fault| (*at, fault))) {
        let mut number = 1;
        while number <= CALLS_MAX {
            let plan = FaultPlan::at(number, fault);
            let violations = sweep_with(&template, crash, &plan, number).await;
            if !plan.struck() {
                break;
            }
            tally.take(&format!("{fault:?} at call {number} of a sweep"), &violations);
            // Listing 256 folders is the same call again and again.
            let listing = plan.trace().last().is_some_and(|call| call.operation == "list");
            number += if slow() {
                1
            } else if listing {
                60
            } else {
                2
            };
        }
        assert!(number > 200, "a sweep has more calls than {number}");
    }
    tally.finish("a sweep that goes wrong");
}

/// Lets an ingest go up to its first batch, sweeps, and lets it go on; returns the notes.
fn check_paused(template: &Template, packs: usize) {
    let mut world = template.world(1).unwrap();
    let ended = RefCell::new(Vec::new());
    let gate = Gate::default();
    let mut process = run_to_end(world.open(gate.wrap(&world.backend().store()), 500)).unwrap();
    let mut sweeper = run_to_end(world.open(world.backend().store(), 501)).unwrap();
    let work = async {
        let outcome = world.ingest(&mut process).await;
        ended.borrow_mut().push(outcome.unwrap());
    };
    let mut writer = Actor::new("writer", gate.clone(), Box::pin(work));
    while gate.first_waiting().is_none_or(|call| call != FIRST_BATCH) {
        assert!(!writer.step(), "the writer never commits a batch");
    }
    // Its threads go on until every batch is in packs.
    while packs_of(&sweepable(&world)) < packs {
        std::thread::yield_now();
    }
    let left = sweepable(&world);
    let swept = run_to_end(world.sweep(&mut sweeper)).unwrap();
    assert_eq!(swept.removed.len(), left.len(), "{swept:?}");
    assert_eq!(swept.epoch, 2);
    while !writer.step() {}
    drop(writer);
    let outcome = ended.into_inner().remove(0);
    assert_eq!(outcome.archived, template.documents() as u64);
    let notes: Vec<_> = outcome.notes.iter().map(|note| (note.code, note.text.clone())).collect();
    let documents = template.documents();
    let words = format!(
        "a sweep came between writing and committing {documents} documents, so they were written \
         again; nothing is lost"
    );
    assert_eq!(notes, [(NoteCode::MadeAnew, words)]);
    world.keep(&process, &outcome);
    let violations = run_to_end(Box::pin(world.finish_and_check())).unwrap();
    assert_eq!(violations, []);
    let present = keys(&world.snapshot());
    assert!(left.iter().all(|key| !present.contains(key)), "a swept name came back");
}

#[test]
fn an_ingest_that_wakes_after_a_sweep_is_fenced_and_writes_everything_again() {
    let template = run_to_end(template_of(Durability::OnAnswer, &documents()));
    check_paused(&template, 2);
}

#[test]
fn batches_that_waited_behind_the_fenced_one_are_written_again_as_well() {
    let names: Vec<String> = (0..60).map(|number| format!("{number:02}.txt")).collect();
    let files: Vec<_> = names.iter().map(|it| (it.as_str(), it.as_bytes().to_vec())).collect();
    let template = run_to_end(template_of(Durability::OnAnswer, &files)).in_batches_of(32);
    check_paused(&template, 2);
}
