//! The right edge of the log's tree, tile by tile: enough to append, to know the root and to write
//! the tiles that change.

use sigillo_merkle::{Frontier, TILE_HEIGHT, TILE_WIDTH, TileId, TreeHash, node_hash};

/// The hashes of the rightmost, unfinished tile of every level.
///
/// At most 255 hashes a level and eight levels, whatever the size of the tree.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RightEdge {
    size: u64,
    /// By tile level; each holds fewer than 256 hashes.
    levels: Vec<Vec<TreeHash>>,
}

impl RightEdge {
    /// Starts at the tree without leaves.
    pub const fn new() -> Self {
        Self { size: 0, levels: Vec::new() }
    }

    /// Restores the edge of a tree of `size` leaves from the hashes of its unfinished tiles.
    ///
    /// Nothing if their numbers do not fit. Whether they are the right ones shows in the root.
    pub fn from_tiles(size: u64, levels: Vec<Vec<TreeHash>>) -> Option<Self> {
        let widths = Self::unfinished_tiles(size);
        let fits = widths.len() == levels.len()
            && widths
                .iter()
                .zip(&levels)
                .all(|(tile, hashes)| usize::from(tile.width) == hashes.len());
        fits.then_some(Self { size, levels })
    }

    /// Lists the unfinished tile of each level of a tree of `size` leaves; one may have width 0.
    pub fn unfinished_tiles(size: u64) -> Vec<TileId> {
        let mut tiles = Vec::new();
        let mut hashes = size;
        while hashes > 0 {
            let level = u32::try_from(tiles.len()).expect("a tree has eight levels of tiles");
            let width = u16::try_from(hashes % u64::from(TILE_WIDTH)).expect("below 256");
            tiles.push(TileId { level, index: hashes >> TILE_HEIGHT, width });
            hashes >>= TILE_HEIGHT;
        }
        tiles
    }

    /// Returns the number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf and hands every tile that it completes to `finished`.
    pub fn push(&mut self, leaf: TreeHash, finished: &mut dyn FnMut(TileId, &[TreeHash])) {
        let mut hash = leaf;
        let mut position = self.size;
        self.size += 1;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let tile = &mut self.levels[level];
            tile.push(hash);
            if tile.len() < usize::from(TILE_WIDTH) {
                return;
            }
            position >>= TILE_HEIGHT;
            let level = u32::try_from(level).expect("a tree has eight levels of tiles");
            finished(TileId { level, index: position, width: TILE_WIDTH }, tile);
            hash = join(tile);
            tile.clear();
        }
    }

    /// Computes the root over all leaves so far.
    pub fn root(&self) -> TreeHash {
        let mut edge = Vec::new();
        for tile in self.levels.iter().rev() {
            let mut rest = tile.as_slice();
            while !rest.is_empty() {
                let (subtree, more) = rest.split_at(1 << rest.len().ilog2());
                edge.push(join(subtree));
                rest = more;
            }
        }
        let frontier = Frontier::from_parts(self.size, edge);
        frontier.expect("the tiles have as many subtrees as the size has bits").root()
    }

    /// Returns the unfinished tiles that are not empty, with their hashes.
    pub fn partial_tiles(&self) -> impl Iterator<Item = (TileId, &[TreeHash])> {
        Self::unfinished_tiles(self.size)
            .into_iter()
            .zip(&self.levels)
            .filter(|(tile, _)| tile.width > 0)
            .map(|(tile, hashes)| (tile, hashes.as_slice()))
    }
}

/// Spells hashes as the bytes of a tile.
pub(crate) fn tile_content(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Joins 2ⁿ neighbouring hashes into the root over them.
fn join(hashes: &[TreeHash]) -> TreeHash {
    if let [hash] = hashes {
        return *hash;
    }
    let (left, right) = hashes.split_at(hashes.len() / 2);
    node_hash(join(left), join(right))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sigillo_merkle::{MemoryTree, leaf_hash, root_of, tile_bytes, tiles_of_size};

    use super::*;

    #[test]
    fn roots_and_tiles_are_those_of_the_whole_tree() {
        let (mut edge, mut tree, mut leaves) = (RightEdge::new(), MemoryTree::new(), Vec::new());
        let mut tiles = BTreeMap::new();
        for number in 0_u64..66_000 {
            let leaf = leaf_hash(&number.to_be_bytes());
            edge.push(leaf, &mut |tile, hashes| {
                tiles.insert(tile, tile_content(hashes));
            });
            tree.push(leaf);
            leaves.push(leaf);
            if number < 600 || number % 4096 < 2 || number > 65_990 {
                assert_eq!(edge.root(), root_of(leaves.iter().copied()), "{number}");
            }
        }
        tiles.extend(edge.partial_tiles().map(|(tile, hashes)| (tile, tile_content(hashes))));
        let expected: BTreeMap<_, _> = tiles_of_size(66_000)
            .into_iter()
            .map(|tile| (tile, tile_bytes(&tile, &tree).unwrap()))
            .collect();
        assert_eq!(tiles, expected);
    }

    #[test]
    fn an_edge_is_restored_from_its_tiles() {
        let mut edge = RightEdge::new();
        for number in 0_u64..70_000 {
            edge.push(leaf_hash(&number.to_be_bytes()), &mut |_, _| {});
        }
        let mut levels: Vec<Vec<_>> =
            RightEdge::unfinished_tiles(70_000).iter().map(|_| Vec::new()).collect();
        for (tile, hashes) in edge.partial_tiles() {
            levels[tile.level as usize] = hashes.to_vec();
        }
        assert_eq!(RightEdge::from_tiles(70_000, levels.clone()), Some(edge));
        assert_eq!(RightEdge::from_tiles(70_001, levels), None);
        assert_eq!(RightEdge::from_tiles(0, Vec::new()), Some(RightEdge::new()));
    }
}
