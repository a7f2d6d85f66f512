//! Submissions as the log tells of them: what was received, and what became of it.

use std::collections::HashMap;

use serde::Deserialize;

use sigillo_evidence_log::{Archive, Commit, read_commits};
use sigillo_model::{
    Entry, LogTime, ObjectKey, Sha256Digest, SubmissionCompleted, SubmissionId, parse_json,
};
use sigillo_store::StoreError;

use crate::CustodyError;

/// Largest object that says where a submission came from, in bytes.
const ARRIVAL_BYTES_MAX: u64 = 1 << 20;

/// What the log tells of one submission.
///
/// Its documents are conserved: received = archived + already + refused + pending. Source:
/// `docs/decisions/0008-submissions-in-the-log.md`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubmissionAccount {
    /// The submission.
    pub submission: SubmissionId,
    /// The time of the commit that says that it was received.
    pub received_at: LogTime,
    /// Documents it has: as they were found, and once it is completed as they were counted.
    pub received: u64,
    /// Documents in its batches so far; once it is completed, without its aggregations.
    pub archived: u64,
    /// Its end, if it came to one.
    pub completed: Option<CompletedAt>,
    received_sha256: Sha256Digest,
}

/// The end of a submission.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CompletedAt {
    /// What the log says of it.
    pub body: SubmissionCompleted,
    /// The time of its commit.
    pub at: LogTime,
}

impl SubmissionAccount {
    /// Returns how many of its documents were in the archive before; 0 until it is completed.
    pub fn already(&self) -> u64 {
        self.completed.as_ref().map_or(0, |it| it.body.already)
    }

    /// Returns how many of its documents were refused; 0 until it is completed.
    pub fn refused(&self) -> u64 {
        self.completed.as_ref().map_or(0, |it| it.body.refused)
    }

    /// Returns how many of its documents are not dealt with, as far as the log tells.
    pub fn pending(&self) -> u64 {
        match &self.completed {
            Some(completed) => completed.body.pending,
            None => self.received.saturating_sub(self.archived),
        }
    }
}

/// Reads what the log says of all submissions, in log order.
///
/// # Errors
///
/// [`CustodyError::Log`] if a commit is missing or cannot be read.
pub async fn read_submissions(archive: &Archive) -> Result<Vec<SubmissionAccount>, CustodyError> {
    let mut accounts = Accounts::default();
    read_commits(archive, (0, 0), &mut |commit| accounts.take(commit)).await?;
    Ok(accounts.list)
}

/// Reads what the producer calls the source of a submission. Nothing where the object that says so
/// was erased, or does not have the digest that the log states.
///
/// # Errors
///
/// [`CustodyError::Store`] if the store did not answer.
pub async fn source_of(
    archive: &Archive,
    account: &SubmissionAccount,
) -> Result<Option<String>, CustodyError> {
    #[derive(Deserialize)]
    struct Arrival {
        source: String,
    }
    let key = ObjectKey::submission_received(account.submission);
    let bytes = match archive.store().read(&key, ARRIVAL_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(
            StoreError::NotFound { .. }
            | StoreError::NotAnObject { .. }
            | StoreError::TooLarge { .. },
        ) => return Ok(None),
        Err(source) => return Err(CustodyError::Store { doing: "reading an arrival", source }),
    };
    if Sha256Digest::of(&bytes) != account.received_sha256 {
        return Ok(None);
    }
    Ok(parse_json::<Arrival>(&bytes).ok().map(|arrival| arrival.source))
}

/// Accounts, as the log is read.
#[derive(Debug, Default)]
struct Accounts {
    list: Vec<SubmissionAccount>,
    places: HashMap<SubmissionId, usize>,
}

impl Accounts {
    fn take(&mut self, commit: &Commit) {
        let at = commit.header.at;
        for entry in &commit.entries {
            match entry {
                Entry::SubmissionReceived(body) => {
                    self.places.insert(body.submission, self.list.len());
                    self.list.push(SubmissionAccount {
                        submission: body.submission,
                        received_at: at,
                        received: body.received,
                        archived: 0,
                        completed: None,
                        received_sha256: body.received_sha256,
                    });
                }
                Entry::BatchCommitted(body) => {
                    if let Some(account) = self.account(body.submission) {
                        account.archived += u64::from(body.documents);
                    }
                }
                Entry::SubmissionCompleted(body) => {
                    if let Some(account) = self.account(body.submission) {
                        (account.received, account.archived) = (body.received, body.archived);
                        account.completed = Some(CompletedAt { body: body.clone(), at });
                    }
                }
                _ => {}
            }
        }
    }

    fn account(&mut self, submission: SubmissionId) -> Option<&mut SubmissionAccount> {
        self.places.get(&submission).and_then(|place| self.list.get_mut(*place))
    }
}
