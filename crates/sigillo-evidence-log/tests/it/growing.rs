//! A log of more than six hundred commits: tiles fill, and what is published agrees with the tree.

use std::collections::BTreeMap;

use sigillo_merkle::{
    Checkpoint, MemoryTree, SignedNote, TreeHash, consistency_path, decode_entries,
    entry_bundles_of_size, leaf_hash, needed_for_consistency, root_at, subtree_from_tile,
    tile_bytes, tile_for_subtree, tiles_of_size, verify_consistency,
};
use sigillo_model::ObjectKey;

use crate::world::{Place, World, commit, completed, faults};

const COMMITS: u64 = 620;

fn checkpoint_of(world: &World, note: &str) -> Checkpoint {
    let note = SignedNote::parse(note.as_bytes()).unwrap();
    let key = sigillo_merkle::VerifierKey::new_ed25519(
        note.signatures[0].name.clone(),
        world.keys.log_signer().public_key(),
    );
    note.verify(&[key.unwrap()]).unwrap();
    Checkpoint::parse_strict(&note.text).unwrap()
}

#[tokio::test]
async fn what_is_published_of_a_long_log_is_the_tree_over_its_entries() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    let mut notes = Vec::new();
    for round in 1..COMMITS {
        // Now and then another process goes on, and recovers from what is published.
        if round % 100 == 0 {
            log = world.writer().await;
        }
        let count = usize::try_from(round % 3).unwrap();
        let committed = commit(&mut log, &vec![completed(7); count]).await;
        if round % 40 == 0 || round == COMMITS - 1 {
            notes.push(committed.checkpoint);
        }
    }
    let archive = world.archive().await;
    let (mut tree, mut lines) = (MemoryTree::new(), Vec::new());
    for number in 1..=COMMITS {
        let commit = archive.existing_commit(number).await.unwrap();
        assert_eq!(commit.header.first_leaf, tree.size());
        assert_eq!(commit.header.root.as_bytes(), root_at(tree.size(), &tree).unwrap().as_bytes());
        commit.leaves().for_each(|leaf| tree.push(leaf));
        lines.extend(commit.lines);
    }
    let size = tree.size();
    assert!(size > 1024, "{size}");
    assert_eq!(size, log.size());

    let mut published = BTreeMap::new();
    for tile in tiles_of_size(size) {
        let bytes = world.read(&ObjectKey::tile(&tile.path())).await;
        assert_eq!(*bytes, tile_bytes(&tile, &tree).unwrap(), "{}", tile.path());
        published.insert((tile.level, tile.index), (tile, bytes));
    }
    let mut entries = Vec::new();
    for bundle in entry_bundles_of_size(size) {
        let bytes = world.read(&ObjectKey::tile(&bundle.path())).await;
        let decoded = decode_entries(&bytes, bundle.width).unwrap();
        entries.extend(decoded.into_iter().map(<[u8]>::to_vec));
    }
    assert!(entries.iter().map(Vec::as_slice).eq(lines.iter().map(|line| &**line)));

    let checkpoints: Vec<_> = notes.iter().map(|note| checkpoint_of(&world, note)).collect();
    let last = checkpoints.last().unwrap();
    assert_eq!(
        *last,
        checkpoint_of(
            &world,
            std::str::from_utf8(&world.read(&ObjectKey::checkpoint()).await).unwrap()
        )
    );
    for old in &checkpoints {
        // As an auditor does: the proof is made of published tiles alone.
        let mut hashes: BTreeMap<(u32, u64), TreeHash> = BTreeMap::new();
        for (level, index) in needed_for_consistency(old.size, last.size) {
            let wanted = tile_for_subtree(level, index, size);
            let (tile, bytes) = &published[&(wanted.level, wanted.index)];
            let hash = subtree_from_tile(tile, bytes, level, index).unwrap();
            hashes.insert((level, index), hash);
        }
        let proof = consistency_path(old.size, last.size, &hashes).unwrap();
        verify_consistency(old.size, old.root, last.size, last.root, &proof).unwrap();
    }
    assert_eq!(leaf_hash(&lines[0]), leaf_hash(&entries[0]));
    assert_eq!(faults(&world.audit().await), []);
}
