//! The published log: whoever holds the published checkpoint must find the tiles it is made of.

use sigillo_merkle::{
    Checkpoint, EntryBundleId, MemoryTree, SignedNote, TILE_WIDTH, TileId, encode_entries,
    entry_bundles_of_size, tile_bytes, tiles_of_size,
};

use super::{Invariant, ReplayedLog, Snapshot, Violation};

/// Everything that the published checkpoint covers is published, and is what the commits say.
pub(super) fn check_published(
    snapshot: &Snapshot,
    log: &ReplayedLog,
    violations: &mut Vec<Violation>,
) {
    let note = snapshot.get("log/checkpoint").and_then(|bytes| SignedNote::parse(bytes).ok());
    let checkpoint = note.and_then(|note| Checkpoint::parse_strict(&note.text).ok());
    // One that is missing, or not of this log, is a matter of the other checks.
    let Some(Checkpoint { size, .. }) = checkpoint else { return };
    let Some(leaves) = usize::try_from(size).ok().and_then(|size| log.leaves.get(..size)) else {
        return;
    };
    let mut tree = MemoryTree::new();
    for leaf in leaves {
        tree.push(*leaf);
    }
    let mut missing = |path: String| {
        let message =
            format!("{path} of the published checkpoint of {size} is not as it should be");
        violations.push(Violation::new(Invariant::PublishedIsServed, message));
    };
    for tile in tiles_of_size(size) {
        let expected = tile_bytes(&tile, &tree).expect("the tree has every tile of its size");
        let full = TileId { width: TILE_WIDTH, ..tile }.path();
        let served = snapshot.get(&format!("log/{}", tile.path()));
        // A partial tile may have given way to the full one.
        let served = served.or_else(|| snapshot.get(&format!("log/{full}")));
        if !served.is_some_and(|bytes| bytes.starts_with(&expected)) {
            missing(tile.path());
        }
    }
    for bundle in entry_bundles_of_size(size) {
        let first =
            usize::try_from(bundle.index).expect("it is in memory") * usize::from(TILE_WIDTH);
        let lines = &log.lines[first..first + usize::from(bundle.width)];
        let expected = encode_entries(lines).expect("entries that a commit accepted");
        let full = EntryBundleId { width: TILE_WIDTH, ..bundle }.path();
        let served = snapshot.get(&format!("log/{}", bundle.path()));
        let served = served.or_else(|| snapshot.get(&format!("log/{full}")));
        if !served.is_some_and(|bytes| bytes.starts_with(&expected)) {
            missing(bundle.path());
        }
    }
}
