//! Bringing the index of keys up to the log, from the records in the packs.

use std::collections::HashMap;

use sigillo_catalogue::{IndexedVersion, KeyIndex, LeftOut, RecordPlace};
use sigillo_model::{Entry, ObjectKey, Record, VersionId};
use sigillo_store::ReadPool;

use crate::{
    Archive, Commit, LogError,
    batch_objects::{BatchObjectError, read_leaves},
    records::{BatchRecord, Unread, read_batch_as_far_as_possible},
};

/// Documents that the index could not read out of an object when it took in their commit.
#[derive(Debug)]
pub struct UnreadDocuments {
    /// The commit.
    pub commit: u64,
    /// The object that is damaged or missing.
    pub key: ObjectKey,
    /// How many documents they are.
    pub documents: u64,
    /// How many of them are in the index all the same, because an earlier index had them.
    pub kept: u64,
    /// What is wrong.
    pub error: LogError,
}

/// Takes in everything that was committed since the index was complete. Documents that cannot be
/// read, because an object is damaged or missing, are left out, which the index remembers.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read or the store does not answer: then the index stays as
/// complete as it was before that commit.
pub async fn catch_up_index(
    archive: &Archive,
    index: &mut KeyIndex,
    reads: &ReadPool,
) -> Result<(), LogError> {
    while let Some(commit) = archive.commit(index.complete_to() + 1).await? {
        index_commit(archive, (index, None), reads, &commit).await?;
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

/// Takes in the next commit, which is the one after those the index has. What cannot be read, but
/// was when an earlier index was made, is taken over from that. Returns what could not be read.
///
/// # Errors
///
/// As [`catch_up_index`].
pub async fn index_commit(
    archive: &Archive,
    (index, earlier): (&mut KeyIndex, Option<&KeyIndex>),
    reads: &ReadPool,
    commit: &Commit,
) -> Result<Vec<UnreadDocuments>, LogError> {
    let number = commit.header.commit;
    let (mut versions, mut unread) = (Vec::new(), Vec::new());
    for entry in &commit.entries {
        if let Entry::BatchCommitted(batch) = entry {
            let mut take = |it: BatchRecord| {
                versions.push(indexed(it.version, &it.record, (number, it.leaf), it.place));
            };
            let found = read_batch_as_far_as_possible(archive, reads, batch, &mut take).await?;
            for Unread { key, documents, error } in found {
                let count = documents.as_ref().map_or(batch.documents as usize, Vec::len);
                let kept = earlier.zip(documents);
                let kept =
                    kept.map_or_else(Vec::new, |(it, known)| known_earlier(it, number, known));
                unread.push(UnreadDocuments {
                    commit: number,
                    key,
                    documents: count as u64,
                    kept: kept.len() as u64,
                    error,
                });
                versions.extend(kept);
            }
        }
    }
    let left_out: Vec<_> = unread.iter().filter_map(left_out_of).collect();
    for it in &left_out {
        let LeftOut { commit, documents, object, what } = it;
        tracing::debug!(commit, documents, object, what, "documents are left out of the index");
    }
    if let Err(error) = index.leave_out(number, left_out) {
        tracing::warn!(%error, "the index was not written; it will be made again");
    }
    if let Err(error) = index.add(number, versions) {
        tracing::warn!(%error, "the index was not written; it will be made again");
    }
    Ok(unread)
}

/// Returns what an earlier index had of documents that cannot be read now.
fn known_earlier(
    earlier: &KeyIndex,
    commit: u64,
    documents: Vec<(u32, VersionId)>,
) -> Vec<IndexedVersion> {
    let sought: HashMap<VersionId, u32> =
        documents.into_iter().map(|(leaf, version)| (version, leaf)).collect();
    let mut known = HashMap::new();
    let read = earlier.versions_of_commit(commit, &mut |version| {
        if let Some(leaf) = sought.get(&version.version) {
            known.insert(version.version, IndexedVersion { leaf: *leaf, ..version });
        }
    });
    if let Err(error) = read {
        tracing::warn!(%error, "the earlier index cannot help");
        return Vec::new();
    }
    known.into_values().collect()
}

/// Returns what the index lacks of what could not be read.
fn left_out_of(unread: &UnreadDocuments) -> Option<LeftOut> {
    let documents = unread.documents - unread.kept;
    (documents > 0).then(|| LeftOut {
        commit: unread.commit,
        documents,
        object: unread.key.to_string(),
        what: match &unread.error {
            LogError::Unindexable { what, .. } => (*what).to_owned(),
            LogError::Pack { source, .. } => source.to_string(),
            error => error.to_string(),
        },
    })
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
