//! The log as receipts need it: the entries they carry, and the tree that proves them.

use std::collections::BTreeMap;

use bytes::Bytes;

use sigillo_evidence_log::{Archive, Commit, LogError, LogView, LoggedRotation};
use sigillo_merkle::{
    CHECKPOINT_BYTES_MAX, Checkpoint, KeysOfLog, MemoryTree, TreeHash, consistency_path,
    inclusion_path, parse_signed_checkpoint, root_at,
};
use sigillo_model::{Entry, ObjectKey, Sha256Digest, SubmissionId};
use sigillo_proof::LoggedLine;

use crate::{CustodyError, GiveReceiptError, receipt_sealings::read_statement};

/// At most so many statements are looked into for a checkpoint of a log that ended.
const STATEMENTS_TRIED_MAX: usize = 100;

/// What the log says under its published checkpoint, with the tree over all its entries.
#[derive(Debug)]
pub struct ReceiptLog {
    /// The generation of the log that tree, entries and checkpoint are of.
    pub(crate) generation: u64,
    /// What the commits say, up to the newest.
    pub view: LogView,
    /// The published checkpoint, signed; the commits were found to give its root.
    pub note: String,
    pub(crate) checkpoint: Checkpoint,
    /// 64 bytes for each entry of the log.
    tree: MemoryTree,
    /// The entries that receipts carry, by their place in the log.
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

impl ReceiptLog {
    /// Reads every commit, and the published checkpoint that they must give. Tiles are not read. Of an
    /// archive whose log was succeeded, tree, entries and checkpoint are those of the newest log.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError`] if a commit or the checkpoint is missing or damaged.
    pub async fn read(archive: &Archive) -> Result<Self, GiveReceiptError> {
        archive.learn().await?;
        Self::read_of(archive, archive.generation()).await
    }

    /// Reads what receipts can be given from: the first log up to its end, as if there were no other.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_for_receipts(archive: &Archive) -> Result<Self, GiveReceiptError> {
        archive.learn().await?;
        Self::read_of(archive, 1).await
    }

    /// Reads the commits up to the end of the log of a generation.
    async fn read_of(archive: &Archive, generation: u64) -> Result<Self, GiveReceiptError> {
        let mut view = LogView::default();
        let (mut tree, mut entries) = (MemoryTree::new(), BTreeMap::new());
        // The checkpoint first: commits that come later do no harm.
        let published = read_checkpoint(archive, generation).await;
        while let Some(commit) = archive.commit(view.head + 1).await? {
            if commit.header.generation > generation {
                break;
            }
            if commit.succession().is_some() {
                (tree, entries) = (MemoryTree::new(), BTreeMap::new());
            }
            tree.extend(commit.leaves());
            keep_entries(&commit, &mut entries);
            view.take(&commit);
        }
        let (note, checkpoint) = if archive.generation() > generation {
            ended_checkpoint(archive, &view, &tree, published.ok()).await?
        } else {
            published?
        };
        if checkpoint.size > tree.size() {
            return Err(LogError::CommitMissing { number: view.head + 1 }.into());
        }
        if root_at(checkpoint.size, &tree) != Ok(checkpoint.root) {
            let what = "the commits do not give its root".to_owned();
            return Err(GiveReceiptError::Checkpoint { what });
        }
        // What was read above may tell of a key that was not known when the checkpoint was.
        let keys = archive.log_keys_of(generation).unwrap_or_else(|| archive.log_keys());
        if parse_signed_checkpoint(note.as_bytes(), keys.of_note(note.as_bytes())).is_err() {
            let what = "it is signed by a key of the log whose time was over".to_owned();
            return Err(GiveReceiptError::Checkpoint { what });
        }
        Ok(Self { generation, view, note, checkpoint, tree, entries })
    }

    /// Returns the rotations of the log's key that count for a checkpoint of `size` entries.
    pub(crate) fn rotations(&self, keys: &KeysOfLog, size: u64) -> Vec<u64> {
        rotations_in(&self.view, keys, size).map(|it| it.entry_index).collect()
    }

    /// Returns the entries under the checkpoint, in log order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let covered = self.entries.range(..self.checkpoint.size);
        covered.map(|(index, (entry, _))| (*index, entry))
    }

    /// Returns every submission that the log names, once each.
    pub fn submissions(&self) -> Vec<SubmissionId> {
        let mut known: Vec<_> =
            self.entries.values().filter_map(|it| submission_of(&it.0)).collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// Returns an entry with the proof that it is under the checkpoint.
    pub(crate) fn line(&self, index: u64) -> Result<LoggedLine, GiveReceiptError> {
        let not_covered = GiveReceiptError::NotCovered { what: "an entry of the log" };
        let Some((_, line)) = self.entries.get(&index) else { return Err(not_covered) };
        let line = String::from_utf8(line.to_vec()).map_err(|_| not_covered)?;
        Ok(LoggedLine { index, line, proof: self.inclusion(index, self.checkpoint.size)? })
    }

    /// Returns the proof that an entry is under the checkpoint of this size.
    pub(crate) fn inclusion(
        &self,
        index: u64,
        size: u64,
    ) -> Result<Vec<Sha256Digest>, GiveReceiptError> {
        let path = inclusion_path(index, size, &self.tree);
        let not_covered = |_| GiveReceiptError::NotCovered { what: "an entry of the log" };
        let path = path.map_err(not_covered)?;
        Ok(path.iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect())
    }

    /// Returns the proof that the log under the checkpoint begins with that of `older`.
    pub(crate) fn consistency(
        &self,
        older: &Checkpoint,
    ) -> Result<Vec<Sha256Digest>, GiveReceiptError> {
        self.consistency_to(older, self.checkpoint.size)
    }

    /// Returns the proof that the log at this size begins with that of `older`.
    pub(crate) fn consistency_to(
        &self,
        older: &Checkpoint,
        size: u64,
    ) -> Result<Vec<Sha256Digest>, GiveReceiptError> {
        if !self.begins_with(older) {
            return Err(GiveReceiptError::LogDiffers { size: older.size });
        }
        let path = consistency_path(older.size, size, &self.tree);
        let path = path.map_err(|_| GiveReceiptError::LogDiffers { size: older.size })?;
        Ok(path.iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect())
    }

    /// Returns the published checkpoint.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns how many entries the commits have, which may be more than are published.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Returns the root of the first `size` entries, if there are so many.
    pub(crate) fn root_at(&self, size: u64) -> Option<TreeHash> {
        root_at(size, &self.tree).ok()
    }

    /// Tells how the log stands to `older`, a checkpoint that this log signed.
    pub fn growth_since(&self, older: &Checkpoint) -> Growth {
        let Ok(root) = root_at(older.size, &self.tree) else { return Growth::Shorter };
        if root != older.root {
            return Growth::Forked { root };
        }
        match consistency_path(older.size, self.checkpoint.size, &self.tree) {
            Ok(path) => Growth::Continued { path },
            Err(_) => Growth::Unpublished,
        }
    }

    /// Tells whether the log under the checkpoint begins with that of `older`.
    pub(crate) fn begins_with(&self, older: &Checkpoint) -> bool {
        older.size <= self.checkpoint.size && root_at(older.size, &self.tree) == Ok(older.root)
    }
}

/// Returns the rotations that count, of those under a checkpoint of `size` entries.
pub(crate) fn rotations_in<'a>(
    view: &'a LogView,
    keys: &'a KeysOfLog,
    size: u64,
) -> impl Iterator<Item = &'a LoggedRotation> {
    let generation = view.generation();
    let own = view.rotations.iter().filter(move |it| it.generation == generation);
    let under = own.filter(move |it| it.entry_index < size);
    // Exactly those whose key signs what comes next.
    under.filter(|it| keys.of_size(it.entry_index + 1).to_string() == it.body.log)
}

/// Finds a checkpoint of a log that ended: the published one, unless it covers what is lost, else the
/// newest in the statement of a sealing.
async fn ended_checkpoint(
    archive: &Archive,
    view: &LogView,
    tree: &MemoryTree,
    published: Option<(String, Checkpoint)>,
) -> Result<(String, Checkpoint), GiveReceiptError> {
    let fits = |it: &Checkpoint| root_at(it.size, tree) == Ok(it.root);
    if let Some(published) = published.filter(|it| fits(&it.1)) {
        return Ok(published);
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
            return Ok((note, checkpoint));
        }
    }
    let what = "none of the log that ended covers what is left of it".to_owned();
    Err(GiveReceiptError::Checkpoint { what })
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
