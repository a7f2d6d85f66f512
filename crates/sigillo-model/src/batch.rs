//! A batch: what one commit adds.

use serde::{Deserialize, Serialize};

use crate::Blake3Digest;

/// Most documents in one batch.
pub const BATCH_DOCUMENTS_MAX: u32 = 100_000;

/// Most packs in one batch.
pub const BATCH_PACKS_MAX: usize = 100_000;

/// Largest pack list accepted, in bytes.
pub const PACK_LIST_BYTES_MAX: u64 = 32 << 20;

/// `packs.json`: the packs of a batch, in the order of its leaves.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PackList {
    /// The format of the list: 1.
    pub format: u32,
    /// The packs; the first holds the first documents of the batch, and so on.
    pub packs: Vec<ListedPack>,
}

/// One pack of a batch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ListedPack {
    /// How many leaves of the batch, following those of the packs before, are in this pack.
    pub documents: u32,
    /// BLAKE3 of the pack's bytes, which is its name.
    pub name: Blake3Digest,
    /// Length of the pack, in bytes.
    pub size: u64,
}
