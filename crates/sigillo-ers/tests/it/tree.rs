//! Hash trees against a naive oracle.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use sigillo_ers::{
    EvidenceTree, list_value, pair_value, tree_path, tree_root, version_id, walk_path,
};
use sigillo_model::Sha256Digest;

/// Sorts, concatenates and hashes, with nothing shared with the code under test.
fn naive_list(hashes: &[[u8; 32]]) -> Option<[u8; 32]> {
    let mut sorted = hashes.to_vec();
    sorted.sort_unstable();
    match sorted.len() {
        0 => None,
        1 => Some(sorted[0]),
        _ => Some(Sha256::digest(sorted.concat()).into()),
    }
}

/// The root by recursion: split at the largest power of two below the count, an odd node rises.
fn naive_root(leaves: &[[u8; 32]]) -> [u8; 32] {
    if let [only] = leaves {
        return *only;
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    naive_list(&[naive_root(left), naive_root(right)]).unwrap()
}

fn digests(bytes: &[[u8; 32]]) -> Vec<Sha256Digest> {
    bytes.iter().copied().map(Sha256Digest::from_bytes).collect()
}

/// Hashes of which many are alike, so that duplicates and leading zeros are common.
fn hashes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<[u8; 32]>> {
    let hash = prop_oneof![
        (0_u8..3).prop_map(|byte| [byte; 32]),
        any::<[u8; 32]>(),
        any::<[u8; 32]>().prop_map(|mut hash| {
            hash[0] = 0;
            hash
        }),
    ];
    prop::collection::vec(hash, count)
}

proptest! {
    #[test]
    fn lists_have_the_naive_value(hashes in hashes(0..20)) {
        let expected = naive_list(&hashes).map(Sha256Digest::from_bytes);
        prop_assert_eq!(list_value(&digests(&hashes)), expected);
    }

    #[test]
    fn trees_have_the_naive_root(hashes in hashes(1..200)) {
        let expected = Sha256Digest::from_bytes(naive_root(&hashes));
        prop_assert_eq!(tree_root(&digests(&hashes)), Some(expected));
    }

    #[test]
    fn every_path_leads_to_the_root(hashes in hashes(1..100)) {
        let leaves = digests(&hashes);
        let root = tree_root(&leaves).unwrap();
        let tree = EvidenceTree::new(leaves.clone());
        prop_assert_eq!((tree.root(), tree.path(leaves.len())), (Some(root), None));
        for (index, leaf) in leaves.iter().enumerate() {
            let path = tree_path(&leaves, index).unwrap();
            prop_assert_eq!(tree.path(index), Some(path.clone()));
            prop_assert!(path.len() <= usize::BITS as usize - (leaves.len() - 1).leading_zeros() as usize);
            prop_assert_eq!(walk_path(*leaf, &path), root);
        }
        prop_assert_eq!(tree_path(&leaves, leaves.len()), None);
    }

    #[test]
    fn another_leaf_does_not_lead_to_the_root(hashes in hashes(1..50), other: [u8; 32]) {
        let leaves = digests(&hashes);
        let other = Sha256Digest::from_bytes(other);
        for (index, leaf) in leaves.iter().enumerate() {
            let path = tree_path(&leaves, index).unwrap();
            prop_assume!(other != *leaf);
            prop_assert_ne!(Some(walk_path(other, &path)), tree_root(&leaves));
        }
    }

    #[test]
    fn a_pair_is_a_list_of_two(a: [u8; 32], b: [u8; 32]) {
        let (a, b) = (Sha256Digest::from_bytes(a), Sha256Digest::from_bytes(b));
        prop_assert_eq!(Some(pair_value(a, b)), list_value(&[b, a]));
    }

    #[test]
    fn a_version_is_the_list_of_its_record_and_files(record: [u8; 32], files in hashes(0..10)) {
        let mut group = files.clone();
        group.push(record);
        let id = version_id(Sha256Digest::from_bytes(record), &digests(&files));
        prop_assert_eq!(*id.as_bytes(), naive_list(&group).unwrap());
    }
}

#[test]
fn nothing_has_no_root() {
    assert_eq!(tree_root::<Sha256Digest>(&[]), None);
    assert_eq!(tree_path::<Sha256Digest>(&[], 0), None);
    assert_eq!(list_value::<Sha256Digest>(&[]), None);
}

#[test]
fn equal_files_count_each() {
    let hash = Sha256Digest::of(b"file");
    let record = Sha256Digest::of(b"record");
    assert_ne!(version_id(record, &[hash]), version_id(record, &[hash, hash]));
}

#[test]
fn three_leaves_make_the_tree_of_the_specification() {
    let [a, b, c] = [&b"a"[..], b"b", b"c"].map(Sha256Digest::of);
    let root = pair_value(pair_value(a, b), c);
    assert_eq!(tree_root(&[a, b, c]), Some(root));
    assert_eq!(tree_path(&[a, b, c], 2), Some(vec![pair_value(a, b)]));
    assert_eq!(tree_path(&[a, b, c], 0), Some(vec![b, c]));
}
