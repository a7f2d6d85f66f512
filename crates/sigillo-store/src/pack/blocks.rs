//! The values of a pack's 64 KiB blocks: inner nodes of its BLAKE3 tree, so that damage is located
//! and blocks can be hashed apart.

use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};

use sigillo_model::Blake3Digest;

use crate::convert::size_of_len;

/// Blocks have this many bytes, the last of a pack at least one.
pub const BLOCK_BYTES: usize = 64 << 10;

/// Merges block values into the name of a pack of `size_bytes` bytes.
///
/// Nothing if `blocks` are not as many as such a pack has: one per [`BLOCK_BYTES`] begun. A pack
/// of at most one block has none, and its name can only be had from its bytes. Source: the BLAKE3
/// paper §2.1: the values are the non-root chaining values of complete subtrees from the left.
pub fn merge_blocks(blocks: &[[u8; 32]], size_bytes: u64) -> Option<Blake3Digest> {
    if size_of_len(blocks.len()) != block_count(size_bytes) {
        return None;
    }
    let mut level = blocks.to_vec();
    while 2 < level.len() {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => merge_subtrees_non_root(left, right, Mode::Hash),
                // On the right edge a value without sibling rises unchanged.
                rest => rest[0],
            })
            .collect();
    }
    match level.as_slice() {
        [left, right] => {
            let root = merge_subtrees_root(left, right, Mode::Hash);
            Some(Blake3Digest::from_bytes(*root.as_bytes()))
        }
        _ => None,
    }
}

/// Returns the indexes of the blocks, from 0, whose values are not the expected ones, and of those
/// that only one side has.
pub fn damaged_blocks(found: &[[u8; 32]], expected: &[[u8; 32]]) -> Vec<u64> {
    (0..found.len().max(expected.len()))
        .filter(|&index| found.get(index) != expected.get(index))
        .map(size_of_len)
        .collect()
}

/// Returns how many block values a pack has: none when it is one block or less.
pub(crate) fn block_count(size_bytes: u64) -> u64 {
    match size_bytes.div_ceil(BLOCK_BYTES as u64) {
        0 | 1 => 0,
        count => count,
    }
}

/// Hashes a pack piece by piece, every piece but the last a multiple of a block.
///
/// Whether the first block is the whole pack shows only at the end, so it is kept until then.
#[derive(Debug, Default)]
pub(crate) struct BlockHasher {
    blocks: Vec<[u8; 32]>,
    /// The name of the pack, should it end within its first block.
    single: Option<Blake3Digest>,
    size_bytes: u64,
}

impl BlockHasher {
    /// Hashes the next piece.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        debug_assert!(self.size_bytes.is_multiple_of(BLOCK_BYTES as u64), "a block was cut");
        if self.size_bytes == 0 && piece.len() <= BLOCK_BYTES {
            self.single = Some(Blake3Digest::of(piece));
        }
        self.blocks.reserve(piece.len().div_ceil(BLOCK_BYTES));
        for block in piece.chunks(BLOCK_BYTES) {
            self.blocks.push(block_value(block, self.size_bytes));
            self.size_bytes += size_of_len(block.len());
        }
    }

    /// Makes room for the value of a first piece that comes last.
    pub(crate) fn skip_first(&mut self, piece_bytes: usize) {
        debug_assert!(self.size_bytes == 0, "the first piece is skipped first");
        self.blocks.resize(piece_bytes.div_ceil(BLOCK_BYTES), [0; 32]);
        self.size_bytes = size_of_len(piece_bytes);
    }

    /// Hashes the first piece, for which room was made.
    pub(crate) fn fill_first(&mut self, piece: &[u8]) {
        for (index, block) in piece.chunks(BLOCK_BYTES).enumerate() {
            self.blocks[index] = block_value(block, size_of_len(index * BLOCK_BYTES));
        }
        if size_of_len(piece.len()) == self.size_bytes && piece.len() <= BLOCK_BYTES {
            self.single = Some(Blake3Digest::of(piece));
        }
    }

    /// Returns the name of the pack and the values of its blocks.
    pub(crate) fn finish(mut self) -> (Blake3Digest, Vec<[u8; 32]>) {
        if let Some(name) = merge_blocks(&self.blocks, self.size_bytes) {
            return (name, self.blocks);
        }
        // No more than one block: its own value would be that of the root.
        self.blocks.clear();
        (self.single.unwrap_or_else(|| Blake3Digest::of(&[])), self.blocks)
    }
}

/// Returns the value of the block that begins at `offset`: that of an inner node, not of a root.
fn block_value(block: &[u8], offset: u64) -> [u8; 32] {
    blake3::Hasher::new().set_input_offset(offset).update(block).finalize_non_root()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that differ from block to block.
    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i ^ (i >> 7) ^ (i >> 16)).to_le_bytes()[0]).collect()
    }

    #[track_caller]
    fn check_size(length: usize) {
        let bytes = bytes(length);
        let mut hasher = BlockHasher::default();
        for piece in bytes.chunks(3 * BLOCK_BYTES) {
            hasher.update(piece);
        }
        let (name, blocks) = hasher.finish();
        assert_eq!(name, Blake3Digest::of(&bytes), "{length} bytes");
        let merged = (BLOCK_BYTES < length).then_some(name);
        assert_eq!(merge_blocks(&blocks, length as u64), merged, "{length} bytes");
    }

    #[test]
    fn merged_blocks_give_the_name_around_every_multiple() {
        for count in 0..=9 {
            for length in [-1025, -1, 0, 1, 1023, 1024, 1025] {
                if let Some(length) = (count * BLOCK_BYTES).checked_add_signed(length) {
                    check_size(length);
                }
            }
        }
        for count in [15, 16, 17, 31, 32, 33, 64, 65] {
            check_size(count * BLOCK_BYTES);
            check_size(count * BLOCK_BYTES + 1);
        }
    }

    #[test]
    fn a_wrong_number_of_blocks_gives_no_name() {
        let blocks = [[1; 32]; 4];
        assert!(merge_blocks(&blocks, 4 * BLOCK_BYTES as u64).is_some());
        assert!(merge_blocks(&blocks[..3], 4 * BLOCK_BYTES as u64).is_none());
        assert!(merge_blocks(&blocks, 4 * BLOCK_BYTES as u64 + 1).is_none());
        assert!(merge_blocks(&blocks, u64::MAX).is_none());
        assert!(merge_blocks(&blocks[..1], BLOCK_BYTES as u64).is_none());
        assert!(merge_blocks(&[], 0).is_none());
    }

    #[test]
    fn a_block_that_one_side_misses_is_damaged() {
        let (a, b) = ([1; 32], [2; 32]);
        assert_eq!(damaged_blocks(&[a, b, a], &[a, a]), [1, 2]);
        assert_eq!(damaged_blocks(&[a], &[a, b]), [1]);
        assert!(damaged_blocks(&[a, b], &[a, b]).is_empty());
    }

    #[test]
    fn a_first_piece_hashed_last_gives_the_same_blocks() {
        for length in [BLOCK_BYTES / 2, 2 * BLOCK_BYTES, 5 * BLOCK_BYTES + 7] {
            let bytes = bytes(length);
            let (first, rest) = bytes.split_at(length.min(2 * BLOCK_BYTES));
            let mut hasher = BlockHasher::default();
            hasher.skip_first(first.len());
            if !rest.is_empty() {
                hasher.update(rest);
            }
            hasher.fill_first(first);
            assert_eq!(hasher.finish().0, Blake3Digest::of(&bytes), "{length} bytes");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_flipped_bit_shows_in_its_block_alone(
            length in BLOCK_BYTES + 1..6 * BLOCK_BYTES,
            place in any::<proptest::sample::Index>(),
            bit in 0..8,
        ) {
            let mut bytes = bytes(length);
            let blocks = |bytes: &[u8]| {
                let mut hasher = BlockHasher::default();
                hasher.update(bytes);
                hasher.finish().1
            };
            let expected = blocks(&bytes);
            let place = place.index(length);
            bytes[place] ^= 1_u8 << bit;
            let damaged = damaged_blocks(&blocks(&bytes), &expected);
            prop_assert_eq!(damaged, [(place / BLOCK_BYTES) as u64]);
        }
    }
}
