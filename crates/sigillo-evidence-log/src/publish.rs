//! Publishing: tiles and entry bundles, then the checkpoint, as static files for auditors.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use sigillo_authorities::SignedHead;
use sigillo_merkle::{
    Checkpoint, EntryBundleId, KeysOfLog, NOTE_BYTES_MAX, TILE_WIDTH, TileId, TreeHash,
    encode_entries, parse_signed_checkpoint,
};
use sigillo_model::ObjectKey;
use sigillo_store::{Store, StoreError};

use crate::{
    Archive, LogError, LogWriter,
    audit_succession::is_said_lost,
    chain::{Tail, sha256_of},
    recover::Recovered,
    right_edge::{RightEdge, tile_content},
};

/// At most this many derived objects are written at once.
const WRITES_IN_FLIGHT_MAX: usize = 8;

/// Writes what follows from a log of this edge and tail, all of it before the checkpoint.
pub(crate) async fn publish_tiles(
    (store, generation): (&Store, u64),
    finished: &[(TileId, Vec<TreeHash>)],
    tail: &Tail,
    edge: &RightEdge,
) -> Result<(), LogError> {
    // Full ones first: whoever finds the partial ones of a size may rely on the full ones.
    let mut full = Vec::new();
    for (tile, hashes) in finished {
        full.push((ObjectKey::tile_of(generation, &tile.path()), tile_content(hashes)));
    }
    for (index, entries) in &tail.finished {
        full.push(bundle(generation, *index, entries));
    }
    write_all(store, full).await?;
    let mut partial: Vec<_> = edge
        .partial_tiles()
        .map(|(tile, hashes)| (ObjectKey::tile_of(generation, &tile.path()), tile_content(hashes)))
        .collect();
    if !tail.entries.is_empty() {
        partial.push(bundle(generation, edge.size() / u64::from(TILE_WIDTH), &tail.entries));
    }
    write_all(store, partial).await
}

/// Writes the checkpoint that covers what was published.
pub(crate) async fn publish_checkpoint(
    (store, generation): (&Store, u64),
    note: &str,
) -> Result<(), LogError> {
    let bytes = Bytes::copy_from_slice(note.as_bytes());
    let replaced = store.replace_derived(&ObjectKey::checkpoint_of(generation), bytes).await;
    replaced.map_err(LogError::store("publishing the checkpoint"))
}

/// Reads the published checkpoint of the newest log known, or nothing if there is none that bears the
/// log's signature.
pub(crate) async fn published_checkpoint(
    archive: &Archive,
) -> Result<Option<Checkpoint>, LogError> {
    let generation = archive.generation();
    let Some(bytes) = published_note(archive, generation).await? else { return Ok(None) };
    archive.key_of(&bytes).await?;
    // By the keys of this log: a copy of what another log of the archive published is none of it.
    let keys = archive.log_keys_of(generation);
    Ok(keys.and_then(|keys| signed_checkpoint(&keys, &bytes)))
}

/// Returns what a log that ended is to have as its published checkpoint if that is lost: the one that
/// the act of its end names, if it is signed by a key of that log. Nobody may be left to sign another.
pub(crate) fn ended_note(archive: &Archive, generation: u64, keys: &KeysOfLog) -> Option<String> {
    let stated = archive.succession(generation + 1)?.succession.checkpoint?;
    signed_checkpoint(keys, stated.as_bytes()).map(|_| stated)
}

/// Reads what is published as the checkpoint of a generation.
pub(crate) async fn published_note(
    archive: &Archive,
    generation: u64,
) -> Result<Option<Bytes>, LogError> {
    let key = ObjectKey::checkpoint_of(generation);
    let read = read_derived(archive.store(), &key, NOTE_BYTES_MAX as u64).await;
    read.map_err(LogError::store("reading the checkpoint"))
}

/// The published checkpoint, which bears the log's signature, and how it stands to the commits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublishedCheckpoint {
    /// The signed note, whole.
    pub note: String,
    /// The size and root that it states.
    pub head: SignedHead,
    /// How it stands to the commits.
    pub standing: Standing,
}

/// How a published checkpoint stands to the commits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It covers all commits.
    Newest,
    /// The commits contain it, and go on to this many entries.
    Older {
        /// Entries of the log.
        size: u64,
    },
    /// The commits do not contain it: they were taken back or replaced.
    Contradicted {
        /// Entries of the log.
        size: u64,
    },
}

/// Reads the published checkpoint and compares it with the commits. Nothing if none is published,
/// or none that bears the log's signature.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read.
pub async fn read_checkpoint(archive: &Archive) -> Result<Option<PublishedCheckpoint>, LogError> {
    let known = archive.generation();
    let mut bytes = published_note(archive, known).await?.unwrap_or_default();
    let log = Recovered::read(archive, 0).await?;
    if archive.generation() != known {
        bytes = published_note(archive, archive.generation()).await?.unwrap_or_default();
    }
    let checkpoint = signed_checkpoint(&archive.log_keys(), &bytes);
    let Some(checkpoint) = checkpoint else { return Ok(None) };
    let head = SignedHead { size: checkpoint.size, root: sha256_of(checkpoint.root) };
    let size = log.head().size;
    let standing = if log.head() == head {
        Standing::Newest
    } else if log.contains(archive, head).await? {
        Standing::Older { size }
    } else {
        Standing::Contradicted { size }
    };
    Ok(Some(PublishedCheckpoint {
        note: String::from_utf8_lossy(&bytes).into_owned(),
        head,
        standing,
    }))
}

/// Reads a published copy, or nothing if there is none. One that is larger than any can be, or no
/// file at all, reads as empty, which is as wrong: what can be made again must stop nobody.
pub(crate) async fn read_derived(
    store: &Store,
    key: &ObjectKey,
    bytes_max: u64,
) -> Result<Option<Bytes>, StoreError> {
    match store.read_optional(key, bytes_max).await {
        Err(StoreError::TooLarge { .. } | StoreError::NotAnObject { .. }) => Ok(Some(Bytes::new())),
        read => read,
    }
}

/// Reads a checkpoint that bears the log's signature, by the key of its size, and no other spelling
/// than ours.
pub(crate) fn signed_checkpoint(keys: &KeysOfLog, bytes: &[u8]) -> Option<Checkpoint> {
    parse_signed_checkpoint(bytes, keys.of_note(bytes)).ok()
}

/// Writes every tile, entry bundle and the checkpoint anew from the commits.
///
/// # Errors
///
/// [`LogError`] if a commit is missing or damaged, or the store fails.
pub async fn rebuild_log(
    writer: &mut LogWriter,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, LogError> {
    let archive = writer.archive().clone();
    let head = writer.head();
    let mut rebuilt = Recovered::default();
    let mut written = 0;
    for number in 1..=head {
        rebuilt.advance(&archive.existing_commit(number).await?)?;
        let generation = rebuilt.chain.generation;
        let is_last = number == head || archive.generation_of(number + 1) != generation;
        if rebuilt.tail.finished.len() >= 64 || is_last {
            written += rebuilt.tail.finished.len() + rebuilt.finished.len();
            let Recovered { chain, tail, finished } = &rebuilt;
            let to = (archive.store(), generation);
            if is_last {
                publish_tiles(to, finished, tail, &chain.edge).await?;
            } else {
                let full = Tail { finished: tail.finished.clone(), entries: Vec::new() };
                publish_tiles(to, finished, &full, &RightEdge::new()).await?;
            }
            rebuilt.tail.finished.clear();
            rebuilt.finished.clear();
            if is_last && number < head {
                written += usize::from(publish_ended(&archive, generation, &rebuilt).await?);
            }
        }
        progress(number, head);
    }
    let note = writer.signed_checkpoint().await?;
    publish_checkpoint((archive.store(), archive.generation_of(head)), &note).await?;
    Ok(u64::try_from(written).unwrap_or(u64::MAX) + 1)
}

/// Publishes the checkpoint of a log that ended, unless one that it signed is there: what that covers
/// may be the only proof of what is lost. Where others may sign with its keys, one proves nothing that is
/// neither of the log, which `rebuilt` is at its end, nor said to be lost.
async fn publish_ended(
    archive: &Archive,
    generation: u64,
    rebuilt: &Recovered,
) -> Result<bool, LogError> {
    let Some(keys) = archive.log_keys_of(generation) else { return Ok(false) };
    let published = published_note(archive, generation).await?;
    if let Some(checkpoint) = published.and_then(|note| signed_checkpoint(&keys, &note)) {
        let body = archive.succession(generation + 1);
        let head = SignedHead { size: checkpoint.size, root: sha256_of(checkpoint.root) };
        let is_lost = body.is_some_and(|it| is_said_lost(&it.succession, head));
        let is_own = is_lost || archive.exposed_since(generation).is_none();
        if is_own || rebuilt.contains(archive, head).await? {
            return Ok(false);
        }
    }
    let Some(note) = ended_note(archive, generation, &keys) else { return Ok(false) };
    publish_checkpoint((archive.store(), generation), &note).await?;
    Ok(true)
}

fn bundle(generation: u64, index: u64, entries: &[Bytes]) -> (ObjectKey, Vec<u8>) {
    let width = u16::try_from(entries.len()).expect("a bundle has 256 entries at most");
    let content = encode_entries(entries).expect("1 to 256 entries that a commit accepted");
    (ObjectKey::tile_of(generation, &EntryBundleId { index, width }.path()), content)
}

async fn write_all(store: &Store, objects: Vec<(ObjectKey, Vec<u8>)>) -> Result<(), LogError> {
    stream::iter(objects)
        .map(|(key, content)| async move { store.replace_derived(&key, content.into()).await })
        .buffer_unordered(WRITES_IN_FLIGHT_MAX)
        .try_collect::<()>()
        .await
        .map_err(LogError::store("publishing the log"))
}
