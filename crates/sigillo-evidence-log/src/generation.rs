//! The logs of one archive, one after the other: which commits belong to which, and learning of them.

use std::sync::PoisonError;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use sigillo_merkle::{Checkpoint, KeysOfLog, VerifierKey};
use sigillo_model::{
    ArchiveDescription, CommitOpened, ENTRY_BYTES_MAX, Entry, GENERATIONS_MAX, LogSucceeded,
    LogTime, ObjectKey, SuccessionReason,
};

use crate::{
    Archive, Commit, CommitFault, LogError, RightEdge, archive::commit_key_name, chain::sha256_of,
    find_head, head::is_there, key_rotation::KnownKeys,
};

/// So many commits before the newest are also asked which log they are of.
const LEARNT_MAX: u64 = 1;

/// At most so many commits, the newest first, are looked through for one of a later log, if that is known
/// to have begun.
const HIDING_COMMITS_MAX: u64 = 100_000;

/// So many of them are read at once.
const HIDING_READS_MAX: usize = 16;

/// One log of an archive, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// The commit that it begins with.
    pub(crate) opened: u64,
    /// The key that its commits are signed with.
    pub(crate) commit_key: VerifierKey,
    /// The keys that its checkpoints are signed with.
    pub(crate) keys: KnownKeys,
    /// The certificate of the seal key in its time, PEM.
    pub(crate) seal: String,
    /// How it came after the one before it; nothing for the first.
    pub(crate) body: Option<LogSucceeded>,
    /// When it began, by the clock of who began it; nothing for the first. The time of its commit goes by
    /// the log before it as well, which others may have written.
    pub(crate) at: Option<LogTime>,
}

/// The logs of one archive, oldest first, never none.
#[derive(Clone, Debug)]
pub(crate) struct KnownLogs {
    logs: Vec<Generation>,
    /// Whether no other log counts from now on.
    closed: bool,
}

impl KnownLogs {
    pub(crate) fn new(
        description: &ArchiveDescription,
        commit: VerifierKey,
        log: VerifierKey,
    ) -> Self {
        let first = Generation {
            number: 1,
            opened: 1,
            commit_key: commit,
            keys: KnownKeys::new(log),
            seal: description.keys.seal.clone(),
            body: None,
            at: None,
        };
        Self { logs: vec![first], closed: false }
    }

    /// Returns the newest log known.
    pub(crate) fn newest(&self) -> &Generation {
        self.logs.last().expect("an archive has a first log")
    }

    /// Returns the log of a generation.
    pub(crate) fn of(&self, generation: u64) -> Option<&Generation> {
        let at = usize::try_from(generation.checked_sub(1)?).ok()?;
        self.logs.get(at)
    }

    pub(crate) fn of_mut(&mut self, generation: u64) -> Option<&mut Generation> {
        let at = usize::try_from(generation.checked_sub(1)?).ok()?;
        self.logs.get_mut(at)
    }

    /// Returns the log that a commit belongs to by its number.
    pub(crate) fn of_commit(&self, commit: u64) -> &Generation {
        let at = self.logs.partition_point(|it| it.opened <= commit);
        at.checked_sub(1).and_then(|at| self.logs.get(at)).unwrap_or_else(|| self.newest())
    }

    /// Returns the last commit of a generation, once another has followed it.
    fn end_of(&self, generation: u64) -> Option<u64> {
        self.of(generation + 1).map(|next| next.opened - 1)
    }
}

impl Archive {
    /// Returns the generation of the newest log known, from 1.
    pub fn generation(&self) -> u64 {
        self.with_logs(|logs| logs.newest().number)
    }

    /// Returns the generation that a commit belongs to by its number.
    pub fn generation_of(&self, commit: u64) -> u64 {
        self.with_logs(|logs| logs.of_commit(commit).number)
    }

    /// Returns the commit that the log of a generation begins with.
    pub fn opened(&self, generation: u64) -> Option<u64> {
        self.with_logs(|logs| logs.of(generation).map(|it| it.opened))
    }

    /// Returns the C2SP origin of the newest log known.
    pub fn origin(&self) -> String {
        self.description().origin_of(self.generation())
    }

    /// Returns the key that commits of the newest log known are signed with.
    pub fn commit_key(&self) -> VerifierKey {
        self.with_logs(|logs| logs.newest().commit_key.clone())
    }

    /// Returns the key that commits of a generation are signed with.
    pub fn commit_key_of(&self, generation: u64) -> Option<VerifierKey> {
        self.with_logs(|logs| logs.of(generation).map(|it| it.commit_key.clone()))
    }

    /// Returns the keys that checkpoints of the newest log known are signed with, as far as the commits
    /// read so far tell.
    ///
    /// Whoever has read the commit that a checkpoint ends with, or a later one, has those up to its
    /// size.
    pub fn log_keys(&self) -> KeysOfLog {
        self.with_logs(|logs| logs.newest().keys.keys.clone())
    }

    /// Returns those of a generation.
    pub fn log_keys_of(&self, generation: u64) -> Option<KeysOfLog> {
        self.with_logs(|logs| logs.of(generation).map(|it| it.keys.keys.clone()))
    }

    /// Returns the certificate of the seal key that was the archive's at a commit, PEM.
    pub fn seal_at(&self, commit: u64) -> String {
        self.with_logs(|logs| logs.of_commit(commit).seal.clone())
    }

    /// Returns how the log of a generation came after the one before it; nothing for the first.
    pub fn succession(&self, generation: u64) -> Option<LogSucceeded> {
        self.with_logs(|logs| logs.of(generation).and_then(|it| it.body.clone()))
    }

    /// Returns when the log of a generation came after the one before it, by the clock of who began it;
    /// nothing for the first.
    pub fn succeeded_at(&self, generation: u64) -> Option<LogTime> {
        self.with_logs(|logs| logs.of(generation).and_then(|it| it.at))
    }

    /// Returns the first log from a generation on, and why it ended, that ended because others may sign with its
    /// keys, as far as the logs are known: they may have those of the logs before it as well, which lie beside them.
    pub fn exposed_since(&self, generation: u64) -> Option<(u64, SuccessionReason)> {
        let reason_of = |it| Some((it, self.succession(it + 1)?.succession.reason));
        (generation..self.generation()).filter_map(reason_of).find(|it| it.1.others_may_sign())
    }

    /// Learns of all logs of the archive and their keys.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log cannot be read for it.
    pub async fn learn(&self) -> Result<(), LogError> {
        let head = find_head(self.store(), 0).await?;
        // The newest alone could be one of a log that ended: what lies before it knows better.
        for number in (head.saturating_sub(LEARNT_MAX).max(1)..head).rev() {
            if let Some(bytes) = self.commit_bytes(number).await? {
                let stated = stated_header(&bytes).map(|it| it.generation);
                if stated.is_some_and(|it| it > self.generation()) {
                    self.parse_commit(number, &bytes).await?;
                }
            }
        }
        // Any number of commits of old keys hides a log, but not what is published of it.
        while self.is_next_published().await? && self.find_hidden(head).await? {}
        if head > 0 {
            self.commit(head).await?;
        }
        for generation in 2..=self.generation() {
            if let Some(opened) = self.opened(generation) {
                self.commit(opened - 1).await?;
            }
        }
        Ok(())
    }

    /// Learns of a log that somebody knows of, and that commits of older keys hide.
    ///
    /// # Errors
    ///
    /// As [`learn`](Self::learn).
    pub async fn learn_hidden(&self) -> Result<(), LogError> {
        let head = find_head(self.store(), 0).await?;
        while self.find_hidden(head).await? {}
        self.learn().await
    }

    /// Tells whether something is published of the log that would come after the newest known.
    ///
    /// # Errors
    ///
    /// [`LogError::Store`] if the store did not answer.
    pub async fn is_next_published(&self) -> Result<bool, LogError> {
        let next = self.generation() + 1;
        if next > GENERATIONS_MAX {
            return Ok(false);
        }
        is_there(self.store(), &ObjectKey::checkpoint_of(next)).await
    }

    /// Looks back from the newest commit for one of a later log, and learns of that; tells whether there is
    /// one.
    async fn find_hidden(&self, head: u64) -> Result<bool, LogError> {
        let known = self.generation();
        let begun = self.opened(known).unwrap_or(1);
        let numbers = (head.saturating_sub(HIDING_COMMITS_MAX).max(begun)..=head).rev();
        let read = |number| async move { Ok((number, self.commit_bytes(number).await?)) };
        let mut commits = stream::iter(numbers).map(read).buffered(HIDING_READS_MAX);
        while let Some((number, bytes)) = commits.try_next().await? {
            let Some(bytes) = bytes else { continue };
            if stated_header(&bytes).is_some_and(|it| it.generation > known) {
                self.parse_commit(number, &bytes).await?;
                return Ok(self.generation() > known);
            }
        }
        Ok(false)
    }

    /// Lets no other log count from now on than those that are known: a commit of another is
    /// [`LogError::Succeeded`] then. Who judged which logs to believe is not shown others.
    pub fn learn_no_more(&self) {
        self.with_logs(|logs| logs.closed = true);
    }

    /// Returns the keys that a checkpoint in `note` must be signed with, by the origin that it states:
    /// those of the newest log if no log known here has it.
    pub fn keys_of_note(&self, note: &[u8]) -> KeysOfLog {
        let stated = std::str::from_utf8(note).ok().and_then(Checkpoint::stated);
        let found = stated.and_then(|stated| {
            let is_of = |it: &&Generation| self.description().origin_of(it.number) == stated.origin;
            self.with_logs(|logs| logs.logs.iter().find(is_of).map(|it| it.keys.keys.clone()))
        });
        found.unwrap_or_else(|| self.log_keys())
    }

    pub(crate) fn with_logs<T>(&self, work: impl FnOnce(&mut KnownLogs) -> T) -> T {
        work(&mut self.known().write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the bytes of a commit, learning of the log that it belongs to where that is new.
    pub(crate) async fn parse_commit(
        &self,
        number: u64,
        bytes: &Bytes,
    ) -> Result<Commit, LogError> {
        let stated = stated_header(bytes).map(|it| it.generation);
        if stated.is_some_and(|it| it > self.generation()) {
            self.learn_logs(number, bytes.clone()).await?;
        }
        let damaged = |fault| LogError::CommitDamaged { number, fault };
        let key = self.with_logs(|logs| {
            let of_stated = stated.and_then(|it| logs.of(it));
            of_stated.unwrap_or_else(|| logs.of_commit(number)).commit_key.clone()
        });
        let commit = Commit::parse(bytes, number, &key).map_err(damaged)?;
        let generation = commit.header.generation;
        match self.with_logs(|logs| (logs.end_of(generation), logs.of_commit(number).number)) {
            (Some(last), _) if last < number => {
                Err(damaged(CommitFault::AfterEnd { generation, last }))
            }
            (_, expected) if self.generation() > 1 && expected != generation => {
                Err(damaged(CommitFault::Chain { what: "its generation" }))
            }
            _ if !self.is_begun_by_stated(&commit) => {
                Err(damaged(CommitFault::Chain { what: "the commit that began its log" }))
            }
            _ => Ok(commit),
        }
    }

    /// Tells whether the header of a commit names the one that began its log: a log begins once.
    fn is_begun_by_stated(&self, commit: &Commit) -> bool {
        let begun = self.with_logs(|logs| logs.of(commit.header.generation).map(|it| it.opened));
        let begun = begun.filter(|_| commit.header.generation > 1);
        commit.header.succeeded == begun
    }

    /// Learns of the log that a commit says it belongs to, from the commit that began it. What cannot be
    /// a succession teaches nothing.
    fn learn_logs(&self, number: u64, bytes: Bytes) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            let Some(header) = stated_header(&bytes) else { return Ok(()) };
            let generation = header.generation;
            let Some(opened) = header.succeeded else { return Ok(()) };
            if generation > GENERATIONS_MAX || !(2..=number).contains(&opened) {
                return Ok(());
            }
            let unread = |what| LogError::CommitDamaged {
                number,
                fault: CommitFault::Opening { opened, what },
            };
            let opening = if opened == number {
                bytes
            } else {
                self.commit_bytes(opened).await?.ok_or_else(|| unread("is missing"))?
            };
            if generation > self.generation() + 1 {
                let before = self.commit_bytes(opened - 1).await?;
                let before = before.ok_or(LogError::CommitMissing { number: opened - 1 })?;
                if stated_header(&before).is_none_or(|it| it.generation + 1 != generation) {
                    return Err(unread("does not follow from a log before it"));
                }
                self.learn_logs(opened - 1, before).await?;
            }
            if generation != self.generation() + 1 {
                return Ok(());
            }
            let Some(next) = self.begun(generation, opened, &opening) else {
                return Err(unread("is damaged"));
            };
            self.with_logs(|logs| {
                if logs.closed {
                    return Err(LogError::Succeeded { generation, commit: opened });
                }
                if logs.newest().number + 1 == generation {
                    logs.logs.push(next);
                }
                Ok(())
            })
        }
        .boxed()
    }

    /// Reads the commit that begins a log; nothing if it is none.
    fn begun(&self, generation: u64, opened: u64, bytes: &Bytes) -> Option<Generation> {
        let origin = self.description().origin_of(generation);
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let Ok(Entry::CommitOpened(header)) = Entry::parse_line(lines.next()?) else { return None };
        let Ok(Entry::LogSucceeded(body)) = Entry::parse_line(lines.next()?) else { return None };
        let named = |text: &str, name: &str| {
            let key = VerifierKey::parse(text).ok()?;
            let is_fit = key.name() == name && !key.is_cosigner() && key.to_string() == text;
            is_fit.then_some(key)
        };
        let terms = &body.succession;
        let (commit, log) =
            (named(&terms.commit, &commit_key_name(&origin))?, named(&terms.log, &origin)?);
        let follows = terms.generation == generation
            && header.generation == generation
            && terms.last == opened - 1
            && header.previous == Some(terms.last_sha256)
            && (header.succeeded, header.rotated) == (Some(opened), None)
            && (header.first_leaf, header.root) == (0, sha256_of(RightEdge::new().root()));
        let is_used = self.with_logs(|logs| {
            let old = logs.logs.iter().flat_map(|it| it.keys.keys.iter().chain([&it.commit_key]));
            let mut old = old.map(VerifierKey::public_key);
            old.any(|old| old == commit.public_key() || old == log.public_key())
        });
        if !follows || is_used || commit.public_key() == log.public_key() {
            return None;
        }
        Commit::parse(bytes, opened, &commit).ok()?;
        let seal = self.with_logs(|logs| logs.newest().seal.clone());
        Some(Generation {
            number: generation,
            opened,
            commit_key: commit,
            keys: KnownKeys::new(log),
            seal: terms.seal.clone().unwrap_or(seal),
            body: Some(*body),
            at: Some(header.clock),
        })
    }
}

/// Reads the header that the bytes of a commit state. Nothing is verified.
fn stated_header(bytes: &Bytes) -> Option<CommitOpened> {
    let line = bytes.get(..bytes.len().min(ENTRY_BYTES_MAX + 1))?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    match Entry::parse_line(line) {
        Ok(Entry::CommitOpened(header)) => Some(header),
        _ => None,
    }
}
