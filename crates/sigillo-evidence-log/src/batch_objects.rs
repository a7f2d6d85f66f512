//! Objects that the log names by their digest: leaves and packs of a batch, members of a renewal,
//! the tree of a hash-tree renewal.

use bytes::Bytes;

use sigillo_ers::tree_root;
use sigillo_model::{
    BATCH_DOCUMENTS_MAX, BATCH_PACKS_MAX, BatchCommitted, EvidenceRehashed, EvidenceRenewed,
    HASH_TREE_BYTES_MAX, HASH_TREE_LISTS_MAX, HASH_TREE_SEALINGS_MAX, HashTree, ListedPack,
    ObjectKey, PACK_LIST_BYTES_MAX, PackList, RENEWAL_BYTES_MAX, RENEWAL_MEMBERS_MAX,
    RENEWAL_TOKENS_MAX, RENEWAL_VALIDATION_MAX, RehashedBatch, RenewalId, RenewalMember,
    RenewalMembers, SealingStamped, Sha256Digest, Sha512Digest, StampedTree, VersionId,
    parse_canonical,
};
use sigillo_store::{Store, StoreError};

use crate::LogError;

/// Largest list of objects under hash trees accepted, in bytes.
const HASH_TREE_LIST_BYTES_MAX: u64 = 64 << 20;

/// Says that a folder, a pipe or the like lies where an object should.
pub(crate) const NOT_AN_OBJECT: &str = "something that is not a regular file is in its place";

/// Why an object that the log names cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchObjectError {
    /// The object is missing or not the one that the log names.
    #[error("{what}")]
    Damaged {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The store did not give it.
    #[error("the store failed")]
    Store(#[source] LogError),
}

/// Reads the version ids of a batch, in order.
///
/// # Errors
///
/// [`BatchObjectError::Damaged`] unless they are exactly those that the log names.
pub async fn read_leaves(
    store: &Store,
    batch: &BatchCommitted,
) -> Result<Vec<VersionId>, BatchObjectError> {
    let bytes_max = 32 * u64::from(BATCH_DOCUMENTS_MAX);
    let key = ObjectKey::leaves(batch.batch);
    let bytes = read(store, &key, bytes_max, batch.leaves_sha256).await?;
    let (leaves, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || u32::try_from(leaves.len()) != Ok(batch.documents) {
        return Err(BatchObjectError::Damaged { what: "it has another number of leaves" });
    }
    Ok(leaves.iter().map(|leaf| VersionId::from_bytes(*leaf)).collect())
}

/// Reads the packs of a batch, in order.
///
/// # Errors
///
/// [`BatchObjectError::Damaged`] unless it is exactly the list that the log names, and holds as
/// many documents as the batch.
pub async fn read_pack_list(
    store: &Store,
    batch: &BatchCommitted,
) -> Result<Vec<ListedPack>, BatchObjectError> {
    let key = ObjectKey::pack_list(batch.batch);
    let bytes = read(store, &key, PACK_LIST_BYTES_MAX, batch.packs_sha256).await?;
    let damaged = |what| BatchObjectError::Damaged { what };
    let list: PackList = parse_canonical(&bytes).map_err(|_| damaged("it is no list of packs"))?;
    if list.format != 1 || list.packs.len() > BATCH_PACKS_MAX {
        return Err(damaged("it is a list of another format or too long"));
    }
    let documents: u64 = list.packs.iter().map(|pack| u64::from(pack.documents)).sum();
    if documents != u64::from(batch.documents) {
        return Err(damaged("its packs hold another number of documents than the batch"));
    }
    Ok(list.packs)
}

/// Reads what a renewal covers: members, by number, at least one and each once.
///
/// # Errors
///
/// [`BatchObjectError::Damaged`] unless it is exactly the object that the log names, and is what the
/// log says of it.
pub(crate) async fn read_members(
    store: &Store,
    body: &EvidenceRenewed,
) -> Result<Vec<RenewalMember>, BatchObjectError> {
    let key = ObjectKey::renewal_members(body.renewal);
    let bytes = read(store, &key, RENEWAL_BYTES_MAX, body.members_sha256).await?;
    let damaged = |what| BatchObjectError::Damaged { what };
    let list: RenewalMembers =
        parse_canonical(&bytes).map_err(|_| damaged("it is no list of what a renewal covers"))?;
    if list.format != 1 || list.members.is_empty() || list.members.len() > RENEWAL_MEMBERS_MAX {
        return Err(damaged("it is a list of another format, empty or too long"));
    }
    let stated = (list.renewal, list.line.as_str(), list.members.len() as u64);
    if stated != (body.renewal, body.line.as_str(), body.members) {
        return Err(damaged("it is the list of another renewal than the log says"));
    }
    if !list.members.is_sorted_by(|a, b| a.number < b.number) {
        return Err(damaged("its members do not stand in the order of their numbers"));
    }
    if list.members.iter().any(|it| !(1..=RENEWAL_TOKENS_MAX).contains(&it.tokens.len())) {
        return Err(damaged("a member of it has no time-stamps, or too many"));
    }
    let is_listed = |it: &RenewalMember| {
        it.validation.len() <= RENEWAL_VALIDATION_MAX && it.validation.is_sorted_by(|a, b| a < b)
    };
    if !list.members.iter().all(is_listed) {
        return Err(damaged("the revocation evidence of a member is not in order, or too much"));
    }
    Ok(list.members)
}

/// Reads what a hash-tree renewal covers: sealings, by number, at least one and each once.
///
/// # Errors
///
/// [`BatchObjectError::Damaged`] unless it is exactly the object that the log names, and is what the
/// log says of it.
pub(crate) async fn read_hash_tree(
    store: &Store,
    body: &EvidenceRehashed,
) -> Result<HashTree, BatchObjectError> {
    let tree = read_tree(store, (body.renewal, body.tree_sha256)).await?;
    let damaged = |what| BatchObjectError::Damaged { what };
    let sealings = 1..=HASH_TREE_SEALINGS_MAX;
    if !sealings.contains(&tree.sealings.len()) {
        return Err(damaged("it has no sealings, or too many of them"));
    }
    if (tree.line.as_str(), tree.sealings.len() as u64) != (&body.line, body.sealings) {
        return Err(damaged(OTHER_TREE));
    }
    if !tree.sealings.is_sorted_by(|a, b| a.number < b.number) {
        return Err(damaged("its sealings do not stand in the order of their numbers"));
    }
    if tree.sealings.iter().any(|it| !(1..=RENEWAL_TOKENS_MAX).contains(&it.tokens.len())) {
        return Err(damaged("a sealing of it has no time-stamps, or too many"));
    }
    Ok(tree)
}

/// Reads what the first time-stamp of a sealing on a line of SHA-512 covers: that sealing alone, which
/// has no older ones.
///
/// # Errors
///
/// As [`read_hash_tree`].
pub(crate) async fn read_first_tree(
    store: &Store,
    (stamped, body): (&SealingStamped, &StampedTree),
) -> Result<HashTree, BatchObjectError> {
    let tree = read_tree(store, (body.renewal, body.tree_sha256)).await?;
    let damaged = |what| Err(BatchObjectError::Damaged { what });
    let [sealing] = tree.sealings.as_slice() else {
        return damaged("it is of more sealings than one, or of none");
    };
    if (tree.line.as_str(), sealing.number) != (&stamped.line, stamped.number) {
        return damaged(OTHER_TREE);
    }
    if !sealing.tokens.is_empty() {
        return damaged("it names older time-stamps, and is that of a first one");
    }
    Ok(tree)
}

/// What is wrong with a tree that is there in the place of another.
const OTHER_TREE: &str = "it is another tree than the log says";

async fn read_tree(
    store: &Store,
    (renewal, sha256): (RenewalId, Sha256Digest),
) -> Result<HashTree, BatchObjectError> {
    let key = ObjectKey::hash_tree(renewal);
    let bytes = read(store, &key, HASH_TREE_BYTES_MAX, sha256).await?;
    let damaged = |what| BatchObjectError::Damaged { what };
    let tree: HashTree =
        parse_canonical(&bytes).map_err(|_| damaged("it says of no hash trees what is in them"))?;
    if tree.format != 1 || tree.hash != HashTree::HASH {
        return Err(damaged(
            "it is of another format, or of a hash function that is not known here",
        ));
    }
    if tree.objects.len() > HASH_TREE_LISTS_MAX {
        return Err(damaged("it has too many lists"));
    }
    if tree.renewal != renewal {
        return Err(damaged(OTHER_TREE));
    }
    for batch in tree.sealings.iter().flat_map(|sealing| &sealing.batches) {
        check_rehashed(batch).map_err(damaged)?;
    }
    Ok(tree)
}

/// Checks what a hash-tree renewal says of a batch, as far as it stands there alone.
fn check_rehashed(batch: &RehashedBatch) -> Result<(), &'static str> {
    if batch.leaves.is_some() != batch.root.is_some() {
        return Err("a batch of it has leaves without root, or the other way round");
    }
    let within = batch.left_out.last().is_none_or(|last| *last < BATCH_DOCUMENTS_MAX);
    if !within || !batch.left_out.is_sorted_by(|a, b| a < b) {
        return Err("what a batch of it leaves out is not in order, or too many");
    }
    Ok(())
}

/// Reads the leaves that a hash-tree renewal made of a batch; none if all of it was left out.
///
/// # Errors
///
/// [`BatchObjectError::Damaged`] unless it is exactly the object that the tree names, and gives the root that
/// the batch has there.
pub async fn read_rehashed_leaves(
    store: &Store,
    batch: &RehashedBatch,
) -> Result<Vec<Sha512Digest>, BatchObjectError> {
    let Some(sha256) = batch.leaves else { return Ok(Vec::new()) };
    let bytes_max = Sha512Digest::LENGTH_BYTES as u64 * u64::from(BATCH_DOCUMENTS_MAX);
    let key = ObjectKey::hash_tree_leaves(sha256);
    let bytes = read(store, &key, bytes_max, sha256).await?;
    let (leaves, rest) = bytes.as_chunks::<{ Sha512Digest::LENGTH_BYTES }>();
    if !rest.is_empty() {
        return Err(BatchObjectError::Damaged { what: "it is no list of hashes" });
    }
    let leaves: Vec<_> = leaves.iter().map(|leaf| Sha512Digest::from_bytes(*leaf)).collect();
    if tree_root(&leaves) != batch.root {
        let what = "its leaves do not give the root of the batch in tree.json";
        return Err(BatchObjectError::Damaged { what });
    }
    Ok(leaves)
}

/// Reads a list of objects under hash trees, by its number from 1; `sha512` is its digest in the tree.
///
/// # Errors
///
/// [`BatchObjectError::Damaged`] unless it is exactly that.
pub(crate) async fn read_object_list(
    store: &Store,
    (renewal, number): (RenewalId, u64),
    sha512: Sha512Digest,
) -> Result<Bytes, BatchObjectError> {
    let key = ObjectKey::hash_tree_objects(renewal, number);
    let bytes = read_any(store, &key, HASH_TREE_LIST_BYTES_MAX).await?;
    if Sha512Digest::of(&bytes) == sha512 {
        return Ok(bytes);
    }
    let what = "its bytes are not those that the hash trees cover";
    Err(BatchObjectError::Damaged { what })
}

async fn read(
    store: &Store,
    key: &ObjectKey,
    bytes_max: u64,
    sha256: Sha256Digest,
) -> Result<Bytes, BatchObjectError> {
    let bytes = read_any(store, key, bytes_max).await?;
    if Sha256Digest::of(&bytes) == sha256 {
        return Ok(bytes);
    }
    let what = "its bytes do not have the digest that the log states";
    Err(BatchObjectError::Damaged { what })
}

/// Reads an object, whatever it is.
async fn read_any(
    store: &Store,
    key: &ObjectKey,
    bytes_max: u64,
) -> Result<Bytes, BatchObjectError> {
    let damaged = |what| Err(BatchObjectError::Damaged { what });
    match store.read(key, bytes_max).await {
        Ok(bytes) => Ok(bytes),
        Err(StoreError::NotFound { .. }) => damaged("it is not in the store"),
        Err(StoreError::TooLarge { .. }) => damaged("it is larger than it can be"),
        Err(StoreError::NotAnObject { .. }) => damaged(NOT_AN_OBJECT),
        Err(source) => {
            let doing = "reading an object that the log names";
            Err(BatchObjectError::Store(LogError::Store { doing, source }))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use sigillo_model::BatchId;

    use super::*;

    #[rstest]
    #[case::nothing(true, true, &[], true)]
    #[case::some(true, true, &[0, 3, BATCH_DOCUMENTS_MAX - 1], true)]
    #[case::all(false, false, &[0], true)]
    #[case::leaves_alone(true, false, &[], false)]
    #[case::root_alone(false, true, &[], false)]
    #[case::out_of_order(true, true, &[3, 0], false)]
    #[case::twice(true, true, &[3, 3], false)]
    #[case::beyond(true, true, &[0, BATCH_DOCUMENTS_MAX], false)]
    fn what_new_hash_trees_say_of_a_batch_is_checked(
        #[case] leaves: bool,
        #[case] root: bool,
        #[case] left_out: &[u32],
        #[case] is_right: bool,
    ) {
        let batch = RehashedBatch {
            batch: BatchId::from_bytes([1; 16]),
            leaves: leaves.then(|| Sha256Digest::of(b"leaves")),
            left_out: left_out.to_vec(),
            root: root.then(|| Sha512Digest::of(b"root")),
        };
        assert_eq!(check_rehashed(&batch).is_ok(), is_right);
    }
}
