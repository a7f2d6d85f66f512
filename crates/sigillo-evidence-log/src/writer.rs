//! Writing to the log: create the next number, read it back, sign its checkpoint, publish.

use std::sync::Arc;

use bytes::Bytes;

use sigillo_authorities::{CheckpointSigner, SignedHead};
use sigillo_merkle::{Checkpoint, KeysOfLog, NoteSignature, SignedNote, VerifierKey};
use sigillo_model::{
    ArchiveCreated, Clock, CommitOpened, Entropy, Entry, LogTime, ObjectKey, Sha256Digest, Signer,
    WriterId,
};
use sigillo_store::{CreateOutcome, SweepPermit};

use crate::{
    Archive, Commit, LogError,
    archive::place_of,
    chain::{sha256_of, tree_hash_of},
    commit::{COMMIT_BYTES_MAX, encode_commit},
    publish::{publish_checkpoint, publish_tiles, published_checkpoint},
    recover::Recovered,
};

/// At most this often the epoch is raised again because others were faster.
const RAISE_ATTEMPTS_MAX: u32 = 1000;

/// The keys that a writer signs with.
#[derive(Clone, Debug)]
pub struct LogKeys {
    /// Signs commits.
    pub commit: Arc<dyn Signer>,
    /// Signs checkpoints, and remembers the last.
    pub checkpoint: CheckpointSigner,
}

/// One process that adds to the log of one archive.
///
/// # Contract
///
/// What [`commit`](Self::commit) reports as committed is durable, read back, and covered by a
/// signed checkpoint. Any number of writers may run at once, in any number of processes.
#[derive(Debug)]
pub struct LogWriter {
    archive: Archive,
    keys: LogKeys,
    clock: Arc<dyn Clock>,
    writer: WriterId,
    epoch: u64,
    /// The generation of the log that the keys are for.
    generation: u64,
    recovered: Recovered,
    /// Commits of others that the caller has not been told of yet.
    unseen: Vec<Commit>,
    /// A head that is known to belong to this log: what was signed last by us.
    confirmed: Option<SignedHead>,
    /// Whether the published log is behind.
    unpublished: bool,
    /// The newest commit that is known to be durable, and all before it.
    durable: u64,
}

/// What became of an attempt to commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CommitOutcome {
    /// The entries are in the log.
    Committed(Committed),
    /// Others committed meanwhile and nothing was written: validate again, then try again.
    Lost(Vec<Commit>),
    /// The epoch was raised: every object not yet committed must be made anew, under new names.
    Fenced {
        /// The epoch now in force.
        epoch: u64,
    },
}

/// Entries that are in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Committed {
    /// The commit they are in.
    pub number: u64,
    /// Place of the first of them in the log, from 0; the header is the one before.
    pub first_entry: u64,
    /// Entries in the log up to and with this commit.
    pub size: u64,
    /// The time of the commit.
    pub at: LogTime,
    /// A signed checkpoint that covers them.
    pub checkpoint: String,
}

impl LogWriter {
    /// Opens the log for writing: finds the head, signs it if a crash left it unsigned, and
    /// publishes what is not published. Where there is no commit yet, because the archive is new or
    /// its making died, the first one is made. `known` is a commit known to exist, or 0.
    ///
    /// # Errors
    ///
    /// [`LogError`]; [`LogError::Diverged`] before anything is written.
    pub async fn open(
        archive: Archive,
        keys: LogKeys,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        known: u64,
    ) -> Result<Self, LogError> {
        let recovered = Recovered::read(&archive, known).await?;
        let generation = recovered.chain.generation.max(1);
        refuse_foreign(&archive, &keys, generation)?;
        let epoch = recovered.chain.epoch.max(1);
        let writer = WriterId::random(entropy);
        let mut opened = Self {
            archive,
            keys,
            clock,
            writer,
            epoch,
            generation,
            recovered,
            unseen: Vec::new(),
            confirmed: None,
            unpublished: false,
            durable: 0,
        };
        opened.confirm().await?;
        opened.unseen.clear();
        if opened.recovered.chain.number > 0 {
            opened.finish_open().await?;
        } else {
            opened.begin_log().await?;
        }
        Ok(opened)
    }

    /// Makes the first commit, which names `archive.json`: no log begins with anything else.
    async fn begin_log(&mut self) -> Result<(), LogError> {
        let created = Entry::ArchiveCreated(ArchiveCreated {
            archive: self.archive.description().archive,
            archive_sha256: self.archive.description_sha256(),
        });
        while self.head() == 0 {
            self.commit(std::slice::from_ref(&created)).await?;
        }
        Ok(())
    }

    /// Returns the archive whose log it is.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Returns the number of the newest commit known.
    pub fn head(&self) -> u64 {
        self.recovered.chain.number
    }

    /// Returns the number of entries up to the newest commit known.
    pub fn size(&self) -> u64 {
        self.recovered.chain.edge.size()
    }

    /// Returns the epoch that this writer commits in. What was made while it was lower must not be
    /// committed.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the last commit that a sealing covers, 0 for none.
    pub fn sealed(&self) -> u64 {
        self.recovered.chain.sealed
    }

    /// Returns the time of this process's clock, cut to seconds.
    pub fn now(&self) -> LogTime {
        LogTime::new(self.clock.now())
    }

    /// Adds `entries` to the log as one commit, or says why nothing was written.
    ///
    /// # Errors
    ///
    /// [`LogError`]; after [`LogError::Store`] it is open whether the commit exists: opening the
    /// log again tells.
    pub async fn commit(&mut self, entries: &[Entry]) -> Result<CommitOutcome, LogError> {
        self.commit_in_epoch(self.epoch, entries).await
    }

    /// Raises the epoch, so that no other writer can commit what it made before.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn raise_epoch(&mut self) -> Result<CommitOutcome, LogError> {
        let outcome = self.commit_in_epoch(self.epoch + 1, &[]).await?;
        if let CommitOutcome::Committed(_) = outcome {
            self.epoch += 1;
        }
        Ok(outcome)
    }

    /// Raises the epoch and returns the right to remove what no commit up to that one names.
    ///
    /// What is to be removed must have been listed before: whoever made it can commit it no more,
    /// and what is made from now on was not listed.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit), and [`LogError::Crowded`] if others were faster every time.
    pub async fn begin_sweep(&mut self) -> Result<SweepPermit, LogError> {
        for _ in 0..RAISE_ATTEMPTS_MAX {
            if let CommitOutcome::Committed(committed) = self.raise_epoch().await? {
                #[expect(clippy::disallowed_methods, reason = "the one place: it is committed")]
                return Ok(SweepPermit::issue(self.epoch, committed.number));
            }
        }
        Err(LogError::Crowded { attempts: RAISE_ATTEMPTS_MAX })
    }

    async fn commit_in_epoch(
        &mut self,
        epoch: u64,
        entries: &[Entry],
    ) -> Result<CommitOutcome, LogError> {
        self.refuse_succeeded()?;
        self.confirm().await?;
        if let Some(outcome) = self.others() {
            return Ok(outcome);
        }
        let number = self.head() + 1;
        let header = self.next_header(epoch);
        let (at, first_entry) = (header.at, header.first_leaf + 1);
        let signer = &*self.keys.commit;
        let bytes = encode_commit(header, entries, signer, &self.commit_key()?)?;
        let key = ObjectKey::commit(number);
        let created = self.archive.store().create(&key, bytes.clone()).await;
        match created.map_err(LogError::store("creating a commit"))? {
            CreateOutcome::Created | CreateOutcome::AlreadyEqual => {}
            CreateOutcome::Taken(existing) => {
                self.take_others(number, &existing).await?;
                self.catch_up().await?;
                return self.others().ok_or(LogError::CommitMissing { number });
            }
        }
        self.read_back(&key, &bytes).await?;
        self.advance_with(number, &bytes).await?;
        self.durable = number;
        let checkpoint = self.sign_checkpoint().await?;
        let size = self.size();
        self.publish_or_warn(&checkpoint).await;
        Ok(CommitOutcome::Committed(Committed { number, first_entry, size, at, checkpoint }))
    }

    /// Signs the checkpoint of the newest commit known.
    ///
    /// # Errors
    ///
    /// [`LogError::Diverged`] if the keys signed something that this log does not extend.
    pub async fn signed_checkpoint(&mut self) -> Result<String, LogError> {
        self.confirm().await?;
        self.sign_checkpoint().await
    }

    /// Takes in the commits of others, without telling the caller of them yet.
    ///
    /// # Errors
    ///
    /// [`LogError::CommitDamaged`] or [`LogError::Store`].
    pub async fn catch_up(&mut self) -> Result<(), LogError> {
        while let Some(commit) = self.archive.commit(self.head() + 1).await? {
            self.refuse_other_log(&commit)?;
            self.recovered.advance(&commit)?;
            self.unseen.push(commit);
            self.unpublished = true;
        }
        Ok(())
    }

    /// Refuses a commit of the log that came after the one that the keys are for.
    fn refuse_other_log(&self, commit: &Commit) -> Result<(), LogError> {
        let CommitOpened { commit, generation, .. } = commit.header;
        if generation == self.generation {
            return Ok(());
        }
        Err(LogError::Succeeded { generation, commit })
    }

    /// Refuses to go on with a log that another one has followed.
    fn refuse_succeeded(&self) -> Result<(), LogError> {
        match self.archive.opened(self.generation + 1) {
            Some(commit) => Err(LogError::Succeeded { generation: self.generation + 1, commit }),
            None => Ok(()),
        }
    }

    /// Returns the key that commits of this log are signed with.
    fn commit_key(&self) -> Result<VerifierKey, LogError> {
        let key = self.archive.commit_key_of(self.generation);
        key.ok_or(LogError::CommitMissing { number: self.head() })
    }

    /// Returns the keys that checkpoints of this log are signed with.
    fn log_keys(&self) -> KeysOfLog {
        self.archive.log_keys_of(self.generation).unwrap_or_else(|| self.archive.log_keys())
    }

    /// Returns the commits of others that were taken in since this was last asked.
    pub fn take_unseen(&mut self) -> Vec<Commit> {
        std::mem::take(&mut self.unseen)
    }

    fn others(&mut self) -> Option<CommitOutcome> {
        let epoch = self.recovered.chain.epoch;
        if self.epoch < epoch {
            self.epoch = epoch;
            return Some(CommitOutcome::Fenced { epoch });
        }
        let unseen = self.take_unseen();
        (!unseen.is_empty()).then_some(CommitOutcome::Lost(unseen))
    }

    fn next_header(&self, epoch: u64) -> CommitOpened {
        let chain = &self.recovered.chain;
        let clock = LogTime::new(self.clock.now());
        CommitOpened {
            at: chain.time_of(clock, None),
            clock,
            commit: chain.number + 1,
            epoch,
            first_leaf: chain.edge.size(),
            generation: self.generation,
            previous: chain.digest,
            root: chain.root(),
            rotated: chain.rotated,
            sealed: chain.sealed,
            succeeded: chain.succeeded,
            writer: self.writer,
        }
    }

    async fn read_back(&self, key: &ObjectKey, bytes: &Bytes) -> Result<(), LogError> {
        let read = self.archive.store().read(key, COMMIT_BYTES_MAX).await;
        if read.map_err(LogError::store("reading a commit back"))? == *bytes {
            return Ok(());
        }
        Err(LogError::ReadBack { key: key.clone() })
    }

    async fn advance_with(&mut self, number: u64, bytes: &Bytes) -> Result<(), LogError> {
        let commit = self.archive.parse_commit(number, bytes).await?;
        self.unpublished = true;
        self.recovered.advance(&commit)?;
        self.archive.learn_keys(&commit).await
    }

    async fn take_others(&mut self, number: u64, existing: &Bytes) -> Result<(), LogError> {
        let commit = self.archive.parse_commit(number, existing).await?;
        self.refuse_other_log(&commit)?;
        self.recovered.advance(&commit)?;
        self.archive.learn_keys(&commit).await?;
        self.unseen.push(commit);
        self.unpublished = true;
        Ok(())
    }

    async fn finish_open(&mut self) -> Result<(), LogError> {
        let published = published_checkpoint(&self.archive).await?;
        let published = published.map(|it| SignedHead { size: it.size, root: sha256_of(it.root) });
        // It was signed after its commits were read back. To replace one that the log does not
        // contain would destroy the proof that commits are lost.
        if let Some(last) = published
            && !self.belongs(last).await?
        {
            return Err(LogError::Diverged { last, found_size: self.size() });
        }
        let head = self.signed_head();
        let is_published = published == Some(head);
        if is_published && self.confirmed == Some(head) {
            self.forget_published();
            return Ok(());
        }
        let note = self.sign_checkpoint().await?;
        self.unpublished |= !is_published;
        self.publish_or_warn(&note).await;
        Ok(())
    }

    /// Sees to it that the key that signs now is there, and that the log extends what the keys signed
    /// last.
    async fn confirm(&mut self) -> Result<(), LogError> {
        self.take_key(self.log_keys().current())?;
        let last = self.keys.checkpoint.last_signed();
        let Some(last) = last.map_err(LogError::keys("reading what was signed last"))? else {
            return Ok(());
        };
        if self.confirmed == Some(last) || self.belongs(last).await? {
            self.confirmed = Some(last);
            return Ok(());
        }
        Err(LogError::Diverged { last, found_size: self.size() })
    }

    /// Takes the signer of a key, unless it is the one at hand.
    fn take_key(&mut self, key: &VerifierKey) -> Result<(), LogError> {
        let signer = self.keys.checkpoint.of_key(key.public_key());
        self.keys.checkpoint = signer.map_err(LogError::keys("finding the key of the log"))?;
        Ok(())
    }

    async fn belongs(&mut self, last: SignedHead) -> Result<bool, LogError> {
        if self.size() < last.size {
            self.catch_up().await?;
        }
        self.recovered.contains(&self.archive, last).await
    }

    fn signed_head(&self) -> SignedHead {
        self.recovered.head()
    }

    /// Signs the head, after [`confirm`](Self::confirm).
    async fn sign_checkpoint(&mut self) -> Result<String, LogError> {
        let newest = self.head();
        if self.durable < newest {
            // What others committed is visible, but they may have died before it was durable.
            let settled = self.archive.store().settle(&ObjectKey::commit(newest)).await;
            settled.map_err(LogError::store("making a commit durable"))?;
            self.durable = newest;
        }
        let head = self.signed_head();
        let root = tree_hash_of(head.root);
        let key = self.log_keys().of_size(head.size).clone();
        self.take_key(&key)?;
        let origin = self.archive.description().origin_of(self.generation);
        let text = Checkpoint { origin, size: head.size, root }.to_text();
        loop {
            let mut stranger = None;
            let confirmed = self.confirmed;
            let signed = self.keys.checkpoint.sign(head, text.as_bytes(), &mut |last| {
                let known = confirmed == Some(last) || last == head;
                if !known {
                    stranger = Some(last);
                }
                known
            });
            match (signed, stranger) {
                (Ok(signature), _) => {
                    if self.confirmed.is_none_or(|last| last.size < head.size) {
                        self.confirmed = Some(head);
                    }
                    let signature = NoteSignature::ed25519(&key, signature);
                    let note = SignedNote { text, signatures: vec![signature] };
                    return Ok(String::from_utf8(note.to_bytes()).expect("a note is UTF-8"));
                }
                // Another process of these keys signed meanwhile: see whether it is our log.
                (Err(_), Some(last)) => {
                    if !self.belongs_to_grown_log(last).await? {
                        return Err(LogError::Diverged { last, found_size: head.size });
                    }
                    self.confirmed = Some(last);
                }
                (Err(source), None) => {
                    return Err(LogError::Keys { doing: "signing a checkpoint", source });
                }
            }
        }
    }

    /// As [`belongs`](Self::belongs), without moving this writer's own head.
    async fn belongs_to_grown_log(&self, last: SignedHead) -> Result<bool, LogError> {
        if last.size <= self.size() {
            return self.recovered.contains(&self.archive, last).await;
        }
        let mut grown = self.recovered.clone();
        while grown.chain.edge.size() < last.size {
            let Some(commit) = self.archive.commit(grown.chain.number + 1).await? else {
                return Ok(false);
            };
            self.refuse_other_log(&commit)?;
            grown.advance(&commit)?;
        }
        Ok(grown.head() == last)
    }

    /// Publishes the head; a failure is no failure of the commit, the next publication mends it.
    async fn publish_or_warn(&mut self, checkpoint: &str) {
        let mut note = checkpoint.to_owned();
        loop {
            if let Err(error) = self.publish(&note).await {
                tracing::warn!(%error, "the log was not published; the next commit publishes it");
                return;
            }
            // Whoever committed meanwhile may have died before publishing.
            let more = match self.catch_up().await {
                Ok(()) if self.unpublished => self.sign_checkpoint().await,
                Ok(()) => return,
                Err(error) => Err(error),
            };
            match more {
                Ok(extended) => note = extended,
                Err(error) => {
                    tracing::warn!(%error, "a later commit was not published");
                    return;
                }
            }
        }
    }

    async fn publish(&mut self, note: &str) -> Result<(), LogError> {
        if !self.unpublished {
            return Ok(());
        }
        let Recovered { chain, tail, finished } = &self.recovered;
        let to = (self.archive.store(), self.generation);
        publish_tiles(to, finished, tail, &chain.edge).await?;
        publish_checkpoint(to, note).await?;
        self.forget_published();
        Ok(())
    }

    fn forget_published(&mut self) {
        self.recovered.finished.clear();
        self.recovered.tail.finished.clear();
        self.unpublished = false;
    }
}

/// Refuses keys that are not those of the log of a generation.
fn refuse_foreign(archive: &Archive, keys: &LogKeys, generation: u64) -> Result<(), LogError> {
    let are_of = |generation: u64| {
        let commit = archive.commit_key_of(generation);
        let log = archive.log_keys_of(generation);
        commit.is_some_and(|it| it.public_key()[..] == keys.commit.public_key()[..])
            && log.is_some_and(|it| it.first().public_key() == keys.checkpoint.public_key())
    };
    if are_of(generation) {
        return Ok(());
    }
    if let (Some(commit), true) = (archive.opened(generation), (1..generation).any(are_of)) {
        return Err(LogError::Succeeded { generation, commit });
    }
    let entity = archive.description().entity.name.clone();
    Err(LogError::OtherArchive { place: place_of(archive.store()), entity })
}

/// Returns the digest of the text of a signed checkpoint, without its signatures.
pub(crate) fn checkpoint_text_digest(note: &str) -> Option<Sha256Digest> {
    let note = SignedNote::parse(note.as_bytes()).ok()?;
    Some(Sha256Digest::of(note.text.as_bytes()))
}
