//! Ranges of leaves that hash to one node, and the complete subtrees they are made of.

use std::iter;

use crate::{SubtreeHashes, TreeHash, empty_root, node_hash};

/// The leaves `start..end`; `start` is a multiple of a power of two not below `end - start`.
///
/// So the range is the set of leaves under one node of some tree, or is empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LeafRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl LeafRange {
    /// Splits a range of two leaves or more where RFC 9162 §2.1.1 does: at the largest power of
    /// two below its length. The left half is complete.
    pub(crate) fn split(self) -> Option<(Self, Self)> {
        let last = (self.end - self.start).checked_sub(1).filter(|last| *last > 0)?;
        let middle = self.start + (1 << last.ilog2());
        Some((Self { start: self.start, end: middle }, Self { start: middle, end: self.end }))
    }

    /// Lists level and index of the complete subtrees in the range, largest first.
    pub(crate) fn complete_subtrees(self) -> impl Iterator<Item = (u32, u64)> {
        let (mut next, mut left) = (self.start, self.end - self.start);
        iter::from_fn(move || {
            let level = left.checked_ilog2()?;
            let subtree = (level, next >> level);
            left -= 1 << level;
            // Wraps only past the very last range of a tree of 2⁶⁴ leaves, when nothing is left.
            next = next.wrapping_add(1 << level);
            Some(subtree)
        })
    }

    /// Computes the hash of the node over the range from its complete subtrees.
    pub(crate) fn hash<H: SubtreeHashes>(self, hashes: &H) -> Result<TreeHash, H::Error> {
        let edge: Result<Vec<_>, _> =
            self.complete_subtrees().map(|(level, index)| hashes.subtree(level, index)).collect();
        Ok(fold_edge(&edge?))
    }
}

/// Joins the roots of complete subtrees, largest first, into the root over all of them.
pub(crate) fn fold_edge(edge: &[TreeHash]) -> TreeHash {
    let joined = edge.iter().copied().rev().reduce(|right, left| node_hash(left, right));
    joined.unwrap_or_else(empty_root)
}

/// Lists the complete subtrees of several ranges, in order.
pub(crate) fn subtrees_of(ranges: Vec<LeafRange>) -> Vec<(u32, u64)> {
    ranges.into_iter().flat_map(LeafRange::complete_subtrees).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_falls_apart_into_its_binary_digits() {
        let range = LeafRange { start: 8, end: 8 + 7 };
        assert_eq!(range.complete_subtrees().collect::<Vec<_>>(), [(2, 2), (1, 6), (0, 14)]);
        assert_eq!(LeafRange { start: 0, end: 0 }.complete_subtrees().count(), 0);
        assert_eq!(LeafRange { start: 0, end: u64::MAX }.complete_subtrees().count(), 64);
    }

    #[test]
    fn a_range_splits_at_the_largest_power_of_two_below_its_length() {
        for (end, middle) in [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (u64::MAX, 1 << 63)] {
            let (left, right) = LeafRange { start: 0, end }.split().unwrap();
            assert_eq!((left.start, left.end, right.start, right.end), (0, middle, middle, end));
        }
        assert_eq!(LeafRange { start: 5, end: 6 }.split(), None);
        assert_eq!(LeafRange { start: 0, end: 0 }.split(), None);
    }
}
