//! An ingest that sleeps between its packs and its commit while a sweep takes the packs away.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

use crate::{
    DULL, Ground,
    shim::{Ended, Point, Shim},
    site::{DOCUMENTS, PACKS, files},
    trial::{Stage, ingest_args, judge, prepare},
};

/// The first batch that an ingest commits in a new archive, after it said what it received.
const FIRST_BATCH: &str = "log/seq/00000000000000000003";

/// Tells whether a process was stopped by a signal.
fn is_stopped(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The state follows the name, which is in brackets and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

#[test]
fn an_ingest_that_sleeps_through_a_sweep_writes_everything_again_and_says_so() {
    let Some(ground) = Ground::make() else { return };
    let (_root, site) = ground.site(Stage::Ingest, &DULL);
    prepare(&ground.kit, &site, Stage::Ingest);
    let args = ingest_args(&site);
    let args = args.each_ref().map(String::as_str);
    let mut command = ground.kit.command(&site, &args, Shim::Stop(FIRST_BATCH));
    let ingest = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !is_stopped(ingest.id()) {
        thread::yield_now();
    }
    let packs = |kept: &[_]| {
        files(&site.archive().join("packs")).into_iter().filter(|it| !kept.contains(it)).count()
    };
    assert!(packs(&[]) >= PACKS, "the ingest sleeps before its packs are written");
    let shown = ground.kit.run(&site, &["sweep"], Shim::Absent);
    let swept = ground.kit.run(&site, &["sweep", "--yes"], Shim::Absent);
    let told = |ended: &Ended| serde_json::from_str::<Value>(&ended.stdout).unwrap();
    assert_eq!((shown.code, swept.code), (Some(0), Some(0)), "{swept:?}");
    let removed = &told(&swept)["outcome"]["removed"];
    assert_eq!(removed["objects"], told(&shown)["plan"]["unnamed"]["objects"]);
    assert!(removed["count"].as_u64().unwrap() >= PACKS as u64, "{removed}");
    assert_eq!(packs(&[]), 0);
    // It holds the lock of those who write: what it has not finished stays.
    assert_eq!(told(&swept)["outcome"]["staging_in_use"], true);

    let woken = Command::new("kill").args(["-CONT", &ingest.id().to_string()]).status().unwrap();
    assert!(woken.success());
    let ended = Ended::of(&ingest.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let submission = &told(&ended)["submissions"][0];
    assert_eq!(submission["archived"], DOCUMENTS, "{submission}");
    assert_eq!(submission["notes"][0]["code"], "MADE_ANEW", "{submission}");
    assert!(ended.stderr.contains("a sweep came first"), "{}", ended.stderr);
    let (orphans, violations) = judge(&ground.kit, &site, &[site.snapshot()]);
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!(orphans, 0);
}

#[test]
fn what_a_sweep_removes_stays_away_after_a_power_cut() {
    let Some(ground) = Ground::make() else { return };
    let (_root, site) = ground.site(Stage::Ingest, &DULL);
    prepare(&ground.kit, &site, Stage::Ingest);
    let packs = site.archive().join("packs");
    let litter = ["ab", "cd"].map(|byte| packs.join(byte).join(byte.repeat(32) + ".zip"));
    for path in litter.iter().chain([&packs.join("00000001#1")]) {
        fs::write(path, b"litter").unwrap();
    }
    let points = ground.kit.list(&site, &["sweep", "--yes"], Shim::List);
    let removed: Vec<_> = points
        .iter()
        .enumerate()
        .filter(|(_, point)| point.kind.starts_with("unlink") && point.is_below(&packs))
        .collect();
    assert_eq!(removed.len(), 3, "{removed:?}");
    for (at, point) in removed {
        let folder = Path::new(&point.path).parent().unwrap();
        let synced = |later: &Point| later.is_sync() && Path::new(&later.path) == folder;
        assert!(
            points[at..].iter().any(synced),
            "{} is not synced after {point:?}",
            folder.display()
        );
    }
    // The epoch is raised, durably, before anything goes.
    let commit = points.iter().position(|it| it.path.ends_with("00000000000000000002"));
    let first = points.iter().position(|it| it.is_below(&packs) && it.kind.starts_with("unlink"));
    assert!(commit.unwrap() < first.unwrap(), "{points:#?}");
}
