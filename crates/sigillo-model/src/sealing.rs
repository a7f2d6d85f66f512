//! The statement of a sealing: which batches one seal and one time-stamp cover.

use serde::{Deserialize, Serialize};

use crate::{BatchId, LogTime, SealingId, Sha256Digest};

/// Largest statement accepted, in bytes.
pub const STATEMENT_BYTES_MAX: u64 = 256 << 20;

/// `statement.json`: what one sealing says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Statement {
    /// The last commit that earlier sealings cover, 0 for the first.
    pub after: u64,
    /// When the statement was written, by our clock.
    pub at: LogTime,
    /// Every batch of the commits after `after` up to `through`, in log order; possibly none.
    pub batches: Vec<SealedBatch>,
    /// The complete signed checkpoint of exactly commit `through`.
    pub checkpoint: String,
    /// The format of the statement: 1.
    pub format: u32,
    /// Number of the sealing, from 1.
    pub number: u64,
    /// The preservation policy under which it was made.
    pub policy: String,
    /// The shape of the evidence: `plain`.
    pub profile: String,
    /// The name of this sealing's folder.
    pub sealing: SealingId,
    /// The last commit that this sealing covers.
    pub through: u64,
}

/// One batch in a statement.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SealedBatch {
    /// The batch.
    pub batch: BatchId,
    /// The commit that added it.
    pub commit: u64,
    /// Number of its leaves.
    pub documents: u32,
    /// The RFC 6962 root over its leaves: order, count, membership.
    pub order_root: Sha256Digest,
    /// The root of its RFC 4998 hash tree.
    pub root: Sha256Digest,
}
