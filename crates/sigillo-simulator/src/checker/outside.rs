//! What the harness keeps outside the store, and whether the store lives up to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use sigillo_authorities::SignedHead;
use sigillo_merkle::{Checkpoint, SignedNote};
use sigillo_model::{Sha256Digest, SubmissionId, VersionId};

use super::{
    Invariant, ReplayedLog, Snapshot, Violation,
    batches::FoundVersion,
    log::{digest_text, text},
};

/// One document that the producer was told is archived.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Acknowledged {
    /// The version it was acknowledged under.
    pub version: VersionId,
    /// SHA-256 of the bytes that were sent.
    pub sha256: Sha256Digest,
}

/// What somebody outside the store was told or could have seen.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Acknowledged versions, by [`label`](super::label); two under one label are a violation.
    pub documents: BTreeSet<(String, Acknowledged)>,
    /// Every signed checkpoint that left a process, or was on its way out when it died.
    pub checkpoints: BTreeSet<String>,
    /// What key folders remember as signed last.
    pub signed: Vec<SignedHead>,
    /// Submissions that were acknowledged.
    pub submissions: BTreeSet<SubmissionId>,
    /// Batches that were acknowledged, as their entries, with their commits.
    pub batches: Vec<(u64, Value)>,
}

/// I1, and of I7 what needs no second submission.
pub(super) fn check_acknowledged(
    outside: &Outside,
    log: &ReplayedLog,
    found: &BTreeMap<VersionId, FoundVersion>,
    violations: &mut Vec<Violation>,
) {
    let mut versions: BTreeMap<&str, VersionId> = BTreeMap::new();
    for (path, acknowledged) in &outside.documents {
        let Acknowledged { version, sha256 } = acknowledged;
        let message = match found.get(version) {
            None => Some("is in no batch that is committed and complete"),
            Some(document) if document.label() != *path => Some("is another"),
            Some(document) if document.sha256 != *sha256 => Some("has other bytes"),
            Some(_) => None,
        };
        if let Some(message) = message {
            let message = format!("{path}, acknowledged as {version}, {message}");
            violations.push(Violation::new(Invariant::AcknowledgedVerifies, message));
        }
        if let Some(other) = versions.insert(path, *version)
            && other != *version
        {
            let message = format!("{path} was acknowledged as {other} and as {version}");
            violations.push(Violation::new(Invariant::ResubmissionSame, message));
        }
    }
    for submission in &outside.submissions {
        let id = submission.to_string();
        let times =
            log.entries_of("submission.completed").filter(|it| text(&it.body, "submission") == id);
        let times = times.count();
        if times != 1 {
            let message = format!("submission {id} is in the log {times} times");
            violations.push(Violation::new(Invariant::AcknowledgedVerifies, message));
        }
    }
    for (commit, body) in &outside.batches {
        let there = log.entries.iter().any(|it| it.commit == *commit && it.body == *body);
        if !there {
            let message = format!("the batch acknowledged in commit {commit} is not there");
            violations.push(Violation::new(Invariant::AcknowledgedVerifies, message));
        }
    }
}

/// I3 and I4, over every checkpoint that anybody could have.
pub(super) fn check_checkpoints(
    snapshot: &Snapshot,
    outside: &Outside,
    log: &ReplayedLog,
    violations: &mut Vec<Violation>,
) {
    let mut heads: BTreeMap<u64, String> = BTreeMap::new();
    let published = snapshot.get("log/checkpoint").map(|bytes| ("published", bytes.to_vec()));
    let emitted = outside.checkpoints.iter().map(|note| ("emitted", note.as_bytes().to_vec()));
    let statements = snapshot.below("sealings").filter(|(key, _)| key.ends_with("statement.json"));
    let stated = statements.filter_map(|(_, bytes)| {
        let statement: Value = serde_json::from_slice(bytes).ok()?;
        Some(("stated", text(&statement, "checkpoint").as_bytes().to_vec()))
    });
    let mut all = Vec::new();
    for (what, note) in published.into_iter().chain(emitted).chain(stated) {
        match read_checkpoint(&note, log) {
            Ok((size, root)) => all.push((what, size, root)),
            Err(message) => {
                let message = format!("a checkpoint that was {what}: {message}");
                violations.push(Violation::new(Invariant::LogExtends, message));
            }
        }
    }
    all.extend(outside.signed.iter().map(|head| ("signed", head.size, head.root.to_string())));
    for (what, size, root) in all {
        if let Some(other) = heads.insert(size, root.clone())
            && other != root
        {
            let message = format!("size {size} has the roots {other} and {root}");
            violations.push(Violation::new(Invariant::OneRootForOneSize, message));
        }
        if log.root_at(size).map(digest_text).as_ref() != Some(&root) {
            let message = format!(
                "the log of {} entries does not extend the checkpoint of {size} that was {what}",
                log.leaves.len()
            );
            violations.push(Violation::new(Invariant::LogExtends, message));
        }
    }
}

fn read_checkpoint(note: &[u8], log: &ReplayedLog) -> Result<(u64, String), String> {
    let note = SignedNote::parse(note).map_err(|error| error.to_string())?;
    let key = log.log_key.clone().ok_or("the log's key is not known")?;
    note.verify(&[key]).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse_strict(&note.text).map_err(|error| error.to_string())?;
    if checkpoint.origin != log.origin {
        return Err(format!("it is of {}", checkpoint.origin));
    }
    Ok((checkpoint.size, digest_text(checkpoint.root)))
}
