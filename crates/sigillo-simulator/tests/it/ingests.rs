//! Two ingests of one folder at once, interleaved at every call that touches the log.

use std::{cell::RefCell, time::Duration};

use sigillo_ingest::IngestOutcome;
use sigillo_simulator::{
    Actor, Bounds, Gate, Process, Schedule, SimulationError, Template, World, explore, run_to_end,
};
use sigillo_store::ReadPool;
use sigillo_testkit::Durability;

use crate::support::{LAST_EVERY, either, small_documents, template_of};

/// What goes on beside an ingest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Beside {
    /// Another ingest of the same folder.
    Ingest,
    /// A sweep.
    Sweep,
}

type Ended = (Process, Result<IngestOutcome, SimulationError>);

fn actor<'a>(
    name: &'static str,
    number: u64,
    world: &'a World<'_>,
    ended: &'a RefCell<Vec<Ended>>,
) -> Actor<'a> {
    let gate = Gate::default();
    let store = gate.wrap(&world.backend().store());
    let mut process = run_to_end(world.open(store, number)).unwrap();
    let work = async move {
        let outcome = world.ingest(&mut process).await;
        ended.borrow_mut().push((process, outcome));
    };
    Actor::new(name, gate, Box::pin(work))
}

fn sweeper<'a>(world: &'a World<'_>) -> Actor<'a> {
    let gate = Gate::default();
    let store = gate.wrap(&world.backend().store());
    let mut process = run_to_end(world.open(store, 502)).unwrap();
    let sweep = async move {
        world.sweep(&mut process).await.unwrap();
    };
    Actor::new("sweeper", gate, Box::pin(sweep))
}

/// Runs one schedule; returns what is wrong.
fn run(
    schedule: &mut Schedule,
    (template, beside): (&Template, Beside),
    bounds: Bounds,
) -> Vec<String> {
    let mut world = template.world(1).unwrap();
    let ended = RefCell::new(Vec::new());
    // Numbers that the world's own processes do not have.
    let other = match beside {
        Beside::Ingest => actor("second", 501, &world, &ended),
        Beside::Sweep => sweeper(&world),
    };
    let mut actors = [actor("first", 500, &world, &ended), other];
    let died = schedule.run(&mut actors, bounds, &mut || {});
    drop(actors);
    let (mut archived, mut wrong) = (0, Vec::new());
    for (process, outcome) in ended.into_inner() {
        match outcome {
            Ok(outcome) => {
                archived += outcome.archived;
                world.keep(&process, &outcome);
            }
            Err(error) => wrong.push(format!("{error:?}")),
        }
    }
    let documents = template.documents() as u64;
    if !died && archived != documents {
        wrong.push(format!("{archived} documents were archived, not {documents}"));
    }
    let violations = run_to_end(Box::pin(world.finish_and_check())).unwrap();
    wrong.extend(violations.iter().map(ToString::to_string));
    wrong
}

fn check_ingests(what: &str, beside: Beside, bounds: Bounds) {
    let template = run_to_end(template_of(Durability::OnAnswer, &small_documents()));
    check_ingests_of(what, &template, beside, bounds);
}

pub(crate) fn check_ingests_of(what: &str, template: &Template, beside: Beside, bounds: Bounds) {
    check_all(what, bounds, |schedule| run(schedule, (template, beside), bounds));
}

/// Runs every schedule within bounds; `run` says what is wrong after one.
pub(crate) fn check_all(
    what: &str,
    bounds: Bounds,
    mut run: impl FnMut(&mut Schedule) -> Vec<String>,
) {
    let mut violations = 0;
    let count = explore(|schedule| {
        let wrong = run(schedule);
        if !wrong.is_empty() && violations < 3 {
            let trace = schedule.trace().join("\n  ");
            println!("VIOLATION\n  {}\nafter\n  {trace}", wrong.join("\n  "));
        }
        violations += wrong.len();
    });
    println!("{what}: {bounds:?}, {count} schedules, {violations} violations");
    assert_eq!(violations, 0, "{what}");
}

#[test]
fn two_ingests_of_one_folder_archive_every_document_once() {
    let bounds = either(Bounds::all(2, 0), Bounds::all(3, 0).last_every(LAST_EVERY));
    check_ingests("two ingests", Beside::Ingest, bounds);
}

#[test]
fn two_ingests_in_several_batches_archive_every_document_once() {
    let names: Vec<String> = (0..40).map(|number| format!("{number:02}.txt")).collect();
    let files: Vec<_> = names.iter().map(|it| (it.as_str(), it.as_bytes().to_vec())).collect();
    let template = run_to_end(template_of(Durability::OnAnswer, &files)).in_batches_of(32);
    let bounds = either(Bounds::all(1, 0), Bounds::all(2, 0));
    check_ingests_of("two ingests in batches", &template, Beside::Ingest, bounds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingests_that_lose_numbers_while_their_readers_are_busy_come_to_their_end() {
    // More groups of files than all threads, queues and batches on their way hold together.
    let names: Vec<String> = (0..2_000).map(|number| format!("{number:04}.txt")).collect();
    let files: Vec<_> = names.iter().map(|it| (it.as_str(), it.as_bytes().to_vec())).collect();
    let template = template_of(Durability::OnAnswer, &files).await.in_batches_of(32);
    let mut world = template.world(1).unwrap();
    let mut first = world.open(world.backend().store(), 500).await.unwrap();
    let mut second = world.open(world.backend().store(), 501).await.unwrap();
    let (reads, other_reads) = (ReadPool::start().unwrap(), ReadPool::start().unwrap());
    let both = async {
        tokio::join!(
            world.ingest_on(&mut first, &reads),
            world.ingest_on(&mut second, &other_reads)
        )
    };
    let ended = tokio::time::timeout(Duration::from_mins(2), Box::pin(both)).await;
    let (one, other) = ended.expect("both come to their end");
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.archived + other.archived, template.documents() as u64);
    world.keep(&first, &one);
    world.keep(&second, &other);
    assert_eq!(Box::pin(world.finish_and_check()).await.unwrap(), []);
}

#[test]
fn two_ingests_of_one_folder_archive_every_document_once_when_one_dies() {
    let bounds = either(Bounds::all(0, 1), Bounds::all(2, 1).last_every(LAST_EVERY));
    check_ingests("two ingests, one dies", Beside::Ingest, bounds);
}

#[test]
fn an_ingest_that_a_sweep_overtakes_makes_everything_anew() {
    let bounds = either(Bounds::all(2, 0), Bounds::all(3, 0).last_every(LAST_EVERY));
    check_ingests("an ingest and a sweep", Beside::Sweep, bounds);
}

#[test]
fn an_ingest_and_a_sweep_keep_every_promise_when_one_dies() {
    let bounds = either(Bounds::all(0, 1), Bounds::all(2, 1).last_every(LAST_EVERY));
    check_ingests("an ingest and a sweep, one dies", Beside::Sweep, bounds);
}
