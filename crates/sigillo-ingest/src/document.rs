//! What is known of one document once it was read, and whether it is new.

use sigillo_catalogue::{IndexError, IndexedVersion, tables::RowDraft};
use sigillo_ers::version_id;
use sigillo_formats::identify;
use sigillo_model::{
    DESCRIPTION_MEMBERS_MAX, Description, DocumentId, DocumentKey, FileEntry, LogTime, Operation,
    RECORD_BYTES_MAX, Record, RecordKind, SALT_BYTES, Sha256Digest, Sha512Digest, VersionId,
    encode_name, salt_text,
};
use sigillo_store::pack::Extension;

use crate::{
    Refusal, RefusalCode,
    aggregations::{EntryError, closed_to},
    difference::in_words,
    shared::Shared,
    unit::{UNIT_FILES_MAX, Unit, name_of},
};

/// Secret and fresh bytes of one document.
pub(crate) const FRESH_BYTES: usize = SALT_BYTES + DocumentId::LENGTH_BYTES;

/// A document that is to be archived: its record, and what it rests on.
#[derive(Debug)]
pub(crate) struct Drafted {
    pub(crate) version: VersionId,
    pub(crate) record: Vec<u8>,
    pub(crate) identity: Identity,
    /// What the catalogue keeps of it.
    pub(crate) row: RowDraft,
}

/// What a version is by its producer's key, before it has a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) key: Sha256Digest,
    pub(crate) sameness: Sha256Digest,
    pub(crate) document: DocumentId,
    pub(crate) number: u32,
    /// The newest version of the key when this was decided: it must still be the newest when the
    /// batch is committed.
    pub(crate) base: Option<VersionId>,
}

/// What became of a document that was read.
#[derive(Debug)]
pub(crate) enum Decided {
    New(Box<Drafted>),
    Already(IndexedVersion),
}

/// Why a document goes no further.
#[derive(Debug)]
pub(crate) enum Hindrance {
    /// It is refused.
    Refused(Refusal),
    /// The index failed, and with it the whole ingest.
    Index(IndexError),
}

impl From<Refusal> for Hindrance {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is known of a document before its files are read.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) key: DocumentKey,
    digest: Sha256Digest,
    /// The versions that the archive has of it, the newest first.
    versions: Vec<IndexedVersion>,
    /// The record of the newest, where the operation builds on it.
    before: Option<Record>,
}

impl Prepared {
    /// Looks a document up, and refuses an operation that cannot be done.
    pub(crate) fn look_up(shared: &Shared, unit: &Unit) -> Result<Self, Hindrance> {
        if unit.others.len() >= UNIT_FILES_MAX {
            let refusal = Refusal::new(RefusalCode::RecordTooLarge, unit.name());
            return Err(refusal.because(format!("more than {UNIT_FILES_MAX} files")).into());
        }
        let key = unit.key(&shared.source.name);
        let digest = key.digest();
        let versions = shared.index.versions(digest).map_err(Hindrance::Index)?;
        let operation = unit.stated.as_ref().and_then(|stated| stated.operation);
        let mut prepared = Self { key, digest, versions, before: None };
        let builds_on = matches!(
            operation,
            Some(Operation::NewVersion | Operation::AddedFile | Operation::CorrectedMetadata)
        );
        match prepared.versions.first() {
            None if builds_on => {
                let refusal = Refusal::new(RefusalCode::UnknownDocument, unit.name());
                return Err(refusal.because(&prepared.key).into());
            }
            Some(newest) if builds_on && operation != Some(Operation::NewVersion) => {
                let before = shared.previous.record(newest).map_err(|error| {
                    Refusal::new(RefusalCode::PreviousUnreadable, unit.name()).because(error.0)
                })?;
                prepared.before = Some(before);
            }
            _ => {}
        }
        if prepared.versions.is_empty() {
            // It cannot be there already, so nothing need be read to see that it may not come.
            refuse_closed(shared, unit, None)?;
        }
        Ok(prepared)
    }

    /// Tells whether the archive may have the same document already, by all that is known before
    /// its files are read.
    pub(crate) fn can_be_the_same(&self) -> bool {
        !self.versions.is_empty() && self.before.is_none()
    }

    /// Returns the version that is the same as the unit with these files.
    pub(crate) fn same_as(&self, unit: &Unit, files: Vec<FileEntry>) -> Option<IndexedVersion> {
        let newest = self.versions.first()?;
        let record = Record {
            description: description_of(unit),
            document: newest.document,
            files,
            format: 1,
            key: self.key.clone(),
            kind: RecordKind::Document,
            operation: Operation::New,
            received_at: LogTime::new(jiff::Timestamp::UNIX_EPOCH),
            salt: String::new(),
            supersedes: None,
            version: 1,
        };
        let sameness = record.sameness();
        self.versions.iter().find(|known| known.sameness == sameness).copied()
    }

    /// Returns the position of the first file that comes with the unit, from 1.
    pub(crate) fn first_position(&self) -> u32 {
        let before = self.before.as_ref().map_or(0, |before| before.files.len());
        u32::try_from(before).unwrap_or(u32::MAX - 1) + 1
    }

    /// Writes the record of a document whose files were read, and decides by its key, what it says
    /// and what it holds whether it is new.
    pub(crate) fn decide(
        self,
        shared: &Shared,
        unit: &Unit,
        files: Vec<FileEntry>,
        fresh: &[u8; FRESH_BYTES],
    ) -> Result<Decided, Hindrance> {
        let (mut salt, mut document) = ([0; SALT_BYTES], [0; DocumentId::LENGTH_BYTES]);
        salt.copy_from_slice(&fresh[..SALT_BYTES]);
        document.copy_from_slice(&fresh[SALT_BYTES..]);
        let operation = unit.stated.as_deref().and_then(|stated| stated.operation);
        let newest = self.versions.first();
        let mut record = Record {
            description: description_of(unit),
            document: newest.map_or(DocumentId::from_bytes(document), |newest| newest.document),
            files,
            format: 1,
            key: self.key,
            kind: RecordKind::Document,
            operation: operation.unwrap_or(Operation::New),
            received_at: shared.received_at,
            salt: salt_text(&salt),
            supersedes: newest.map(|newest| newest.version),
            version: newest.map_or(0, |newest| newest.number).saturating_add(1),
        };
        if let (Some(before), Some(newest)) = (self.before, newest)
            && let Some(same) = build_on(&mut record, before, (newest, unit))?
        {
            return Ok(Decided::Already(same));
        }
        let sameness = record.sameness();
        // A correction may well say again what an earlier version said.
        let corrects = record.operation == Operation::CorrectedMetadata;
        let mut known = self.versions.iter().take(if corrects { 1 } else { usize::MAX });
        if let Some(same) = known.find(|known| known.sameness == sameness) {
            return Ok(Decided::Already(*same));
        }
        if newest.is_some() {
            refuse_closed(shared, unit, newest)?;
        }
        if let (Operation::New, Some(newest)) = (record.operation, newest) {
            if !shared.options.new_versions {
                let refusal = Refusal::new(RefusalCode::KeyExists, unit.name());
                return Err(refusal.because(in_words(shared, newest, &record)).into());
            }
            record.operation = Operation::NewVersion;
        }
        if record.description.metadata.len() > DESCRIPTION_MEMBERS_MAX {
            let detail =
                format!("more than {DESCRIPTION_MEMBERS_MAX} members of the producer's own");
            let refusal = Refusal::new(RefusalCode::RecordTooLarge, unit.name());
            return Err(refusal.because(detail).into());
        }
        let bytes = record.to_json();
        if bytes.len() as u64 > RECORD_BYTES_MAX {
            let detail = format!("{} bytes", bytes.len());
            let refusal = Refusal::new(RefusalCode::RecordTooLarge, unit.name());
            return Err(refusal.because(detail).into());
        }
        let digests: Vec<_> = record.files.iter().map(|file| file.sha256).collect();
        let version = version_id(Sha256Digest::of(&bytes), &digests);
        let identity = Identity {
            key: self.digest,
            sameness,
            document: record.document,
            number: record.version,
            base: newest.map(|newest| newest.version),
        };
        let row = RowDraft::new(version, &record);
        Ok(Decided::New(Box::new(Drafted { version, record: bytes, identity, row })))
    }
}

/// Refuses a document that would enter a closed aggregation.
fn refuse_closed(
    shared: &Shared,
    unit: &Unit,
    newest: Option<&IndexedVersion>,
) -> Result<(), Hindrance> {
    let refuse = |code| Refusal::new(code, unit.name());
    match closed_to((&shared.index, &shared.previous), unit, newest) {
        Ok(None) => Ok(()),
        Ok(Some(key)) => Err(refuse(RefusalCode::AggregationClosed).because(&key).into()),
        Err(EntryError::Index(error)) => Err(Hindrance::Index(error)),
        Err(EntryError::Unreadable(error)) => {
            Err(refuse(RefusalCode::PreviousUnreadable).because(error.0).into())
        }
    }
}

fn description_of(unit: &Unit) -> Description {
    unit.stated.as_deref().map_or_else(Description::default, |it| it.description.clone())
}

/// Puts what came onto what the version before has; returns it if that changes nothing. A file that
/// is there already does not come a second time.
fn build_on(
    record: &mut Record,
    before: Record,
    (newest, unit): (&IndexedVersion, &Unit),
) -> Result<Option<IndexedVersion>, Refusal> {
    let mut files = before.files;
    let is_there = |file: &FileEntry| {
        files
            .iter()
            .any(|it| (&it.name, &it.role, it.sha256) == (&file.name, &file.role, file.sha256))
    };
    let stated = std::mem::take(&mut record.description);
    record.description = corrected(before.description.clone(), stated);
    if record.operation == Operation::AddedFile
        && let Some(there) = record.files.iter().find(|file| is_there(file))
    {
        if record.files.iter().all(is_there) && record.description == before.description {
            return Ok(Some(*newest));
        }
        let refusal = Refusal::new(RefusalCode::FileExists, unit.name());
        return Err(refusal.because(&there.name));
    }
    for file in &mut files {
        file.stored_in.get_or_insert(newest.version);
    }
    files.append(&mut record.files);
    record.files = files;
    Ok(None)
}

/// Puts what is stated in the place of what was said before; what is not stated stays.
fn corrected(before: Description, stated: Description) -> Description {
    let mut metadata = before.metadata;
    metadata.extend(stated.metadata);
    let says_names = !stated.aggregations.is_empty();
    Description {
        aggregations: if says_names { stated.aggregations } else { before.aggregations },
        class: stated.class.or(before.class),
        closed_on: stated.closed_on.or(before.closed_on),
        date: stated.date.or(before.date),
        document_type: stated.document_type.or(before.document_type),
        metadata,
        series: stated.series.or(before.series),
        stated_retention: stated.stated_retention.or(before.stated_retention),
        subject: stated.subject.or(before.subject),
    }
}

/// Describes a file that was read; `head` are its first bytes.
pub(crate) fn file_entry(
    path: &[u8],
    role: &str,
    (sha256, sha512, size): (Sha256Digest, Option<Sha512Digest>, u64),
    head: &[u8],
) -> FileEntry {
    let format = identify(head);
    FileEntry {
        media_type: format.map(|it| it.media_type.to_owned()),
        name: encode_name(name_of(path)),
        puid: format.and_then(|it| it.puid).map(str::to_owned),
        role: role.to_owned(),
        sha256,
        size,
        sha512,
        stored_in: None,
    }
}

/// Returns the extension that a file shows in its pack.
pub(crate) fn extension_of(path: &[u8]) -> Option<Extension> {
    Extension::from_file_name(std::str::from_utf8(name_of(path)).ok()?)
}
