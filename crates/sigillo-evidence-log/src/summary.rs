//! What the log says in sum, so that it need not be read from its beginning each time.

use std::collections::BTreeMap;

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
    /// The evidence lines whose time-stamps are waited for, in the order in which they were named.
    pub lines: Vec<LineSummary>,
    /// The time that the newest time-stamp attests, as the log spells it.
    pub newest_stamp_at: Option<String>,
    /// Renewals of time-stamps.
    pub renewals: u64,
    /// The last commit that a sealing covers, 0 for none.
    pub sealed_through: u64,
    /// Sealings.
    pub sealings: u64,
    /// Entries of the newest log.
    pub size: u64,
    /// Logs that came after others.
    #[serde(default)]
    pub successions: u64,
    /// Submissions that were received.
    pub submissions: u64,
    /// Batches that no sealing covers yet, in log order.
    pub unsealed: Vec<UnsealedBatch>,
}

/// What the log says of an evidence line.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LineSummary {
    /// Its name.
    pub line: String,
    /// The time that the newest first time-stamp on it attests, as the log spells it.
    pub newest_stamp_at: Option<String>,
    /// Sealings without a time-stamp on it, oldest first.
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

/// A sealing without a time-stamp on the line.
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
                    for line in &mut self.lines {
                        line.unstamped.push(UnstampedSealing { at, number: body.number });
                    }
                }
                Entry::SealingStamped(body) => {
                    for line in self.lines.iter_mut().filter(|it| it.line == body.line) {
                        line.unstamped.retain(|sealing| sealing.number != body.number);
                        line.newest_stamp_at = Some(body.stamped_at.clone());
                    }
                    self.newest_stamp_at = Some(body.stamped_at.clone());
                }
                Entry::EvidenceRenewed(_) | Entry::EvidenceRehashed(_) => self.renewals += 1,
                Entry::LogSucceeded(_) => self.successions += 1,
                Entry::SubmissionReceived(_) => self.submissions += 1,
                _ => {}
            }
        }
        self.head = number;
        self.head_sha256 = Some(commit.digest);
        self.newest_commit_at = Some(at);
        self.size = commit.size_after();
    }

    /// Returns the sealings that wait for a time-stamp on one of the lines or on several, by number.
    pub fn waiting(&self) -> Vec<UnstampedSealing> {
        let all = self.lines.iter().flat_map(|line| &line.unstamped);
        let by_number: BTreeMap<u64, UnstampedSealing> =
            all.map(|sealing| (sealing.number, sealing.clone())).collect();
        by_number.into_values().collect()
    }

    /// Sums up nothing yet, for some evidence lines.
    fn of_lines(lines: &[String]) -> Self {
        let of = |line: &String| LineSummary { line: line.clone(), ..LineSummary::default() };
        Self { lines: lines.iter().map(of).collect(), ..Self::default() }
    }

    /// Tells whether it is for these evidence lines.
    fn is_for(&self, lines: &[String]) -> bool {
        self.lines.iter().map(|it| &it.line).eq(lines)
    }

    /// Tells whether what was summed up is the beginning of this log.
    async fn is_of(&self, archive: &Archive) -> Result<bool, LogError> {
        if self.head == 0 {
            let lines: Vec<String> = self.lines.iter().map(|it| it.line.clone()).collect();
            return Ok(*self == Self::of_lines(&lines));
        }
        match archive.commit(self.head).await {
            Ok(commit) => Ok(commit.is_some_and(|it| Some(it.digest) == self.head_sha256)),
            Err(LogError::CommitDamaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Sums the log up: carries on what was `known`, or begins anew if that is of another log or waits
/// for the time-stamps of other evidence lines than `lines`.
///
/// Reads the commits after the one known, and a few more: its cost does not grow with the log.
///
/// # Errors
///
/// As [`read_view`](crate::read_view).
pub async fn summarise(
    archive: &Archive,
    known: LogSummary,
    lines: &[String],
) -> Result<LogSummary, LogError> {
    let carries_on = known.is_for(lines) && known.is_of(archive).await?;
    let mut summary = if carries_on { known } else { LogSummary::of_lines(lines) };
    let after = (summary.head, summary.size);
    read_commits(archive, after, &mut |commit| summary.take(commit)).await?;
    Ok(summary)
}
