//! Committing a batch: its objects, then the log's next number.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use sigillo_catalogue::{
    IndexedVersion, RecordPlace,
    tables::{TablePlace, TableRow},
};
use sigillo_ers::tree_root;
use sigillo_evidence_log::CommitOutcome;
use sigillo_merkle::{leaf_hash, root_of};
use sigillo_model::{
    BATCH_DOCUMENTS_MAX, BatchCommitted, BatchId, Entropy, Entry, ListedPack, ObjectKey, PackList,
    Sha256Digest, SubmissionId, to_canonical,
};
use sigillo_store::{CreateOutcome, ReadPool, Store};

use crate::{
    IngestError,
    aggregations::{EntryError, closed_to},
    completing::complete_index,
    ingest::Run,
    pack_thread::FinishedBatch,
    previous::Previous,
    segment::Source,
    unit::Unit,
};

/// At most this many objects of a batch are written at once.
const WRITES_IN_FLIGHT_MAX: usize = 8;

/// At most this often a batch is committed again because others were faster.
const COMMIT_ATTEMPTS_MAX: u32 = 1000;

/// What became of a batch.
pub(crate) enum BatchOutcome {
    /// It is in the log, in this commit.
    Committed(u64, Box<BatchCommitted>),
    /// It must be made anew: another writer took one of its keys.
    Again,
    /// It must be made anew under new names: the epoch was raised, and its packs may be gone.
    Fenced,
}

/// Writes the objects of a batch and commits it, unless what it rests on changed meanwhile.
pub(crate) async fn commit_batch(
    run: &mut Run<'_>,
    reads: &ReadPool,
    entropy: &dyn Entropy,
    batch: &FinishedBatch,
) -> Result<BatchOutcome, IngestError> {
    // It was begun before the epoch was raised, and so may be what a sweep removes.
    if batch.epoch < run.log.epoch() {
        return Ok(BatchOutcome::Fenced);
    }
    // It was decided by an index that did not know of what others committed since.
    if run.others_committed && !still_holds(run, reads, batch).await? {
        return Ok(BatchOutcome::Again);
    }
    let documents = batch.documents().count();
    if documents > BATCH_DOCUMENTS_MAX as usize {
        return Err(IngestError::BatchTooLarge { documents });
    }
    let (body, objects) = describe(batch, run.submission, BatchId::random(entropy));
    create_all(run.log.archive().store(), objects).await?;
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        match run.log.commit(&[Entry::BatchCommitted(body.clone())]).await? {
            CommitOutcome::Committed(committed) => {
                let number = committed.number;
                if run.index.complete_to() + 1 == number {
                    let added = indexed(batch, number);
                    // Only a copy: without it the next start reads the batch again.
                    if let Err(error) = run.index.add(number, added) {
                        tracing::warn!(%error, "the index was not written; it will be made again");
                    }
                }
                return Ok(BatchOutcome::Committed(number, Box::new(body)));
            }
            CommitOutcome::Fenced { .. } => {
                run.take_epoch();
                return Ok(BatchOutcome::Fenced);
            }
            CommitOutcome::Lost(_) => {
                run.others_committed = true;
                complete_index(run.log.archive(), run.index, reads).await?;
                if !still_holds(run, reads, batch).await? {
                    return Ok(BatchOutcome::Again);
                }
            }
        }
    }
    Err(IngestError::Crowded { attempts: COMMIT_ATTEMPTS_MAX })
}

/// Tells whether every document of a batch still builds on the newest version of its key, and
/// enters no aggregation that was closed meanwhile.
async fn still_holds(
    run: &Run<'_>,
    reads: &ReadPool,
    batch: &FinishedBatch,
) -> Result<bool, IngestError> {
    let mut entering: Vec<(Unit, Option<IndexedVersion>)> = Vec::new();
    for document in batch.documents() {
        let newest = run.index.lookup(document.identity.key).map_err(IngestError::Index)?;
        if newest.map(|newest| newest.version) != document.identity.base {
            return Ok(false);
        }
        if let Source::Unit(unit) = &document.source
            && unit.aggregations().next().is_some()
        {
            entering.push((unit.clone(), newest));
        }
    }
    if entering.is_empty() {
        return Ok(true);
    }
    let index = run.index.clone();
    let previous = Previous::new(Arc::clone(run.log.archive().store().packs()));
    let may_enter = move || {
        for (unit, newest) in &entering {
            match closed_to((&index, &previous), unit, newest.as_ref()) {
                Ok(None) => {}
                // Made anew, it is refused with its reason.
                Ok(Some(_)) | Err(EntryError::Unreadable(_)) => return Ok(false),
                Err(EntryError::Index(error)) => return Err(IngestError::Index(error)),
            }
        }
        Ok(true)
    };
    reads.run(may_enter).await.map_err(|_| IngestError::Panicked)?
}

/// Returns what the index keeps of a batch that is in the log.
fn indexed(batch: &FinishedBatch, commit: u64) -> Vec<IndexedVersion> {
    let placed = batch
        .packs
        .iter()
        .flat_map(|(pack, documents)| documents.iter().map(move |document| (pack.name, document)));
    let placed = (0..).zip(placed).map(|(leaf, (pack, document))| IndexedVersion {
        key: document.identity.key,
        sameness: document.identity.sameness,
        version: document.version,
        document: document.identity.document,
        number: document.identity.number,
        commit,
        leaf,
        record: RecordPlace {
            pack,
            offset: document.record_offset,
            size_bytes: document.record_bytes,
        },
    });
    placed.collect()
}

/// Returns what the catalogue keeps of a batch that is in the log.
pub(crate) fn rows_of(finished: FinishedBatch, commit: u64, batch: BatchId) -> Vec<TableRow> {
    let packs = finished.packs.into_iter();
    let documents = packs.flat_map(|(pack, documents)| {
        documents.into_iter().map(move |document| (pack.name, document))
    });
    let rows = (0..).zip(documents).map(|(leaf, (pack, document))| {
        let (offset, size_bytes) = (document.record_offset, document.record_bytes);
        let record = RecordPlace { pack, offset, size_bytes };
        document.row.placed(TablePlace { commit, batch, leaf, record })
    });
    rows.collect()
}

/// Returns what the log will say of a batch, and the objects it names.
fn describe(
    batch: &FinishedBatch,
    submission: SubmissionId,
    id: BatchId,
) -> (BatchCommitted, Vec<(ObjectKey, Vec<u8>)>) {
    let leaves: Vec<Sha256Digest> = batch
        .documents()
        .map(|document| Sha256Digest::from_bytes(*document.version.as_bytes()))
        .collect();
    let leaf_bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
    let packs = batch.packs.iter().map(|(pack, documents)| ListedPack {
        documents: count(documents.len()),
        name: pack.name,
        size: pack.size_bytes,
    });
    let list = to_canonical(&PackList { format: 1, packs: packs.collect() });
    let order_root = root_of(leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())));
    let body = BatchCommitted {
        batch: id,
        documents: count(leaves.len()),
        leaves_sha256: Sha256Digest::of(&leaf_bytes),
        order_root: Sha256Digest::from_bytes(*order_root.as_bytes()),
        packs_sha256: Sha256Digest::of(&list),
        root: tree_root(&leaves).expect("a batch has at least one document"),
        submission,
    };
    let mut objects = vec![(ObjectKey::leaves(id), leaf_bytes), (ObjectKey::pack_list(id), list)];
    for (pack, _) in &batch.packs {
        if !pack.blocks.is_empty() {
            objects.push((ObjectKey::blocks(pack.name), pack.blocks.concat()));
        }
    }
    (body, objects)
}

/// Creates objects under fresh names, all of them before anything refers to them.
pub(crate) async fn create_all(
    store: &Store,
    objects: Vec<(ObjectKey, Vec<u8>)>,
) -> Result<(), IngestError> {
    stream::iter(objects)
        .map(|(key, bytes)| async move {
            match store.create(&key, Bytes::from(bytes)).await {
                Ok(CreateOutcome::Created | CreateOutcome::AlreadyEqual) => Ok(()),
                Ok(CreateOutcome::Taken(_)) => Err(IngestError::NameTaken { key }),
                Err(source) => Err(IngestError::Store { doing: "storing a batch", source }),
            }
        })
        .buffer_unordered(WRITES_IN_FLIGHT_MAX)
        .try_collect()
        .await
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a batch has 100,000 documents at most")
}
