//! Reading the records of a batch out of its packs, each proven by its version id.

use std::sync::Arc;

use sigillo_catalogue::RecordPlace;
use sigillo_ers::version_id;
use sigillo_model::{
    BatchCommitted, ListedPack, ObjectKey, RECORD_BYTES_MAX, Record, Sha256Digest, VersionId,
};
use sigillo_store::{
    PackSink, ReadPool,
    pack::{PackError, Part, read_pack_index},
};

use crate::{
    Archive, LogError,
    batch_objects::{BatchObjectError, read_leaves, read_pack_list},
};

/// A record of a batch, and where it lies.
pub(crate) struct BatchRecord {
    pub(crate) leaf: u32,
    pub(crate) version: VersionId,
    pub(crate) record: Record,
    pub(crate) place: RecordPlace,
}

/// Reads the records of a batch in order, pack by pack, and hands each to `take`.
///
/// What was taken counts only if no error is returned.
pub(crate) async fn read_batch(
    archive: &Archive,
    reads: &ReadPool,
    batch: &BatchCommitted,
    take: &mut (impl FnMut(BatchRecord) + Send),
) -> Result<(), LogError> {
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
    let mut expected = (0..).zip(leaves);
    // A pack may hold documents that prove themselves and yet are not those of the batch.
    let other = || {
        let what = "its packs do not hold the documents of the batch";
        LogError::Unindexable { key: ObjectKey::pack_list(batch.batch), what }
    };
    for pack in packs {
        let sink = Arc::clone(archive.store().packs());
        let read = reads.run(move || read_pack(&*sink, &pack)).await;
        for (version, record, place) in read.map_err(|_| LogError::ReadPanicked)?? {
            match expected.next() {
                Some((leaf, id)) if id == version => {
                    take(BatchRecord { leaf, version, record, place });
                }
                _ => return Err(other()),
            }
        }
    }
    if expected.next().is_some() { Err(other()) } else { Ok(()) }
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
