//! Bringing the index of keys up to the log, from the records in the packs.

use std::sync::Arc;

use sigillo_catalogue::{IndexedVersion, KeyIndex, RecordPlace};
use sigillo_ers::version_id;
use sigillo_model::{
    BatchCommitted, Entry, ListedPack, ObjectKey, RECORD_BYTES_MAX, Record, Sha256Digest, VersionId,
};
use sigillo_store::{
    PackSink, ReadPool,
    pack::{PackError, Part, read_pack_index},
};

use crate::{
    Archive, Commit, LogError,
    batch_objects::{BatchObjectError, read_leaves, read_pack_list},
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
            versions.extend(read_batch(archive, reads, (commit.header.commit, batch)).await?);
        }
    }
    if let Err(error) = index.add(commit.header.commit, versions) {
        tracing::warn!(%error, "the index was not written; it will be made again");
    }
    Ok(())
}

async fn read_batch(
    archive: &Archive,
    reads: &ReadPool,
    (commit, batch): (u64, &BatchCommitted),
) -> Result<Vec<IndexedVersion>, LogError> {
    let unusable = |key| {
        move |error| match error {
            BatchObjectError::Store(error) => error,
            BatchObjectError::Damaged { what } => LogError::Unindexable { key, what },
        }
    };
    let key = ObjectKey::pack_list(batch.batch);
    let packs = read_pack_list(archive.store(), batch).await.map_err(unusable(key))?;
    let key = ObjectKey::leaves(batch.batch);
    let leaves = read_leaves(archive.store(), batch).await.map_err(unusable(key))?;
    let mut versions = Vec::new();
    for pack in packs {
        let sink = Arc::clone(archive.store().packs());
        let read = reads.run(move || read_pack(&*sink, &pack)).await;
        for (version, record, place) in read.map_err(|_| LogError::ReadPanicked)?? {
            let leaf = u32::try_from(versions.len()).unwrap_or(u32::MAX);
            versions.push(indexed(version, &record, (commit, leaf), place));
        }
    }
    // A pack may hold documents that prove themselves and yet are not those of the batch.
    if !versions.iter().map(|it| it.version).eq(leaves) {
        let what = "its packs do not hold the documents of the batch";
        return Err(LogError::Unindexable { key: ObjectKey::pack_list(batch.batch), what });
    }
    Ok(versions)
}

fn read_pack(
    sink: &dyn PackSink,
    pack: &ListedPack,
) -> Result<Vec<(VersionId, Record, RecordPlace)>, LogError> {
    let key = ObjectKey::pack(pack.name);
    let failed = |source: PackError| LogError::Pack { key: ObjectKey::pack(pack.name), source };
    let source = sink
        .open(&pack.name)
        .map_err(|source| failed(PackError::Store { doing: "opening it", source }))?;
    let index = read_pack_index(&*source).map_err(failed)?;
    let records = index.entries.iter().filter(|entry| entry.part == Part::Record);
    let mut versions = Vec::with_capacity(index.entries.len() / 2);
    for entry in records {
        let unindexable = |what| LogError::Unindexable { key: key.clone(), what };
        if entry.size_bytes > RECORD_BYTES_MAX {
            return Err(unindexable("a record in it is too long"));
        }
        let size_bytes = u32::try_from(entry.size_bytes).map_err(|_| unindexable("a record"))?;
        let mut bytes = vec![0; size_bytes as usize];
        source
            .read_exact_at(entry.data_offset, &mut bytes)
            .map_err(|source| failed(PackError::Store { doing: "reading a record", source }))?;
        let record = proven_record(entry.version, &bytes)
            .ok_or_else(|| unindexable("a record in it is damaged"))?;
        let place = RecordPlace { pack: pack.name, offset: entry.data_offset, size_bytes };
        versions.push((entry.version, record, place));
    }
    Ok(versions)
}

/// Parses a record if it, with the digests it states, gives the version id of its document.
pub fn proven_record(version: VersionId, bytes: &[u8]) -> Option<Record> {
    let record = Record::parse(bytes).ok()?;
    let files: Vec<_> = record.files.iter().map(|file| file.sha256).collect();
    (version_id(Sha256Digest::of(bytes), &files) == version).then_some(record)
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
