//! The columns of both tables, as `docs/format.md` lists them.

use std::{fmt::Write as _, sync::Arc};

use jiff::civil::Date;
use parquet::{
    errors::ParquetError,
    schema::{parser::parse_message_type, types::Type},
};
use serde_json::json;

use sigillo_model::{Operation, RecordKind};

use crate::tables::{
    columns::{Rows, TextValues, Values},
    row::{KeyKind, Slot, TableRow},
};

/// One of the two tables.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TableKind {
    /// Ids, places, dates and codes: nothing personal.
    Documents,
    /// What producers say of documents: personal data.
    Descriptions,
}

/// A column of the table of descriptions, in its order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DescriptionColumn {
    /// The document's id, 32 hexadecimal digits.
    DocumentId,
    /// The version's id, 64 hexadecimal digits.
    VersionId,
    /// Number of the version, from 1.
    Version,
    /// What sort of key it is: `path`, `register` or `aggregation`.
    KeyKind,
    /// The key as it is printed.
    Key,
    /// The source, of a key of a path.
    Source,
    /// The path, of a key of a path.
    Path,
    /// The structure (AOO).
    Structure,
    /// The register.
    Register,
    /// The year of the register.
    Year,
    /// The number in the register.
    Number,
    /// The name of an aggregation.
    Aggregation,
    /// What it is about.
    Subject,
    /// The day of the document, in days since 1970-01-01.
    Date,
    /// The class (voce di titolario).
    Class,
    /// The document type.
    DocumentType,
    /// The series.
    Series,
    /// The names of its files, one a line.
    FileNames,
    /// The aggregations it belongs to, one a line.
    Aggregations,
    /// The producer's own metadata, a JSON object.
    Metadata,
    /// The commit that added the version.
    Commit,
}

impl Rows {
    /// Returns a text of the table of descriptions, or nothing if there is none or if the column
    /// was not read.
    pub fn text(&self, column: DescriptionColumn, row: usize) -> Option<&str> {
        self.text_at(column as usize, row)
    }

    /// Returns a number of the table of descriptions, as [`text`](Self::text) does.
    pub fn number(&self, column: DescriptionColumn, row: usize) -> Option<i64> {
        self.number_at(column as usize, row)
    }
}

/// A column: its name, its type, and how it is taken from a row.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) ty: ColumnType,
    pub(crate) nullable: bool,
    /// Values repeat so often that a dictionary pays.
    pub(crate) repeats: bool,
    fill: Fill,
}

/// The types of both tables, by the names that Delta gives them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ColumnType {
    Text,
    Integer,
    Long,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
}

enum Fill {
    /// Appends the text and tells whether there is one.
    Text(fn(&TableRow, &mut String) -> bool),
    Number(fn(&TableRow) -> Option<i64>),
}

const fn text(name: &'static str, fill: fn(&TableRow, &mut String) -> bool) -> Column {
    Column { name, ty: ColumnType::Text, nullable: true, repeats: true, fill: Fill::Text(fill) }
}

const fn number(name: &'static str, ty: ColumnType, fill: fn(&TableRow) -> Option<i64>) -> Column {
    Column { name, ty, nullable: true, repeats: true, fill: Fill::Number(fill) }
}

impl Column {
    const fn required(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// Its values hardly repeat.
    const fn distinct(mut self) -> Self {
        self.repeats = false;
        self
    }
}

const DOCUMENT_ID: Column =
    text("document_id", |row, out| spell_hex(out, row.draft.document.as_bytes()))
        .required()
        .distinct();
const VERSION_ID: Column =
    text("version_id", |row, out| spell_hex(out, row.draft.version_id.as_bytes()))
        .required()
        .distinct();
const VERSION: Column =
    number("version", ColumnType::Integer, |row| Some(i64::from(row.draft.version))).required();
const CLASS: Column = text("class", |row, out| optional(out, row, Slot::Class));
const DOCUMENT_TYPE: Column =
    text("document_type", |row, out| optional(out, row, Slot::DocumentType));
const SERIES: Column = text("series", |row, out| optional(out, row, Slot::Series));
const DATE: Column = number("date", ColumnType::Date, |row| row.draft.date.and_then(days));
const COMMIT: Column =
    number("commit", ColumnType::Long, |row| Some(long(row.place.commit))).required();

const DOCUMENTS: &[Column] = &[
    DOCUMENT_ID,
    VERSION_ID,
    VERSION,
    text("kind", |row, out| spell(out, kind_text(row.draft.kind))).required(),
    text("operation", |row, out| spell(out, operation_text(row.draft.operation))).required(),
    CLASS,
    DOCUMENT_TYPE,
    SERIES,
    number("aggregations", ColumnType::Integer, |row| Some(integer(row.draft.aggregations)))
        .required(),
    number("files", ColumnType::Integer, |row| Some(integer(row.draft.files))).required(),
    number("bytes", ColumnType::Long, |row| Some(long(row.draft.bytes))).required(),
    number("received_at", ColumnType::Timestamp, |row| {
        Some(row.draft.received_at.timestamp().as_microsecond())
    })
    .required(),
    DATE,
    number("closed_on", ColumnType::Date, |row| row.draft.closed_on.and_then(days)),
    text("stated_retention", |row, out| optional(out, row, Slot::StatedRetention)),
    COMMIT,
    text("batch", |row, out| spell_hex(out, row.place.batch.as_bytes())).required(),
    number("leaf", ColumnType::Integer, |row| Some(integer(row.place.leaf))).required().distinct(),
    text("pack", |row, out| spell_hex(out, row.place.record.pack.as_bytes())).required(),
    number("record_offset", ColumnType::Long, |row| Some(long(row.place.record.offset)))
        .required()
        .distinct(),
    number("record_bytes", ColumnType::Integer, |row| Some(integer(row.place.record.size_bytes)))
        .required(),
    text("media_type", |row, out| optional(out, row, Slot::MediaType)),
    text("puid", |row, out| optional(out, row, Slot::Puid)),
];

const DESCRIPTIONS: &[Column] = &[
    DOCUMENT_ID,
    VERSION_ID,
    VERSION,
    text("key_kind", |row, out| spell(out, key_kind(row.draft.key_kind))).required(),
    text("key", |row, out| key(out, row)).required().distinct(),
    text("source", |row, out| optional(out, row, Slot::Source)),
    text("path", |row, out| optional(out, row, Slot::Path)).distinct(),
    text("structure", |row, out| optional(out, row, Slot::Structure)),
    text("register", |row, out| optional(out, row, Slot::Register)),
    text("year", |row, out| optional(out, row, Slot::Year)),
    text("number", |row, out| optional(out, row, Slot::Number)).distinct(),
    text("aggregation", |row, out| optional(out, row, Slot::Aggregation)),
    text("subject", |row, out| optional(out, row, Slot::Subject)).distinct(),
    DATE,
    CLASS,
    DOCUMENT_TYPE,
    SERIES,
    text("file_names", |row, out| spell(out, row.draft.text(Slot::FileNames).unwrap_or_default()))
        .required()
        .distinct(),
    text("aggregations", |row, out| optional(out, row, Slot::Aggregations)),
    text("metadata", |row, out| optional(out, row, Slot::Metadata)),
    COMMIT,
];

impl TableKind {
    /// Both tables.
    pub const ALL: [Self; 2] = [Self::Documents, Self::Descriptions];

    /// Returns the name of the table, which is that of its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Descriptions => "descriptions",
        }
    }

    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Documents => DOCUMENTS,
            Self::Descriptions => DESCRIPTIONS,
        }
    }

    /// Returns the schema as Parquet has it.
    pub(crate) fn parquet_schema(self) -> Result<Arc<Type>, ParquetError> {
        let mut message = "message schema {\n".to_owned();
        for column in self.columns() {
            let repetition = if column.nullable { "optional" } else { "required" };
            let (ty, meaning) = match column.ty {
                ColumnType::Text => ("binary", " (STRING)"),
                ColumnType::Integer => ("int32", ""),
                ColumnType::Long => ("int64", ""),
                ColumnType::Date => ("int32", " (DATE)"),
                ColumnType::Timestamp => ("int64", " (TIMESTAMP(MICROS,true))"),
            };
            writeln!(message, "{repetition} {ty} {}{meaning};", column.name)
                .expect("writing to a String cannot fail");
        }
        message.push('}');
        parse_message_type(&message).map(Arc::new)
    }

    /// Returns the schema as the Delta protocol spells it.
    pub(crate) fn delta_schema(self) -> String {
        let fields = self.columns().iter().map(|column| {
            let ty = match column.ty {
                ColumnType::Text => "string",
                ColumnType::Integer => "integer",
                ColumnType::Long => "long",
                ColumnType::Date => "date",
                ColumnType::Timestamp => "timestamp",
            };
            json!({"name": column.name, "type": ty, "nullable": column.nullable, "metadata": {}})
        });
        json!({"type": "struct", "fields": fields.collect::<Vec<_>>()}).to_string()
    }

    /// Returns no rows, of all columns.
    pub(crate) fn no_rows(self) -> Rows {
        let columns = self.columns().iter().map(|column| {
            Some(match column.ty {
                ColumnType::Text => Values::Text(TextValues::default()),
                _ => Values::Number(Vec::new()),
            })
        });
        Rows { columns: columns.collect(), len: 0 }
    }
}

impl Column {
    /// Takes the values of the column from rows.
    pub(crate) fn values<'a>(&self, rows: impl Iterator<Item = &'a TableRow>) -> Values {
        match self.fill {
            Fill::Text(fill) => {
                let mut texts = TextValues::default();
                for row in rows {
                    let is_there = fill(row, &mut texts.bytes);
                    texts.end(is_there);
                }
                Values::Text(texts)
            }
            Fill::Number(number) => Values::Number(rows.map(number).collect()),
        }
    }
}

fn key_kind(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Aggregation => "aggregation",
        KeyKind::Path => "path",
        KeyKind::Register => "register",
    }
}

/// Spells a key as `DocumentKey` prints itself.
fn key(out: &mut String, row: &TableRow) -> bool {
    let slots: &[Slot] = match row.draft.key_kind {
        KeyKind::Aggregation => &[Slot::Structure, Slot::Aggregation],
        KeyKind::Path => &[Slot::Source, Slot::Path],
        KeyKind::Register => &[Slot::Structure, Slot::Register, Slot::Year, Slot::Number],
    };
    for (index, slot) in slots.iter().enumerate() {
        if index > 0 {
            out.push('/');
        }
        out.push_str(row.draft.text(*slot).unwrap_or_default());
    }
    true
}

fn kind_text(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Aggregation => "aggregation",
        RecordKind::Document => "document",
    }
}

fn operation_text(operation: Operation) -> &'static str {
    match operation {
        Operation::AddedFile => "added-file",
        Operation::CorrectedMetadata => "corrected-metadata",
        Operation::New => "new",
        Operation::NewVersion => "new-version",
    }
}

fn spell(out: &mut String, text: &str) -> bool {
    out.push_str(text);
    true
}

/// The two digits of every byte.
const DIGITS: [[u8; 2]; 256] = {
    let (digits, mut pairs, mut byte) = (b"0123456789abcdef", [[0; 2]; 256], 0);
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Faster than to spell a digest as text: it is done for every row.
fn spell_hex(out: &mut String, bytes: &[u8]) -> bool {
    let mut text = [[0; 2]; 32];
    for (pair, byte) in text.iter_mut().zip(bytes) {
        *pair = DIGITS[usize::from(*byte)];
    }
    let text = text.as_flattened().get(..2 * bytes.len());
    let text = text.and_then(|text| str::from_utf8(text).ok());
    out.push_str(text.expect("at most 32 bytes, in ASCII digits"));
    true
}

fn optional(out: &mut String, row: &TableRow, slot: Slot) -> bool {
    let text = row.draft.text(slot);
    out.push_str(text.unwrap_or_default());
    text.is_some()
}

/// Returns the days since 1970-01-01, for the years that every reader knows.
fn days(date: Date) -> Option<i64> {
    let since = Date::constant(1970, 1, 1).until(date).ok()?;
    (1..=9999).contains(&date.year()).then(|| i64::from(since.get_days()))
}

fn integer(number: u32) -> i64 {
    i64::from(i32::try_from(number).unwrap_or(i32::MAX))
}

fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
