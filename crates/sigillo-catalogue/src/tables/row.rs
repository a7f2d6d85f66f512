//! One row of both tables: what they keep of a version of a document.

use jiff::civil::Date;
use sigillo_model::{
    BatchId, DocumentId, DocumentKey, LogTime, Operation, Record, RecordKind, VersionId,
};

use crate::{RecordPlace, tables::columns::TABLE_TEXT_BYTES_MAX};

/// The role of the file that is the document itself.
const MAIN_ROLE: &str = "main";

/// What both tables keep of one version of a document that has its place.
///
/// Salt and digests of the record stay where they are: nothing here confirms a guess.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableRow {
    pub(crate) draft: RowDraft,
    pub(crate) place: TablePlace,
}

/// Where a version stands in the log and in the packs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TablePlace {
    /// The commit that added it.
    pub commit: u64,
    /// Its batch.
    pub batch: BatchId,
    /// Its place among the leaves of its batch, from 0.
    pub leaf: u32,
    /// Where its record lies.
    pub record: RecordPlace,
}

/// A row of a version that has no place yet.
///
/// A batch keeps one for each of its documents until it is committed, so it is small: all its
/// texts are one allocation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowDraft {
    pub(crate) version_id: VersionId,
    pub(crate) document: DocumentId,
    pub(crate) version: u32,
    pub(crate) kind: RecordKind,
    pub(crate) operation: Operation,
    pub(crate) received_at: LogTime,
    pub(crate) key_kind: KeyKind,
    pub(crate) date: Option<Date>,
    pub(crate) closed_on: Option<Date>,
    pub(crate) aggregations: u32,
    pub(crate) files: u32,
    pub(crate) bytes: u64,
    texts: Texts,
}

/// What sort of key a document has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyKind {
    Aggregation,
    Path,
    Register,
}

/// The texts of a row, in the order in which they are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Slot {
    Source,
    Path,
    Structure,
    Register,
    Year,
    Number,
    Aggregation,
    Class,
    DocumentType,
    Series,
    StatedRetention,
    Subject,
    /// One name a line.
    FileNames,
    /// One name a line.
    Aggregations,
    /// A JSON object.
    Metadata,
    MediaType,
    Puid,
}

const SLOTS: usize = Slot::Puid as usize + 1;

/// Texts one behind the other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Texts {
    joined: Box<str>,
    /// Where each ends.
    ends: [u32; SLOTS],
    /// A bit for each that is there.
    present: u32,
}

impl RowDraft {
    /// Takes from a record what the tables keep.
    pub fn new(version_id: VersionId, record: &Record) -> Self {
        let description = &record.description;
        let main = record.files.iter().find(|file| file.role == MAIN_ROLE);
        let main = main.or(record.files.first());
        let key_kind = match &record.key {
            DocumentKey::Aggregation { .. } => KeyKind::Aggregation,
            DocumentKey::Path { .. } => KeyKind::Path,
            DocumentKey::Register { .. } => KeyKind::Register,
        };
        Self {
            version_id,
            document: record.document,
            version: record.version,
            kind: record.kind,
            operation: record.operation,
            received_at: record.received_at,
            key_kind,
            date: description.date,
            closed_on: description.closed_on,
            aggregations: count(description.aggregations.len()),
            files: count(record.files.len()),
            bytes: record.files.iter().fold(0, |sum, file| file.size.saturating_add(sum)),
            texts: texts_of(
                record,
                main.and_then(|file| file.media_type.as_deref()),
                main.and_then(|file| file.puid.as_deref()),
            ),
        }
    }

    /// Returns the row, now that its place is known.
    #[must_use]
    pub fn placed(self, place: TablePlace) -> TableRow {
        TableRow { draft: self, place }
    }

    /// Returns a text of the row, if it is there.
    pub(crate) fn text(&self, slot: Slot) -> Option<&str> {
        let (texts, index) = (&self.texts, slot as usize);
        let start = if index == 0 { 0 } else { texts.ends[index - 1] };
        let is_there = texts.present & (1 << index) != 0;
        is_there.then(|| &texts.joined[start as usize..texts.ends[index] as usize])
    }
}

impl TableRow {
    /// Takes from a record what the tables keep.
    pub fn new(version_id: VersionId, record: &Record, place: TablePlace) -> Self {
        RowDraft::new(version_id, record).placed(place)
    }

    /// Returns the commit that added the version.
    pub fn commit(&self) -> u64 {
        self.place.commit
    }

    /// Returns about how much memory the row takes, in bytes.
    pub fn weight_bytes(&self) -> usize {
        size_of::<Self>() + self.draft.texts.joined.len()
    }
}

fn texts_of(record: &Record, media_type: Option<&str>, puid: Option<&str>) -> Texts {
    let Record { description, files, key, .. } = record;
    let mut texts = Gathered { joined: String::with_capacity(256), ..Gathered::default() };
    let key_slots = [
        Slot::Source,
        Slot::Path,
        Slot::Structure,
        Slot::Register,
        Slot::Year,
        Slot::Number,
        Slot::Aggregation,
    ];
    let named: &[(Slot, &String)] = match key {
        DocumentKey::Aggregation { aggregation, structure } => {
            &[(Slot::Structure, structure), (Slot::Aggregation, aggregation)]
        }
        DocumentKey::Path { path, source } => &[(Slot::Source, source), (Slot::Path, path)],
        DocumentKey::Register { number, register, structure, year } => &[
            (Slot::Structure, structure),
            (Slot::Register, register),
            (Slot::Year, year),
            (Slot::Number, number),
        ],
    };
    for slot in key_slots {
        let text = named.iter().find(|(named, _)| *named == slot);
        texts.add(slot, text.map(|(_, text)| text.as_str()));
    }
    texts.add(Slot::Class, description.class.as_deref());
    texts.add(Slot::DocumentType, description.document_type.as_deref());
    texts.add(Slot::Series, description.series.as_deref());
    texts.add(Slot::StatedRetention, description.stated_retention.as_deref());
    texts.add(Slot::Subject, description.subject.as_deref());
    texts.add_lines(Slot::FileNames, files.iter().map(|file| file.name.as_str()));
    texts.add_lines(Slot::Aggregations, description.aggregations.iter().map(String::as_str));
    let metadata = &description.metadata;
    let metadata = (!metadata.is_empty())
        .then(|| serde_json::to_string(metadata).expect("texts only"))
        // A part of it could not be read.
        .filter(|json| json.len() <= TABLE_TEXT_BYTES_MAX);
    texts.add(Slot::Metadata, metadata.as_deref());
    texts.add(Slot::MediaType, media_type);
    texts.add(Slot::Puid, puid);
    texts.finish()
}

/// Texts that are being gathered, in the order of their slots.
#[derive(Default)]
struct Gathered {
    joined: String,
    ends: [u32; SLOTS],
    present: u32,
    next: usize,
}

impl Gathered {
    fn add(&mut self, slot: Slot, text: Option<&str>) {
        self.add_lines(slot, text.into_iter());
    }

    /// Adds lines as one text; without any there is none.
    fn add_lines<'a>(&mut self, slot: Slot, lines: impl Iterator<Item = &'a str>) {
        debug_assert_eq!(slot as usize, self.next, "texts are added in the order of their slots");
        let start = self.joined.len();
        for (index, line) in lines.enumerate() {
            if index > 0 {
                self.joined.push('\n');
            }
            // What is longer would be cut anyway.
            let room = (start + TABLE_TEXT_BYTES_MAX).saturating_sub(self.joined.len());
            self.joined.push_str(&line[..line.floor_char_boundary(room)]);
            self.present |= 1 << self.next;
            if room < line.len() {
                break;
            }
        }
        self.joined.truncate(self.joined.floor_char_boundary(start + TABLE_TEXT_BYTES_MAX));
        self.ends[self.next] = count(self.joined.len());
        self.next += 1;
    }

    fn finish(self) -> Texts {
        Texts { joined: self.joined.into(), ends: self.ends, present: self.present }
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
