//! The definitions of RFC 9162, written down as they stand there: slow and without cleverness.

use sigillo_merkle::{TreeHash, empty_root, leaf_hash, node_hash};

/// Returns the leaves of a tree whose entries are the numbers from 0.
pub(crate) fn leaves(count: u64) -> Vec<TreeHash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

/// MTH of §2.1.1.
pub(crate) fn root(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split_point(leaves.len()));
            node_hash(root(left), root(right))
        }
    }
}

/// PATH of §2.1.3.1.
pub(crate) fn inclusion_path(leaf_index: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let middle = split_point(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut path, sibling) = if leaf_index < middle {
        (inclusion_path(leaf_index, left), root(right))
    } else {
        (inclusion_path(leaf_index - middle, right), root(left))
    };
    path.push(sibling);
    path
}

/// PROOF of §2.1.4.1; nothing for the empty tree, which the RFC leaves out.
pub(crate) fn consistency_path(old_size: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
    if old_size == 0 { Vec::new() } else { subproof(old_size, leaves, true) }
}

fn subproof(old_size: usize, leaves: &[TreeHash], is_old_tree: bool) -> Vec<TreeHash> {
    if old_size == leaves.len() {
        return if is_old_tree { Vec::new() } else { vec![root(leaves)] };
    }
    let middle = split_point(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut path, sibling) = if old_size <= middle {
        (subproof(old_size, left, is_old_tree), root(right))
    } else {
        (subproof(old_size - middle, right, false), root(left))
    };
    path.push(sibling);
    path
}

/// The largest power of two smaller than `count`, which is 2 or more.
fn split_point(count: usize) -> usize {
    let mut point = 1;
    while point * 2 < count {
        point *= 2;
    }
    point
}
