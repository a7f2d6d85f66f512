//! The newest checkpoint that this user saw of each log: who took a log back, or forked it, meets
//! somebody who remembers.

use std::path::{Path, PathBuf};

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::{Archive, LogSummary, log_contains, summarise};
use sigillo_merkle::{Checkpoint, VerifierKey};
use sigillo_model::{ArchiveId, Finding, FindingCode, LogTime, Sha256Digest};

use crate::{context::Context, error::CommandError, places::write_whole};

/// The file of the state that names the logs that were seen of an archive beyond its first.
const SEEN_LOGS: &str = "seen-logs";

/// At most so many of them are read.
const SEEN_LOGS_MAX: usize = 1000;

impl Context {
    /// Returns the newest head of this log that this user saw.
    pub(crate) fn seen(&self, archive: &Archive) -> Option<SignedHead> {
        read(&self.seen_file(archive)).map(|(head, _)| head)
    }

    /// Returns the newest heads that this user saw of the logs of this archive, without the one that is
    /// its newest now: each with its generation.
    pub(crate) fn seen_before(&self, archive: &Archive) -> Vec<(u64, SignedHead)> {
        let state = self.places.state_of(archive.description().archive);
        let mut logs = read_logs(&state);
        if archive.generation() > 1
            && let Some(first) = archive.log_keys_of(1)
        {
            logs.push((1, first.first().clone()));
        }
        let newest = archive.log_keys();
        logs.retain(|(_, key)| key != newest.first());
        let seen = logs.into_iter().filter_map(|(generation, key)| {
            read(&seen_in(&state, &key)).map(|(head, _)| (generation, head))
        });
        seen.collect()
    }

    /// Says that the archive does not have a log that this user saw of it, if that is so.
    fn lacks_log(&self, archive: &Archive) -> Option<String> {
        let state = self.places.state_of(archive.description().archive);
        let is_there = |generation: u64, key: &VerifierKey| {
            archive.log_keys_of(generation).is_some_and(|keys| keys.first() == key)
        };
        let (generation, _) =
            read_logs(&state).into_iter().find(|(number, key)| !is_there(*number, key))?;
        Some(format!(
            "log {generation} of this archive was seen earlier, and here is none with its key: the \
             archive was rolled back or rewritten"
        ))
    }

    /// Remembers the head of a log that was found sound.
    pub(crate) fn remember(&self, archive: &Archive, head: SignedHead) -> Result<(), CommandError> {
        let newest = archive.log_keys();
        if archive.generation() > 1 {
            let state = self.places.state_of(archive.description().archive);
            let (mut logs, log) =
                (read_logs(&state), (archive.generation(), newest.first().clone()));
            if !logs.contains(&log) {
                logs.push(log);
                let lines = logs.iter().map(|(number, key)| format!("{number} {key}\n"));
                write_whole(&state.join(SEEN_LOGS), lines.collect::<String>().as_bytes())?;
            }
        }
        self.remember_in(&self.seen_file(archive), head)
    }

    /// As [`remember`](Self::remember), where the work is done and only the memory of it fails.
    pub(crate) fn remember_or_warn(&self, archive: &Archive, head: SignedHead) {
        self.warn_unless(self.remember(archive, head));
    }

    /// Says that the log lacks what this user saw of it, if it does: with both sizes and dates.
    pub(crate) async fn rolled_back(
        &self,
        archive: &Archive,
    ) -> Result<Option<String>, CommandError> {
        if self.lacks_log(archive).is_some() {
            // Perhaps it could not be read when the archive was opened.
            archive.learn().await?;
            if let Some(words) = self.lacks_log(archive) {
                return Ok(Some(words));
            }
        }
        let Some((seen, at)) = read(&self.seen_file(archive)) else { return Ok(None) };
        if log_contains(archive, seen).await? {
            return Ok(None);
        }
        let log = summarise(archive, LogSummary::default(), &[]).await?;
        let newest = log.newest_commit_at.map(|at| format!(", the newest of {at}"));
        Ok(Some(format!(
            "a checkpoint of {} entries was seen {}; this log, of {} entries{}, does not contain \
             it: it was rolled back or rewritten",
            seen.size,
            when(at),
            log.size,
            newest.unwrap_or_default()
        )))
    }

    /// Compares a checkpoint that a believed log signed, met without the archive, with what this
    /// user saw of that log, and remembers it if it is newer. Two roots of one size are a fork.
    pub(crate) fn meet(
        &self,
        archive: ArchiveId,
        log: &VerifierKey,
        checkpoint: &Checkpoint,
    ) -> Option<Finding> {
        let file = seen_in(&self.places.state_of(archive), log);
        let root = Sha256Digest::from_bytes(*checkpoint.root.as_bytes());
        let met = SignedHead { size: checkpoint.size, root };
        match read(&file) {
            Some((seen, at)) if seen.size == met.size && seen.root != met.root => {
                let message = format!(
                    "the log was forked: of {} entries it signed the root {}, seen {}, and here {}",
                    met.size,
                    seen.root,
                    when(at),
                    met.root
                );
                Some(Finding::new(FindingCode::LogRolledBack, "checkpoint", message))
            }
            _ => {
                self.warn_unless(self.remember_in(&file, met));
                None
            }
        }
    }

    fn remember_in(&self, file: &Path, head: SignedHead) -> Result<(), CommandError> {
        if read(file).is_some_and(|(seen, _)| head.size <= seen.size) {
            return Ok(());
        }
        let at = LogTime::new(self.clock.now());
        write_whole(file, format!("{} {} {at}\n", head.size, head.root).as_bytes())
    }

    pub(crate) fn seen_file(&self, archive: &Archive) -> PathBuf {
        seen_in(&self.places.state_of(archive.description().archive), archive.log_keys().first())
    }
}

/// Reads which logs were seen of an archive beyond its first, each with its first key.
fn read_logs(state: &Path) -> Vec<(u64, VerifierKey)> {
    let text = std::fs::read_to_string(state.join(SEEN_LOGS)).unwrap_or_default();
    let lines = text.lines().take(SEEN_LOGS_MAX).filter_map(|line| {
        let (number, key) = line.split_once(' ')?;
        Some((number.parse().ok()?, VerifierKey::parse(key).ok()?))
    });
    lines.collect()
}

/// The memory of one log: whoever copies the archive's id has another key.
fn seen_in(state: &Path, log: &VerifierKey) -> PathBuf {
    let key = Sha256Digest::of(log.public_key()).to_string();
    state.join(format!("seen-{}", &key[..16]))
}

/// Reads a head, and when it was seen; older versions did not say that.
fn read(file: &Path) -> Option<(SignedHead, Option<LogTime>)> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut parts = text.split_whitespace();
    let (size, root) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let at = parts.next().and_then(|at| at.parse().ok()).map(LogTime::new);
    Some((SignedHead { size, root }, at))
}

fn when(at: Option<LogTime>) -> String {
    at.map_or_else(|| "earlier".to_owned(), |at| format!("on {at}"))
}
