//! When a batch carries its leaves in place of a proof for every document.

/// Up to so many documents of one batch have a proof each.
pub const EXPLICIT_PROOFS_MAX: u64 = 64;

/// More documents than [`EXPLICIT_PROOFS_MAX`] also have a proof each if they are fewer than one in
/// so many of their batch.
pub const LEAVES_SHARE: u64 = 32;

/// Tells whether a receipt for `listed` of the `documents` of a batch carries all its leaves.
///
/// A leaf costs 43 bytes; two proofs among n leaves cost about 134 × log₂ n. So one proof each is
/// shorter only for few documents of many. The leaves of other documents reveal nothing.
pub const fn needs_leaves(listed: u64, documents: u64) -> bool {
    listed > EXPLICIT_PROOFS_MAX && listed >= documents / LEAVES_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_documents_have_a_proof_each_and_many_share_the_leaves() {
        for (listed, documents) in [(1, 1), (64, 64), (1, 100_000), (3_124, 100_000)] {
            assert!(!needs_leaves(listed, documents), "{listed} of {documents}");
        }
        for (listed, documents) in [(65, 65), (100_000, 100_000), (3_125, 100_000)] {
            assert!(needs_leaves(listed, documents), "{listed} of {documents}");
        }
    }
}
