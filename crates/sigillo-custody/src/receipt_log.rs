//! The logs as receipts need them: the entries they carry, and the trees that prove them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use jiff::Timestamp;

use sigillo_evidence_log::{Archive, Commit, LogError, LogView};
use sigillo_merkle::{
    CHECKPOINT_BYTES_MAX, Checkpoint, KeysOfLog, MemoryTree, SignedNote, TreeHash,
    consistency_path, inclusion_path, parse_signed_checkpoint, root_at,
};
use sigillo_model::{
    CLOCK_TOLERANCE_SECONDS, Entry, ObjectKey, Sha256Digest, Statement, SubmissionId,
    parse_canonical,
};
use sigillo_proof::{EntryPlace, LoggedLine, Receipt, SealedIn};

use crate::{CustodyError, GiveReceiptError, receipt_sealings::read_statement};

/// At most so many statements are looked into for a checkpoint of a log that ended.
const STATEMENTS_TRIED_MAX: usize = 100;

/// What the logs say under the published checkpoint of the newest, with the tree over all entries of each.
#[derive(Debug)]
pub struct ReceiptLog {
    /// What the commits say, up to the newest.
    pub view: LogView,
    /// The published checkpoint of the newest log, signed; the commits were found to give its root.
    pub note: String,
    pub(crate) checkpoint: Checkpoint,
    /// The logs, oldest first, never none.
    logs: Vec<Arc<OneLog>>,
    /// The first log by itself under its last checkpoint, if it ended and receipts may be wanted of it.
    first: Option<Box<Self>>,
}

/// One log of an archive.
#[derive(Debug, Default)]
struct OneLog {
    origin: String,
    /// 64 bytes for each entry.
    tree: MemoryTree,
    /// The entries that receipts carry, by their place in it.
    entries: BTreeMap<u64, (Entry, Bytes)>,
}

/// How a log stands to an older checkpoint of it, which somebody kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Growth {
    /// It begins with what was there then.
    Continued {
        /// The consistency proof, from there to the published checkpoint.
        path: Vec<TreeHash>,
    },
    /// It has another root at that size.
    Forked {
        /// The root that it has there.
        root: TreeHash,
    },
    /// It has fewer entries.
    Shorter,
    /// It begins with what was there then, but its published checkpoint is older than that.
    Unpublished,
}

/// How a log that ended follows from an older checkpoint of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GrowthToEnd {
    /// The consistency proof, from there to its end.
    pub path: Vec<TreeHash>,
    /// The checkpoint of its end: the published one, else its text alone, as the next log names it.
    pub note: String,
    /// Whether it is signed.
    pub is_signed: bool,
}

impl ReceiptLog {
    /// Reads every commit, and the published checkpoint that they must give. Tiles are not read. Of an
    /// archive whose log was succeeded, the checkpoint is that of the newest log.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError`] if a commit or the checkpoint is missing or damaged.
    pub async fn read(archive: &Archive) -> Result<Self, GiveReceiptError> {
        Ok(Self::read_both(archive).await?.0)
    }

    /// Reads the same, and what receipts can be given from that need no log but the first.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_for_receipts(archive: &Archive) -> Result<Self, GiveReceiptError> {
        let (mut log, first_view) = Self::read_both(archive).await?;
        if let Some((view, first)) = first_view.zip(log.logs.first().map(Arc::clone)) {
            let published = read_checkpoint(archive, 1).await.ok();
            let ended = ended_checkpoint(archive, &view, &first.tree, published).await;
            if let Some((note, checkpoint)) = ended {
                let first = Self { view, note, checkpoint, logs: vec![first], first: None };
                log.first = first.check(archive).is_ok().then(|| Box::new(first));
            }
        }
        Ok(log)
    }

    /// Reads the logs, and what the commits of the first say, if another came after it.
    async fn read_both(archive: &Archive) -> Result<(Self, Option<LogView>), GiveReceiptError> {
        archive.learn().await?;
        let generation = archive.generation();
        // The checkpoint first: commits that come later do no harm.
        let published = read_checkpoint(archive, generation).await;
        let (mut view, mut first_view) = (LogView::default(), None);
        let mut logs = vec![OneLog::of(archive, 1)];
        while let Some(commit) = archive.commit(view.head + 1).await? {
            if commit.header.generation > generation {
                break;
            }
            if commit.succession().is_some() {
                first_view.get_or_insert_with(|| view.clone());
                logs.push(OneLog::of(archive, commit.header.generation));
            }
            if let Some(log) = logs.last_mut() {
                log.tree.extend(commit.leaves());
                keep_entries(&commit, &mut log.entries);
            }
            view.take(&commit);
        }
        if (logs.len() as u64) < generation {
            return Err(LogError::CommitMissing { number: view.head + 1 }.into());
        }
        let (note, checkpoint) = published?;
        let logs = logs.into_iter().map(Arc::new).collect();
        let log = Self { view, note, checkpoint, logs, first: None };
        log.check(archive)?;
        Ok((log, first_view))
    }

    /// Sees that the commits give the checkpoint, and that the right key signed it.
    fn check(&self, archive: &Archive) -> Result<(), GiveReceiptError> {
        let (tree, size) = (&self.newest().tree, self.checkpoint.size);
        if size > tree.size() {
            let (number, covered, size) = (self.view.head + 1, size, tree.size());
            return Err(LogError::NewestMissing { number, covered, size }.into());
        }
        let bad = |what: &str| Err(GiveReceiptError::Checkpoint { what: what.to_owned() });
        if root_at(size, tree) != Ok(self.checkpoint.root) {
            return bad("the commits do not give its root");
        }
        // What was read may tell of a key that was not known when the checkpoint was.
        let keys = archive.log_keys_of(self.generation()).unwrap_or_else(|| archive.log_keys());
        let note = self.note.as_bytes();
        if parse_signed_checkpoint(note, keys.of_note(note)).is_err() {
            return bad("it is signed by a key of the log whose time was over");
        }
        Ok(())
    }

    fn newest(&self) -> &OneLog {
        self.logs.last().expect("an archive has a first log")
    }

    fn log(&self, generation: u64) -> Option<&OneLog> {
        let at = usize::try_from(generation.checked_sub(1)?).ok()?;
        self.logs.get(at).map(|log| &**log)
    }

    /// Returns the generation of the log that the checkpoint is of.
    pub(crate) fn generation(&self) -> u64 {
        self.logs.len() as u64
    }

    /// Returns the entries of a log that count: those under the checkpoint, or all of one that ended.
    pub(crate) fn size_of(&self, generation: u64) -> u64 {
        if generation == self.generation() {
            return self.checkpoint.size;
        }
        self.log(generation).map_or(0, |log| log.tree.size())
    }

    /// Tells whether an entry counts.
    pub(crate) fn covers(&self, place: EntryPlace) -> bool {
        place.index < self.size_of(place.log)
    }

    /// Returns the first log alone, if a receipt needs no other and its last checkpoint covers it: who knows
    /// that this log ended believes under it what stamped sealings prove to be older, and what its end
    /// itself covers unless others may sign with its keys.
    pub(crate) fn alone(&self, receipt: &Receipt) -> Option<&Self> {
        let first = self.first.as_deref()?;
        let later: Vec<_> = receipt.archive.successions.iter().map(|it| it.entry.place()).collect();
        let mut needed = receipt.lines().map(LoggedLine::place).filter(|it| !later.contains(it));
        let is_believed = || first.is_end(&self.view) || self.is_older(receipt);
        (needed.all(|place| first.covers(place)) && is_believed()).then_some(first)
    }

    /// Tells whether the checkpoint of the first log is where that ended, and nobody else may sign there.
    fn is_end(&self, view: &LogView) -> bool {
        let mut ends = view.successions.iter().map(|it| &it.body.succession);
        let is_exposed = ends.clone().any(|it| it.reason.others_may_sign());
        let own = (self.checkpoint.size, *self.checkpoint.root.as_bytes());
        !is_exposed && ends.next().is_some_and(|it| (it.size, *it.root.as_bytes()) == own)
    }

    /// Tells whether all that a receipt says is under sealings in it that were time-stamped before the first
    /// log ended, and before the end of any later one for which others may sign: its keys lay beside.
    fn is_older(&self, receipt: &Receipt) -> bool {
        let mut ends = self.view.successions.iter();
        let first = ends.next();
        let exposed = ends.filter(|it| it.body.succession.reason.others_may_sign());
        let times = first.into_iter().chain(exposed).map(|it| it.at.timestamp().as_second());
        let Some(end) = times.min() else { return false };
        let until = end + CLOCK_TOLERANCE_SECONDS;
        let (mut sealings, mut size) = (BTreeSet::new(), 0);
        for it in &receipt.sealings {
            let numbers = it.tokens.iter().filter_map(|it| stamped_until(&it.entry, until));
            let before = sealings.len();
            sealings.extend(numbers);
            if sealings.len() > before {
                size = older_of(&it.statement).map_or(size, |it| it.size.max(size));
            }
        }
        let entries =
            receipt.submission.iter().flat_map(|it| it.received.iter().chain(&it.completed));
        let is_sealed = |it: &SealedIn| sealings.contains(&it.number);
        receipt.batches.iter().all(|it| it.sealed.as_ref().is_some_and(is_sealed))
            && entries.chain([&receipt.archive.created]).all(|it| it.index < size)
    }

    /// Returns the log that a receipt was given from: the first alone, or all of them.
    pub(crate) fn behind(&self, receipt: &Receipt) -> &Self {
        let first = self.first.as_deref().filter(|_| receipt.archive.successions.is_empty());
        first.unwrap_or(self)
    }

    /// Returns the rotations of the key of a log that count for a checkpoint of `size` entries.
    pub(crate) fn rotations(&self, log: u64, keys: &KeysOfLog, size: u64) -> Vec<EntryPlace> {
        let own = self.view.rotations.iter().filter(|it| it.generation == log);
        let under = own.filter(|it| it.entry_index < size);
        // Exactly those whose key signs what comes next.
        let count = under.filter(|it| keys.of_size(it.entry_index + 1).to_string() == it.body.log);
        count.map(|it| EntryPlace { log, index: it.entry_index }).collect()
    }

    /// Returns the entries that count, in the order of the logs.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (EntryPlace, &Entry)> {
        (1..).zip(&self.logs).flat_map(|(generation, log)| {
            let covered = log.entries.range(..self.size_of(generation));
            covered.map(move |(index, (it, _))| (EntryPlace { log: generation, index: *index }, it))
        })
    }

    /// Returns every submission that the logs name, once each.
    pub fn submissions(&self) -> Vec<SubmissionId> {
        let entries = self.logs.iter().flat_map(|it| it.entries.values());
        let mut known: Vec<_> = entries.filter_map(|it| submission_of(&it.0)).collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// Returns an entry with the proof that it counts.
    pub(crate) fn line(&self, place: EntryPlace) -> Result<LoggedLine, GiveReceiptError> {
        let not_covered = GiveReceiptError::NotCovered { what: "an entry of the log" };
        let EntryPlace { log, index } = place;
        let entry = self.log(log).and_then(|it| it.entries.get(&index));
        let Some((_, line)) = entry else { return Err(not_covered) };
        let line = String::from_utf8(line.to_vec()).map_err(|_| not_covered)?;
        let proof = self.inclusion(place, self.size_of(log))?;
        Ok(LoggedLine { index, line, log, proof })
    }

    /// Returns the proof that an entry is among the first `size` of its log.
    pub(crate) fn inclusion(
        &self,
        place: EntryPlace,
        size: u64,
    ) -> Result<Vec<Sha256Digest>, GiveReceiptError> {
        let not_covered = || GiveReceiptError::NotCovered { what: "an entry of the log" };
        let log = self.log(place.log).ok_or_else(not_covered)?;
        let path = inclusion_path(place.index, size, &log.tree).map_err(|_| not_covered())?;
        Ok(path.iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect())
    }

    /// Returns the proof that its log begins with that of `older`.
    pub(crate) fn consistency(
        &self,
        older: &Checkpoint,
    ) -> Result<Vec<Sha256Digest>, GiveReceiptError> {
        self.consistency_to(older, self.checkpoint.size)
    }

    /// Returns the same for a checkpoint of the newest log of this size.
    fn consistency_to(
        &self,
        older: &Checkpoint,
        size: u64,
    ) -> Result<Vec<Sha256Digest>, GiveReceiptError> {
        let differs = || GiveReceiptError::LogDiffers { size: older.size };
        let generation = self.generation_of(older).ok_or_else(differs)?;
        let (log, size) = match self.log(generation) {
            Some(log) if generation < self.generation() => (log, log.tree.size()),
            Some(log) => (log, size),
            None => return Err(differs()),
        };
        if older.size > size || root_at(older.size, &log.tree) != Ok(older.root) {
            return Err(differs());
        }
        let path = consistency_path(older.size, size, &log.tree).map_err(|_| differs())?;
        Ok(path.iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect())
    }

    /// Returns the generation of the log that a checkpoint is of, by its origin.
    fn generation_of(&self, checkpoint: &Checkpoint) -> Option<u64> {
        let at = self.logs.iter().position(|it| it.origin == checkpoint.origin)?;
        Some(at as u64 + 1)
    }

    /// Proves everything in a receipt anew, under a checkpoint of the newest log here, or of an earlier
    /// size of it.
    pub(crate) fn prove_under(
        &self,
        receipt: &mut Receipt,
        (note, size): (String, u64),
    ) -> Result<(), GiveReceiptError> {
        let newest = self.generation();
        let later = usize::try_from(newest - 1).unwrap_or(usize::MAX);
        receipt.archive.successions.truncate(later);
        receipt.schema_wanted().clone_into(&mut receipt.schema);
        self.prove_section(&mut receipt.archive, size)?;
        for line in receipt.lines_mut().filter(|line| line.log == newest) {
            line.proof = self.inclusion(line.place(), size)?;
        }
        for sealing in &mut receipt.sealings {
            let older = older_of(&sealing.statement).ok_or(GiveReceiptError::Checkpoint {
                what: "that of a statement cannot be read".to_owned(),
            })?;
            sealing.consistency = self.consistency_to(&older, size)?;
        }
        receipt.checkpoint = note;
        Ok(())
    }

    /// Returns the published checkpoint.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns how many entries the commits of the newest log have, which may be more than are published.
    pub fn size(&self) -> u64 {
        self.newest().tree.size()
    }

    /// Returns what a log states at a size, if it has so many entries.
    pub(crate) fn checkpoint_of(&self, generation: u64, size: u64) -> Option<Checkpoint> {
        let log = self.log(generation)?;
        Some(Checkpoint { origin: log.origin.clone(), size, root: root_at(size, &log.tree).ok()? })
    }

    /// Returns the root of the first `size` entries of the newest log, if there are so many.
    pub(crate) fn root_at(&self, size: u64) -> Option<TreeHash> {
        root_at(size, &self.newest().tree).ok()
    }

    /// Tells how the log stands to `older`, a checkpoint that this log signed.
    pub fn growth_since(&self, older: &Checkpoint) -> Growth {
        let tree = &self.newest().tree;
        let Ok(root) = root_at(older.size, tree) else { return Growth::Shorter };
        if root != older.root {
            return Growth::Forked { root };
        }
        match consistency_path(older.size, self.checkpoint.size, tree) {
            Ok(path) => Growth::Continued { path },
            Err(_) => Growth::Unpublished,
        }
    }

    /// Proves that a log which ended begins, as it was then, with that of `older`.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError::LogDiffers`] if it does not, or did not end; otherwise if what is published of it
    /// cannot be read.
    pub async fn growth_to_end(
        &self,
        archive: &Archive,
        older: &Checkpoint,
    ) -> Result<GrowthToEnd, GiveReceiptError> {
        let differs = || GiveReceiptError::LogDiffers { size: older.size };
        let generation = self.generation_of(older).filter(|it| *it < self.generation());
        let generation = generation.ok_or_else(differs)?;
        let log = self.log(generation).ok_or_else(differs)?;
        let size = log.tree.size();
        if root_at(older.size, &log.tree) != Ok(older.root) {
            return Err(differs());
        }
        let path = consistency_path(older.size, size, &log.tree).map_err(|_| differs())?;
        let root = root_at(size, &log.tree).map_err(|_| differs())?;
        let end = Checkpoint { origin: log.origin.clone(), size, root };
        let published = read_checkpoint(archive, generation).await.ok();
        let (note, is_signed) = match published.filter(|it| it.1 == end) {
            Some((note, _)) => (note, true),
            None => (end.to_text(), false),
        };
        Ok(GrowthToEnd { path, note, is_signed })
    }

    /// Tells whether the log of that checkpoint, as far as it counts, begins with that of `older`.
    pub(crate) fn begins_with(&self, older: &Checkpoint) -> bool {
        let Some(generation) = self.generation_of(older) else { return false };
        let tree = self.log(generation).map(|log| &log.tree);
        older.size <= self.size_of(generation)
            && tree.is_some_and(|tree| root_at(older.size, tree) == Ok(older.root))
    }
}

impl OneLog {
    fn of(archive: &Archive, generation: u64) -> Self {
        Self { origin: archive.description().origin_of(generation), ..Self::default() }
    }
}

/// Returns the number of the sealing that an entry says was time-stamped by then.
fn stamped_until(entry: &LoggedLine, until: i64) -> Option<u64> {
    let Ok(Entry::SealingStamped(body)) = Entry::parse_line(entry.line.as_bytes()) else {
        return None;
    };
    let at: Timestamp = body.stamped_at.parse().ok()?;
    (at.as_second() <= until).then_some(body.number)
}

/// Reads the checkpoint in a statement.
fn older_of(statement: &str) -> Option<Checkpoint> {
    let statement: Statement = parse_canonical(statement.as_bytes()).ok()?;
    let note = SignedNote::parse(statement.checkpoint.as_bytes()).ok()?;
    Checkpoint::parse(&note.text).ok()
}

/// Finds a checkpoint of a log that ended: the published one, unless it covers what is lost, else the
/// newest in the statement of a sealing.
async fn ended_checkpoint(
    archive: &Archive,
    view: &LogView,
    tree: &MemoryTree,
    published: Option<(String, Checkpoint)>,
) -> Option<(String, Checkpoint)> {
    let fits = |it: &Checkpoint| root_at(it.size, tree) == Ok(it.root);
    if let Some(published) = published.filter(|it| fits(&it.1)) {
        return Some(published);
    }
    for sealing in view.sealings.iter().rev().take(STATEMENTS_TRIED_MAX) {
        let Ok((statement, _)) = read_statement(archive, &sealing.body).await else { continue };
        let note = statement.checkpoint;
        let keys = archive.keys_of_note(note.as_bytes());
        let read = parse_signed_checkpoint(note.as_bytes(), keys.of_note(note.as_bytes()));
        if let Ok(checkpoint) = read
            && checkpoint.origin == archive.description().origin
            && fits(&checkpoint)
        {
            return Some((note, checkpoint));
        }
    }
    None
}

async fn read_checkpoint(
    archive: &Archive,
    generation: u64,
) -> Result<(String, Checkpoint), GiveReceiptError> {
    let bad = |what: String| GiveReceiptError::Checkpoint { what };
    let key = ObjectKey::checkpoint_of(generation);
    let bytes_max = CHECKPOINT_BYTES_MAX as u64;
    let read = archive.store().read_optional(&key, bytes_max);
    let bytes = read.await.map_err(|source| CustodyError::Store {
        doing: "reading the published checkpoint",
        source,
    })?;
    let bytes = bytes.ok_or_else(|| bad("it is missing".to_owned()))?;
    let checkpoint = parse_signed_checkpoint(&bytes, &archive.key_of(&bytes).await?)
        .map_err(|error| bad(error.to_string()))?;
    let note = String::from_utf8(bytes.to_vec()).map_err(|error| bad(error.to_string()))?;
    Ok((note, checkpoint))
}

/// Keeps those entries of a commit that a receipt may carry.
fn keep_entries(commit: &Commit, entries: &mut BTreeMap<u64, (Entry, Bytes)>) {
    let lines = commit.entries.iter().zip(&commit.lines);
    for (index, (entry, line)) in (commit.header.first_leaf..).zip(lines) {
        let carried = matches!(
            entry,
            Entry::ArchiveCreated(_)
                | Entry::SubmissionReceived(_)
                | Entry::SubmissionCompleted(_)
                | Entry::BatchCommitted(_)
                | Entry::BatchesSealed(_)
                | Entry::SealingStamped(_)
                | Entry::EvidenceRenewed(_)
                | Entry::EvidenceRehashed(_)
                | Entry::KeyRotated(_)
                | Entry::LogSucceeded(_)
        );
        if carried {
            entries.insert(index, (entry.clone(), line.clone()));
        }
    }
}

fn submission_of(entry: &Entry) -> Option<SubmissionId> {
    match entry {
        Entry::SubmissionReceived(body) => Some(body.submission),
        Entry::SubmissionCompleted(body) => Some(body.submission),
        Entry::BatchCommitted(body) => Some(body.submission),
        _ => None,
    }
}
