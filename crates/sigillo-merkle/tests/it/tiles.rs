//! Tiles and entry bundles: a tree read from its tiles is the tree in memory.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use sigillo_merkle::{
    BundleError, ENTRY_BYTES_MAX, EntryBundleId, MemoryTree, SubtreeHashes, TileError, TileId,
    TreeHash, consistency_path, decode_entries, encode_entries, entry_bundles_for_growth,
    entry_bundles_of_size, inclusion_path, root_at, subtree_from_tile, tile_bytes,
    tile_for_subtree, tiles_for_growth, tiles_of_size,
};

use crate::oracle;

/// What a log publishes: tiles by their paths, of one size.
#[derive(Clone, Debug, Default)]
struct Published {
    tiles: BTreeMap<String, Vec<u8>>,
    size: u64,
}

impl Published {
    /// Publishes what a log of `tree` has to when it grows to `size`.
    fn grow(&mut self, tree: &MemoryTree, size: u64) {
        for tile in tiles_for_growth(self.size, size) {
            let bytes = tile_bytes(&tile, tree).unwrap();
            let before = self.tiles.insert(tile.path(), bytes);
            assert!(before.is_none(), "{} was written twice", tile.path());
        }
        self.size = size;
    }
}

impl SubtreeHashes for Published {
    type Error = TileError;

    fn subtree(&self, level: u32, index: u64) -> Result<TreeHash, TileError> {
        let tile = tile_for_subtree(level, index, self.size);
        let bytes = self.tiles.get(&tile.path()).map_or(&[][..], Vec::as_slice);
        subtree_from_tile(&tile, bytes, level, index)
    }
}

fn tree_of(size: u64) -> MemoryTree {
    oracle::leaves(size).into_iter().collect()
}

#[test]
fn a_tree_of_three_levels_of_tiles_is_read_from_them() {
    let sizes = [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_100];
    let tree = tree_of(66_100);
    let mut published = Published::default();
    for size in sizes {
        published.grow(&tree, size);
        for smaller in sizes.into_iter().filter(|smaller| *smaller <= size) {
            assert_eq!(root_at(smaller, &published).unwrap(), root_at(smaller, &tree).unwrap());
            let path = consistency_path(smaller, size, &published).unwrap();
            assert_eq!(path, consistency_path(smaller, size, &tree).unwrap());
        }
        for index in [0, 1, size / 3, size / 2, size - 1].into_iter().filter(|i| *i < size) {
            let path = inclusion_path(index, size, &published).unwrap();
            assert_eq!(path, inclusion_path(index, size, &tree).unwrap());
        }
    }
    // All that a log of this size must have was published on the way.
    for tile in tiles_of_size(66_100) {
        assert!(published.tiles.contains_key(&tile.path()), "{} is missing", tile.path());
    }
    assert!(published.tiles.contains_key("tile/2/000.p/1"));
    assert!(published.tiles.contains_key("tile/1/001.p/2"));
    assert!(published.tiles.contains_key("tile/0/258.p/52"));
    assert_eq!(tiles_of_size(66_100).len(), 259 + 2 + 1);
}

#[test]
fn a_flipped_bit_of_any_tile_gives_another_root() {
    let tree = tree_of(700);
    let root = root_at(700, &tree).unwrap();
    let mut published = Published::default();
    published.grow(&tree, 700);
    let mut changed = 0;
    for (path, bytes) in published.tiles.clone() {
        for place in (0..bytes.len()).step_by(509) {
            published.tiles.get_mut(&path).unwrap()[place] ^= 4;
            let found = root_at(700, &published).unwrap();
            // Full tiles of leaves are read only for proofs: the root comes from above them.
            let is_read = path != "tile/0/000" && path != "tile/0/001";
            assert_eq!(found != root, is_read, "byte {place} of {path}");
            changed += usize::from(found != root);
            published.tiles.get_mut(&path).unwrap()[place] ^= 4;
        }
    }
    assert!(changed > 10, "only {changed} bytes were tried");
    assert_eq!(root_at(700, &published).unwrap(), root);
}

#[test]
fn a_missing_or_cut_tile_is_an_error() {
    let tree = tree_of(300);
    let mut published = Published::default();
    published.grow(&tree, 300);
    for path in ["tile/0/001.p/44", "tile/1/000.p/1"] {
        let whole = published.tiles[path].clone();
        for bytes in [vec![], whole[1..].to_vec(), [&whole[..], &[0; 32]].concat()] {
            published.tiles.insert(path.to_owned(), bytes);
            assert!(root_at(300, &published).is_err(), "{path}");
        }
        published.tiles.insert(path.to_owned(), whole);
    }
    assert!(root_at(300, &published).is_ok());
    assert!(root_at(301, &published).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_way_of_growing_publishes_the_same_tree(
        steps in prop::collection::vec(0..400_u64, 1..6),
        index in any::<prop::sample::Index>(),
    ) {
        let size: u64 = steps.iter().sum();
        let tree = tree_of(size);
        let mut published = Published::default();
        let mut grown = 0;
        for step in steps {
            grown += step;
            published.grow(&tree, grown);
        }
        for smaller in [size, size / 2, size.saturating_sub(1)] {
            let found = root_at(smaller, &published).unwrap();
            prop_assert_eq!(found, root_at(smaller, &tree).unwrap());
        }
        if size > 0 {
            let index = index.index(usize::try_from(size).unwrap()) as u64;
            let path = inclusion_path(index, size, &published).unwrap();
            prop_assert_eq!(path, inclusion_path(index, size, &tree).unwrap());
        }
        for tile in tiles_of_size(size) {
            prop_assert!(published.tiles.contains_key(&tile.path()));
            prop_assert_eq!(TileId::parse(&tile.path()), Ok(tile));
        }
    }

    #[test]
    fn bundles_of_any_growth_cover_every_entry_once(old in 0..2000_u64, more in 0..2000_u64) {
        let new = old + more;
        let bundles = entry_bundles_for_growth(old, new);
        let all = entry_bundles_of_size(new);
        prop_assert_eq!(all.iter().map(|bundle| u64::from(bundle.width)).sum::<u64>(), new);
        for bundle in &all {
            prop_assert_eq!(EntryBundleId::parse(&bundle.path()), Ok(*bundle));
            // Either it is new, or the old log had it just so.
            let was_there = entry_bundles_of_size(old).contains(bundle);
            prop_assert!(bundles.contains(bundle) != was_there);
        }
        prop_assert!(bundles.iter().all(|bundle| all.contains(bundle)));
    }

    #[test]
    fn entries_come_back_as_they_went_in(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..=256),
    ) {
        let bytes = encode_entries(&entries).unwrap();
        let width = u16::try_from(entries.len()).unwrap();
        prop_assert_eq!(decode_entries(&bytes, width).unwrap(), entries.iter().collect::<Vec<_>>());
        prop_assert!(decode_entries(&bytes[..bytes.len() - 1], width).is_err());
        prop_assert!(decode_entries(&[&bytes[..], &[0]].concat(), width).is_err());
        prop_assert!(decode_entries(&bytes, width + 1).is_err());
        prop_assert!(decode_entries(&bytes, width - 1).is_err());
    }

    #[test]
    fn no_bundle_brings_the_reader_down(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        width in 0..300_u16,
    ) {
        if let Ok(entries) = decode_entries(&bytes, width) {
            prop_assert_eq!(encode_entries(&entries).unwrap(), bytes);
        }
    }
}

#[test]
fn an_entry_has_at_most_as_many_bytes_as_16_bits_count() {
    let longest = vec![7; ENTRY_BYTES_MAX];
    let bytes = encode_entries(&[&longest[..], b""]).unwrap();
    assert_eq!(decode_entries(&bytes, 2).unwrap(), [&longest[..], b""]);
    let too_long = vec![7; ENTRY_BYTES_MAX + 1];
    let refusal = BundleError::EntryTooLong { position: 1, length_bytes: ENTRY_BYTES_MAX + 1 };
    assert_eq!(encode_entries(&[&b""[..], &too_long]), Err(refusal));
}
