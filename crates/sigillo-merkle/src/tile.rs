//! Which tiles a tree has, what is in them, and how subtree hashes come out of them.

use std::ops::Range;

use crate::{
    EntryBundleId, RangeError, SubtreeHashes, TILE_HEIGHT, TILE_LEVEL_MAX, TILE_WIDTH, TileId,
    TreeError, TreeHash, node_hash,
};

/// Lists the tiles to write when a tree grows: at each level those that became full and, if the
/// level ends in one that grew, that partial tile.
///
/// Nothing if the tree did not grow. One tile for each 256 leaves or so, in memory: the sizes must
/// be the caller's own or from a checkpoint believed.
pub fn tiles_for_growth(old_size: u64, new_size: u64) -> Vec<TileId> {
    let tiles_of_level = |level| {
        let grown = grown_tiles(hashes_at(level, old_size), hashes_at(level, new_size));
        grown.map(move |(index, width)| TileId { level, index, width })
    };
    (0..=TILE_LEVEL_MAX).flat_map(tiles_of_level).collect()
}

/// Lists the entry bundles to write when a log grows: those that became full and, if the log ends
/// in one that is not, that partial bundle.
///
/// Nothing if the log did not grow. Bounds as for [`tiles_for_growth`].
pub fn entry_bundles_for_growth(old_size: u64, new_size: u64) -> Vec<EntryBundleId> {
    grown_tiles(old_size, new_size).map(|(index, width)| EntryBundleId { index, width }).collect()
}

/// Lists all tiles of a tree, from the leaves up. Bounds as for [`tiles_for_growth`].
pub fn tiles_of_size(size: u64) -> Vec<TileId> {
    tiles_for_growth(0, size)
}

/// Lists all entry bundles of a log. Bounds as for [`tiles_for_growth`].
pub fn entry_bundles_of_size(size: u64) -> Vec<EntryBundleId> {
    entry_bundles_for_growth(0, size)
}

/// Names the tile, in a tree of `tree_size` leaves, from which the root of a complete subtree is
/// computed: the one that holds it, or holds its descendants less than eight levels down.
///
/// A subtree that is not complete in that tree gives a tile too narrow for it, perhaps of width 0:
/// [`subtree_from_tile`] refuses it.
pub fn tile_for_subtree(level: u32, index: u64, tree_size: u64) -> TileId {
    let tile_level = level / TILE_HEIGHT;
    let tile_index = index >> (TILE_HEIGHT - level % TILE_HEIGHT);
    let hashes = hashes_at(tile_level, tree_size);
    let left_of_tile = tile_index.saturating_mul(TILE_WIDTH.into());
    let width = hashes.saturating_sub(left_of_tile).min(TILE_WIDTH.into());
    TileId { level: tile_level, index: tile_index, width: narrow(width) }
}

/// Computes the root of a complete subtree from the bytes of its tile.
///
/// The tile is that of [`tile_for_subtree`] for the wanted tree or a larger one. Its hashes are
/// believed: what is made of them must be compared with a root.
///
/// # Errors
///
/// [`TileError`] if the bytes are not a tile of this width or the subtree is not in it.
pub fn subtree_from_tile(
    tile: &TileId,
    bytes: &[u8],
    level: u32,
    index: u64,
) -> Result<TreeHash, TileError> {
    let TileId { width, .. } = *tile;
    if !tile.exists() || bytes.len() != usize::from(width) * TreeHash::LENGTH_BYTES {
        return Err(TileError::WrongLength { width, length_bytes: bytes.len() });
    }
    let span = positions_in_tile(level, index);
    let holder = tile_for_subtree(level, index, 0);
    if (holder.level, holder.index) != (tile.level, tile.index) || span.end > usize::from(width) {
        return Err(TileError::NotInTile { level, index });
    }
    let (hashes, _) = bytes.as_chunks::<{ TreeHash::LENGTH_BYTES }>();
    Ok(join(&hashes[span]))
}

/// Assembles the bytes of a tile: 32 for each hash, from left to right.
///
/// # Errors
///
/// [`TreeError`] for a tile that no tree has or a hash that could not be read.
pub fn tile_bytes<H: SubtreeHashes>(
    tile: &TileId,
    hashes: &H,
) -> Result<Vec<u8>, TreeError<H::Error>> {
    let TileId { level, index, width } = *tile;
    if !tile.exists() {
        return Err(TreeError::Range(RangeError::NoSuchTile { level, index, width }));
    }
    let mut bytes = Vec::with_capacity(usize::from(width) * TreeHash::LENGTH_BYTES);
    for position in 0..u64::from(width) {
        let index = index * u64::from(TILE_WIDTH) + position;
        let hash = hashes.subtree(level * TILE_HEIGHT, index).map_err(TreeError::Subtree)?;
        bytes.extend_from_slice(hash.as_bytes());
    }
    Ok(bytes)
}

/// Why a subtree hash could not be computed from a tile.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The bytes are not those of a tile of this width, or no tile is that wide.
    #[error("a tile of {width} hashes cannot have {length_bytes} bytes")]
    WrongLength {
        /// Hashes the tile should have.
        width: u16,
        /// Bytes it has.
        length_bytes: usize,
    },
    /// The subtree's hashes are not all in this tile.
    #[error("subtree {index} of level {level} is not in this tile")]
    NotInTile {
        /// Binary logarithm of the subtree's number of leaves.
        level: u32,
        /// Subtrees of that level to its left.
        index: u64,
    },
}

/// How many hashes the tiles of a level hold together.
fn hashes_at(tile_level: u32, tree_size: u64) -> u64 {
    tree_size.checked_shr(tile_level.saturating_mul(TILE_HEIGHT)).unwrap_or(0)
}

/// Index and width of the tiles that change when a level grows from `old` hashes to `new`.
fn grown_tiles(old: u64, new: u64) -> impl Iterator<Item = (u64, u16)> {
    let width = u64::from(TILE_WIDTH);
    let full = (old / width..new / width).map(|index| (index, TILE_WIDTH));
    let partial = (new / width, narrow(new % width));
    full.chain(Some(partial).filter(|(_, width)| old < new && *width > 0))
}

/// Where in its tile the hashes lie that a subtree is computed from.
fn positions_in_tile(level: u32, index: u64) -> Range<usize> {
    let height = level % TILE_HEIGHT;
    let subtrees_in_tile = u64::from(TILE_WIDTH) >> height;
    let first = usize::from(narrow((index % subtrees_in_tile) << height));
    first..first + (1 << height)
}

/// Joins 2ⁿ neighbouring hashes into the root over them.
fn join(hashes: &[[u8; TreeHash::LENGTH_BYTES]]) -> TreeHash {
    if let [hash] = hashes {
        return TreeHash::from_bytes(*hash);
    }
    let (left, right) = hashes.split_at(hashes.len() / 2);
    node_hash(join(left), join(right))
}

/// Narrows a number that is at most [`TILE_WIDTH`].
fn narrow(number: u64) -> u16 {
    u16::try_from(number).expect("callers reduce the number to a tile's width")
}
