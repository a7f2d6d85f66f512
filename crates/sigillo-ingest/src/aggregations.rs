//! Aggregations (fascicoli, serie): records of their own kind, versioned, open or closed, made
//! from what the documents of a submission say.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::atomic::Ordering,
};

use jiff::civil::Date;

use sigillo_catalogue::{IndexError, IndexedVersion, KeyIndex, tables::RowDraft};
use sigillo_ers::version_id;
use sigillo_model::{
    Description, DocumentId, DocumentKey, FileEntry, Operation, Record, RecordKind, SALT_BYTES,
    Sha256Digest, Sha512Digest, parse_json, salt_text, to_canonical,
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
    unit::{Closing, Unit},
};

/// No aggregation has more members.
pub(crate) const MEMBERS_MAX: usize = 1_000_000;

/// Its list has at most this many bytes: 35 for each member.
const MEMBERS_BYTES_MAX: u64 = 35 * MEMBERS_MAX as u64 + 2;

/// Which documents a submission brings to which aggregations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    joining: BTreeMap<DocumentKey, Joining>,
    /// Those that are not closed by this submission: documents that may yet enter were refused.
    held_open: BTreeSet<DocumentKey>,
    /// None is closed by this submission.
    are_all_held_open: bool,
}

#[derive(Clone, Debug, Default)]
struct Joining {
    /// Some may be there twice.
    documents: Vec<DocumentId>,
    /// The day on which it was closed, as its documents say.
    closed_on: Option<Date>,
    /// What a correction says of that, which counts even if it is closed.
    correction: Option<Closing>,
}

impl Joining {
    /// Takes in a day of closing: of several the first, whatever the order in which they come.
    fn close(&mut self, day: Date) {
        self.closed_on = Some(self.closed_on.map_or(day, |other| other.min(day)));
    }
}

impl Members {
    /// Adds a document to the aggregations that its unit names.
    pub(crate) fn add(&mut self, unit: &Unit, document: DocumentId) {
        let Some(stated) = &unit.stated else { return };
        let corrects = stated.operation == Some(Operation::CorrectedMetadata);
        for key in stated.aggregations() {
            let joining = self.joining.entry(key).or_default();
            joining.documents.push(document);
            match stated.closing {
                Some(closing) if corrects => joining.correction = Some(closing),
                Some(Closing::On(day)) => joining.close(day),
                Some(Closing::Open) | None => {}
            }
        }
    }

    /// Keeps aggregations from being closed.
    pub(crate) fn hold_open(&mut self, aggregations: impl IntoIterator<Item = DocumentKey>) {
        self.held_open.extend(aggregations);
    }

    /// Keeps all aggregations from being closed.
    pub(crate) fn hold_all_open(&mut self) {
        self.are_all_held_open = true;
    }

    /// Adds what others brought.
    pub(crate) fn extend(&mut self, others: Self) {
        for (key, other) in others.joining {
            let joining = self.joining.entry(key).or_default();
            joining.documents.extend(other.documents);
            other.closed_on.into_iter().for_each(|day| joining.close(day));
            joining.correction = joining.correction.or(other.correction);
        }
        self.held_open.extend(others.held_open);
        self.are_all_held_open |= others.are_all_held_open;
    }

    /// Tells whether an aggregation is not to be closed.
    fn is_held_open(&self, key: &DocumentKey) -> bool {
        self.are_all_held_open || self.held_open.contains(key)
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

/// Writes a new version of every aggregation that changes into one pack, beginning behind a key,
/// until there are `documents_max` of them; returns it with the last key that it got to, or nothing
/// if none changes. Every call may block.
///
/// # Errors
///
/// [`AggregationError`] if the index or the pack fails; what cannot be read is noted, and left.
pub(crate) fn pack_aggregations(
    shared: &Shared,
    sink: &dyn PackSink,
    (members, behind): (&Members, Option<&DocumentKey>),
    documents_max: usize,
) -> Result<Option<(FinishedBatch, DocumentKey)>, AggregationError> {
    let epoch = shared.epoch.load(Ordering::SeqCst);
    let mut nonce = [0; 16];
    shared.entropy.fill(&mut nonce);
    let mut pack: Option<PackWriter> = None;
    let mut documents = Vec::new();
    let mut segment = Segment::default();
    let (mut count, mut reached) = (0, None);
    let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
    for (key, joining) in members.joining.range((from, Bound::Unbounded)) {
        if count == documents_max {
            break;
        }
        reached = Some(key);
        let newest = shared.index.lookup(key.digest()).map_err(AggregationError::Index)?;
        match next_version(shared, key, (joining, members.is_held_open(key)), newest.as_ref()) {
            Ok(None) => continue,
            Ok(Some((list, drafted))) => {
                segment.add_bytes(&list, "json", drafted);
                count += 1;
            }
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
    let (Some(pack), Some(reached)) = (pack, reached) else { return Ok(None) };
    let closed = pack.finish().map_err(AggregationError::Pack)?;
    let packs = vec![(closed, documents)];
    Ok(Some((FinishedBatch { packs, epoch, ..FinishedBatch::default() }, reached.clone())))
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
    (joining, is_held_open): (&Joining, bool),
    newest: Option<&IndexedVersion>,
) -> Result<Option<(Vec<u8>, Drafted)>, String> {
    let mut documents: BTreeSet<_> = joining.documents.iter().copied().collect();
    let mut description = Description::default();
    if let Some(newest) = newest {
        let before = shared.previous.record(newest).map_err(|error| error.0)?;
        let list = shared.previous.only_file(newest, &before, MEMBERS_BYTES_MAX);
        let list: Vec<DocumentId> = parse_json(&list.map_err(|error| error.0)?)
            .map_err(|error| format!("its list of members cannot be read: {error}"))?;
        let before_count = list.len();
        documents.extend(list);
        description = before.description;
        if let Some(day) = description.closed_on.filter(|_| documents.len() > before_count) {
            note_late(shared, key, day, documents.len() - before_count);
        }
    }
    if documents.len() > MEMBERS_MAX {
        return Err(format!("it would have more than {MEMBERS_MAX} members"));
    }
    description.closed_on = closed_on(shared, key, (joining, is_held_open), description.closed_on);
    let list = to_canonical(&documents);
    let drafted = draft(shared, key, &list, description, newest);
    let unchanged = newest.is_some_and(|newest| newest.sameness == drafted.identity.sameness);
    Ok((!unchanged).then_some((list, drafted)))
}

/// Tells of documents that were archived as members while somebody else closed their aggregation.
fn note_late(shared: &Shared, key: &DocumentKey, day: Date, documents: usize) {
    let text = format!(
        "it was closed on {day} by somebody else while {documents} of its documents were on their \
         way; they are members all the same"
    );
    shared.note(Note { code: NoteCode::EnteredClosed, path: key.to_string(), text });
}

/// Returns the day on which an aggregation is closed from now on, if it is; `before` is that of its
/// newest version. What is stated and not followed is noted.
fn closed_on(
    shared: &Shared,
    key: &DocumentKey,
    (joining, is_held_open): (&Joining, bool),
    before: Option<Date>,
) -> Option<Date> {
    let stated = match joining.correction {
        Some(Closing::Open) => return None,
        Some(Closing::On(day)) => Some(day),
        None => joining.closed_on,
    };
    let note = |text: String| {
        shared.note(Note { code: NoteCode::ClosingLeft, path: key.to_string(), text });
    };
    match (before, stated) {
        (Some(before), Some(stated)) if before != stated && joining.correction.is_none() => {
            note(format!(
                "it was closed on {before} before, so it is not closed on {stated}; to correct the \
                 day, send a row of it with corrected-metadata in the column operation"
            ));
            Some(before)
        }
        (None, Some(day)) if is_held_open => {
            note(format!(
                "it stays open, though it is to be closed on {day}: documents that may belong to \
                 it were refused, or not read; once they are mended, send all of it again, which \
                 closes it"
            ));
            None
        }
        (before, stated) => stated.or(before),
    }
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
        sha512: shared.options.second_digest.then(|| Sha512Digest::of(list)),
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
