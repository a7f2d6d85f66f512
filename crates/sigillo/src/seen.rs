//! The newest checkpoint that this user saw of each log: who took a log back, or forked it, meets
//! somebody who remembers.

use std::path::{Path, PathBuf};

use sigillo_authorities::{KeyFolder, SignedHead};
use sigillo_evidence_log::{
    Archive, BelievedKeys, LogError, LogSummary, SeenHead, SeenLog, ended_log_contains,
    first_not_contained, is_said_lost, summarise,
};
use sigillo_merkle::{Checkpoint, KeysOfLog, VerifierKey};
use sigillo_model::{ArchiveId, Finding, LogSucceeded, LogTime, Sha256Digest};
use sigillo_proof::{ArchiveSection, ReceiptTrust};

use crate::{
    commands::bundle::name_of,
    context::Context,
    error::CommandError,
    memory::{Memory, Met, SEEN_LOGS, unless_named, write_logs},
    places::write_new,
    trust_ends::allows,
};

/// Whom to believe of something that was met: by the trust that it was judged with, and by the user's own if
/// that believes it, too.
pub(crate) struct MetTrust<'t> {
    pub(crate) judged: &'t ReceiptTrust,
    pub(crate) own: Option<&'t ReceiptTrust>,
}

impl Context {
    /// Returns the memory of an archive.
    pub(crate) fn memory(&self, archive: ArchiveId) -> Memory {
        Memory::in_folder(self.places.state_of(archive))
    }

    fn memory_of(&self, archive: &Archive) -> Memory {
        self.memory(archive.description().archive)
    }

    /// Returns the newest head of this log that this user saw in the archive.
    pub(crate) fn seen(&self, archive: &Archive) -> Option<SignedHead> {
        self.memory_of(archive).seen(archive.log_keys().first()).map(|it| it.head)
    }

    /// Returns the heads of this log that this user met in files, the newest first.
    pub(crate) fn met(&self, archive: &Archive) -> Result<Vec<SeenHead>, CommandError> {
        let log = archive.log_keys().first().clone();
        let mut heads = self.heads_of(archive, archive.generation(), &log)?;
        heads.retain(|it| it.met_in.is_some());
        Ok(heads)
    }

    /// Returns the newest head that was seen of a log and those that were met of it, as far as it must contain
    /// them.
    ///
    /// Where the trust store names the next log, a head that was seen is left out that its act says to be
    /// lost: who added that knows of the loss. One that was met is left out unless where the log ended allows
    /// it, and where it is by a key that is known to have retired. Where others may sign with its keys, whatever
    /// was seen or met may be theirs.
    fn heads_of(
        &self,
        archive: &Archive,
        generation: u64,
        log: &VerifierKey,
    ) -> Result<Vec<SeenHead>, CommandError> {
        let memory = self.memory_of(archive);
        let known = self.known_keys(archive, generation)?;
        let heads = memory.seen(log).into_iter().chain(memory.met(log, known.as_ref()));
        let Some(end) = self.trust.end_in(archive, generation)? else {
            return Ok(heads.collect());
        };
        let terms = archive.succession(generation + 1);
        let is_lost = |head| terms.as_ref().is_some_and(|it| is_said_lost(&it.succession, head));
        let counts = |it: &SeenHead| match it.met_in {
            None => !end.others_may_sign && !is_lost(it.head),
            Some(_) => allows(&end, it.head),
        };
        Ok(heads.filter(counts).collect())
    }

    /// Returns the keys of a log as far as its rotations are known: whoever has the newest key made those of the
    /// newest log; else as the trust store names them.
    fn known_keys(
        &self,
        archive: &Archive,
        generation: u64,
    ) -> Result<Option<KeysOfLog>, CommandError> {
        let shown = archive.log_keys();
        let has_newest =
            |keys: KeyFolder| keys.log_signer().of_key(shown.current().public_key()).is_ok();
        let is_rotated = generation == archive.generation() && shown.rotations() > 0;
        if is_rotated && self.keys(archive).is_ok_and(has_newest) {
            return Ok(Some(shown));
        }
        Ok(self.trust.of(archive)?.and_then(|it| it.keys_of(generation)))
    }

    /// Returns the logs that this archive must have: its first, those that this user saw and believed, and
    /// those that the trust store names, with the heads known of each but the one seen of the newest.
    ///
    /// Where the trust store names another log than was seen, that is no loss, nor is what came after it.
    pub(crate) fn seen_before(&self, archive: &Archive) -> Result<Vec<SeenLog>, CommandError> {
        let (believed, ends) = (self.trust.believed_of(archive)?, self.trust.ends_of(archive)?);
        let key_of = |it: &(u64, BelievedKeys)| (it.0, it.1.log.first().clone());
        let named: Vec<_> = believed.iter().map(key_of).collect();
        let seen = unless_named(self.memory_of(archive).seen_logs(), &named);
        let mut logs: Vec<_> = seen.into_iter().map(|it| (it.generation, it.log)).collect();
        logs.extend(named.iter().filter(|it| !logs.contains(it)).cloned().collect::<Vec<_>>());
        if believed.is_empty() {
            logs.extend(archive.log_keys_of(1).map(|first| (1, first.first().clone())));
        }
        let newest = (archive.generation(), archive.log_keys().first().clone());
        if !logs.contains(&newest) {
            logs.push(newest.clone());
        }
        let seen = logs.into_iter().map(|(generation, log)| {
            let is_newest = (generation, &log) == (newest.0, &newest.1);
            let mut heads = self.heads_of(archive, generation, &log)?;
            heads.retain(|it| !is_newest || it.met_in.is_some());
            let ended = ends.iter().find(|it| it.0 == generation).map(|it| it.1);
            let keys = believed.iter().find(|it| key_of(it) == (generation, log.clone()));
            Ok(SeenLog { generation, log, heads, believed: keys.map(|it| it.1.clone()), ended })
        });
        seen.collect()
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
        let memory = self.memory_of(archive);
        let lock = memory.lock();
        let (file, mut logs) = (memory.seen_logs_file(), memory.seen_logs());
        let before = logs.len();
        logs.retain(|it| !lost.iter().any(|lost| is_of(lost, &(it.generation, it.log.clone()))));
        if logs.len() == before {
            return Ok(false);
        }
        let bytes =
            std::fs::read(&file).map_err(|error| CommandError::file("reading", &file, &error))?;
        write_new(&file.with_file_name(format!("{SEEN_LOGS}{kept}")), &bytes)?;
        write_logs(&file, &logs)?;
        drop(lock);
        Ok(true)
    }

    /// Where it is remembered which logs were seen of an archive beyond its first.
    pub(crate) fn seen_logs_file(&self, archive: &Archive) -> PathBuf {
        self.memory_of(archive).seen_logs_file()
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
            (words, if is_named { self.trust.file_of(id) } else { self.seen_logs_file(archive) })
        }))
    }

    /// Remembers the head of a log that was found sound; which logs the archive has only if the newest is
    /// believed: whoever can write to the store can begin one.
    pub(crate) fn remember(&self, archive: &Archive, head: SignedHead) -> Result<(), CommandError> {
        let memory = self.memory_of(archive);
        if archive.generation() > 1 && self.trust.knowledge_of(archive)?.0 {
            let log_of = |it| Some((it, archive.log_keys_of(it)?.first().clone()));
            let logs: Vec<_> = (2..=archive.generation()).filter_map(log_of).collect();
            memory.see_logs(&logs)?;
        }
        memory.see(archive.log_keys().first(), head, LogTime::new(self.clock.now()))
    }

    /// As [`remember`](Self::remember), where the work is done and only the memory of it fails.
    pub(crate) fn remember_or_warn(&self, archive: &Archive, head: SignedHead) {
        self.warn_unless(self.remember(archive, head));
    }

    /// Says that the archive lacks a log that it must have, or its newest log what this user saw or met of
    /// it, or one that ended what was seen of that, if it does: with sizes and dates.
    pub(crate) async fn rolled_back(
        &self,
        archive: &Archive,
    ) -> Result<Option<String>, CommandError> {
        if let Some((words, _)) = self.lacks_log(archive)? {
            return Ok(Some(words));
        }
        match self.shrunk(archive).await? {
            Some(words) => Ok(Some(words)),
            None => Ok(self.lacked_by_ended(archive).await?.map(|it| it.0)),
        }
    }

    /// Says that a log that ended lacks what this user saw of it, if one does, and where that is remembered.
    /// What cannot be read of such a log is for `sigillo verify` to judge.
    pub(crate) async fn lacked_by_ended(
        &self,
        archive: &Archive,
    ) -> Result<Option<(String, PathBuf)>, CommandError> {
        for generation in (1..archive.generation()).rev() {
            let Some(keys) = archive.log_keys_of(generation) else { continue };
            let heads = self.heads_of(archive, generation, keys.first())?;
            for seen in heads.into_iter().filter(|it| it.met_in.is_none()) {
                let is_there = match ended_log_contains(archive, generation, seen.head).await {
                    Err(LogError::CommitDamaged { .. } | LogError::CommitMissing { .. }) => true,
                    read => read?,
                };
                if !is_there {
                    let words = seen.lacked_words(&format!(" of log {generation}"), "that log");
                    return Ok(Some((words, self.memory_of(archive).seen_file(keys.first()))));
                }
            }
        }
        Ok(None)
    }

    /// Says that the newest log lacks what this user saw or met of it, if it does.
    pub(crate) async fn shrunk(&self, archive: &Archive) -> Result<Option<String>, CommandError> {
        Ok(self.lacked_head(archive).await?.map(|it| it.1))
    }

    /// Returns the head that the newest log lacks of those that this user saw or met of it, with what is to
    /// be said of that.
    pub(crate) async fn lacked_head(
        &self,
        archive: &Archive,
    ) -> Result<Option<(SeenHead, String)>, CommandError> {
        let log = archive.log_keys().first().clone();
        let known = self.heads_of(archive, archive.generation(), &log)?;
        let heads: Vec<_> = known.iter().map(|it| it.head).collect();
        let Some(lacked) = first_not_contained(archive, &heads).await? else { return Ok(None) };
        let Some(known) = known.into_iter().find(|it| it.head == lacked) else { return Ok(None) };
        let log = summarise(archive, LogSummary::default(), &[]).await?;
        let newest = log.newest_commit_at.map(|at| format!(", the newest of {at}"));
        let this = format!("this log, of {} entries{},", log.size, newest.unwrap_or_default());
        let words = known.lacked_words("", &this);
        Ok(Some((known, words)))
    }

    /// Notes that an archive that was found sound has what this user had met of these logs, so that newer
    /// heads may take its place, and where it shows that those before the newest ended.
    pub(crate) fn settle_or_warn(&self, archive: &Archive, logs: &[SeenLog]) {
        for generation in 1..archive.generation() {
            self.warn_unless(self.see_end(archive, generation));
        }
        for log in logs {
            self.warn_unless(self.memory_of(archive).settle(&log.log, &log.heads));
        }
    }

    /// Remembers where a log ended in the archive: that it has what was met of it says nothing else, once the
    /// newest log is another one.
    fn see_end(&self, archive: &Archive, generation: u64) -> Result<(), CommandError> {
        let ended = archive.succession(generation + 1).zip(archive.log_keys_of(generation));
        let Some((LogSucceeded { succession: end, .. }, keys)) = ended else { return Ok(()) };
        let head = SignedHead { size: end.size, root: end.root };
        let at = LogTime::new(self.clock.now());
        self.memory_of(archive).see(keys.first(), head, at)
    }

    /// Compares what a file shows that is believed with what this user saw or met of those logs, and remembers
    /// it if the user's own trust store believes it, too.
    pub(crate) fn meet<'c>(
        &self,
        (section, file): (&ArchiveSection, &Path),
        trust: &MetTrust<'_>,
        heads: impl Iterator<Item = (u64, &'c Checkpoint)>,
    ) -> Option<Finding> {
        let log_of = |it| Some((it, section.keys_of(it)?));
        let head_of = |it: &Checkpoint| SignedHead {
            root: Sha256Digest::from_bytes(*it.root.as_bytes()),
            size: it.size,
        };
        let met = Met {
            logs: (1..=section.newest_log()).filter_map(log_of).collect(),
            heads: heads.map(|(generation, it)| (generation, head_of(it))).collect(),
            file: name_of(file),
        };
        let memory = self.memory(section.id);
        let contradiction = memory.contradiction(&met, trust.judged);
        // What contradicts is kept beside the other: it may be the only proof of a fork.
        if let Some(own) = trust.own {
            let at = LogTime::new(self.clock.now());
            self.warn_unless(memory.learn(&met, own, at));
        }
        contradiction
    }

    pub(crate) fn seen_file(&self, archive: &Archive) -> PathBuf {
        self.memory_of(archive).seen_file(archive.log_keys().first())
    }

    pub(crate) fn met_file(&self, archive: &Archive) -> PathBuf {
        self.memory_of(archive).met_file(archive.log_keys().first())
    }
}

/// Tells whether a log is the one of a generation with this first key.
pub(crate) fn is_of(log: &SeenLog, (generation, key): &(u64, VerifierKey)) -> bool {
    log.generation == *generation && log.log == *key
}
