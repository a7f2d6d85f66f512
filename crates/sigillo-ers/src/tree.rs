//! Hash trees of RFC 4998: values of lists, roots, the paths from a leaf to its root.
//!
//! The tree is binary with its leaves in order; a node without sibling rises unchanged, and a node
//! is the hash of its two children, smaller first. Such a tree has no domain separation and
//! says nothing about order or count: alone it proves existence, not acceptance.

use sigillo_model::{EvidenceDigest, Sha256Digest, Sha512Digest, VersionId};

use crate::HashFunction;

/// A digest of the hash function that a tree is made with.
pub trait TreeDigest: Copy + Ord {
    /// The hash function.
    const FUNCTION: HashFunction;

    /// Returns the bytes of the digest.
    fn bytes(&self) -> &[u8];

    /// Hashes the concatenation of `parts`.
    fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self;
}

impl TreeDigest for Sha256Digest {
    const FUNCTION: HashFunction = HashFunction::Sha256;

    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::of_parts(parts)
    }
}

impl TreeDigest for Sha512Digest {
    const FUNCTION: HashFunction = HashFunction::Sha512;

    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::of_parts(parts)
    }
}

/// Returns the value of a list of hashes, `None` for an empty list.
///
/// A single hash is its own value; several are sorted as bytes, concatenated and hashed.
/// Duplicates count. Source: RFC 4998 §4.2.1 and §4.2.2.
pub fn list_value<D: TreeDigest>(hashes: &[D]) -> Option<D> {
    match hashes {
        [] => None,
        [only] => Some(*only),
        _ => {
            let mut sorted = hashes.to_vec();
            sorted.sort_unstable();
            Some(D::of_parts(sorted.iter().map(TreeDigest::bytes)))
        }
    }
}

/// Returns the value of a list of hashes of one function, `None` for an empty list or one of both.
pub fn evidence_value(hashes: &[EvidenceDigest]) -> Option<EvidenceDigest> {
    let sha256: Option<Vec<_>> = hashes.iter().map(EvidenceDigest::sha256).collect();
    if let Some(sha256) = sha256 {
        return list_value(&sha256).map(Into::into);
    }
    let sha512: Option<Vec<_>> = hashes.iter().map(EvidenceDigest::sha512).collect();
    list_value(&sha512?).map(Into::into)
}

/// Returns what a renewal of time-stamps covers of one sealing: the list of its older time-stamps and,
/// where there is some, that of revocation evidence as its sibling. `None` without time-stamps, or with
/// hashes of two functions. Source: RFC 4998 §5.2.
pub fn renewal_leaf(
    tokens: &[EvidenceDigest],
    validation: &[EvidenceDigest],
) -> Option<EvidenceDigest> {
    let tokens = evidence_value(tokens)?;
    match validation {
        [] => Some(tokens),
        _ => evidence_value(&[tokens, evidence_value(validation)?]),
    }
}

/// Returns the value of the node over `a` and `b`, the same in either order.
pub fn pair_value<D: TreeDigest>(a: D, b: D) -> D {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    D::of_parts([first.bytes(), second.bytes()])
}

/// Returns the root over `leaves` in their order, `None` without leaves.
pub fn tree_root<D: TreeDigest>(leaves: &[D]) -> Option<D> {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = next_level(&level);
    }
    level.first().copied()
}

/// Returns the siblings of leaf `index` from the leaf up, `None` if there is no such leaf.
///
/// At most ⌈log₂ n⌉ hashes; fewer where a node rose without sibling.
pub fn tree_path<D: TreeDigest>(leaves: &[D], index: usize) -> Option<Vec<D>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut level, mut node, mut path) = (leaves.to_vec(), index, Vec::new());
    while level.len() > 1 {
        path.extend(level.get(node ^ 1));
        level = next_level(&level);
        node /= 2;
    }
    Some(path)
}

/// A hash tree with all its levels, for whoever needs the paths of many leaves.
///
/// Twice the length of a digest for each leaf. Root and paths are those of [`tree_root`] and
/// [`tree_path`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EvidenceTree<D = Sha256Digest> {
    /// From the leaves up; the last one holds the root alone, unless there are no leaves.
    levels: Vec<Vec<D>>,
}

impl<D: TreeDigest> EvidenceTree<D> {
    /// Computes the tree over `leaves` in their order.
    pub fn new(leaves: Vec<D>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            levels.push(next_level(level));
        }
        Self { levels }
    }

    /// Returns the root, `None` without leaves.
    pub fn root(&self) -> Option<D> {
        self.levels.last().and_then(|level| level.first()).copied()
    }

    /// Returns the siblings of leaf `index` from the leaf up, `None` if there is no such leaf.
    pub fn path(&self, index: usize) -> Option<Vec<D>> {
        self.levels.first().filter(|leaves| index < leaves.len())?;
        let sibling = |(height, level): (usize, &Vec<D>)| level.get((index >> height) ^ 1).copied();
        Some(self.levels.iter().enumerate().filter_map(sibling).collect())
    }
}

/// Returns what `value` becomes when each hash of `path` joins it in turn.
///
/// That is the root if `path` is the path of the leaf `value`. Source: RFC 4998 §4.3 step 3.
pub fn walk_path<D: TreeDigest>(value: D, path: &[D]) -> D {
    path.iter().fold(value, |value, sibling| pair_value(value, *sibling))
}

/// Returns the id of the version made of a record and its files: the value of the list of their
/// digests, duplicates kept (an RFC 4998 data object group).
pub fn version_id(record: Sha256Digest, files: &[Sha256Digest]) -> VersionId {
    let mut group = Vec::with_capacity(files.len() + 1);
    group.push(record);
    group.extend_from_slice(files);
    let value = list_value(&group).unwrap_or(record);
    VersionId::from_bytes(*value.as_bytes())
}

/// Pairs the nodes of a level; an odd last one rises unchanged.
fn next_level<D: TreeDigest>(level: &[D]) -> Vec<D> {
    level
        .chunks(2)
        .map(|nodes| match nodes {
            [left, right] => pair_value(*left, *right),
            _ => nodes[0],
        })
        .collect()
}
