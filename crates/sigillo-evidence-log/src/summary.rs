//! What the log says in sum, so that it need not be read from its beginning each time.

use serde::{Deserialize, Serialize};

use sigillo_model::{Entry, LogTime, Sha256Digest};

use crate::{Archive, Commit, LogError, view::read_commits};

/// What the log says in sum, up to some commit.
///
/// It can be kept outside the archive and carried on later. It counts what commits say whose
/// signatures were checked; how they follow from each other is for an audit to see.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSummary {
    /// Batches.
    pub batches: u64,
    /// Versions of documents and of aggregations in them.
    pub documents: u64,
    /// The newest commit taken in, 0 for none.
    pub head: u64,
    /// SHA-256 of that commit's object: whose log it is, and how far.
    pub head_sha256: Option<Sha256Digest>,
    /// The time of that commit.
    pub newest_commit_at: Option<LogTime>,
    /// The time that the newest time-stamp attests, as the log spells it.
    pub newest_stamp_at: Option<String>,
    /// The last commit that a sealing covers, 0 for none.
    pub sealed_through: u64,
    /// Sealings.
    pub sealings: u64,
    /// Entries.
    pub size: u64,
    /// Submissions that were received.
    pub submissions: u64,
    /// Batches that no sealing covers yet, in log order.
    pub unsealed: Vec<UnsealedBatch>,
    /// Sealings without any time-stamp, oldest first.
    pub unstamped: Vec<UnstampedSealing>,
}

/// A batch that no sealing covers yet.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnsealedBatch {
    /// The time of its commit.
    pub at: LogTime,
    /// The commit that added it.
    pub commit: u64,
    /// Number of its leaves.
    pub documents: u64,
}

/// A sealing without any time-stamp.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnstampedSealing {
    /// The time of its commit.
    pub at: LogTime,
    /// Its number.
    pub number: u64,
}

impl LogSummary {
    /// Takes in the next commit.
    pub fn take(&mut self, commit: &Commit) {
        let (number, at) = (commit.header.commit, commit.header.at);
        for entry in &commit.entries {
            match entry {
                Entry::BatchCommitted(body) => {
                    let documents = u64::from(body.documents);
                    self.batches += 1;
                    self.documents += documents;
                    self.unsealed.push(UnsealedBatch { at, commit: number, documents });
                }
                Entry::BatchesSealed(body) => {
                    self.sealings += 1;
                    self.sealed_through = body.through;
                    self.unsealed.retain(|batch| batch.commit > body.through);
                    self.unstamped.push(UnstampedSealing { at, number: body.number });
                }
                Entry::SealingStamped(body) => {
                    self.unstamped.retain(|sealing| sealing.number != body.number);
                    self.newest_stamp_at = Some(body.stamped_at.clone());
                }
                Entry::SubmissionReceived(_) => self.submissions += 1,
                _ => {}
            }
        }
        self.head = number;
        self.head_sha256 = Some(commit.digest);
        self.newest_commit_at = Some(at);
        self.size = commit.size_after();
    }

    /// Tells whether what was summed up is the beginning of this log.
    async fn is_of(&self, archive: &Archive) -> Result<bool, LogError> {
        if self.head == 0 {
            return Ok(*self == Self::default());
        }
        match archive.commit(self.head).await {
            Ok(commit) => Ok(commit.is_some_and(|it| Some(it.digest) == self.head_sha256)),
            Err(LogError::CommitDamaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Sums the log up: carries on what was `known`, or begins anew if that is of another log.
///
/// Reads the commits after the one known, and a few more: its cost does not grow with the log.
///
/// # Errors
///
/// As [`read_view`](crate::read_view).
pub async fn summarise(archive: &Archive, known: LogSummary) -> Result<LogSummary, LogError> {
    let mut summary = if known.is_of(archive).await? { known } else { LogSummary::default() };
    let after = (summary.head, summary.size);
    read_commits(archive, after, &mut |commit| summary.take(commit)).await?;
    Ok(summary)
}
