//! One version as the index knows it, and its 144 bytes in a run.

use std::collections::HashMap;

use sigillo_model::{Blake3Digest, DocumentId, Sha256Digest, VersionId};

use crate::shape::VERSION_BYTES;

/// One version as the index knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IndexedVersion {
    /// Digest of the producer's key, `DocumentKey::digest`.
    pub key: Sha256Digest,
    /// Digest of what the producer stated, `Record::sameness`.
    pub sameness: Sha256Digest,
    /// The version.
    pub version: VersionId,
    /// Its document.
    pub document: DocumentId,
    /// Its number among the versions of the document, from 1.
    pub number: u32,
    /// The commit that added it.
    pub commit: u64,
    /// Its place among the leaves of its batch, from 0.
    pub leaf: u32,
    /// Where its record lies.
    pub record: RecordPlace,
}

/// Where a record lies. Only a hint: what is read there must prove itself by its version id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordPlace {
    /// The pack.
    pub pack: Blake3Digest,
    /// Where the bytes of the record begin in the pack.
    pub offset: u64,
    /// Their number.
    pub size_bytes: u32,
}

pub(crate) type VersionBytes = [u8; VERSION_BYTES];

const PACK_AT: usize = 128;

/// Versions as a run holds them, in its order.
pub(crate) struct Encoded {
    pub(crate) versions: Vec<VersionBytes>,
    pub(crate) packs: Vec<Blake3Digest>,
}

/// Encodes versions and sorts them by key; packs are numbered as they appear.
pub(crate) fn encode(versions: &[IndexedVersion]) -> Encoded {
    let mut numbers = HashMap::new();
    let mut encoded = Encoded { versions: Vec::with_capacity(versions.len()), packs: Vec::new() };
    for version in versions {
        let number = *numbers.entry(version.record.pack).or_insert_with(|| {
            encoded.packs.push(version.record.pack);
            u32::try_from(encoded.packs.len() - 1).expect("a run has at most 4 million versions")
        });
        encoded.versions.push(encode_one(version, number));
    }
    encoded.versions.sort_unstable();
    encoded
}

fn encode_one(version: &IndexedVersion, pack_number: u32) -> VersionBytes {
    let mut bytes = [0; VERSION_BYTES];
    bytes[..32].copy_from_slice(version.key.as_bytes());
    bytes[32..64].copy_from_slice(version.sameness.as_bytes());
    bytes[64..96].copy_from_slice(version.version.as_bytes());
    bytes[96..112].copy_from_slice(version.document.as_bytes());
    bytes[112..116].copy_from_slice(&version.number.to_be_bytes());
    bytes[116..124].copy_from_slice(&version.commit.to_be_bytes());
    bytes[124..128].copy_from_slice(&version.leaf.to_be_bytes());
    bytes[PACK_AT..132].copy_from_slice(&pack_number.to_be_bytes());
    bytes[132..140].copy_from_slice(&version.record.offset.to_be_bytes());
    bytes[140..].copy_from_slice(&version.record.size_bytes.to_be_bytes());
    bytes
}

/// Reads a version whose pack is known.
pub(crate) fn decode(bytes: &VersionBytes, pack: Blake3Digest) -> IndexedVersion {
    IndexedVersion {
        key: key_of(bytes),
        sameness: Sha256Digest::from_bytes(part(bytes, 32)),
        version: VersionId::from_bytes(part(bytes, 64)),
        document: document_of(bytes),
        number: u32::from_be_bytes(part(bytes, 112)),
        commit: commit_of(bytes),
        leaf: u32::from_be_bytes(part(bytes, 124)),
        record: RecordPlace {
            pack,
            offset: u64::from_be_bytes(part(bytes, 132)),
            size_bytes: u32::from_be_bytes(part(bytes, 140)),
        },
    }
}

pub(crate) fn key_of(bytes: &VersionBytes) -> Sha256Digest {
    Sha256Digest::from_bytes(part(bytes, 0))
}

pub(crate) fn document_of(bytes: &VersionBytes) -> DocumentId {
    DocumentId::from_bytes(part(bytes, 96))
}

pub(crate) fn commit_of(bytes: &VersionBytes) -> u64 {
    u64::from_be_bytes(part(bytes, 116))
}

pub(crate) fn pack_number_of(bytes: &VersionBytes) -> u32 {
    u32::from_be_bytes(part(bytes, PACK_AT))
}

/// Replaces the number of the pack, which is another one in a merged run.
pub(crate) fn set_pack_number(bytes: &mut VersionBytes, number: u32) {
    bytes[PACK_AT..PACK_AT + 4].copy_from_slice(&number.to_be_bytes());
}

/// Returns what finds a version by its document: the first eight bytes of the document's
/// id and of the key.
pub(crate) fn reference_of(bytes: &VersionBytes) -> [u8; 16] {
    let mut reference = [0; 16];
    reference[..8].copy_from_slice(&bytes[96..104]);
    reference[8..].copy_from_slice(&bytes[..8]);
    reference
}

fn part<const N: usize>(bytes: &VersionBytes, at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}
