//! A log that other software wrote, read with ours: all its checkpoints, tiles and entries.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::{fs, path::Path};

use sigillo_merkle::{
    Checkpoint, EntryBundleId, MemoryTree, SignedNote, TileId, TreeHash, VerifierKey,
    consistency_path, decode_entries, encode_entries, entry_bundles_of_size, inclusion_path,
    leaf_hash, root_at, tile_bytes, tiles_of_size, verify_consistency, verify_inclusion,
};

use crate::shared::shared_folder;

/// Leaves of the log.
const SIZE: u64 = 15;

fn read_checkpoint(path: &Path, key: &VerifierKey) -> Checkpoint {
    let note = SignedNote::parse(&fs::read(path).unwrap()).unwrap();
    let verified = note.verify(std::slice::from_ref(key)).unwrap();
    assert_eq!(verified.len(), 1);
    let checkpoint = Checkpoint::parse_strict(&note.text).unwrap();
    assert_eq!(checkpoint.origin, key.name());
    assert_eq!(checkpoint.to_text(), note.text);
    checkpoint
}

/// Reads the entries of the log's first `size` leaves, and checks that their bundle has one
/// spelling.
fn read_entries(log: &Path, size: u64) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for bundle in entry_bundles_of_size(size) {
        assert_eq!(EntryBundleId::parse(&bundle.path()), Ok(bundle));
        let bytes = fs::read(log.join(bundle.path())).unwrap();
        let entries = decode_entries(&bytes, bundle.width).unwrap();
        assert_eq!(encode_entries(&entries).unwrap(), bytes);
        all.extend(entries.into_iter().map(<[u8]>::to_vec));
    }
    all
}

#[test]
fn a_log_of_other_software_is_read_at_every_size() {
    let Some(log) = shared_folder("vectors/tlog/tessera-log") else { return };
    let key = VerifierKey::parse(fs::read_to_string(log.join("VKEY")).unwrap().trim()).unwrap();
    assert_eq!(read_checkpoint(&log.join("checkpoint"), &key).size, SIZE);

    let (mut roots, mut tiles): (Vec<TreeHash>, _) = (Vec::new(), 0);
    for size in 0..=SIZE {
        let checkpoint = read_checkpoint(&log.join(format!("checkpoint.{size}")), &key);
        assert_eq!(checkpoint.size, size);
        let entries = read_entries(&log, size);
        let tree: MemoryTree = entries.iter().map(|entry| leaf_hash(entry)).collect();
        assert_eq!(tree.size(), size);
        assert_eq!(root_at(size, &tree), Ok(checkpoint.root));
        for tile in tiles_of_size(size) {
            assert_eq!(TileId::parse(&tile.path()), Ok(tile));
            let bytes = fs::read(log.join(tile.path())).unwrap();
            assert_eq!(tile_bytes(&tile, &tree), Ok(bytes), "{}", tile.path());
            tiles += 1;
        }
        roots.push(checkpoint.root);
    }

    let entries = read_entries(&log, SIZE);
    let tree: MemoryTree = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let (mut inclusions, mut consistencies) = (0, 0);
    for (size, &root) in (0..).zip(&roots) {
        for (index, entry) in (0..size).zip(&entries) {
            let path = inclusion_path(index, size, &tree).unwrap();
            assert_eq!(verify_inclusion(leaf_hash(entry), index, &path, size, root), Ok(()));
            inclusions += 1;
        }
        for (old_size, &old_root) in (0..=size).zip(&roots) {
            let path = consistency_path(old_size, size, &tree).unwrap();
            assert_eq!(verify_consistency(old_size, old_root, size, root, &path), Ok(()));
            consistencies += 1;
        }
    }
    println!(
        "{} checkpoints verified, {tiles} tiles compared, {inclusions} inclusion and \
         {consistencies} consistency proofs checked",
        roots.len() + 1
    );
    assert_eq!((tiles, inclusions, consistencies), (15, 120, 136));
}
