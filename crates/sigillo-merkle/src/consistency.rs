//! Proofs that a tree only grew.

use crate::{
    ProofError, RangeError, SubtreeHashes, TreeError, TreeHash, empty_root,
    inclusion::check_subtree,
    node_hash,
    range::{LeafRange, subtrees_of},
};

/// Makes the proof that the tree of `new_size` leaves starts with that of `old_size`.
///
/// No hashes if the sizes are equal or the old tree is empty. Source: RFC 9162 §2.1.4.1.
///
/// # Errors
///
/// [`TreeError`] if `old_size` is above `new_size` or a hash could not be read.
pub fn consistency_path<H: SubtreeHashes>(
    old_size: u64,
    new_size: u64,
    hashes: &H,
) -> Result<Vec<TreeHash>, TreeError<H::Error>> {
    if old_size > new_size {
        return Err(TreeError::Range(RangeError::SizesReversed { old_size, new_size }));
    }
    let ranges = proof_ranges(old_size, new_size).into_iter();
    ranges.map(|range| range.hash(hashes).map_err(TreeError::Subtree)).collect()
}

/// Lists level and index of the subtrees that [`consistency_path`] reads, in order.
///
/// Nothing if `old_size` is above `new_size`: the making function reports it.
pub fn needed_for_consistency(old_size: u64, new_size: u64) -> Vec<(u32, u64)> {
    if old_size > new_size {
        return Vec::new();
    }
    subtrees_of(proof_ranges(old_size, new_size))
}

/// Checks that the tree of `new_size` leaves under `new_root` starts with the one of `old_size`
/// leaves under `old_root`.
///
/// The empty tree, which must come with its own root, is the start of every tree: the RFC leaves
/// that case out. Source: RFC 9162 §2.1.4.2.
///
/// # Errors
///
/// [`ProofError::RootMismatch`] for an honest-looking proof of something else, the other
/// variants for a malformed one.
pub fn verify_consistency(
    old_size: u64,
    old_root: TreeHash,
    new_size: u64,
    new_root: TreeHash,
    path: &[TreeHash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::SizesReversed { old_size, new_size });
    }
    if old_size > 0 {
        return verify_subtree_consistency((0, old_size), old_root, new_size, new_root, path);
    }
    if !path.is_empty() {
        return Err(ProofError::WrongLength);
    }
    let new_root_fits = new_size > 0 || new_root == empty_root();
    if old_root == empty_root() && new_root_fits { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Checks that leaves `start..end` of the tree of `tree_size` leaves under `root` are those under
/// `subtree_root`.
///
/// # Errors
///
/// As [`verify_consistency`], and [`ProofError::NotASubtree`] for a range that is no subtree.
/// Source: draft-ietf-plants-merkle-tree-certs §4.4; with `start` 0 it is RFC 9162 §2.1.4.2.
pub fn verify_subtree_consistency(
    (start, end): (u64, u64),
    subtree_root: TreeHash,
    tree_size: u64,
    root: TreeHash,
    path: &[TreeHash],
) -> Result<(), ProofError> {
    check_subtree(start, end)?;
    if end > tree_size {
        return Err(ProofError::SizesReversed { old_size: end, new_size: tree_size });
    }
    // Nodes of one level: the subtree's first and last one, and the last one of the tree.
    let (mut first, mut last, mut tree_last) = (start, end - 1, tree_size - 1);
    // Up to the largest node that both trees have at the subtree's right end.
    while first != last && (last == tree_last || last % 2 == 1) {
        (first, last, tree_last) = (first / 2, last / 2, tree_last / 2);
    }
    let mut hashes = path.iter().copied();
    let shared =
        if first == last { subtree_root } else { hashes.next().ok_or(ProofError::WrongLength)? };
    let (mut subtree_hash, mut tree_hash) = (shared, shared);
    for sibling in hashes {
        if tree_last == 0 {
            return Err(ProofError::WrongLength);
        }
        if last % 2 == 1 || last == tree_last {
            if first < last {
                subtree_hash = node_hash(sibling, subtree_hash);
            }
            tree_hash = node_hash(sibling, tree_hash);
            // A node without sibling rises unchanged; it is not 0, for `tree_last` is not.
            while last % 2 == 0 {
                (first, last, tree_last) = (first / 2, last / 2, tree_last / 2);
            }
        } else {
            tree_hash = node_hash(tree_hash, sibling);
        }
        (first, last, tree_last) = (first / 2, last / 2, tree_last / 2);
    }
    if tree_last != 0 {
        return Err(ProofError::WrongLength);
    }
    let matches = subtree_hash == subtree_root && tree_hash == root;
    if matches { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// The nodes of a consistency proof, in its order.
fn proof_ranges(old_size: u64, new_size: u64) -> Vec<LeafRange> {
    let mut ranges = Vec::new();
    let mut around = LeafRange { start: 0, end: new_size };
    if old_size == 0 {
        return ranges;
    }
    while around.end != old_size
        && let Some((left, right)) = around.split()
    {
        let (inside, sibling) = if old_size <= left.end { (left, right) } else { (right, left) };
        ranges.push(sibling);
        around = inside;
    }
    // From 0 on it is the old tree itself, whose root the verifier has.
    if around.start != 0 {
        ranges.push(around);
    }
    ranges.reverse();
    ranges
}
