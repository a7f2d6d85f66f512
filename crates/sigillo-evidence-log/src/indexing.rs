//! Bringing the index of keys up to the log, from the records in the packs.

use sigillo_catalogue::{IndexedVersion, KeyIndex, RecordPlace};
use sigillo_model::{Entry, Record, VersionId};
use sigillo_store::ReadPool;

use crate::{
    Archive, Commit, LogError,
    batch_objects::{BatchObjectError, read_leaves},
    records::{BatchRecord, read_batch},
};

/// Takes in everything that was committed since the index was complete.
///
/// # Errors
///
/// [`LogError`] if a commit, a pack list or a record cannot be read: then the index stays as
/// complete as it was before that commit.
pub async fn catch_up_index(
    archive: &Archive,
    index: &mut KeyIndex,
    reads: &ReadPool,
) -> Result<(), LogError> {
    while let Some(commit) = archive.commit(index.complete_to() + 1).await? {
        index_commit(archive, index, reads, &commit).await?;
    }
    Ok(())
}

/// Empties an index whose newest version this log does not have: it belongs to commits that were
/// taken back, or to another copy of the archive. Tells whether it did.
///
/// # Errors
///
/// [`LogError`] if the commit of that version cannot be read.
pub async fn forget_foreign_index(
    archive: &Archive,
    index: &mut KeyIndex,
) -> Result<bool, LogError> {
    let newest = index.newest().map_err(|source| LogError::Index { source })?;
    let Some(IndexedVersion { commit: number, version, .. }) = newest else { return Ok(false) };
    if let Some(commit) = archive.commit(number).await? {
        for entry in &commit.entries {
            let Entry::BatchCommitted(batch) = entry else { continue };
            match read_leaves(archive.store(), batch).await {
                Ok(leaves) if !leaves.contains(&version) => {}
                // What is damaged cannot tell.
                Ok(_) | Err(BatchObjectError::Damaged { .. }) => return Ok(false),
                Err(BatchObjectError::Store(error)) => return Err(error),
            }
        }
    }
    tracing::warn!(
        commit = number,
        "the index knows versions that the log does not have: forgotten"
    );
    if let Err(error) = index.clear() {
        tracing::warn!(%error, "the files of the index were not removed");
    }
    Ok(true)
}

/// Takes in the next commit, which is the one after those the index has.
///
/// # Errors
///
/// As [`catch_up_index`].
pub async fn index_commit(
    archive: &Archive,
    index: &mut KeyIndex,
    reads: &ReadPool,
    commit: &Commit,
) -> Result<(), LogError> {
    let mut versions = Vec::new();
    for entry in &commit.entries {
        if let Entry::BatchCommitted(batch) = entry {
            let number = commit.header.commit;
            let mut take = |it: BatchRecord| {
                versions.push(indexed(it.version, &it.record, (number, it.leaf), it.place));
            };
            read_batch(archive, reads, batch, &mut take).await?;
        }
    }
    if let Err(error) = index.add(commit.header.commit, versions) {
        tracing::warn!(%error, "the index was not written; it will be made again");
    }
    Ok(())
}

/// Returns what the index keeps of a version.
pub fn indexed(
    version: VersionId,
    record: &Record,
    (commit, leaf): (u64, u32),
    place: RecordPlace,
) -> IndexedVersion {
    IndexedVersion {
        key: record.key.digest(),
        sameness: record.sameness(),
        version,
        document: record.document,
        number: record.version,
        commit,
        leaf,
        record: place,
    }
}
