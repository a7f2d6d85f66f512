//! What is kept of a submission: where it came from, and what became of it.

use serde::Serialize;

use sigillo_model::{LogTime, SubmissionId, VersionId, to_canonical, to_canonical_in_order};

use crate::{Note, Refusal};

/// `submissions/<id>/report.json`, an erasable object. Its members stand in canonical order.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    /// New versions of aggregations.
    pub(crate) aggregations: u64,
    /// Documents that were in the archive before.
    pub(crate) already: u64,
    /// Their versions, sorted.
    pub(crate) already_versions: &'a [VersionId],
    /// Documents archived by this submission.
    pub(crate) archived: u64,
    pub(crate) finished_at: LogTime,
    pub(crate) format: u32,
    pub(crate) notes: &'a [Note],
    /// Documents that the submission ended before.
    pub(crate) pending: u64,
    pub(crate) received: u64,
    pub(crate) received_at: LogTime,
    /// As many of those that were refused as are kept in words.
    pub(crate) refusals: &'a [Refusal],
    /// How many were refused.
    pub(crate) refused: u64,
    /// Random, so that the digest in the log confirms no guess.
    pub(crate) salt: String,
    pub(crate) source: &'a str,
    pub(crate) submission: SubmissionId,
}

/// `submissions/<id>/received.json`, an erasable object: where documents come from.
#[derive(Debug, Serialize)]
pub(crate) struct Arrival<'a> {
    pub(crate) format: u32,
    pub(crate) received: u64,
    pub(crate) received_at: LogTime,
    /// Random, so that the digest in the log confirms no guess.
    pub(crate) salt: String,
    pub(crate) source: &'a str,
    pub(crate) submission: SubmissionId,
}

impl Arrival<'_> {
    pub(crate) fn to_json(&self) -> Vec<u8> {
        to_canonical(self)
    }
}

impl Report<'_> {
    pub(crate) fn to_json(&self) -> Vec<u8> {
        to_canonical_in_order(self)
    }
}
