//! Where hashes of complete subtrees come from, and what follows from them without a proof.

use std::{
    collections::{BTreeMap, HashMap},
    hash::BuildHasher,
};

use crate::{Frontier, TREE_SIZE_MAX, TreeHash, node_hash, range::LeafRange};

/// Hashes of the complete subtrees of one tree.
///
/// # Contract
///
/// A hash, once returned, stays the same while the tree grows. The source is not trusted by those
/// who verify: whoever controls it can make proofs that fail, never proofs of something false.
pub trait SubtreeHashes {
    /// Why a hash could not be had.
    type Error;

    /// Returns the root of the subtree of leaves `index × 2^level` to `(index + 1) × 2^level − 1`.
    ///
    /// # Errors
    ///
    /// If the subtree is not complete yet, or its hash cannot be had.
    fn subtree(&self, level: u32, index: u64) -> Result<TreeHash, Self::Error>;
}

/// A tree in memory that keeps every complete subtree: 64 bytes for each leaf.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MemoryTree {
    /// By level; each holds the hashes of that level from left to right.
    levels: Vec<Vec<TreeHash>>,
}

impl MemoryTree {
    /// Starts without leaves.
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends one leaf: a [`leaf_hash`](crate::leaf_hash), not the entry itself.
    pub fn push(&mut self, leaf: TreeHash) {
        let mut completed = Some(leaf);
        let mut level = 0;
        while let Some(hash) = completed {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            completed = match hashes.as_chunks::<2>() {
                ([.., [left, right]], []) => Some(node_hash(*left, *right)),
                _ => None,
            };
            level += 1;
        }
    }
}

impl Extend<TreeHash> for MemoryTree {
    fn extend<I: IntoIterator<Item = TreeHash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

impl FromIterator<TreeHash> for MemoryTree {
    fn from_iter<I: IntoIterator<Item = TreeHash>>(leaves: I) -> Self {
        let mut tree = Self::new();
        tree.extend(leaves);
        tree
    }
}

impl SubtreeHashes for MemoryTree {
    type Error = MissingSubtree;

    fn subtree(&self, level: u32, index: u64) -> Result<TreeHash, MissingSubtree> {
        let hashes = self.levels.get(level as usize);
        let hash = hashes.zip(usize::try_from(index).ok()).and_then(|(all, at)| all.get(at));
        hash.copied().ok_or(MissingSubtree { level, index })
    }
}

/// A map from (level, index): what an asynchronous reader fetched beforehand.
impl SubtreeHashes for BTreeMap<(u32, u64), TreeHash> {
    type Error = MissingSubtree;

    fn subtree(&self, level: u32, index: u64) -> Result<TreeHash, MissingSubtree> {
        self.get(&(level, index)).copied().ok_or(MissingSubtree { level, index })
    }
}

/// A map from (level, index): what an asynchronous reader fetched beforehand.
impl<S: BuildHasher> SubtreeHashes for HashMap<(u32, u64), TreeHash, S> {
    type Error = MissingSubtree;

    fn subtree(&self, level: u32, index: u64) -> Result<TreeHash, MissingSubtree> {
        self.get(&(level, index)).copied().ok_or(MissingSubtree { level, index })
    }
}

/// A source in memory does not hold the hash asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no hash for subtree {index} of level {level}")]
pub struct MissingSubtree {
    /// Binary logarithm of the subtree's number of leaves.
    pub level: u32,
    /// Subtrees of that level to its left.
    pub index: u64,
}

/// Why something could not be computed from subtree hashes; `E` is the source's own error.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError<E> {
    /// What was asked for does not exist; no hash was read.
    #[error(transparent)]
    Range(RangeError),
    /// The source did not give a hash.
    #[error("could not read a subtree hash")]
    Subtree(#[source] E),
}

/// What does not exist in the tree asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
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
    /// The size is above [`TREE_SIZE_MAX`].
    #[error("a tree of {size} leaves is larger than any can be")]
    SizeAboveMax {
        /// Leaves asked for.
        size: u64,
    },
    /// No tree has such a tile.
    #[error("no tree has a tile {index} of level {level} with {width} hashes")]
    NoSuchTile {
        /// Level of the tile.
        level: u32,
        /// Index within the level.
        index: u64,
        /// Hashes in the tile.
        width: u16,
    },
}

/// Lists level and index of the subtrees that [`frontier_at`] and [`root_at`] read, in order.
pub fn needed_for_frontier(size: u64) -> Vec<(u32, u64)> {
    LeafRange { start: 0, end: size }.complete_subtrees().collect()
}

/// Computes the root of the tree's first `size` leaves.
///
/// # Errors
///
/// [`TreeError`] for a size above [`TREE_SIZE_MAX`] or a hash that could not be read.
pub fn root_at<H: SubtreeHashes>(size: u64, hashes: &H) -> Result<TreeHash, TreeError<H::Error>> {
    frontier_at(size, hashes).map(|frontier| frontier.root())
}

/// Reads the frontier of the tree's first `size` leaves.
///
/// # Errors
///
/// [`TreeError`] for a size above [`TREE_SIZE_MAX`] or a hash that could not be read.
pub fn frontier_at<H: SubtreeHashes>(
    size: u64,
    hashes: &H,
) -> Result<Frontier, TreeError<H::Error>> {
    let too_large = TreeError::Range(RangeError::SizeAboveMax { size });
    if size > TREE_SIZE_MAX {
        return Err(too_large);
    }
    let edge: Result<Vec<_>, _> = needed_for_frontier(size)
        .into_iter()
        .map(|(level, index)| hashes.subtree(level, index))
        .collect();
    let edge = edge.map_err(TreeError::Subtree)?;
    // One hash per bit set was read above, so nothing but the size could be refused.
    Frontier::from_parts(size, edge).map_err(|_| too_large)
}
