//! Cosigned checkpoints: what witnesses said of the log, kept beside it, and put into receipts.

use bytes::Bytes;

use sigillo_evidence_log::Archive;
use sigillo_merkle::{
    CHECKPOINT_BYTES_MAX, Checkpoint, CosignedAt, NoteSignature, SignedNote, VerifierKey,
    parse_cosigned_checkpoint,
};
use sigillo_model::{ObjectKey, Sha256Digest};
use sigillo_proof::{RECEIPT_WITNESSES_MAX, Receipt};
use sigillo_store::{CreateOutcome, StoreError};

use crate::{CustodyError, GiveReceiptError, ReceiptLog};

/// At most so many cosigned checkpoints are listed, to find one to give with a receipt. Which one is
/// no question of correctness: each proves itself.
const LISTED_MAX: usize = 100_000;

/// At most so many sizes of the log are tried for one with cosignatures.
const SIZES_TRIED_MAX: usize = 1_000;

/// A checkpoint of the log, with the cosignatures of witnesses that were asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CosignedCheckpoint {
    /// What it states.
    pub checkpoint: Checkpoint,
    /// The note: the log's signature, then the cosignatures in the order of the witnesses' keys.
    pub note: SignedNote,
    /// The witnesses, in that order, and when each says that it saw the checkpoint.
    pub witnesses: Vec<(VerifierKey, CosignedAt)>,
}

impl CosignedCheckpoint {
    /// Writes the note.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.note.to_bytes()).into_owned()
    }
}

/// At most so many cosignatures are tried that were stored beside what is none.
const BESIDE_TRIED_MAX: usize = 100;

/// Whether a cosignature was stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CosignatureOutcome {
    /// It is there now, durable.
    Stored,
    /// It is there now, durable, under a name of its own: where it should be lies something else.
    StoredBeside {
        /// The object that is no cosignature of the witness on this checkpoint.
        damaged: ObjectKey,
    },
    /// The witness had cosigned the same checkpoint before: the first cosignature is kept.
    WasThere,
}

/// Stores the cosignature of a witness beside the log, once: under the size of `note`, which bears
/// the signature of the log and no other, and the digest of the witness's key. Where something else lies
/// under that name, under the digest of its own bytes besides.
///
/// # Errors
///
/// [`CustodyError::Cosignature`] if log and witness did not sign this checkpoint;
/// [`CustodyError::Store`] if the store failed.
pub async fn store_cosignature(
    archive: &Archive,
    note: &SignedNote,
    witness: &VerifierKey,
    cosignature: &NoteSignature,
) -> Result<CosignatureOutcome, CustodyError> {
    let mut note = note.clone();
    note.signatures.push(cosignature.clone());
    let bytes = note.to_bytes();
    let log = known_key(archive, &bytes).await?;
    let read = parse_cosigned_checkpoint(&bytes, &log, std::slice::from_ref(witness));
    let (checkpoint, _) = read.map_err(|error| CustodyError::Cosignature {
        witness: witness.name().to_owned(),
        what: error.to_string(),
    })?;
    let generation = generation_of(archive, &checkpoint);
    let key = key_of(generation, checkpoint.size, witness);
    let bytes = Bytes::from(bytes);
    let there = match create(archive, &key, bytes.clone()).await? {
        CreateOutcome::Created | CreateOutcome::AlreadyEqual => {
            return Ok(CosignatureOutcome::Stored);
        }
        CreateOutcome::Taken(there) => there,
    };
    if is_cosigned(&there, &log, witness, &checkpoint) {
        return Ok(CosignatureOutcome::WasThere);
    }
    let own = Sha256Digest::of(&bytes);
    let beside = ObjectKey::cosignature_beside(&key, own);
    match create(archive, &beside, bytes).await? {
        CreateOutcome::Created | CreateOutcome::AlreadyEqual => {
            Ok(CosignatureOutcome::StoredBeside { damaged: key })
        }
        // Its name is its digest.
        CreateOutcome::Taken(_) => Err(CustodyError::Cosignature {
            witness: witness.name().to_owned(),
            what: format!("{key} and {beside} hold something else"),
        }),
    }
}

async fn create(
    archive: &Archive,
    key: &ObjectKey,
    bytes: Bytes,
) -> Result<CreateOutcome, CustodyError> {
    let created = archive.store().create(key, bytes).await;
    created.map_err(|source| store_error("storing a cosignature", source))
}

/// Tells whether an object is a checkpoint of the log that this witness cosigned, and this one.
fn is_cosigned(
    bytes: &[u8],
    log: &VerifierKey,
    witness: &VerifierKey,
    expected: &Checkpoint,
) -> bool {
    let read = parse_cosigned_checkpoint(bytes, log, std::slice::from_ref(witness));
    read.is_ok_and(|(checkpoint, _)| checkpoint == *expected)
}

/// Looks for the cosignatures of these witnesses on the checkpoint of this size and root; nothing if
/// there is none. One that is not valid, or of another checkpoint, is as absent.
///
/// # Errors
///
/// [`CustodyError::Store`] if the store did not answer.
pub async fn read_cosignatures(
    archive: &Archive,
    expected: &Checkpoint,
    witnesses: &[VerifierKey],
) -> Result<Option<CosignedCheckpoint>, CustodyError> {
    let mut keys: Vec<&VerifierKey> = witnesses.iter().collect();
    keys.sort_by_key(ToString::to_string);
    keys.dedup();
    let mut found: Option<CosignedCheckpoint> = None;
    for witness in keys.into_iter().take(RECEIPT_WITNESSES_MAX) {
        let Some((note, times)) = read_cosigned(archive, expected, witness).await? else {
            continue;
        };
        let seen = times.into_iter().map(|at| (witness.clone(), at));
        if let Some(found) = &mut found {
            found.note.signatures.extend(note.signatures.into_iter().skip(1));
            found.witnesses.extend(seen);
        } else {
            let checkpoint = expected.clone();
            found = Some(CosignedCheckpoint { checkpoint, note, witnesses: seen.collect() });
        }
    }
    Ok(found)
}

/// Reads the cosignature of one witness on a checkpoint: under its name or, if what lies there is none,
/// beside that.
async fn read_cosigned(
    archive: &Archive,
    expected: &Checkpoint,
    witness: &VerifierKey,
) -> Result<Option<(SignedNote, Vec<CosignedAt>)>, CustodyError> {
    let key = key_of(generation_of(archive, expected), expected.size, witness);
    let Some(bytes) = read_object(archive, &key).await? else { return Ok(None) };
    let parsed = parsed(archive, &bytes, expected, witness).await?;
    if parsed.is_some() {
        return Ok(parsed);
    }
    tracing::warn!(%key, "a cosignature is damaged, and not used");
    let folder = key.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
    let listed = archive.store().list(folder, LISTED_MAX).await;
    let listed = listed.map_err(|source| store_error("listing cosignatures", source))?;
    let is_beside = |it: &&ObjectKey| it.is_beside_cosignature(&key);
    let keys = listed.iter().map(|it| &it.key).filter(is_beside);
    for beside in keys.take(BESIDE_TRIED_MAX) {
        let Some(bytes) = read_object(archive, beside).await? else { continue };
        let parsed = self::parsed(archive, &bytes, expected, witness).await?;
        if parsed.is_some() {
            return Ok(parsed);
        }
    }
    Ok(None)
}

/// Reads an object that may be a cosignature; one that is too large is none.
async fn read_object(archive: &Archive, key: &ObjectKey) -> Result<Option<Bytes>, CustodyError> {
    match archive.store().read_optional(key, CHECKPOINT_BYTES_MAX as u64).await {
        Err(StoreError::TooLarge { .. } | StoreError::NotAnObject { .. }) => Ok(Some(Bytes::new())),
        read => read.map_err(|source| store_error("reading a cosignature", source)),
    }
}

/// Parses the cosignature of a witness on a checkpoint; nothing if it is none.
async fn parsed(
    archive: &Archive,
    bytes: &[u8],
    expected: &Checkpoint,
    witness: &VerifierKey,
) -> Result<Option<(SignedNote, Vec<CosignedAt>)>, CustodyError> {
    let log = known_key(archive, bytes).await?;
    let parsed = parse_cosigned_checkpoint(bytes, &log, std::slice::from_ref(witness));
    let (Ok((checkpoint, times)), Ok(note)) = (parsed, SignedNote::parse(bytes)) else {
        return Ok(None);
    };
    Ok((checkpoint == *expected).then_some((note, times)))
}

/// Lists the sizes of the checkpoints that somebody cosigned, the newest first, as far as the store
/// lists them.
///
/// # Errors
///
/// [`CustodyError::Store`] if the store did not answer.
pub async fn list_cosigned_sizes(archive: &Archive) -> Result<Vec<u64>, CustodyError> {
    list_sizes(archive, archive.generation()).await
}

async fn list_sizes(archive: &Archive, generation: u64) -> Result<Vec<u64>, CustodyError> {
    let folder = ObjectKey::cosignatures(generation);
    let listed = archive.store().list(folder.as_str(), LISTED_MAX).await;
    let listed = listed.map_err(|source| store_error("listing cosignatures", source))?;
    let size_of = |key: &ObjectKey| {
        let below = key.as_str().strip_prefix(folder.as_str())?.strip_prefix('/')?;
        below.split('/').next()?.parse::<u64>().ok()
    };
    let mut sizes: Vec<u64> = listed.iter().filter_map(|it| size_of(&it.key)).collect();
    sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
    sizes.dedup();
    Ok(sizes)
}

impl ReceiptLog {
    /// Returns what the log states at a size, if it has so many entries.
    pub fn checkpoint_at(&self, size: u64) -> Option<Checkpoint> {
        let root = self.root_at(size)?;
        Some(Checkpoint { origin: self.checkpoint().origin.clone(), size, root })
    }

    /// Looks for the newest checkpoint from `size_min` on, up to the published one, that some of
    /// these witnesses cosigned.
    ///
    /// # Errors
    ///
    /// [`CustodyError::Store`] if the store did not answer.
    pub async fn newest_cosigned(
        &self,
        archive: &Archive,
        size_min: u64,
        witnesses: &[VerifierKey],
    ) -> Result<Option<CosignedCheckpoint>, CustodyError> {
        if witnesses.is_empty() {
            return Ok(None);
        }
        let published = self.checkpoint();
        if let Some(found) = read_cosignatures(archive, published, witnesses).await? {
            return Ok(Some(found));
        }
        let sizes = list_sizes(archive, self.generation()).await?.into_iter();
        let sizes = sizes.filter(|size| (size_min..published.size).contains(size));
        for size in sizes.take(SIZES_TRIED_MAX) {
            let Some(checkpoint) = self.checkpoint_at(size) else { continue };
            if let Some(found) = read_cosignatures(archive, &checkpoint, witnesses).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Gives a receipt the newest checkpoint that some of these witnesses cosigned and that covers
    /// all of it, and proves its entries under that; without one it stays as it is.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError`] if the store did not answer, or the receipt is none of this log.
    pub async fn add_cosignatures(
        &self,
        archive: &Archive,
        receipt: &mut Receipt,
        witnesses: &[VerifierKey],
    ) -> Result<(), GiveReceiptError> {
        let log = self.behind(receipt);
        let newest = log.generation();
        let lines = receipt.lines().filter(|line| line.log == newest);
        let size_min = lines.map(|line| line.index + 1).max().unwrap_or(0);
        let found = log.newest_cosigned(archive, size_min, witnesses).await?;
        let Some(found) = found else { return Ok(()) };
        log.prove_under(receipt, (found.to_text(), found.checkpoint.size))?;
        receipt.witnesses = found.witnesses.iter().map(|(key, _)| key.to_string()).collect();
        Ok(())
    }
}

/// Returns the key of the log that must have signed a checkpoint.
async fn known_key(archive: &Archive, note: &[u8]) -> Result<VerifierKey, CustodyError> {
    Ok(archive.key_of(note).await?)
}

/// Returns the generation of the log that a checkpoint is of; that of the newest if of none.
fn generation_of(archive: &Archive, checkpoint: &Checkpoint) -> u64 {
    let newest = archive.generation();
    let is_of = |it: &u64| archive.description().origin_of(*it) == checkpoint.origin;
    (1..=newest).find(is_of).unwrap_or(newest)
}

fn key_of(generation: u64, size: u64, witness: &VerifierKey) -> ObjectKey {
    let witness = Sha256Digest::of(witness.to_string().as_bytes());
    ObjectKey::cosignature(generation, size, witness)
}

fn store_error(doing: &'static str, source: StoreError) -> CustodyError {
    CustodyError::Store { doing, source }
}
