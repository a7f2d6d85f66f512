//! Checking a batch without reading its packs: leaves, roots, list, presence, sizes, block values.

use std::{error::Error as _, fmt::Display};

use sigillo_ers::tree_root;
use sigillo_evidence_log::{Archive, BatchObjectError, read_leaves, read_pack_list};
use sigillo_merkle::{leaf_hash, root_of};
use sigillo_model::{
    BatchCommitted, Finding, FindingCode, ListedPack, ObjectKey, Sha256Digest, VersionId,
};
use sigillo_store::{CpuPool, Store, StoreError, pack::merge_blocks};

use crate::CustodyError;

/// Length of one block value.
const BLOCK_VALUE_BYTES: u64 = 32;

/// No pack of one block has block values.
const BLOCK_BYTES: u64 = sigillo_store::pack::BLOCK_BYTES as u64;

/// What was met in a batch.
#[derive(Debug, Default)]
pub(crate) struct BatchCheck {
    pub(crate) findings: Vec<Finding>,
    pub(crate) packs: Vec<CheckedPack>,
    pub(crate) leaves: Vec<VersionId>,
    /// Why something could not be read from which follows what there is, told as a finding too.
    pub(crate) not_read: Option<CustodyError>,
}

/// A pack of a batch, with what it should hold.
#[derive(Clone, Debug)]
pub(crate) struct CheckedPack {
    pub(crate) listed: ListedPack,
    /// The versions it should hold, in order; nothing if the leaves are damaged.
    pub(crate) versions: Option<Vec<VersionId>>,
    /// Its block values, if they are there and give its name.
    pub(crate) blocks: Option<Vec<[u8; 32]>>,
    /// Whether it is in the store with the right size.
    pub(crate) present: bool,
}

/// Checks a batch against what the log says of it.
pub(crate) async fn check_batch(
    archive: &Archive,
    cpu: &CpuPool,
    batch: &BatchCommitted,
) -> Result<BatchCheck, CustodyError> {
    let mut check = BatchCheck::default();
    let leaves = read_leaves(archive.store(), batch).await;
    let leaves = check.object(leaves, FindingCode::LeavesDamaged, ObjectKey::leaves(batch.batch));
    if let Some(leaves) = &leaves {
        let (for_roots, key) = (leaves.clone(), ObjectKey::leaves(batch.batch));
        let roots = cpu.run(move || roots_of(&for_roots)).await;
        let (root, order_root) = roots.map_err(|_| CustodyError::Panicked)?;
        if root != Some(batch.root) {
            let message = "the leaves do not give the evidence root in the log";
            check.findings.push(Finding::new(FindingCode::BatchRoot, &key, message));
        }
        if order_root != batch.order_root {
            let message = "the leaves do not give the order root in the log";
            check.findings.push(Finding::new(FindingCode::OrderRoot, &key, message));
        }
    }
    let list = read_pack_list(archive.store(), batch).await;
    let key = ObjectKey::pack_list(batch.batch);
    let list = check.object(list, FindingCode::PackListDamaged, key).unwrap_or_default();
    let mut first = 0;
    for listed in list {
        let count = usize::try_from(listed.documents).unwrap_or(usize::MAX);
        let versions = leaves.as_ref().and_then(|all| all.get(first..first + count));
        first += count;
        let versions = versions.map(<[_]>::to_vec);
        check.pack(archive.store(), listed, versions).await;
    }
    check.leaves = leaves.unwrap_or_default();
    Ok(check)
}

fn roots_of(leaves: &[VersionId]) -> (Option<Sha256Digest>, Sha256Digest) {
    let digests: Vec<_> =
        leaves.iter().map(|leaf| Sha256Digest::from_bytes(*leaf.as_bytes())).collect();
    let order = root_of(leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())));
    (tree_root(&digests), Sha256Digest::from_bytes(*order.as_bytes()))
}

impl BatchCheck {
    fn object<T>(
        &mut self,
        read: Result<T, BatchObjectError>,
        code: FindingCode,
        key: ObjectKey,
    ) -> Option<T> {
        match read {
            Ok(object) => Some(object),
            Err(BatchObjectError::Store(error)) => {
                let error = CustodyError::Log(error);
                self.findings.push(not_read(key, &error));
                self.not_read.get_or_insert(error);
                None
            }
            Err(error) => {
                self.findings.push(Finding::new(code, key, error.to_string()));
                None
            }
        }
    }

    /// Sees whether a pack is there with its size, and whether its block values give its name.
    async fn pack(&mut self, store: &Store, listed: ListedPack, versions: Option<Vec<VersionId>>) {
        let key = ObjectKey::pack(listed.name);
        let documents = listed.documents;
        let mut present = false;
        match store.size(&key).await {
            Ok(size) if size == listed.size => present = true,
            Ok(size) => {
                let message = format!(
                    "it has {size} bytes instead of {}; {documents} documents are in it",
                    listed.size
                );
                self.findings.push(Finding::new(FindingCode::PackSize, &key, message));
            }
            Err(StoreError::NotFound { .. }) => {
                let message = format!("it is missing, with the {documents} documents in it");
                self.findings.push(Finding::new(FindingCode::PackMissing, &key, message));
            }
            Err(StoreError::NotAnObject { .. }) => {
                let message = format!(
                    "something that is not a regular file is in its place; {documents} documents \
                     were in it"
                );
                self.findings.push(Finding::new(FindingCode::PackMissing, &key, message));
            }
            Err(source) => {
                let error = CustodyError::Store { doing: "looking for a pack", source };
                self.findings.push(not_read(&key, &error));
                self.not_read.get_or_insert(error);
            }
        }
        let blocks = self.blocks(store, &listed).await;
        self.packs.push(CheckedPack { listed, versions, blocks, present });
    }

    async fn blocks(&mut self, store: &Store, listed: &ListedPack) -> Option<Vec<[u8; 32]>> {
        if listed.size <= BLOCK_BYTES {
            return None;
        }
        let key = ObjectKey::blocks(listed.name);
        // More than the pack has blocks is never read into memory.
        let bytes_max = listed.size.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_VALUE_BYTES);
        let read = match store.read(&key, bytes_max).await {
            Ok(bytes) => Some(bytes),
            Err(
                StoreError::NotFound { .. }
                | StoreError::TooLarge { .. }
                | StoreError::NotAnObject { .. },
            ) => None,
            Err(source) => {
                let error = CustodyError::Store { doing: "reading block values", source };
                self.findings.push(not_read(key, &error));
                return None;
            }
        };
        let blocks = read.and_then(|bytes| match bytes.as_chunks::<32>() {
            (blocks, []) if merge_blocks(blocks, listed.size) == Some(listed.name) => {
                Some(blocks.to_vec())
            }
            _ => None,
        });
        if blocks.is_none() {
            let message = "the block values are missing or do not give the name of the pack";
            self.findings.push(Finding::new(FindingCode::BlocksDamaged, key, message));
        }
        blocks
    }
}

/// Says that the store did not give an object, and why.
pub(crate) fn not_read(key: impl Display, error: &CustodyError) -> Finding {
    let mut message = format!("it could not be read: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    Finding::new(FindingCode::NotRead, key, message)
}
