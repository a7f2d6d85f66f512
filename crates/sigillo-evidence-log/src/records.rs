//! Reading the records of a batch out of its packs, each proven by its version id.

use std::{collections::BTreeMap, sync::Arc};

use sigillo_catalogue::RecordPlace;
use sigillo_ers::version_id;
use sigillo_model::{
    BatchCommitted, ErrorKind, ListedPack, ObjectKey, RECORD_BYTES_MAX, Record, Sha256Digest,
    VersionId,
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

/// Documents of a batch whose records could not be read, and why.
#[derive(Debug)]
pub(crate) struct Unread {
    /// The object that is damaged or missing.
    pub(crate) key: ObjectKey,
    /// The documents, with their places among the leaves; nothing where not even their ids are known.
    pub(crate) documents: Option<Vec<(u32, VersionId)>>,
    /// What is wrong.
    pub(crate) error: LogError,
}

/// Reads the records of a batch, pack by pack, and hands each to `take`; stops at nothing that is
/// damaged or missing, but returns it.
///
/// # Errors
///
/// [`LogError`] if the store does not answer.
pub(crate) async fn read_batch_as_far_as_possible(
    archive: &Archive,
    reads: &ReadPool,
    batch: &BatchCommitted,
    take: &mut (impl FnMut(BatchRecord) + Send),
) -> Result<Vec<Unread>, LogError> {
    let key = ObjectKey::leaves(batch.batch);
    let leaves = match read_leaves(archive.store(), batch).await {
        Ok(leaves) => (0..).zip(leaves).collect::<Vec<_>>(),
        Err(BatchObjectError::Store(error)) => return Err(error),
        Err(BatchObjectError::Damaged { what }) => {
            let error = LogError::Unindexable { key: key.clone(), what };
            return Ok(vec![Unread { key, documents: None, error }]);
        }
    };
    let key = ObjectKey::pack_list(batch.batch);
    let packs = match read_pack_list(archive.store(), batch).await {
        Ok(packs) => packs,
        Err(BatchObjectError::Store(error)) => return Err(error),
        Err(BatchObjectError::Damaged { what }) => {
            let error = LogError::Unindexable { key: key.clone(), what };
            return Ok(vec![Unread { key, documents: Some(leaves), error }]);
        }
    };
    let mut unread = Vec::new();
    let mut rest = &leaves[..];
    for pack in packs {
        let documents = usize::try_from(pack.documents).unwrap_or(usize::MAX);
        let (within, after) = rest.split_at(documents.min(rest.len()));
        rest = after;
        let (sink, listed) = (Arc::clone(archive.store().packs()), pack.clone());
        let read = reads.run(move || read_pack(&*sink, &listed)).await;
        let key = ObjectKey::pack(pack.name);
        match read.map_err(|_| LogError::ReadPanicked)? {
            Ok(records) => unread.extend(sort_out(&key, within, records, take)),
            Err(error) if error.kind() == ErrorKind::Integrity => {
                unread.push(Unread { key, documents: Some(within.to_vec()), error });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(unread)
}

/// Hands over the records of a pack that the batch lists; returns what is missing, or not listed.
fn sort_out(
    key: &ObjectKey,
    listed: &[(u32, VersionId)],
    records: Vec<PackedRecord>,
    take: &mut impl FnMut(BatchRecord),
) -> Option<Unread> {
    let mut expected: BTreeMap<VersionId, u32> =
        listed.iter().map(|(leaf, version)| (*version, *leaf)).collect();
    let mut wrong = None;
    for PackedRecord { version, read } in records {
        // A pack may hold documents that prove themselves and yet are not those of the batch.
        let Some(leaf) = expected.get(&version).copied() else {
            wrong = wrong.or(Some("it holds documents that the batch does not list there"));
            continue;
        };
        match read {
            Ok((record, place)) => {
                expected.remove(&version);
                take(BatchRecord { leaf, version, record, place });
            }
            Err(what) => wrong = wrong.or(Some(what)),
        }
    }
    if !expected.is_empty() {
        wrong = wrong.or(Some("it does not hold all documents that the batch lists there"));
    }
    let mut documents: Vec<_> =
        expected.into_iter().map(|(version, leaf)| (leaf, version)).collect();
    documents.sort_unstable();
    wrong.map(|what| Unread {
        key: key.clone(),
        documents: Some(documents),
        error: LogError::Unindexable { key: key.clone(), what },
    })
}

/// Reads the records of a batch, pack by pack, and hands each to `take`.
///
/// What was taken counts only if no error is returned.
pub(crate) async fn read_batch(
    archive: &Archive,
    reads: &ReadPool,
    batch: &BatchCommitted,
    take: &mut (impl FnMut(BatchRecord) + Send),
) -> Result<(), LogError> {
    let unread = read_batch_as_far_as_possible(archive, reads, batch, take).await?;
    unread.into_iter().next().map_or(Ok(()), |unread| Err(unread.error))
}

/// A record as its pack has it.
struct PackedRecord {
    version: VersionId,
    /// The record and its place, or what is wrong with it.
    read: Result<(Record, RecordPlace), &'static str>,
}

fn read_pack(sink: &dyn PackSink, pack: &ListedPack) -> Result<Vec<PackedRecord>, LogError> {
    let failed = |source: PackError| LogError::Pack { key: ObjectKey::pack(pack.name), source };
    let source = sink
        .open(&pack.name)
        .map_err(|source| failed(PackError::Store { doing: "opening it", source }))?;
    let index = read_pack_index(&*source).map_err(failed)?;
    let records = index.entries.iter().filter(|entry| entry.part == Part::Record);
    let mut read = Vec::with_capacity(index.entries.len() / 2);
    for entry in records {
        let version = entry.version;
        let size_bytes = match u32::try_from(entry.size_bytes) {
            Ok(size_bytes) if entry.size_bytes <= RECORD_BYTES_MAX => size_bytes,
            _ => {
                read.push(PackedRecord { version, read: Err("a record in it is too long") });
                continue;
            }
        };
        let mut bytes = vec![0; size_bytes as usize];
        source
            .read_exact_at(entry.data_offset, &mut bytes)
            .map_err(|source| failed(PackError::Store { doing: "reading a record", source }))?;
        let place = RecordPlace { pack: pack.name, offset: entry.data_offset, size_bytes };
        let record = proven_record(version, &bytes).ok_or("a record in it is damaged");
        read.push(PackedRecord { version, read: record.map(|record| (record, place)) });
    }
    Ok(read)
}

/// Parses a record if it, with the digests it states, gives the version id of its document.
pub fn proven_record(version: VersionId, bytes: &[u8]) -> Option<Record> {
    let record = Record::parse(bytes).ok()?;
    let files: Vec<_> = record.files.iter().map(|file| file.sha256).collect();
    (version_id(Sha256Digest::of(bytes), &files) == version).then_some(record)
}
