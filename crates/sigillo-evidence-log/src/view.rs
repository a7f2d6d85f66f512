//! Everything the log says, read from its commits in order.

use std::collections::BTreeSet;

use sigillo_model::{
    BatchCommitted, BatchesSealed, CheckpointAnchored, CommitOpened, Entry, EvidenceRehashed,
    EvidenceRenewed, LogSucceeded, LogTime, SealingStamped, SubmissionCompleted,
    SubmissionReceived,
};

use crate::{Archive, Commit, LogError, LoggedRotation, find_head, publish::published_checkpoint};

/// A batch and where the log names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedBatch {
    /// What the log says of it.
    pub body: BatchCommitted,
    /// The commit that added it.
    pub commit: u64,
    /// The time of that commit.
    pub at: LogTime,
    /// Place of its entry in its log, from 0.
    pub entry_index: u64,
    /// The generation of that log.
    pub generation: u64,
}

/// A sealing and the commit that records it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedSealing {
    /// What the log says of it.
    pub body: BatchesSealed,
    /// The commit that records it.
    pub commit: u64,
    /// The time of that commit.
    pub at: LogTime,
}

/// A time-stamp of a sealing and the commit that records it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedStamp {
    /// What the log says of it.
    pub body: SealingStamped,
    /// The commit that records it.
    pub commit: u64,
    /// The time of that commit.
    pub at: LogTime,
}

/// A renewal of time-stamps and the commit that records it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedRenewal {
    /// What the log says of it.
    pub body: EvidenceRenewed,
    /// The commit that records it.
    pub commit: u64,
    /// The time of that commit.
    pub at: LogTime,
    /// Place of its entry in its log, from 0.
    pub entry_index: u64,
    /// The generation of that log.
    pub generation: u64,
}

/// A hash-tree renewal and the commit that records it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedRehash {
    /// What the log says of it.
    pub body: EvidenceRehashed,
    /// The commit that records it.
    pub commit: u64,
    /// The time of that commit.
    pub at: LogTime,
    /// Place of its entry in its log, from 0.
    pub entry_index: u64,
    /// The generation of that log.
    pub generation: u64,
}

/// A log that came after another, and the commit that began it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedSuccession {
    /// What the log says of it.
    pub body: LogSucceeded,
    /// The commit that began the new log.
    pub commit: u64,
    /// When that was, by the clock of who began it.
    pub at: LogTime,
}

/// A time-stamp over a checkpoint and the commit that records it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedAnchor {
    /// What the log says of it.
    pub body: CheckpointAnchored,
    /// The commit that records it.
    pub commit: u64,
    /// The generation of the log, which is that of the checkpoint.
    pub generation: u64,
}

/// What the log says, up to some commit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogView {
    /// The newest commit read.
    pub head: u64,
    /// Its header.
    pub header: Option<CommitOpened>,
    /// Entries of the newest log up to it.
    pub size: u64,
    /// Batches, in log order.
    pub batches: Vec<LoggedBatch>,
    /// Sealings, in log order.
    pub sealings: Vec<LoggedSealing>,
    /// Time-stamps, in log order.
    pub stamps: Vec<LoggedStamp>,
    /// Renewals of time-stamps, in log order.
    pub renewals: Vec<LoggedRenewal>,
    /// Hash-tree renewals, in log order.
    pub rehashes: Vec<LoggedRehash>,
    /// Time-stamps over checkpoints, in log order.
    pub anchors: Vec<LoggedAnchor>,
    /// Rotations of the log's key, in log order.
    pub rotations: Vec<LoggedRotation>,
    /// Logs that came after others, oldest first.
    pub successions: Vec<LoggedSuccession>,
    /// Submissions that were received, in log order.
    pub received: Vec<SubmissionReceived>,
    /// Submissions that came to their end, in log order.
    pub completed: Vec<SubmissionCompleted>,
}

impl LogView {
    /// Takes in the next commit.
    pub fn take(&mut self, commit: &Commit) {
        let (number, at) = (commit.header.commit, commit.header.at);
        let generation = commit.header.generation;
        for (index, entry) in (commit.header.first_leaf..).zip(&commit.entries) {
            match entry {
                Entry::BatchCommitted(body) => self.batches.push(LoggedBatch {
                    body: body.clone(),
                    commit: number,
                    at,
                    entry_index: index,
                    generation,
                }),
                Entry::BatchesSealed(body) => {
                    let body = body.clone();
                    self.sealings.push(LoggedSealing { body, commit: number, at });
                }
                Entry::SealingStamped(body) => {
                    self.stamps.push(LoggedStamp { body: body.clone(), commit: number, at });
                }
                Entry::EvidenceRenewed(body) => self.renewals.push(LoggedRenewal {
                    body: body.clone(),
                    commit: number,
                    at,
                    entry_index: index,
                    generation,
                }),
                Entry::EvidenceRehashed(body) => self.rehashes.push(LoggedRehash {
                    body: body.clone(),
                    commit: number,
                    at,
                    entry_index: index,
                    generation,
                }),
                Entry::CheckpointAnchored(body) => {
                    let body = body.clone();
                    self.anchors.push(LoggedAnchor { body, commit: number, generation });
                }
                Entry::KeyRotated(body) => self.rotations.push(LoggedRotation {
                    body: body.clone(),
                    commit: number,
                    at,
                    entry_index: index,
                    generation,
                }),
                Entry::LogSucceeded(body) => {
                    let (body, at) = (body.as_ref().clone(), commit.header.clock);
                    self.successions.push(LoggedSuccession { body, commit: number, at });
                }
                Entry::SubmissionReceived(body) => self.received.push(body.clone()),
                Entry::SubmissionCompleted(body) => self.completed.push(body.clone()),
                _ => {}
            }
        }
        self.head = number;
        self.size = commit.size_after();
        self.header = Some(commit.header.clone());
    }

    /// Returns the generation of the newest log, from 1.
    pub fn generation(&self) -> u64 {
        self.header.as_ref().map_or(1, |header| header.generation)
    }

    /// Counts the documents in all batches.
    pub fn documents(&self) -> u64 {
        self.batches.iter().map(|batch| u64::from(batch.body.documents)).sum()
    }

    /// Returns the last commit that a sealing covers, 0 for none.
    pub fn sealed_through(&self) -> u64 {
        self.sealings.last().map_or(0, |sealing| sealing.body.through)
    }

    /// Returns the batches that no sealing covers yet.
    pub fn unsealed(&self) -> impl Iterator<Item = &LoggedBatch> {
        let sealed = self.sealed_through();
        self.batches.iter().filter(move |batch| batch.commit > sealed)
    }

    /// Returns a sealing by its number.
    pub fn sealing(&self, number: u64) -> Option<&LoggedSealing> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.sealings.get(at).filter(|it| it.body.number == number)
    }

    /// Returns the batches of the commits that a sealing covers.
    pub fn batches_of(&self, sealing: &BatchesSealed) -> &[LoggedBatch] {
        let first = self.batches.partition_point(|it| it.commit <= sealing.after);
        let end = self.batches.partition_point(|it| it.commit <= sealing.through);
        self.batches.get(first..end).unwrap_or_default()
    }

    /// Returns the first time-stamp of a sealing on `line`: the one that counts.
    pub fn stamp_of(&self, number: u64, line: &str) -> Option<&LoggedStamp> {
        self.stamps.iter().find(|stamp| stamp.body.number == number && stamp.body.line == line)
    }

    /// Returns the evidence lines on which sealings have time-stamps, by name.
    pub fn lines(&self) -> BTreeSet<&str> {
        self.stamps.iter().map(|stamp| stamp.body.line.as_str()).collect()
    }

    /// Returns the sealings without any time-stamp, oldest first.
    pub fn without_stamp(&self) -> impl Iterator<Item = &LoggedSealing> {
        let stamped = |number| self.stamps.iter().any(|stamp| stamp.body.number == number);
        self.sealings.iter().filter(move |sealing| !stamped(sealing.body.number))
    }

    /// Returns the sealings without a time-stamp on `line`, oldest first.
    pub fn unstamped(&self, line: &str) -> Vec<&LoggedSealing> {
        let sealings = self.sealings.iter();
        sealings.filter(|sealing| self.stamp_of(sealing.body.number, line).is_none()).collect()
    }
}

/// Reads the whole log, checking signatures but not how the commits follow from each other.
///
/// # Errors
///
/// [`LogError::CommitDamaged`], [`LogError::Store`], or [`LogError::CommitMissing`] and
/// [`LogError::NewestMissing`] where later commits or the published checkpoint show that there is more than
/// can be read.
pub async fn read_view(archive: &Archive) -> Result<LogView, LogError> {
    let mut view = LogView::default();
    read_commits(archive, (0, 0), &mut |commit| view.take(commit)).await?;
    Ok(view)
}

/// Reads the commits after a known one, to the end of the log; of the known one are given its number
/// and the number of entries up to it, both 0 for none.
///
/// # Errors
///
/// As [`read_view`].
pub async fn read_commits(
    archive: &Archive,
    known: (u64, u64),
    take: &mut (dyn FnMut(&Commit) + Send),
) -> Result<(), LogError> {
    let (mut head, mut size) = known;
    loop {
        while let Some(commit) = archive.commit(head + 1).await? {
            take(&commit);
            (head, size) = (commit.header.commit, commit.size_after());
        }
        // A checkpoint that cannot be read is for `verify` to report: here it just shows nothing.
        let published = published_checkpoint(archive).await.ok().flatten();
        if find_head(archive.store(), head).await? > head {
            continue;
        }
        if let Some(covered) = published.map(|it| it.size).filter(|covered| *covered > size) {
            return Err(LogError::NewestMissing { number: head + 1, covered, size });
        }
        return Ok(());
    }
}
