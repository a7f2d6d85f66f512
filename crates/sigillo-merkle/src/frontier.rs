//! The right edge of a tree: all that is needed to append leaves and to know the root.

use crate::{TreeHash, range::fold_edge};

/// The largest size a [`Frontier`] is restored at; no tree grows to it.
pub const TREE_SIZE_MAX: u64 = (1 << 63) - 1;

/// The roots of the complete subtrees along the right edge of a tree, largest first.
///
/// At most 64 hashes whatever the size: one for each bit set in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frontier {
    size: u64,
    edge: Vec<TreeHash>,
}

impl Frontier {
    /// Starts at the tree without leaves.
    pub const fn new() -> Self {
        Self { size: 0, edge: Vec::new() }
    }

    /// Restores a frontier from what [`size`](Self::size) and [`edge`](Self::edge) once returned.
    ///
    /// Only the shape is checked: that the hashes are those of the tree, the caller must know, for
    /// instance by comparing [`root`](Self::root) with a checkpoint.
    ///
    /// # Errors
    ///
    /// [`FrontierError`] for a size above [`TREE_SIZE_MAX`] or another number of hashes than bits
    /// set in it.
    pub fn from_parts(size: u64, edge: Vec<TreeHash>) -> Result<Self, FrontierError> {
        if size > TREE_SIZE_MAX {
            return Err(FrontierError::SizeAboveMax { size });
        }
        if edge.len() != bits_set(size) {
            return Err(FrontierError::WrongEdge { size, hash_count: edge.len() });
        }
        Ok(Self { size, edge })
    }

    /// Returns the number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the roots of the complete subtrees, largest first.
    pub fn edge(&self) -> &[TreeHash] {
        &self.edge
    }

    /// Appends one leaf: a [`leaf_hash`](crate::leaf_hash), not the entry itself.
    pub fn push(&mut self, leaf: TreeHash) {
        self.size += 1;
        let kept = bits_set(self.size) - 1;
        // The new leaf completes as many subtrees as the old size ended in ones.
        self.edge.push(leaf);
        let completed = fold_edge(&self.edge[kept..]);
        self.edge.truncate(kept);
        self.edge.push(completed);
    }

    /// Computes the root over all leaves so far.
    pub fn root(&self) -> TreeHash {
        fold_edge(&self.edge)
    }
}

/// Why size and edge are not those of one tree.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// The size is beyond what any tree reaches.
    #[error("a tree of {size} leaves is larger than any can be")]
    SizeAboveMax {
        /// Leaves claimed.
        size: u64,
    },
    /// The number of hashes does not fit the size.
    #[error("the edge of a tree of {size} leaves cannot have {hash_count} hashes")]
    WrongEdge {
        /// Leaves claimed.
        size: u64,
        /// Hashes given.
        hash_count: usize,
    },
}

/// Computes the root of the tree over `leaves`, in order. Source: RFC 9162 §2.1.1.
pub fn root_of(leaves: impl IntoIterator<Item = TreeHash>) -> TreeHash {
    let mut frontier = Frontier::new();
    leaves.into_iter().for_each(|leaf| frontier.push(leaf));
    frontier.root()
}

/// The number of complete subtrees in a tree of `size` leaves.
fn bits_set(size: u64) -> usize {
    size.count_ones() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{empty_root, leaf_hash, node_hash};

    #[test]
    fn three_leaves_hang_as_drawn_in_the_standard() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|entry| leaf_hash(entry));
        assert_eq!(root_of([]), empty_root());
        assert_eq!(root_of([a]), a);
        assert_eq!(root_of([a, b, c]), node_hash(node_hash(a, b), c));
    }

    #[test]
    fn a_restored_frontier_grows_like_the_original() {
        let mut original = Frontier::new();
        for number in 0..40_u64 {
            let parts = (original.size(), original.edge().to_vec());
            let mut restored = Frontier::from_parts(parts.0, parts.1).unwrap();
            original.push(leaf_hash(&number.to_be_bytes()));
            restored.push(leaf_hash(&number.to_be_bytes()));
            assert_eq!(restored, original);
        }
    }

    #[test]
    fn an_edge_of_the_wrong_length_is_refused() {
        let hash = empty_root();
        assert_eq!(
            Frontier::from_parts(3, vec![hash]),
            Err(FrontierError::WrongEdge { size: 3, hash_count: 1 })
        );
        assert_eq!(
            Frontier::from_parts(0, vec![hash]),
            Err(FrontierError::WrongEdge { size: 0, hash_count: 1 })
        );
        assert_eq!(
            Frontier::from_parts(1 << 63, vec![hash]),
            Err(FrontierError::SizeAboveMax { size: 1 << 63 })
        );
        assert!(Frontier::from_parts(TREE_SIZE_MAX, vec![hash; 63]).is_ok());
    }
}
