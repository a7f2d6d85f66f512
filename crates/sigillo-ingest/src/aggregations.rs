//! Aggregations (fascicoli, serie): records of their own kind, versioned, open or closed, made
//! from what the documents of a submission say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use jiff::civil::Date;

use sigillo_catalogue::{IndexError, IndexedVersion, KeyIndex, tables::RowDraft};
use sigillo_ers::version_id;
use sigillo_model::{
    Description, DocumentId, DocumentKey, FileEntry, Operation, Record, RecordKind, SALT_BYTES,
    Sha256Digest, parse_json, salt_text, to_canonical,
};
use sigillo_store::{
    PackSink,
    pack::{PackError, PackWriter},
};

use crate::{
    Note, NoteCode,
    document::{Drafted, Identity},
    pack_thread::FinishedBatch,
    previous::{Previous, Unreadable},
    segment::{SEGMENT_BYTES, Segment},
    shared::Shared,
    unit::Unit,
};

/// No aggregation has more members.
pub(crate) const MEMBERS_MAX: usize = 1_000_000;

/// Its list has at most this many bytes: 35 for each member.
const MEMBERS_BYTES_MAX: u64 = 35 * MEMBERS_MAX as u64 + 2;

/// Which documents a submission brings to which aggregations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(BTreeMap<DocumentKey, Joining>);

#[derive(Clone, Debug, Default)]
struct Joining {
    documents: BTreeSet<DocumentId>,
    closed_on: Option<Date>,
}

impl Members {
    /// Adds a document to the aggregations that its unit names.
    pub(crate) fn add(&mut self, unit: &Unit, document: DocumentId) {
        for key in unit.aggregations() {
            let joining = self.0.entry(key).or_default();
            joining.documents.insert(document);
            joining.closed_on =
                joining.closed_on.or(unit.stated.as_ref().and_then(|stated| stated.closes_on));
        }
    }

    /// Adds what others brought.
    pub(crate) fn extend(&mut self, others: Self) {
        for (key, other) in others.0 {
            let joining = self.0.entry(key).or_default();
            joining.documents.extend(other.documents);
            joining.closed_on = joining.closed_on.or(other.closed_on);
        }
    }
}

/// Why it cannot be told whether a document may enter its aggregations.
#[derive(Debug)]
pub(crate) enum EntryError {
    Index(IndexError),
    Unreadable(Unreadable),
}

/// Returns the first aggregation that is closed and that a document would enter: one that the
/// newest version of the document, if there is any, is not in. Every call may block.
///
/// # Errors
///
/// [`EntryError`] if the index fails, or a record that it knows cannot be read.
pub(crate) fn closed_to(
    (index, previous): (&KeyIndex, &Previous),
    unit: &Unit,
    newest: Option<&IndexedVersion>,
) -> Result<Option<DocumentKey>, EntryError> {
    for key in unit.aggregations() {
        let DocumentKey::Aggregation { aggregation, .. } = &key else { continue };
        let known = index.lookup(key.digest()).map_err(EntryError::Index)?;
        let Some(known) = known else { continue };
        if !previous.is_closed(&known).map_err(EntryError::Unreadable)? {
            continue;
        }
        let before = newest.map(|newest| previous.record(newest)).transpose();
        let before = before.map_err(EntryError::Unreadable)?;
        if !before.is_some_and(|it| it.description.aggregations.contains(aggregation)) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Why aggregations cannot be written now.
#[derive(Debug)]
pub(crate) enum AggregationError {
    Index(IndexError),
    Pack(PackError),
}

/// Writes a new version of every aggregation that changes into one pack; nothing if none does.
/// Every call may block.
///
/// # Errors
///
/// [`AggregationError`] if the index or the pack fails; what cannot be read is noted, and left.
pub(crate) fn pack_aggregations(
    shared: &Shared,
    sink: &dyn PackSink,
    members: &Members,
) -> Result<Option<FinishedBatch>, AggregationError> {
    let epoch = shared.epoch.load(Ordering::SeqCst);
    let mut nonce = [0; 16];
    shared.entropy.fill(&mut nonce);
    let mut pack: Option<PackWriter> = None;
    let mut documents = Vec::new();
    let mut segment = Segment::default();
    for (key, joining) in &members.0 {
        let newest = shared.index.lookup(key.digest()).map_err(AggregationError::Index)?;
        match next_version(shared, key, joining, newest.as_ref()) {
            Ok(None) => continue,
            Ok(Some((list, drafted))) => segment.add_bytes(&list, "json", drafted),
            Err(text) => {
                let path = key.to_string();
                shared.note(Note { code: NoteCode::AggregationLeft, path, text });
                continue;
            }
        }
        if segment.bytes().len() >= SEGMENT_BYTES {
            let full = std::mem::take(&mut segment);
            add(&mut pack, sink, nonce, full, &mut documents).map_err(AggregationError::Pack)?;
        }
    }
    if !segment.is_empty() {
        add(&mut pack, sink, nonce, segment, &mut documents).map_err(AggregationError::Pack)?;
    }
    let Some(pack) = pack else { return Ok(None) };
    let closed = pack.finish().map_err(AggregationError::Pack)?;
    Ok(Some(FinishedBatch { packs: vec![(closed, documents)], epoch, ..FinishedBatch::default() }))
}

fn add(
    pack: &mut Option<PackWriter>,
    sink: &dyn PackSink,
    nonce: [u8; 16],
    mut segment: Segment,
    documents: &mut Vec<crate::segment::PlacedDocument>,
) -> Result<(), PackError> {
    let pack = match pack {
        Some(pack) => pack,
        None => pack.insert(PackWriter::begin(sink, nonce, None)?),
    };
    let offset = pack.next_offset();
    pack.add_segment(segment.bytes(), &segment.entries)?;
    for mut document in std::mem::take(&mut segment.documents) {
        document.record_offset += offset;
        documents.push(document);
    }
    Ok(())
}

/// Returns the list and the record of the next version of an aggregation, or nothing if it does
/// not change; says in words why it cannot be told.
fn next_version(
    shared: &Shared,
    key: &DocumentKey,
    joining: &Joining,
    newest: Option<&IndexedVersion>,
) -> Result<Option<(Vec<u8>, Drafted)>, String> {
    let mut documents = joining.documents.clone();
    let mut description = Description::default();
    if let Some(newest) = newest {
        let before = shared.previous.record(newest).map_err(|error| error.0)?;
        let list = shared.previous.only_file(newest, &before, MEMBERS_BYTES_MAX);
        let list: Vec<DocumentId> = parse_json(&list.map_err(|error| error.0)?)
            .map_err(|error| format!("its list of members cannot be read: {error}"))?;
        documents.extend(list);
        description = before.description;
    }
    if documents.len() > MEMBERS_MAX {
        return Err(format!("it would have more than {MEMBERS_MAX} members"));
    }
    description.closed_on = description.closed_on.or(joining.closed_on);
    let list = to_canonical(&documents);
    let drafted = draft(shared, key, &list, description, newest);
    let unchanged = newest.is_some_and(|newest| newest.sameness == drafted.identity.sameness);
    Ok((!unchanged).then_some((list, drafted)))
}

fn draft(
    shared: &Shared,
    key: &DocumentKey,
    list: &[u8],
    description: Description,
    newest: Option<&IndexedVersion>,
) -> Drafted {
    let mut salt = [0; SALT_BYTES];
    shared.entropy.fill(&mut salt);
    let file = FileEntry {
        media_type: Some("application/json".to_owned()),
        name: "members.json".to_owned(),
        puid: None,
        role: "members".to_owned(),
        sha256: Sha256Digest::of(list),
        size: list.len() as u64,
        stored_in: None,
    };
    let document = newest.map(|newest| newest.document);
    let record = Record {
        description,
        document: document.unwrap_or_else(|| DocumentId::random(&*shared.entropy)),
        files: vec![file],
        format: 1,
        key: key.clone(),
        kind: RecordKind::Aggregation,
        operation: newest.map_or(Operation::New, |_| Operation::NewVersion),
        received_at: shared.received_at,
        salt: salt_text(&salt),
        supersedes: newest.map(|newest| newest.version),
        version: newest.map_or(0, |newest| newest.number).saturating_add(1),
    };
    let identity = Identity {
        key: key.digest(),
        sameness: record.sameness(),
        document: record.document,
        number: record.version,
        base: record.supersedes,
    };
    let bytes = record.to_json();
    let version = version_id(Sha256Digest::of(&bytes), &[record.files[0].sha256]);
    let row = RowDraft::new(version, &record);
    Drafted { version, record: bytes, identity, row }
}
