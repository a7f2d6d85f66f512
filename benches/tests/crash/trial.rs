//! One death and what comes after it: recovery, and everything that must hold then.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    checker::Examined,
    shim::{Ended, Kit, Shim},
    site::{DOCUMENTS, SeenCheckpoint, Site, Snapshot, checkpoint_of_note, files},
};

/// Which command dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// The making of the archive.
    Init,
    /// An ingest into an archive just made, with seal and time-stamp.
    Ingest,
}

/// What one trial showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// The process died before its end.
    pub(crate) died: bool,
    pub(crate) orphans: usize,
    pub(crate) violations: Vec<String>,
}

/// The arguments that make the archive.
pub(crate) fn init_args() -> [&'static str; 3] {
    ["init", "--entity", "Comune di Prova"]
}

/// The arguments that ingest the documents.
pub(crate) fn ingest_args(site: &Site) -> [String; 4] {
    let documents = site.documents().display().to_string();
    ["ingest".to_owned(), documents, "--source".to_owned(), "protocollo".to_owned()]
}

/// Runs the commands of a stage; the last one under the shim.
pub(crate) fn run_stage(kit: &Kit, site: &Site, stage: Stage, shim: Shim) -> Ended {
    match stage {
        Stage::Init => kit.run(site, &init_args(), shim),
        Stage::Ingest => ingest(kit, site, shim),
    }
}

/// Ingests the documents.
pub(crate) fn ingest(kit: &Kit, site: &Site, shim: Shim) -> Ended {
    let args = ingest_args(site);
    kit.run(site, &args.each_ref().map(String::as_str), shim)
}

/// Brings a site to where a stage begins.
pub(crate) fn prepare(kit: &Kit, site: &Site, stage: Stage) {
    if stage == Stage::Ingest {
        let made = kit.run(site, &init_args(), Shim::Absent);
        assert_eq!(made.code, Some(0), "{}{}", made.stdout, made.stderr);
    }
}

/// Lets a stage die, its recovery as well if asked for, and judges what a last recovery makes of it.
pub(crate) fn trial(
    kit: &Kit,
    site: &Site,
    stage: Stage,
    death: Shim,
    second: Option<Shim>,
) -> Shown {
    prepare(kit, site, stage);
    let first = run_stage(kit, site, stage, death);
    let mut died = first.code.is_none();
    let mut seen = vec![site.snapshot()];
    let mut violations = Vec::new();
    if let Some(second) = second {
        died &= run_stage(kit, site, stage, second).code.is_none();
        seen.push(site.snapshot());
    }
    if let (Some(code @ 1..), false) = (first.code, died) {
        violations.push(format!("exit {code} without a death: {}{}", first.stdout, first.stderr));
    }
    // Once the archive can be opened, any ingest must complete it; before, only another init.
    let is_there = site.archive().join("archive.json").exists();
    if stage == Stage::Init && (second.is_some() || !is_there) {
        expect_success("init again", &run_stage(kit, site, stage, Shim::Absent), &mut violations);
    }
    let (orphans, found) = judge(kit, site, &seen);
    violations.extend(found);
    Shown { died, orphans, violations }
}

/// Recovers by the same ingest again, and says what does not hold then; returns how many packs
/// nobody names, too.
pub(crate) fn judge(kit: &Kit, site: &Site, seen: &[Snapshot]) -> (usize, Vec<String>) {
    let mut violations = Vec::new();
    let recovered = ingest(kit, site, Shim::Absent);
    expect_success("ingest again", &recovered, &mut violations);
    let examined = Examined::of(&site.archive());
    violations.extend(examined.problems.iter().cloned());
    if examined.leaves.len() != DOCUMENTS {
        violations.push(format!("{} documents instead of {DOCUMENTS}", examined.leaves.len()));
    }
    let now = site.snapshot();
    for snapshot in seen {
        for (name, bytes) in &snapshot.commits {
            match now.commits.get(name) {
                None => violations.push(format!("commit {name} was there and is gone")),
                Some(other) if other != bytes => {
                    violations.push(format!("commit {name} has other bytes than before"));
                }
                Some(_) => {}
            }
        }
    }
    let acknowledged = acknowledged(&recovered);
    let checkpoints = seen.iter().flat_map(|snapshot| &snapshot.checkpoints);
    let checkpoints = checkpoints.chain(&now.checkpoints).chain(&acknowledged);
    violations.extend(checkpoints.filter_map(|checkpoint| examined.contradiction(checkpoint)));
    check_verification(kit, site, &mut violations);
    check_export(kit, site, &mut violations);
    check_repetition(kit, site, &mut violations);
    (examined.orphans, violations)
}

/// Returns the checkpoints that a run printed as its acknowledgement.
pub(crate) fn acknowledged(ended: &Ended) -> Vec<SeenCheckpoint> {
    let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
    let submissions = value["submissions"].as_array().into_iter().flatten();
    submissions
        .filter_map(|submission| checkpoint_of_note("stdout", submission["checkpoint"].as_str()?))
        .collect()
}

pub(crate) fn expect_success(what: &str, ended: &Ended, violations: &mut Vec<String>) {
    if ended.code != Some(0) {
        let Ended { code, stdout, stderr } = ended;
        violations.push(format!("{what}: exit {code:?}: {stdout}{stderr}"));
    }
}

fn check_verification(kit: &Kit, site: &Site, violations: &mut Vec<String>) {
    let ended = kit.run(site, &["verify", "--full"], Shim::Absent);
    expect_success("verify --full", &ended, violations);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
    let mut findings = value["findings"].as_array().into_iter().flatten();
    if value["verdict"] != "intact"
        || value["documents"] != DOCUMENTS
        || value["time_stamps"] == 0
        || findings.any(|finding| finding["severity"] != "note")
    {
        violations.push(format!("verify --full says {}", ended.stdout));
    }
}

fn check_export(kit: &Kit, site: &Site, violations: &mut Vec<String>) {
    let output = site.export();
    let place = output.to_str().expect("the folder of a test is UTF-8");
    let ended = kit.run(site, &["export", "--all", "-o", place], Shim::Absent);
    expect_success("export --all", &ended, violations);
    let relative = |folder: &Path| {
        let found = files(folder).into_iter();
        found.map(|p| p.strip_prefix(folder).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (given, back) = (site.documents(), output.join("protocollo"));
    // The records are in one file beside the documents.
    if relative(given) != relative(&back) || files(&output).len() != DOCUMENTS + 1 {
        violations.push(format!("export gives back {:?}", files(&output)));
    }
    for path in relative(given) {
        if fs::read(given.join(&path)).ok() != fs::read(back.join(&path)).ok() {
            violations.push(format!("export gives back other bytes of {}", path.display()));
        }
    }
}

fn check_repetition(kit: &Kit, site: &Site, violations: &mut Vec<String>) {
    let before = site.content();
    let ended = ingest(kit, site, Shim::Absent);
    expect_success("a third ingest", &ended, violations);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
    let submission = &value["submissions"][0];
    if submission["already"] != DOCUMENTS || submission["archived"] != 0 {
        violations.push(format!("a third ingest says {}", ended.stdout));
    }
    if site.content() != before {
        violations.push("a third ingest writes packs or batches".to_owned());
    }
}
