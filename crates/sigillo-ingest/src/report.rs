//! The report of a submission: what was received and what became of it.

use serde::Serialize;

use sigillo_model::{LogTime, SubmissionId, to_canonical};

use crate::{Note, Refusal};

/// `submissions/<id>/report.json`, an erasable object.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    /// Documents that were in the archive before.
    pub(crate) already: u64,
    /// Documents archived by this submission.
    pub(crate) archived: u64,
    pub(crate) finished_at: LogTime,
    pub(crate) format: u32,
    pub(crate) notes: &'a [Note],
    pub(crate) received_at: LogTime,
    /// How many were refused; as many of them as are kept in words follow.
    pub(crate) refused: u64,
    pub(crate) refusals: &'a [Refusal],
    /// Random, so that the digest in the log confirms no guess.
    pub(crate) salt: String,
    pub(crate) source: &'a str,
    pub(crate) submission: SubmissionId,
}

impl Report<'_> {
    pub(crate) fn to_json(&self) -> Vec<u8> {
        to_canonical(self)
    }
}
