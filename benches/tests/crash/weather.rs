//! Bad weather: calls that fail with a full disk, a broken one, or a read-only one. Whatever an
//! ingest answers, nothing may be lost or half done, and once it clears up the same command ends.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::Value;

use crate::{
    DULL, Ground, WORKERS, sample, seed,
    shim::{Ended, Failure, Point, Shim},
    site::Site,
    slow,
    trial::{Stage, ingest, ingest_args, init_args, judge, prepare, run_stage},
};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// Failures of each kind in the short form.
const SHORT_FAILURES: usize = 14;

/// In the long form one in so many reads fails.
const READ_STEP: usize = 3;

/// Says in what the answer to a failure is wrong: it must say what failed, why, and what to do.
fn check_answer(failure: Failure, ended: &Ended, violations: &mut Vec<String>) {
    let said = format!("exit {:?}: {}{}", ended.code, ended.stdout, ended.stderr);
    if !matches!(ended.code, Some(0 | 1 | 4)) || ended.stderr.contains("panicked") {
        violations.push(said);
        return;
    }
    let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
    // An ingest whose time-stamp waits, or whose documents were refused, tells of it in its result.
    if ended.code == Some(0) || value["submissions"].is_array() {
        return;
    }
    let (words, hints) = (value["error"]["words"].to_string(), value["error"]["hints"].to_string());
    if !words.contains(&format!("os error {}", failure.errno)) {
        violations.push(format!("no word of why: {said}"));
    }
    let remedy = match failure.errno {
        ENOSPC => "free space",
        EROFS => "read-only",
        _ => "disk",
    };
    if !hints.contains(remedy) || !hints.contains("again") {
        violations.push(format!("no remedy: {said}"));
    }
    let names_it = ["/", "archive", "evidence log", "pack"].iter().any(|name| words.contains(name));
    if !names_it {
        violations.push(format!("no word of what failed: {said}"));
    }
}

/// Lets one command fail, clears up, and judges what the same command makes of it.
fn weather(ground: &Ground, stage: Stage, failure: Failure) -> (Option<i32>, Vec<String>) {
    let (_root, site) = ground.site(stage, &DULL);
    prepare(&ground.kit, &site, stage);
    let ended = run_stage(&ground.kit, &site, stage, Shim::Fail(failure));
    let mut violations = Vec::new();
    check_answer(failure, &ended, &mut violations);
    let seen = vec![site.snapshot()];
    if stage == Stage::Init {
        let again = ground.kit.run(&site, &init_args(), Shim::Absent);
        if again.code != Some(0) {
            violations.push(format!("init again: {}{}", again.stdout, again.stderr));
        }
    }
    violations.extend(judge(&ground.kit, &site, &seen).1);
    (ended.code, violations)
}

fn check_weather(ground: &Ground, what: &str, trials: &[(Stage, Failure)]) {
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((stage, failure)) = trials.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let (code, violations) = weather(ground, *stage, *failure);
                    refused.fetch_add(usize::from(code != Some(0)), Ordering::Relaxed);
                    for violation in violations {
                        println!("VIOLATION {stage:?} {failure:?}: {violation}");
                        *found.lock().unwrap() += 1;
                    }
                }
            });
        }
    });
    let (found, refused) = (found.into_inner().unwrap(), refused.into_inner());
    println!("{what}: {} trials, {refused} failed, {found} violations", trials.len());
    assert_eq!(found, 0, "{what}");
    assert!(refused * 3 > trials.len(), "{what}: hardly anything fails");
}

/// The calls of a stage whose kinds are among these.
fn points(ground: &Ground, stage: Stage, takes: impl Fn(&Point) -> bool) -> Vec<usize> {
    let (_, points) = ground.points(stage, &DULL, Shim::List);
    (1..).zip(&points).filter(|(_, point)| takes(point)).map(|(number, _)| number).collect()
}

fn takes_space(point: &Point) -> bool {
    let free = ["unlink", "unlinkat", "rmdir", "chmod", "fchmod", "fsync", "fdatasync"];
    !free.contains(&point.kind.as_str())
}

fn failures(numbers: &[usize], count: usize, errno: i32, lasting: bool) -> Vec<(Stage, Failure)> {
    let mut seed = seed();
    let picked = sample(numbers.len(), count, &mut seed);
    let failure = |at: usize| Failure { number: numbers[at - 1], errno, lasting, reads: false };
    picked.into_iter().map(|at| (Stage::Ingest, failure(at))).collect()
}

#[test]
fn a_disk_that_is_full_at_any_write_loses_nothing_and_is_told() {
    let Some(ground) = Ground::make() else { return };
    let numbers = points(&ground, Stage::Ingest, takes_space);
    let mut trials = failures(&numbers, SHORT_FAILURES, ENOSPC, true);
    trials.extend(failures(&numbers, SHORT_FAILURES / 2, ENOSPC, false));
    check_weather(&ground, "a full disk", &trials);
}

#[test]
fn a_disk_that_breaks_at_any_write_or_sync_loses_nothing_and_is_told() {
    let Some(ground) = Ground::make() else { return };
    let writes = points(&ground, Stage::Ingest, takes_space);
    let syncs = points(&ground, Stage::Ingest, Point::is_sync);
    let mut trials = failures(&writes, SHORT_FAILURES / 2, EIO, false);
    trials.extend(failures(&syncs, SHORT_FAILURES, EIO, false));
    check_weather(&ground, "a broken disk", &trials);
}

#[test]
fn a_disk_that_is_read_only_is_told_and_nothing_is_written() {
    let Some(ground) = Ground::make() else { return };
    let failure = Failure { number: 1, errno: EROFS, lasting: true, reads: false };
    check_weather(&ground, "a read-only disk", &[(Stage::Init, failure), (Stage::Ingest, failure)]);
}

#[test]
fn making_an_archive_on_a_full_disk_is_told_and_completed_later() {
    let Some(ground) = Ground::make() else { return };
    let numbers = points(&ground, Stage::Init, takes_space);
    let mut trials = failures(&numbers, SHORT_FAILURES / 2, ENOSPC, true);
    for trial in &mut trials {
        trial.0 = Stage::Init;
    }
    check_weather(&ground, "an archive made on a full disk", &trials);
}

/// Numbers of the reads below a folder.
fn reads_below(ground: &Ground, site: &Site, folder: &Path) -> Vec<usize> {
    let args = ingest_args(site);
    let points = ground.kit.list(site, &args.each_ref().map(String::as_str), Shim::ListReads);
    let reads = (1..)
        .zip(&points)
        .filter(|(_, point)| point.kind.contains("read") && point.is_below(folder));
    reads.map(|(number, _)| number).collect()
}

#[test]
fn a_document_that_cannot_be_read_is_refused_and_the_others_are_archived() {
    let Some(ground) = Ground::make() else { return };
    let (_root, site) = ground.site(Stage::Ingest, &DULL);
    prepare(&ground.kit, &site, Stage::Ingest);
    let numbers = reads_below(&ground, &site, site.documents());
    assert!(!numbers.is_empty(), "no read of a document was seen");
    let step = if slow() { 1 } else { numbers.len().div_ceil(4) };
    for number in numbers.iter().step_by(step) {
        let (_root, site) = ground.site(Stage::Ingest, &DULL);
        prepare(&ground.kit, &site, Stage::Ingest);
        let failure = Failure { number: *number, errno: EIO, lasting: false, reads: true };
        let ended = ingest(&ground.kit, &site, Shim::Fail(failure));
        let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        let submission = &value["submissions"][0];
        // Threads read in another order each time: a call of the archive may have this number.
        if ended.code == Some(1) && submission["refused"] == 1 {
            assert_eq!(submission["archived"], 3, "{}", ended.stdout);
            let refusal = &submission["refusals"][0];
            assert_eq!(refusal["code"], "UNREADABLE", "{refusal}");
            assert!(refusal["reason"].as_str().unwrap().contains("os error 5"), "{refusal}");
        } else {
            let mut violations = Vec::new();
            check_answer(failure, &ended, &mut violations);
            assert!(violations.is_empty(), "{violations:#?}");
        }
        let (_, violations) = judge(&ground.kit, &site, &[site.snapshot()]);
        assert!(violations.is_empty(), "call {number}: {violations:#?}");
    }
}

#[test]
fn an_archive_that_cannot_be_read_is_told_and_nothing_is_lost() {
    let Some(ground) = Ground::make() else { return };
    let (_root, site) = ground.site(Stage::Ingest, &DULL);
    prepare(&ground.kit, &site, Stage::Ingest);
    let numbers = reads_below(&ground, &site, site.root());
    let step = if slow() { READ_STEP } else { numbers.len().div_ceil(SHORT_FAILURES) };
    let failure = |number: &usize| {
        let failure = Failure { number: *number, errno: EIO, lasting: false, reads: true };
        (Stage::Ingest, failure)
    };
    let trials: Vec<_> = numbers.iter().step_by(step).map(failure).collect();
    check_weather(&ground, "an archive that cannot be read", &trials);
}

/// By so much every call that writes is late: longer than a disk under load takes for one.
const SLOW_MILLISECONDS: u32 = 40;

#[test]
fn a_slow_disk_makes_an_ingest_slow_and_nothing_else() {
    let Some(ground) = Ground::make() else { return };
    let (_root, site) = ground.site(Stage::Ingest, &DULL);
    prepare(&ground.kit, &site, Stage::Ingest);
    let ended = ingest(&ground.kit, &site, Shim::Slow(SLOW_MILLISECONDS));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&value["submissions"][0]["archived"], &value["sealing"]["waiting"]),
        (&4.into(), &0.into())
    );
    let (_, violations) = judge(&ground.kit, &site, &[site.snapshot()]);
    assert!(violations.is_empty(), "{violations:#?}");
}
