//! The new leaves of the documents of one pack, for hash trees of SHA-512.

use std::{collections::HashMap, sync::Arc};

use sigillo_ers::{EvidenceTree, list_value, rehashed_group};
use sigillo_evidence_log::SealingChains;
use sigillo_model::{
    Blake3Digest, EvidenceDigest, FileEntry, Finding, FindingCode, ObjectKey, Place, Record,
    Sha256Digest, Sha256Hasher, Sha512Digest, Sha512Hasher, VersionId,
};
use sigillo_store::{
    BackendError, PackSource,
    pack::{PackEntry, PackError, Part},
};

use crate::holder::{Holders, OpenPack, given_record, held_file};

/// Files are read in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Documents of one pack.
pub(crate) struct PackWork {
    pub(crate) holders: Arc<Holders>,
    pub(crate) pack: Blake3Digest,
    /// The documents, with their places among the leaves of the batch.
    pub(crate) documents: Vec<(u32, VersionId)>,
    /// The evidence tree of the batch.
    pub(crate) tree: Arc<EvidenceTree>,
    /// The siblings from its root up to what the first time-stamp of the sealing covers.
    pub(crate) above: Arc<Vec<Sha256Digest>>,
    /// The older chain of the sealing, which has none under first time-stamps.
    pub(crate) chains: Arc<SealingChains>,
    /// The packs of earlier versions that hold files of these; not known yet the first time.
    pub(crate) held: Option<Arc<HashMap<VersionId, Blake3Digest>>>,
}

/// The new leaves of documents of one pack.
#[derive(Debug, Default)]
pub(crate) struct PackLeaves {
    /// The leaves, with their places.
    pub(crate) leaves: Vec<(u32, Sha512Digest)>,
    /// Documents that have to wait: earlier versions hold files of theirs.
    pub(crate) waiting: Vec<(u32, VersionId)>,
    /// Those versions.
    pub(crate) wanted: Vec<VersionId>,
    /// Why others are left out.
    pub(crate) findings: Vec<Finding>,
    /// How much content was read.
    pub(crate) content_bytes: u64,
}

/// Why the digests of a document cannot be had.
pub(crate) enum Without {
    /// Earlier versions hold files of it.
    Waits(Vec<VersionId>),
    /// It is known not to be there as it was archived: what is damaged, and how.
    Damaged(FindingCode, String),
    /// The store did not give it, and may give it later.
    Pack(PackError),
}

impl From<PackError> for Without {
    fn from(error: PackError) -> Self {
        let missing = |what: &str| Self::Damaged(FindingCode::PackMissing, what.to_owned());
        match error {
            PackError::Store { source: BackendError::NotFound, .. } => {
                missing("the pack is not in the store")
            }
            PackError::Store { source: BackendError::NotAnObject, .. } => {
                missing("something that is not a regular file is in the place of the pack")
            }
            PackError::Store { .. } => Self::Pack(error),
            error => Self::Damaged(FindingCode::PackDirectory, error.to_string()),
        }
    }
}

/// Computes the new leaves of documents; what is known not to be there as it was archived is left out.
///
/// A file whose second digest is in the record is not read.
///
/// # Errors
///
/// [`PackError::Store`] if the store did not give something, which it may give later: then nothing is left
/// out for it.
pub(crate) fn rehash_pack(work: &PackWork) -> Result<PackLeaves, PackError> {
    let mut made = PackLeaves::default();
    let key = ObjectKey::pack(work.pack);
    let open = match work.holders.pack(work.pack).map_err(Without::from) {
        Ok(open) => open,
        Err(Without::Damaged(code, what)) => {
            let count = work.documents.len();
            let message = format!("{count} documents in it are left out of the hash trees: {what}");
            made.findings.push(Finding::new(code, key, message));
            return Ok(made);
        }
        Err(Without::Pack(error)) => return Err(error),
        // A pack waits for no other.
        Err(Without::Waits(_)) => return Ok(made),
    };
    for (place, version) in &work.documents {
        match work.leaf(&open, (*place, *version), &mut made.content_bytes) {
            Ok(leaf) => made.leaves.push((*place, leaf)),
            Err(Without::Waits(wanted)) => {
                made.waiting.push((*place, *version));
                made.wanted.extend(wanted);
            }
            Err(Without::Damaged(code, what)) => {
                let message = format!("a document is left out of the hash trees: {what}");
                let at = Place { version: Some(version.to_string()), ..Place::default() };
                made.findings.push(Finding::new(code, &key, message).at(at));
            }
            Err(Without::Pack(error)) => return Err(error),
        }
    }
    Ok(made)
}

impl PackWork {
    /// Computes the new leaf of a document: the value of record and files, joined with their older chain if
    /// they have one.
    fn leaf(
        &self,
        open: &OpenPack,
        (place, version): (u32, VersionId),
        content_bytes: &mut u64,
    ) -> Result<Sha512Digest, Without> {
        let damaged = |what: &str| Without::Damaged(FindingCode::RecordDamaged, what.to_owned());
        let reader = DigestReader { holders: &self.holders, held: self.held.as_deref() };
        let digests = reader.read(open, version, content_bytes)?;
        if self.chains.count() == 0 {
            return list_value(&digests.sha512).ok_or_else(|| damaged("it has no digests"));
        }
        let tree_path = usize::try_from(place).ok().and_then(|place| self.tree.path(place));
        let mut path = tree_path.ok_or_else(|| damaged("it has no place in its batch"))?;
        path.extend(self.above.iter());
        let path: Vec<EvidenceDigest> = path.into_iter().map(Into::into).collect();
        let group = digests.sha256.iter().map(|digest| digest.as_bytes().to_vec()).collect();
        let stamps = self.chains.stamps(0, &path);
        let stamps = stamps.ok_or_else(|| damaged("its sealing has no time-stamp"))?;
        let group = rehashed_group(&digests.sha512, &[&stamps.write(vec![group])]);
        list_value(&group).ok_or_else(|| damaged("it has no record"))
    }
}

/// The digests of a document: of its record, then of its files in order.
pub(crate) struct DocumentDigests {
    sha256: Vec<Sha256Digest>,
    pub(crate) sha512: Vec<Sha512Digest>,
}

/// Reads the digests of documents.
pub(crate) struct DigestReader<'a> {
    pub(crate) holders: &'a Holders,
    /// The packs of earlier versions that hold files of later ones; not known yet the first time.
    pub(crate) held: Option<&'a HashMap<VersionId, Blake3Digest>>,
}

impl DigestReader<'_> {
    /// Reads the digests of a document, and its content where its record does not state both.
    pub(crate) fn read(
        &self,
        open: &OpenPack,
        version: VersionId,
        content_bytes: &mut u64,
    ) -> Result<DocumentDigests, Without> {
        let entries = open.entries(version);
        let lost = || {
            let what = "its record is not there as it was".to_owned();
            Without::Damaged(FindingCode::RecordDamaged, what)
        };
        let (record, bytes) = given_record(&*open.source, version, entries)?.ok_or_else(lost)?;
        self.await_earlier(&record)?;
        let mut digests = DocumentDigests {
            sha256: vec![Sha256Digest::of(&bytes)],
            sha512: vec![Sha512Digest::of(&bytes)],
        };
        for (position, file) in (1..).zip(&record.files) {
            digests.sha256.push(file.sha256);
            digests.sha512.push(match file.sha512 {
                Some(stated) => stated,
                None => self.read_file(open, &record, (position, file), entries, content_bytes)?,
            });
        }
        Ok(digests)
    }

    /// Says which earlier versions have to be found first, if that is not done yet.
    fn await_earlier(&self, record: &Record) -> Result<(), Without> {
        let unstated = record.files.iter().filter(|file| file.sha512.is_none());
        let wanted: Vec<_> = unstated.filter_map(|file| file.stored_in).collect();
        if wanted.is_empty() || self.held.is_some() { Ok(()) } else { Err(Without::Waits(wanted)) }
    }

    /// Reads a file, wherever it lies, and returns its second digest.
    fn read_file(
        &self,
        open: &OpenPack,
        record: &Record,
        (position, file): (u32, &FileEntry),
        entries: &[PackEntry],
        content_bytes: &mut u64,
    ) -> Result<Sha512Digest, Without> {
        let lost = || {
            let what = format!("file {position} of it is not in its pack");
            Without::Damaged(FindingCode::FileDamaged, what)
        };
        let Some(version) = file.stored_in else {
            let entry = entries.iter().find(|entry| {
                matches!(entry.part, Part::File { position: found, .. } if found == position)
            });
            let entry = entry.ok_or_else(lost)?;
            return hash_file(&*open.source, entry, (position, file), content_bytes);
        };
        let pack = self.held.and_then(|held| held.get(&version)).ok_or_else(lost)?;
        let holder = self.holders.pack(*pack)?;
        let entries = holder.entries(version);
        let (held, _) = given_record(&*holder.source, version, entries)?.ok_or_else(lost)?;
        let facts = (file.sha256, file.size);
        let entry = held_file(&held, entries, record.document, facts).map_err(|what| {
            let what = format!("file {position} lies in version {version}, {what}");
            Without::Damaged(FindingCode::EarlierFileDamaged, what)
        })?;
        hash_file(&*holder.source, &entry, (position, file), content_bytes)
    }
}

/// Reads a file, which must be the one that its record states, and returns its second digest.
fn hash_file(
    source: &dyn PackSource,
    entry: &PackEntry,
    (position, file): (u32, &FileEntry),
    content_bytes: &mut u64,
) -> Result<Sha512Digest, Without> {
    let other = || {
        let what = format!("file {position} of it does not have the digest of its record");
        Without::Damaged(FindingCode::FileDamaged, what)
    };
    if entry.size_bytes != file.size {
        return Err(other());
    }
    let (mut sha256, mut sha512) = (Sha256Hasher::default(), Sha512Hasher::default());
    let piece = usize::try_from(file.size).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
    let (mut buffer, mut offset) = (vec![0; piece], entry.data_offset);
    let end = entry.data_offset + entry.size_bytes;
    while offset < end {
        let left = usize::try_from(end - offset).unwrap_or(buffer.len());
        let bytes = &mut buffer[..left.min(piece)];
        let read = source.read_exact_at(offset, bytes);
        read.map_err(|source| PackError::Store { doing: "reading a document", source })?;
        sha256.update(bytes);
        sha512.update(bytes);
        offset += bytes.len() as u64;
    }
    *content_bytes += file.size;
    if sha256.finish() == file.sha256 { Ok(sha512.finish()) } else { Err(other()) }
}
