//! Roots and proofs against the definitions of the RFC, and every flipped bit.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use proptest::prelude::*;

use sigillo_merkle::{
    Frontier, MemoryTree, ProofError, TreeHash, consistency_path, empty_root, frontier_at,
    inclusion_path, needed_for_consistency, needed_for_frontier, needed_for_inclusion, root_at,
    root_of, verify_consistency, verify_inclusion, verify_subtree_consistency,
    verify_subtree_inclusion,
};

use crate::oracle;

/// Yields every hash that differs from `hash` in one bit.
fn flipped(hash: TreeHash) -> impl Iterator<Item = TreeHash> {
    (0..256).map(move |bit| {
        let mut bytes = *hash.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        TreeHash::from_bytes(bytes)
    })
}

/// Yields every path that differs from `path` in one bit.
fn flipped_paths(path: &[TreeHash]) -> impl Iterator<Item = Vec<TreeHash>> {
    path.iter().enumerate().flat_map(move |(position, hash)| {
        flipped(*hash).map(move |hash| {
            let mut path = path.to_vec();
            path[position] = hash;
            path
        })
    })
}

/// Lists what a path becomes when hashes are missing, added, doubled or swapped.
fn reshaped_paths(path: &[TreeHash]) -> Vec<Vec<TreeHash>> {
    let mut paths = vec![[path, &[empty_root()]].concat(), [&[empty_root()], path].concat()];
    for position in 0..path.len() {
        let mut shorter = path.to_vec();
        let removed = shorter.remove(position);
        paths.push(shorter);
        let mut longer = path.to_vec();
        longer.insert(position, removed);
        paths.push(longer);
        if position > 0 {
            let mut swapped = path.to_vec();
            swapped.swap(position - 1, position);
            paths.push(swapped);
        }
    }
    paths
}

#[test]
fn roots_and_paths_are_those_of_the_definition_for_all_small_trees() {
    let leaves = oracle::leaves(40);
    let tree: MemoryTree = leaves.iter().copied().collect();
    for size in 0..=40_usize {
        let (leaves, size_64) = (&leaves[..size], size as u64);
        let root = oracle::root(leaves);
        assert_eq!(root_at(size_64, &tree), Ok(root));
        assert_eq!(root_of(leaves.iter().copied()), root);
        for index in 0..size {
            let path = inclusion_path(index as u64, size_64, &tree).unwrap();
            assert_eq!(path, oracle::inclusion_path(index, leaves));
            let verified = verify_inclusion(leaves[index], index as u64, &path, size_64, root);
            assert_eq!(verified, Ok(()));
        }
        for old_size in 0..=size {
            let path = consistency_path(old_size as u64, size_64, &tree).unwrap();
            assert_eq!(path, oracle::consistency_path(old_size, leaves));
            let old_root = oracle::root(&leaves[..old_size]);
            let verified = verify_consistency(old_size as u64, old_root, size_64, root, &path);
            assert_eq!(verified, Ok(()), "{old_size} of {size}");
        }
    }
}

#[test]
fn every_flipped_bit_of_every_small_proof_is_refused() {
    let leaves = oracle::leaves(9);
    for size in 1..=9_usize {
        let (leaves, size_64) = (&leaves[..size], size as u64);
        let root = oracle::root(leaves);
        for index in 0..size {
            check_inclusion_flips(leaves[index], index as u64, leaves, root);
        }
        for old_size in 1..=size {
            let old_root = oracle::root(&leaves[..old_size]);
            let path = oracle::consistency_path(old_size, leaves);
            check_consistency_flips((old_size as u64, old_root), (size_64, root), &path);
        }
    }
}

#[track_caller]
fn check_inclusion_flips(leaf: TreeHash, index: u64, leaves: &[TreeHash], root: TreeHash) {
    let size = leaves.len() as u64;
    let path = oracle::inclusion_path(usize::try_from(index).unwrap(), leaves);
    assert_eq!(verify_inclusion(leaf, index, &path, size, root), Ok(()));
    for leaf in flipped(leaf) {
        assert!(verify_inclusion(leaf, index, &path, size, root).is_err());
    }
    for root in flipped(root) {
        assert!(verify_inclusion(leaf, index, &path, size, root).is_err());
    }
    for path in flipped_paths(&path) {
        assert!(verify_inclusion(leaf, index, &path, size, root).is_err());
    }
    for reshaped in reshaped_paths(&path).into_iter().filter(|reshaped| *reshaped != path) {
        assert!(verify_inclusion(leaf, index, &reshaped, size, root).is_err());
    }
    for other in (0..size).filter(|other| *other != index) {
        assert!(verify_inclusion(leaf, other, &path, size, root).is_err());
    }
    let wrong_length = Err(ProofError::WrongLength);
    let longer = [&path[..], &[root]].concat();
    assert_eq!(verify_inclusion(leaf, index, &longer, size, root), wrong_length);
    if let Some((_, shorter)) = path.split_last() {
        assert_eq!(verify_inclusion(leaf, index, shorter, size, root), wrong_length);
    }
    let outside = ProofError::LeafOutsideTree { leaf_index: size, tree_size: size };
    assert_eq!(verify_inclusion(leaf, size, &path, size, root), Err(outside));
}

#[track_caller]
fn check_consistency_flips(
    (old_size, old_root): (u64, TreeHash),
    (size, root): (u64, TreeHash),
    path: &[TreeHash],
) {
    assert_eq!(verify_consistency(old_size, old_root, size, root, path), Ok(()));
    for old_root in flipped(old_root) {
        assert!(verify_consistency(old_size, old_root, size, root, path).is_err());
    }
    for root in flipped(root) {
        assert!(verify_consistency(old_size, old_root, size, root, path).is_err());
    }
    for path in flipped_paths(path) {
        assert!(verify_consistency(old_size, old_root, size, root, &path).is_err());
    }
    for reshaped in reshaped_paths(path).into_iter().filter(|reshaped| reshaped != path) {
        assert!(verify_consistency(old_size, old_root, size, root, &reshaped).is_err());
    }
    let wrong_length = Err(ProofError::WrongLength);
    let longer = [path, &[root]].concat();
    assert_eq!(verify_consistency(old_size, old_root, size, root, &longer), wrong_length);
    if let Some((_, shorter)) = path.split_last() {
        assert_eq!(verify_consistency(old_size, old_root, size, root, shorter), wrong_length);
    }
    if old_size < size {
        let reversed = ProofError::SizesReversed { old_size: size, new_size: old_size };
        assert_eq!(verify_consistency(size, root, old_size, old_root, path), Err(reversed));
    }
}

#[test]
fn subtrees_are_proven_against_the_whole_for_all_small_trees() {
    let leaves = oracle::leaves(20);
    let mut proven = 0;
    for size in 1..=20_usize {
        let root = oracle::root(&leaves[..size]);
        for start in 0..size {
            for end in start + 1..=size {
                let span = (end - start).next_power_of_two();
                let range = (start as u64, end as u64);
                let subtree_root = oracle::root(&leaves[start..end]);
                if start % span != 0 {
                    let refusal = ProofError::NotASubtree { start: range.0, end: range.1 };
                    let (leaf, index) = (leaves[start], range.0);
                    let verified = verify_subtree_inclusion(leaf, index, &[], range, subtree_root);
                    assert_eq!(verified, Err(refusal));
                    let size = size as u64;
                    let verified = verify_subtree_consistency(range, subtree_root, size, root, &[]);
                    assert_eq!(verified, Err(refusal));
                    continue;
                }
                for index in start..end {
                    let path = oracle::inclusion_path(index - start, &leaves[start..end]);
                    let (leaf, index) = (leaves[index], index as u64);
                    let verified =
                        verify_subtree_inclusion(leaf, index, &path, range, subtree_root);
                    assert_eq!(verified, Ok(()));
                }
                proven += 1;
            }
        }
    }
    assert!(proven > 500, "only {proven} subtrees");
}

#[test]
fn the_empty_tree_begins_every_tree_and_no_other_root_does() {
    let (root, other) = (oracle::root(&oracle::leaves(5)), oracle::leaves(1)[0]);
    assert_eq!(verify_consistency(0, empty_root(), 5, root, &[]), Ok(()));
    assert_eq!(verify_consistency(0, empty_root(), 0, empty_root(), &[]), Ok(()));
    let mismatch = Err(ProofError::RootMismatch);
    assert_eq!(verify_consistency(0, other, 5, root, &[]), mismatch);
    assert_eq!(verify_consistency(0, empty_root(), 0, root, &[]), mismatch);
    let length = Err(ProofError::WrongLength);
    assert_eq!(verify_consistency(0, empty_root(), 5, root, &[other]), length);
    assert_eq!(verify_consistency(5, root, 5, root, &[other]), length);
}

/// A source that has exactly the hashes it was told to have.
fn only(
    needed: &[(u32, u64)],
    tree: &MemoryTree,
) -> std::collections::BTreeMap<(u32, u64), TreeHash> {
    use sigillo_merkle::SubtreeHashes as _;
    needed
        .iter()
        .map(|&(level, index)| ((level, index), tree.subtree(level, index).unwrap()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_of_any_tree_agree_with_the_definition(
        size in 1..700_usize,
        index in any::<prop::sample::Index>(),
        old in any::<prop::sample::Index>(),
    ) {
        let leaves = oracle::leaves(size as u64);
        let tree: MemoryTree = leaves.iter().copied().collect();
        let (index, old_size) = (index.index(size), old.index(size + 1));
        let (index_64, old_64, size_64) = (index as u64, old_size as u64, size as u64);
        let (root, old_root) = (oracle::root(&leaves), oracle::root(&leaves[..old_size]));
        prop_assert_eq!(root_at(old_64, &tree), Ok(old_root));

        let path = oracle::inclusion_path(index, &leaves);
        let needed = needed_for_inclusion(index_64, size_64);
        prop_assert_eq!(inclusion_path(index_64, size_64, &only(&needed, &tree)), Ok(path));
        check_inclusion_flips(leaves[index], index_64, &leaves, root);

        let path = oracle::consistency_path(old_size, &leaves);
        let needed = needed_for_consistency(old_64, size_64);
        let made = consistency_path(old_64, size_64, &only(&needed, &tree));
        prop_assert_eq!(made.as_ref(), Ok(&path));
        if old_size > 0 {
            check_consistency_flips((old_64, old_root), (size_64, root), &path);
        }
    }

    #[test]
    fn a_frontier_at_any_size_grows_to_the_same_root(
        size in 0..700_usize,
        old in any::<prop::sample::Index>(),
    ) {
        let leaves = oracle::leaves(size as u64);
        let tree: MemoryTree = leaves.iter().copied().collect();
        let old_size = old.index(size + 1);
        let needed = needed_for_frontier(old_size as u64);
        let mut frontier = frontier_at(old_size as u64, &only(&needed, &tree)).unwrap();
        prop_assert_eq!(frontier.root(), oracle::root(&leaves[..old_size]));
        for leaf in &leaves[old_size..] {
            frontier.push(*leaf);
        }
        prop_assert_eq!(frontier.root(), oracle::root(&leaves));
        let parts = (frontier.size(), frontier.edge().to_vec());
        prop_assert_eq!(Frontier::from_parts(parts.0, parts.1), Ok(frontier));
    }

    #[test]
    fn a_proof_made_up_is_refused_whatever_its_numbers(
        numbers in prop::array::uniform4(prop_oneof![any::<u64>(), 0..20_u64, u64::MAX - 20..]),
        hashes in prop::collection::vec(any::<[u8; 32]>(), 2..140),
    ) {
        let hashes: Vec<_> = hashes.into_iter().map(TreeHash::from_bytes).collect();
        let [a, b, c, d] = numbers;
        let (one, other, path) = (hashes[0], hashes[1], &hashes[2..]);
        prop_assert!(verify_inclusion(one, a, path, b, other).is_err());
        prop_assert!(verify_subtree_inclusion(one, a, path, (b, c), other).is_err());
        prop_assert!(verify_consistency(a, one, b, other, path).is_err());
        prop_assert!(verify_subtree_consistency((a, b), one, c, other, path).is_err());
        prop_assert!(verify_subtree_consistency((a, b), one, d, other, path).is_err());
    }
}
