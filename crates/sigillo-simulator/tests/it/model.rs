//! The protocol of the log, explored: the real writers, sealers and sweepers, interleaved at every
//! call of the store in every order within the bounds, dying anywhere.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;

use sigillo_authorities::{Authorities, KeyFolder};
use sigillo_evidence_log::{
    Archive, AuditKnowledge, CommitOutcome, EVIDENCE_LINE, LogError, LogWriter, SealOutcome,
    Sealer, audit_log, stamp_sealings,
};
use sigillo_model::{BatchCommitted, BatchId, Entry, Severity, Sha256Digest, SubmissionId};
use sigillo_simulator::{
    Actor, Bounds, Gate, LogTemplate, LogWorld, Recorder, Schedule, anchors,
    checker::{Outside, Snapshot, check_log},
    explore, run_to_end,
};
use sigillo_testkit::{ManualClock, SeededEntropy};

use crate::support::slow;

/// The part of an actor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    /// Commits one batch, and makes it anew when it is told that the epoch was raised.
    Writer,
    /// As a writer, but opens the log itself.
    NewWriter,
    /// Seals what there is.
    Sealer,
    /// Seals what there is and stamps every sealing.
    Stamper,
    /// Raises the epoch.
    Sweeper,
}

/// Whether actors are threads of one process or processes of one pole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Keys {
    Shared,
    Separate,
}

/// What the actors were told.
#[derive(Debug, Default)]
struct Told {
    committed: Vec<BatchId>,
    checkpoints: Vec<String>,
    errors: Vec<String>,
}

/// A batch whose name says who made it, in which epoch.
fn batch(actor: u8, epoch: u64, attempt: u8) -> BatchCommitted {
    let mut name = [0xba; 16];
    name[..3].copy_from_slice(&[actor, u8::try_from(epoch).unwrap(), attempt]);
    let digest = Sha256Digest::of(&name);
    BatchCommitted {
        batch: BatchId::from_bytes(name),
        documents: 1,
        leaves_sha256: digest,
        order_root: digest,
        packs_sha256: digest,
        root: digest,
        submission: SubmissionId::from_bytes([actor; 16]),
    }
}

async fn write(log: &mut LogWriter, actor: u8, told: &RefCell<Told>) -> Result<(), LogError> {
    // What is not committed yet was made in the epoch that was in force at the start.
    let (mut epoch, mut attempt) = (1, 0);
    loop {
        let body = batch(actor, epoch, attempt);
        match log.commit(&[Entry::BatchCommitted(body.clone())]).await? {
            CommitOutcome::Committed(committed) => {
                let mut told = told.borrow_mut();
                told.committed.push(body.batch);
                told.checkpoints.push(committed.checkpoint);
                return Ok(());
            }
            CommitOutcome::Lost(_) => {}
            CommitOutcome::Fenced { epoch: raised } => (epoch, attempt) = (raised, attempt + 1),
        }
    }
}

async fn stamp(actor: u8, (keys, log): (&KeyFolder, &mut LogWriter)) -> Result<(), LogError> {
    let clock = ManualClock::at(log.now().timestamp());
    let entropy = Arc::new(SeededEntropy::new(100 + u64::from(actor)));
    let authority = keys.trial_authority(Arc::new(clock.clone()), entropy.clone());
    let tolerance = SignedDuration::from_mins(10);
    let anchors = anchors(keys).unwrap();
    let authorities = Authorities::new(vec![Arc::new(authority)], anchors, tolerance);
    let stamped = stamp_sealings(log, EVIDENCE_LINE, &authorities, &clock, &*entropy).await?;
    assert_eq!((stamped.waiting, stamped.refused.len()), (0, 0), "the trial authority helps");
    Ok(())
}

async fn act(
    part: Part,
    actor: u8,
    (keys, log): (&KeyFolder, &mut LogWriter),
    told: &RefCell<Told>,
) -> Result<(), LogError> {
    match part {
        Part::Writer | Part::NewWriter => write(log, actor, told).await,
        Part::Sealer | Part::Stamper => {
            let (key, entropy) = (keys.seal(), SeededEntropy::new(actor.into()));
            let sealer = Sealer { key: &key, entropy: &entropy };
            if let SealOutcome::Sealed(sealed) = sealer.seal(log).await? {
                told.borrow_mut().checkpoints.push(sealed.committed.checkpoint);
            }
            if part == Part::Stamper { stamp(actor, (keys, log)).await } else { Ok(()) }
        }
        Part::Sweeper => loop {
            if let CommitOutcome::Committed(committed) = log.raise_epoch().await? {
                told.borrow_mut().checkpoints.push(committed.checkpoint);
                return Ok(());
            }
        },
    }
}

/// Makes the actors of one schedule; writers that are not new have opened the log before.
fn actors<'a>(
    parts: &[Part],
    keys: Keys,
    (world, recorder): (&'a LogWorld, &Recorder),
    (shared, told): (&KeyFolder, &'a RefCell<Told>),
) -> Vec<Actor<'a>> {
    let mut actors = Vec::new();
    for (number, &part) in (1..).zip(parts) {
        let gate = Gate::default();
        let store = recorder.wrap(&gate.wrap(&world.backend().store()));
        let keys = match keys {
            Keys::Shared => shared.clone(),
            Keys::Separate => world.keys().unwrap(),
        };
        let opening = store.clone();
        let opened = (part != Part::NewWriter)
            .then(|| run_to_end(world.writer(opening, &keys, number.into())).unwrap());
        let future = async move {
            let done = match opened {
                Some(mut log) => act(part, number, (&keys, &mut log), told).await,
                None => match world.writer(store, &keys, number.into()).await {
                    Ok(mut log) => act(part, number, (&keys, &mut log), told).await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = done {
                told.borrow_mut().errors.push(format!("{part:?} {number}: {error:?}"));
            }
        };
        let name = ["first", "second", "third", "fourth"][usize::from(number) - 1];
        actors.push(Actor::new(name, gate, Box::pin(future)));
    }
    actors
}

/// Runs one schedule and says everything that is wrong after it.
fn run(
    schedule: &mut Schedule,
    template: &LogTemplate,
    (parts, keys, bounds): (&[Part], Keys, Bounds),
) -> Vec<String> {
    let (world, recorder) = (template.world().unwrap(), Recorder::default());
    let told = RefCell::new(Told::default());
    let observer = world.keys().unwrap();
    let mut actors = actors(parts, keys, (&world, &recorder), (&observer, &told));
    let mut wrong = Vec::new();
    let died = schedule.run(&mut actors, bounds, &mut || {
        // Where there are few schedules, whoever looks in between must find nothing wrong either.
        if parts.len() == 2 {
            wrong.extend(watch(&world, &recorder, &told.borrow()));
        }
    });
    drop(actors);
    let told = told.into_inner();
    wrong.extend(told.errors.iter().cloned());
    let mut outside = Outside::default();
    outside.checkpoints.extend(told.checkpoints.iter().cloned());
    outside.checkpoints.extend(recorder.recording().checkpoints);
    outside.signed.extend(observer.log_signer().last_signed().unwrap());
    wrong.extend(check_store(&world, &outside, &told));
    if !died {
        // Whoever committed last sees to it that everything is published.
        let found = audit(&world, &observer);
        wrong.extend(found.iter().map(|it| format!("with nobody dead: {it}")));
    }
    let before = world.backend().objects();
    wrong.extend(restart_twice(&world, &mut outside));
    if died || before != world.backend().objects() {
        outside.signed.extend(observer.log_signer().last_signed().unwrap());
        wrong.extend(check_store(&world, &outside, &told));
        wrong.extend(audit(&world, &observer));
    }
    wrong
}

/// The next process recovers, and the one after it must find nothing to do.
fn restart_twice(world: &LogWorld, outside: &mut Outside) -> Vec<String> {
    let mut wrong = Vec::new();
    for restart in 1..=2 {
        let (recorder, memory) = (Recorder::default(), world.memory().unwrap());
        let store = recorder.wrap(&world.backend().store());
        let opened = run_to_end(world.writer(store, &world.keys().unwrap(), 90 + restart));
        wrong.extend(opened.err().map(|error| format!("restart {restart}: {error:?}")));
        let recording = recorder.recording();
        if restart == 2 && (!recording.writes.is_empty() || memory != world.memory().unwrap()) {
            wrong.push(format!("the second restart signed or wrote {:?}", recording.writes));
        }
        outside.checkpoints.extend(recording.checkpoints);
    }
    wrong
}

/// Looks at the store between two steps.
fn watch(world: &LogWorld, recorder: &Recorder, told: &Told) -> Vec<String> {
    let checkpoints = recorder.recording().checkpoints;
    let outside = Outside { checkpoints, ..Outside::default() };
    let found = check_store(world, &outside, told).into_iter();
    found.map(|it| format!("between two steps: {it}")).collect()
}

/// Lists what the project's own audit finds, but for notes.
fn audit(world: &LogWorld, keys: &KeyFolder) -> Vec<String> {
    let seen = keys.log_signer().last_signed().unwrap();
    let knowledge = AuditKnowledge {
        anchors: anchors(keys).unwrap(),
        log_key_trusted: true,
        seen,
        seen_before: Vec::new(),
        time: None,
    };
    let audit = run_to_end(async {
        let archive = Archive::open(world.backend().store()).await?;
        audit_log(&archive, &knowledge, &mut |_, _| {}).await
    });
    let findings = audit.unwrap().findings.into_iter().filter(|it| it.severity > Severity::Note);
    findings.map(|it| format!("the audit finds {it:?}")).collect()
}

/// Checks I3 and I4, that what was acknowledged is there once, sealings, and epochs.
fn check_store(world: &LogWorld, outside: &Outside, told: &Told) -> Vec<String> {
    let snapshot = Snapshot::from_objects(world.backend().objects());
    let mut violations = Vec::new();
    let log = check_log(&snapshot, outside, &mut violations);
    let mut wrong: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let (mut epoch, mut number, mut through) = (1, 0, 0);
    for entry in &log.entries {
        let body = &entry.body;
        match body["type"].as_str().unwrap() {
            "commit.opened" => epoch = body["epoch"].as_u64().unwrap(),
            "batch.committed" => {
                let name = body["batch"].as_str().unwrap();
                *times.entry(name.to_owned()).or_default() += 1;
                let made_in = u64::from_str_radix(&name[2..4], 16).unwrap();
                if made_in != epoch {
                    wrong.push(format!("{name}, made in epoch {made_in}, is committed in {epoch}"));
                }
            }
            "batches.sealed" => {
                let after = body["after"].as_u64().unwrap();
                if body["number"] != number + 1 || after != through {
                    wrong.push(format!(
                        "a sealing that does not follow {number}, {through}: {body}"
                    ));
                }
                (number, through) = (number + 1, body["through"].as_u64().unwrap());
            }
            "sealing.stamped" => {
                let stamped = format!("stamp of {}", body["number"]);
                *times.entry(stamped).or_default() += 1;
            }
            _ => {}
        }
    }
    for batch in &told.committed {
        if times.get(&batch.to_string()) != Some(&1) {
            wrong.push(format!("{batch} was acknowledged and is there {times:?}"));
        }
    }
    // A sealing is stamped once; of what one writer made, at most one is committed: it makes anew only what is not.
    let mut makers: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, count) in &times {
        let maker = if name.starts_with("stamp") { name } else { &name[..2] };
        *makers.entry(maker).or_default() += count;
    }
    wrong.extend(makers.iter().filter(|it| *it.1 > 1).map(|it| format!("{it:?} times")));
    wrong
}

fn check_schedules(what: &str, parts: &[Part], keys: Keys, bounds: Bounds) {
    check_schedules_from(0, what, parts, keys, bounds);
}

/// As [`check_schedules`], beginning with a log of so many entries.
fn check_schedules_from(size: u64, what: &str, parts: &[Part], keys: Keys, bounds: Bounds) {
    let template = LogTemplate::make(size).unwrap();
    let mut violations = 0;
    let count = explore(|schedule| {
        let wrong = run(schedule, &template, (parts, keys, bounds));
        if !wrong.is_empty() && violations < 3 {
            println!(
                "VIOLATION\n  {}\nafter\n  {}",
                wrong.join("\n  "),
                schedule.trace().join("\n  ")
            );
        }
        violations += wrong.len();
    });
    println!("{what}: {bounds:?}, {count} schedules, {violations} violations");
    assert_eq!(violations, 0, "{what}");
}

fn bounds(preemptions: usize, crashes: usize) -> Bounds {
    Bounds::all(preemptions + usize::from(slow()), crashes)
}

#[test]
fn two_writers_never_fork_the_log() {
    let parts = [Part::Writer, Part::Writer];
    check_schedules("two writers", &parts, Keys::Shared, bounds(2, 0));
}

#[test]
fn writers_with_keys_of_their_own_process_never_fork_the_log() {
    let parts = [Part::Writer, Part::NewWriter];
    check_schedules("a writer and one that opens", &parts, Keys::Separate, bounds(2, 0));
}

#[test]
fn a_dead_writer_leaves_a_log_that_others_go_on_with() {
    let parts = [Part::Writer, Part::Writer];
    check_schedules("two writers, one dies", &parts, Keys::Separate, bounds(2, 1));
}

#[test]
fn two_writers_and_a_sealer_leave_every_batch_and_one_chain_of_sealings() {
    let parts = [Part::Writer, Part::Writer, Part::Sealer];
    check_schedules("two writers and a sealer", &parts, Keys::Shared, bounds(2, 0));
}

#[test]
fn two_sealers_leave_one_chain_of_sealings() {
    let parts = [Part::Sealer, Part::Writer, Part::Sealer];
    check_schedules("two sealers and a writer", &parts, Keys::Separate, bounds(2, 0));
}

#[test]
fn no_batch_made_before_a_sweep_is_committed_after_it() {
    let parts = [Part::Writer, Part::Sweeper, Part::Writer];
    check_schedules("two writers and a sweeper", &parts, Keys::Shared, bounds(2, 0));
}

#[test]
fn two_sweepers_and_a_writer_agree_on_the_epoch() {
    let parts = [Part::Sweeper, Part::Writer, Part::Sweeper];
    check_schedules("two sweepers and a writer", &parts, Keys::Separate, bounds(2, 0));
}

#[test]
fn two_writers_a_sealer_and_a_sweeper_keep_every_promise() {
    let parts = [Part::Writer, Part::Writer, Part::Sealer, Part::Sweeper];
    check_schedules("all four", &parts, Keys::Shared, bounds(1, 0));
}

#[test]
fn two_writers_a_sealer_and_a_sweeper_keep_every_promise_when_one_dies() {
    let parts = [Part::Writer, Part::Writer, Part::Sealer, Part::Sweeper];
    check_schedules("all four, one dies", &parts, Keys::Separate, bounds(0, 1));
}

#[test]
fn two_processes_that_seal_and_stamp_stamp_every_sealing_once() {
    let parts = [Part::Stamper, Part::Stamper];
    check_schedules("two stampers", &parts, Keys::Separate, bounds(2, 0));
}

#[test]
fn a_store_that_was_rolled_back_is_refused_before_anything_is_written() {
    let world = LogTemplate::make(0).unwrap().world().unwrap();
    let keys = world.keys().unwrap();
    let (older, told) = (world.backend().fork(), RefCell::new(Told::default()));
    let mut log = run_to_end(world.writer(world.backend().store(), &keys, 1)).unwrap();
    run_to_end(write(&mut log, 1, &told)).unwrap();
    let (memory, recorder) = (world.memory().unwrap(), Recorder::default());
    let opened = run_to_end(world.writer(recorder.wrap(&older.store()), &keys, 2));
    assert!(matches!(opened, Err(LogError::Diverged { found_size: 2, .. })), "{opened:?}");
    // A writer that had opened the store before finds out as well.
    let before = world.backend().fork();
    run_to_end(write(&mut log, 2, &told)).unwrap();
    let mut other = run_to_end(world.writer(recorder.wrap(&before.store()), &keys, 3));
    assert!(matches!(other, Err(LogError::Diverged { found_size: 4, .. })), "{other:?}");
    other = run_to_end(world.writer(recorder.wrap(&world.backend().fork().store()), &keys, 4));
    let mut other = other.unwrap();
    run_to_end(write(&mut log, 3, &told)).unwrap();
    let refused = run_to_end(write(&mut other, 4, &told));
    assert!(matches!(refused, Err(LogError::Diverged { found_size: 6, .. })), "{refused:?}");
    assert_eq!(recorder.recording().writes, []);
    assert_ne!(world.memory().unwrap(), memory);
}

#[test]
fn a_dead_sealer_leaves_a_log_that_another_one_seals() {
    let parts = [Part::Sealer, Part::Writer, Part::Sealer];
    check_schedules("two sealers and a writer, one dies", &parts, Keys::Separate, bounds(0, 1));
}

#[test]
fn a_dead_sweeper_leaves_a_log_that_others_go_on_with() {
    let parts = [Part::Writer, Part::Sweeper];
    check_schedules("a writer and a sweeper, both may die", &parts, Keys::Separate, bounds(1, 2));
}

#[test]
fn a_writer_that_dies_while_it_opens_the_log_harms_nobody() {
    let parts = [Part::NewWriter, Part::Writer];
    check_schedules("one that opens, one dies", &parts, Keys::Separate, bounds(1, 1));
}

#[test]
fn a_writer_that_dies_at_the_end_of_a_tile_leaves_a_tree_that_others_go_on_with() {
    let parts = [Part::Writer, Part::NewWriter];
    for size in [253, 254] {
        let what = format!("two writers from {size} entries on, one dies");
        check_schedules_from(size, &what, &parts, Keys::Separate, bounds(0, 1));
    }
}
