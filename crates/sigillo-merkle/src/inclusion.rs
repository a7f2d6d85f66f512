//! Proofs that a leaf is in a tree.

use crate::{
    RangeError, SubtreeHashes, TreeError, TreeHash, node_hash,
    range::{LeafRange, subtrees_of},
};

/// Makes the proof that leaf `leaf_index` is in the tree of the first `tree_size` leaves.
///
/// The siblings from the leaf up, as [`verify_inclusion`] wants them. Source: RFC 9162 §2.1.3.1.
///
/// # Errors
///
/// [`TreeError`] for a leaf outside the tree or a hash that could not be read.
pub fn inclusion_path<H: SubtreeHashes>(
    leaf_index: u64,
    tree_size: u64,
    hashes: &H,
) -> Result<Vec<TreeHash>, TreeError<H::Error>> {
    if tree_size <= leaf_index {
        return Err(TreeError::Range(RangeError::LeafOutsideTree { leaf_index, tree_size }));
    }
    let siblings = sibling_ranges(leaf_index, tree_size).into_iter();
    siblings.map(|range| range.hash(hashes).map_err(TreeError::Subtree)).collect()
}

/// Lists level and index of the subtrees that [`inclusion_path`] reads, in order.
///
/// Nothing for a leaf outside the tree: the making function reports it.
pub fn needed_for_inclusion(leaf_index: u64, tree_size: u64) -> Vec<(u32, u64)> {
    if tree_size <= leaf_index {
        return Vec::new();
    }
    subtrees_of(sibling_ranges(leaf_index, tree_size))
}

/// Checks that `leaf` is entry `leaf_index` of the tree of `tree_size` leaves under `root`.
///
/// `path` holds the siblings from the leaf up: ⌈log₂ `tree_size`⌉ hashes at most, none for a tree
/// of one leaf. Pure: that `root` comes from a checkpoint worth trusting is the caller's business.
///
/// # Errors
///
/// [`ProofError::RootMismatch`] for an honest-looking proof of something else, the other
/// variants for a malformed one. Source: RFC 9162 §2.1.3.2.
pub fn verify_inclusion(
    leaf: TreeHash,
    leaf_index: u64,
    path: &[TreeHash],
    tree_size: u64,
    root: TreeHash,
) -> Result<(), ProofError> {
    if tree_size <= leaf_index {
        return Err(ProofError::LeafOutsideTree { leaf_index, tree_size });
    }
    let (mut node, mut last, mut hash) = (leaf_index, tree_size - 1, leaf);
    let mut siblings = path.iter().copied();
    while last != 0 {
        if node % 2 == 1 {
            hash = node_hash(siblings.next().ok_or(ProofError::WrongLength)?, hash);
        } else if node < last {
            hash = node_hash(hash, siblings.next().ok_or(ProofError::WrongLength)?);
        } // else: on the right edge a node without sibling rises unchanged.
        (node, last) = (node / 2, last / 2);
    }
    match siblings.next() {
        Some(_) => Err(ProofError::WrongLength),
        None if hash == root => Ok(()),
        None => Err(ProofError::RootMismatch),
    }
}

/// Checks that `leaf` is entry `leaf_index` of a log whose subtree `start..end` has `root`.
///
/// # Errors
///
/// As [`verify_inclusion`], and [`ProofError::NotASubtree`] for a range that is no subtree.
/// Source: draft-ietf-plants-merkle-tree-certs §4.3.
pub fn verify_subtree_inclusion(
    leaf: TreeHash,
    leaf_index: u64,
    path: &[TreeHash],
    (start, end): (u64, u64),
    root: TreeHash,
) -> Result<(), ProofError> {
    check_subtree(start, end)?;
    let outside = ProofError::LeafOutsideTree { leaf_index, tree_size: end };
    let index_within = leaf_index.checked_sub(start).ok_or(outside)?;
    verify_inclusion(leaf, index_within, path, end - start, root)
}

/// Why a Merkle proof was rejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The leaf does not exist in a tree of this size.
    #[error("leaf {leaf_index} is outside a tree of {tree_size} leaves")]
    LeafOutsideTree {
        /// Index asked for, from 0.
        leaf_index: u64,
        /// Leaves in the tree.
        tree_size: u64,
    },
    /// The tree said to be older is the larger one.
    #[error("a tree of {old_size} leaves cannot grow to {new_size}")]
    SizesReversed {
        /// Leaves in the tree said to be older.
        old_size: u64,
        /// Leaves in the tree said to be newer.
        new_size: u64,
    },
    /// The leaves `start..end` do not lie under one node of any tree.
    #[error("leaves {start}..{end} are not a subtree")]
    NotASubtree {
        /// First leaf.
        start: u64,
        /// Leaf after the last.
        end: u64,
    },
    /// The proof has too few or too many hashes for these sizes.
    #[error("the proof has a wrong number of hashes")]
    WrongLength,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    RootMismatch,
}

/// Refuses a range of leaves that no node of a tree covers.
///
/// `start` must be a multiple of the smallest power of two not below the length.
/// Source: draft-ietf-plants-merkle-tree-certs §4.1.
pub(crate) fn check_subtree(start: u64, end: u64) -> Result<(), ProofError> {
    let is_subtree = end.checked_sub(start).filter(|length| *length > 0).is_some_and(|length| {
        // No power of two in 64 bits: then only 0 is a multiple of it.
        length.checked_next_power_of_two().map_or(start == 0, |span| start.is_multiple_of(span))
    });
    if is_subtree { Ok(()) } else { Err(ProofError::NotASubtree { start, end }) }
}

/// The siblings of a leaf and of its ancestors, from the leaf up.
fn sibling_ranges(leaf_index: u64, tree_size: u64) -> Vec<LeafRange> {
    let mut ranges = Vec::new();
    let mut around = LeafRange { start: 0, end: tree_size };
    while let Some((left, right)) = around.split() {
        let (inside, sibling) = if leaf_index < left.end { (left, right) } else { (right, left) };
        ranges.push(sibling);
        around = inside;
    }
    ranges.reverse();
    ranges
}
