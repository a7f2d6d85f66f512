//! The newest checkpoint that this user saw of each log: who took a log back, or forked it, meets
//! somebody who remembers.

use std::path::{Path, PathBuf};

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::{
    Archive, BelievedKeys, LogSummary, SeenLog, is_said_lost, log_contains, summarise,
};
use sigillo_merkle::{Checkpoint, VerifierKey};
use sigillo_model::{ArchiveId, Finding, FindingCode, LogTime, Sha256Digest};
use sigillo_proof::ArchiveSection;

use crate::{
    context::Context,
    error::CommandError,
    places::{write_new, write_whole},
};

/// The file of the state that names the logs that were seen of an archive beyond its first.
const SEEN_LOGS: &str = "seen-logs";

/// The file of the state that names those that were met without the archive, as in receipts.
const MET_LOGS: &str = "met-logs";

/// At most so many of each are read.
const SEEN_LOGS_MAX: usize = 1000;

impl Context {
    /// Returns the newest head of this log that this user saw.
    pub(crate) fn seen(&self, archive: &Archive) -> Option<SignedHead> {
        read(&self.seen_file(archive)).map(|(head, _)| head)
    }

    /// Returns the logs that this archive must have: its first, those that this user saw and believed, and
    /// those that the trust store names, with the newest head seen of each but the archive's newest.
    ///
    /// A head is left out that the responsible person said to be lost, in the act that began a log which
    /// the trust store names: who added that knows of the loss.
    pub(crate) fn seen_before(&self, archive: &Archive) -> Result<Vec<SeenLog>, CommandError> {
        let state = self.places.state_of(archive.description().archive);
        let (believed, ends) = (self.trust.believed_of(archive)?, self.trust.ends_of(archive)?);
        let key_of = |it: &(u64, BelievedKeys)| (it.0, it.1.log.first().clone());
        let named: Vec<_> = believed.iter().map(key_of).collect();
        let mut logs = read_logs(&state, SEEN_LOGS);
        logs.extend(named.iter().filter(|it| !logs.contains(it)).cloned().collect::<Vec<_>>());
        if believed.is_empty() {
            logs.extend(archive.log_keys_of(1).map(|first| (1, first.first().clone())));
        }
        let newest = (archive.generation(), archive.log_keys().first().clone());
        let seen = logs.into_iter().map(|(generation, log)| {
            let is_newest = (generation, &log) == (newest.0, &newest.1);
            let seen = read(&seen_in(&state, &log)).filter(|_| !is_newest);
            let next = archive.log_keys_of(generation + 1).map(|keys| keys.first().clone());
            let is_named = next.is_some_and(|next| named.contains(&(generation + 1, next)));
            let terms = archive.succession(generation + 1).filter(|_| is_named);
            // Where others may sign with its keys, whatever was seen of it may be theirs.
            let is_lost = |head| {
                terms.is_some_and(|it| {
                    it.succession.reason.others_may_sign() || is_said_lost(&it.succession, head)
                })
            };
            let seen = seen.filter(|(head, _)| !is_lost(*head));
            let ended = ends.iter().find(|it| it.0 == generation).map(|it| it.1);
            let keys = believed.iter().find(|it| key_of(it) == (generation, log.clone()));
            SeenLog {
                generation,
                log,
                head: seen.map(|it| it.0),
                at: seen.and_then(|it| it.1),
                believed: keys.map(|it| it.1.clone()),
                ended,
            }
        });
        Ok(seen.collect())
    }

    /// Returns those of [`seen_before`](Self::seen_before) that the archive does not have.
    pub(crate) fn lost_logs(&self, archive: &Archive) -> Result<Vec<SeenLog>, CommandError> {
        let is_there =
            |it: &SeenLog| archive.log_keys_of(it.generation).is_some_and(|k| *k.first() == it.log);
        let logs = self.seen_before(archive)?;
        Ok(logs.into_iter().filter(|it| !is_there(it)).collect())
    }

    /// Forgets that these logs were seen of an archive, and keeps what was remembered in a file with
    /// `kept` behind its name; tells whether any was remembered.
    pub(crate) fn forget_logs(
        &self,
        archive: &Archive,
        lost: &[SeenLog],
        kept: &str,
    ) -> Result<bool, CommandError> {
        let file = self.seen_logs_file(archive);
        let state = self.places.state_of(archive.description().archive);
        let (logs, all) = (read_logs(&state, SEEN_LOGS), lost);
        let is_lost = |it: &(u64, VerifierKey)| all.iter().any(|lost| is_of(lost, it));
        if !logs.iter().any(is_lost) {
            return Ok(false);
        }
        let bytes =
            std::fs::read(&file).map_err(|error| CommandError::file("reading", &file, &error))?;
        write_new(&file.with_file_name(format!("{SEEN_LOGS}{kept}")), &bytes)?;
        let left: Vec<_> = logs.into_iter().filter(|it| !is_lost(it)).collect();
        write_logs(&file, &left)?;
        Ok(true)
    }

    /// Where it is remembered which logs were seen of an archive beyond its first.
    pub(crate) fn seen_logs_file(&self, archive: &Archive) -> PathBuf {
        self.places.state_of(archive.description().archive).join(SEEN_LOGS)
    }

    /// Says that the archive does not have a log that it must have, or not with the keys that are
    /// believed, or that one ended elsewhere, if that is so, and where that is remembered.
    pub(crate) fn lacks_log(
        &self,
        archive: &Archive,
    ) -> Result<Option<(String, PathBuf)>, CommandError> {
        let id = archive.description().archive;
        let lacking = self.seen_before(archive)?.into_iter().find_map(|it| {
            let shown =
                archive.commit_key_of(it.generation).zip(archive.log_keys_of(it.generation));
            let words = match shown.filter(|(_, keys)| *keys.first() == it.log) {
                None => Some(it.lost_words()),
                Some((commit, keys)) => {
                    let believed = it.believed.as_ref();
                    believed.and_then(|known| known.contradiction(it.generation, &commit, &keys))
                }
            };
            words.map(|words| (words, it.believed.is_some()))
        });
        if lacking.is_none()
            && let Some((generation, end)) = self.trust.other_end(archive)?
        {
            let words = format!(
                "log {generation} of this archive ended with {} entries, by what the trust store says, and \
                 here with other ones: the archive was rewritten",
                end.size
            );
            return Ok(Some((words, self.trust.file_of(id))));
        }
        Ok(lacking.map(|(words, is_named)| {
            let state = self.places.state_of(id);
            (words, if is_named { self.trust.file_of(id) } else { state.join(SEEN_LOGS) })
        }))
    }

    /// Remembers the head of a log that was found sound; that the archive has that log only if the log
    /// is believed: whoever can write to the store can begin one.
    pub(crate) fn remember(&self, archive: &Archive, head: SignedHead) -> Result<(), CommandError> {
        if archive.generation() > 1 && self.trust.knowledge_of(archive)?.0 {
            let state = self.places.state_of(archive.description().archive);
            let log = (archive.generation(), archive.log_keys().first().clone());
            let mut logs = read_logs(&state, SEEN_LOGS);
            if !logs.contains(&log) {
                logs.push(log);
                write_logs(&state.join(SEEN_LOGS), &logs)?;
            }
        }
        self.remember_in(&self.seen_file(archive), head)
    }

    /// As [`remember`](Self::remember), where the work is done and only the memory of it fails.
    pub(crate) fn remember_or_warn(&self, archive: &Archive, head: SignedHead) {
        self.warn_unless(self.remember(archive, head));
    }

    /// Says that the archive lacks a log that it must have, or its newest log what this user saw of it,
    /// if it does: with both sizes and dates.
    pub(crate) async fn rolled_back(
        &self,
        archive: &Archive,
    ) -> Result<Option<String>, CommandError> {
        match self.lacks_log(archive)? {
            Some((words, _)) => Ok(Some(words)),
            None => self.shrunk(archive).await,
        }
    }

    /// Says that the newest log lacks what this user saw of it, if it does.
    pub(crate) async fn shrunk(&self, archive: &Archive) -> Result<Option<String>, CommandError> {
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

    /// Compares the logs that came after others, in what was met without the archive and is believed, with
    /// those that this user met or saw, and remembers them. Two after the same log are a fork of that,
    /// unless the trust store says which of them it is.
    pub(crate) fn meet_logs(&self, section: &ArchiveSection) -> Option<Finding> {
        let named = self.trust.receipt_trust(section).map(|it| it.successors).unwrap_or_default();
        let state = self.places.state_of(section.id);
        let (mut met, seen) = (read_logs(&state, MET_LOGS), read_logs(&state, SEEN_LOGS));
        let known = met.len();
        for generation in 2..=section.newest_log() {
            let Some(key) = section.first_key_of(generation) else { continue };
            if named.iter().any(|it| it.generation == generation) {
                continue;
            }
            let is_other = |it: &&(u64, VerifierKey)| it.0 == generation && it.1 != key;
            if let Some((_, other)) = met.iter().chain(&seen).find(is_other) {
                let message = format!(
                    "the log was forked: after log {} came one with the key {other}, as was seen \
                     earlier, and here one with the key {key}",
                    generation - 1
                );
                let object = format!("log {generation}");
                return Some(Finding::new(FindingCode::LogRolledBack, object, message));
            }
            if met.len() < SEEN_LOGS_MAX && !met.contains(&(generation, key.clone())) {
                met.push((generation, key));
            }
        }
        if met.len() > known {
            self.warn_unless(write_logs(&state.join(MET_LOGS), &met));
        }
        None
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

/// Reads which logs were seen or met of an archive beyond its first, each with its first key.
fn read_logs(state: &Path, file: &str) -> Vec<(u64, VerifierKey)> {
    let text = std::fs::read_to_string(state.join(file)).unwrap_or_default();
    let lines = text.lines().take(SEEN_LOGS_MAX).filter_map(|line| {
        let (number, key) = line.split_once(' ')?;
        Some((number.parse().ok()?, VerifierKey::parse(key).ok()?))
    });
    lines.collect()
}

fn write_logs(file: &Path, logs: &[(u64, VerifierKey)]) -> Result<(), CommandError> {
    let lines = logs.iter().map(|(number, key)| format!("{number} {key}\n"));
    write_whole(file, lines.collect::<String>().as_bytes())
}

/// Tells whether a log is the one of a generation with this first key.
pub(crate) fn is_of(log: &SeenLog, (generation, key): &(u64, VerifierKey)) -> bool {
    log.generation == *generation && log.log == *key
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
