//! What a hash-tree renewal covers.

use serde::{Deserialize, Serialize};

use crate::{BatchId, RenewalId, Sha256Digest, Sha512Digest};

/// Most sealings that one hash-tree renewal covers.
pub const HASH_TREE_SEALINGS_MAX: usize = 50_000;

/// Most lists of objects under one hash-tree renewal.
pub const HASH_TREE_LISTS_MAX: usize = 10_000;

/// Largest `tree.json` accepted, in bytes.
pub const HASH_TREE_BYTES_MAX: u64 = 256 << 20;

/// `tree.json`: the sealings whose documents, and all that proves them, one newer time-stamp covers by
/// hash trees of another function.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HashTree {
    /// The format of the object: 1.
    pub format: u32,
    /// The new hash function: `sha512`.
    pub hash: String,
    /// The evidence line.
    pub line: String,
    /// SHA-512 of the lists of objects, in their order.
    pub objects: Vec<Sha512Digest>,
    /// The renewal's folder.
    pub renewal: RenewalId,
    /// The sealings, by number.
    pub sealings: Vec<RehashedSealing>,
}

/// One sealing in a hash-tree renewal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RehashedSealing {
    /// Its batches, in the order of its statement.
    pub batches: Vec<RehashedBatch>,
    /// Number of the sealing.
    pub number: u64,
    /// SHA-256 of all time-stamps that it has on the line, oldest first.
    pub tokens: Vec<Sha256Digest>,
    /// The value of statement and seal, as one group that is joined with their older chain.
    pub value: Sha512Digest,
}

impl RehashedSealing {
    /// Returns the documents that were left out: their batch, and their place in it from 0.
    pub fn left_out(&self) -> impl Iterator<Item = (BatchId, u32)> {
        let batches = self.batches.iter();
        batches.flat_map(|it| it.left_out.iter().map(|place| (it.batch, *place)))
    }
}

/// One batch in a hash-tree renewal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RehashedBatch {
    /// The batch.
    pub batch: BatchId,
    /// SHA-256 of the object that holds the new leaves, 64 bytes each: those of its documents in
    /// order, without what is left out. Absent if all is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<Sha256Digest>,
    /// The places, from 0 and ascending, of documents that could not be read and are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<u32>,
    /// Root of the tree over the new leaves; absent if all is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Sha512Digest>,
}

impl HashTree {
    /// The hash function that this program renews hash trees with.
    pub const HASH: &str = "sha512";

    /// Returns the leaves of the tree that the time-stamp covers the root of: of each sealing its own
    /// value and the roots of its batches, then the lists of objects.
    pub fn tree_leaves(&self) -> Vec<Sha512Digest> {
        let sealings = self.sealings.iter().flat_map(|sealing| {
            let batches = sealing.batches.iter().filter_map(|batch| batch.root);
            std::iter::once(sealing.value).chain(batches)
        });
        sealings.chain(self.objects.iter().copied()).collect()
    }
}
