//! The columns of both tables, as `docs/format.md` lists them.

use std::{fmt::Write as _, sync::Arc};

use jiff::civil::Date;
use parquet::{
    errors::ParquetError,
    schema::{parser::parse_message_type, types::Type},
};
use serde_json::json;

use sigillo_model::{DocumentKey, Operation, RecordKind};

use crate::tables::{
    columns::{Rows, TextValues, Values},
    row::TableRow,
};

/// The producer's own metadata, as JSON, is left out when it is longer, in bytes: a part of it
/// could not be read.
const METADATA_BYTES_MAX: usize = crate::tables::columns::TABLE_TEXT_BYTES_MAX;

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
    text("document_id", |row, out| spell_hex(out, row.document.as_bytes())).required().distinct();
const VERSION_ID: Column =
    text("version_id", |row, out| spell_hex(out, row.version_id.as_bytes())).required().distinct();
const VERSION: Column =
    number("version", ColumnType::Integer, |row| Some(i64::from(row.version))).required();
const CLASS: Column = text("class", |row, out| optional(out, row.description.class.as_ref()));
const DOCUMENT_TYPE: Column =
    text("document_type", |row, out| optional(out, row.description.document_type.as_ref()));
const SERIES: Column = text("series", |row, out| optional(out, row.description.series.as_ref()));
const DATE: Column = number("date", ColumnType::Date, |row| row.description.date.and_then(days));
const COMMIT: Column =
    number("commit", ColumnType::Long, |row| Some(long(row.place.commit))).required();

const DOCUMENTS: &[Column] = &[
    DOCUMENT_ID,
    VERSION_ID,
    VERSION,
    text("kind", |row, out| spell(out, &kind_text(row.kind))).required(),
    text("operation", |row, out| spell(out, &operation_text(row.operation))).required(),
    CLASS,
    DOCUMENT_TYPE,
    SERIES,
    number("aggregations", ColumnType::Integer, |row| {
        Some(integer(row.description.aggregations.len()))
    })
    .required(),
    number("files", ColumnType::Integer, |row| Some(integer(row.files as usize))).required(),
    number("bytes", ColumnType::Long, |row| Some(long(row.bytes))).required(),
    number("received_at", ColumnType::Timestamp, |row| {
        Some(row.received_at.timestamp().as_microsecond())
    })
    .required(),
    DATE,
    number("closed_on", ColumnType::Date, |row| row.description.closed_on.and_then(days)),
    text("stated_retention", |row, out| optional(out, row.description.stated_retention.as_ref())),
    COMMIT,
    text("batch", |row, out| spell_hex(out, row.place.batch.as_bytes())).required(),
    number("leaf", ColumnType::Integer, |row| Some(integer(row.place.leaf as usize)))
        .required()
        .distinct(),
    text("pack", |row, out| spell_hex(out, row.place.record.pack.as_bytes())).required(),
    number("record_offset", ColumnType::Long, |row| Some(long(row.place.record.offset)))
        .required()
        .distinct(),
    number("record_bytes", ColumnType::Integer, |row| {
        Some(integer(row.place.record.size_bytes as usize))
    })
    .required(),
    text("media_type", |row, out| optional(out, row.media_type.as_ref())),
    text("puid", |row, out| optional(out, row.puid.as_ref())),
];

const DESCRIPTIONS: &[Column] = &[
    DOCUMENT_ID,
    VERSION_ID,
    VERSION,
    text("key_kind", |row, out| spell(out, &key_kind(&row.key))).required(),
    text("key", |row, out| spell(out, &row.key)).required().distinct(),
    text("source", |row, out| optional(out, KeyTexts::of(&row.key).source)),
    text("path", |row, out| optional(out, KeyTexts::of(&row.key).path)).distinct(),
    text("structure", |row, out| optional(out, KeyTexts::of(&row.key).structure)),
    text("register", |row, out| optional(out, KeyTexts::of(&row.key).register)),
    text("year", |row, out| optional(out, KeyTexts::of(&row.key).year)),
    text("number", |row, out| optional(out, KeyTexts::of(&row.key).number)).distinct(),
    text("aggregation", |row, out| optional(out, KeyTexts::of(&row.key).aggregation)),
    text("subject", |row, out| optional(out, row.description.subject.as_ref())).distinct(),
    DATE,
    CLASS,
    DOCUMENT_TYPE,
    SERIES,
    text("file_names", |row, out| optional(out, Some(&row.file_names))).required().distinct(),
    text("aggregations", aggregations),
    text("metadata", metadata),
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

    /// Appends a row.
    pub(crate) fn push(self, rows: &mut Rows, row: &TableRow) {
        for (column, values) in self.columns().iter().zip(&mut rows.columns) {
            match (&column.fill, values) {
                (Fill::Text(fill), Some(Values::Text(texts))) => {
                    let present = fill(row, &mut texts.bytes);
                    texts.end(present);
                }
                (Fill::Number(number), Some(Values::Number(numbers))) => numbers.push(number(row)),
                _ => {}
            }
        }
        rows.len += 1;
    }
}

/// The texts of a key, each in its column.
#[derive(Default)]
struct KeyTexts<'a> {
    source: Option<&'a String>,
    path: Option<&'a String>,
    structure: Option<&'a String>,
    register: Option<&'a String>,
    year: Option<&'a String>,
    number: Option<&'a String>,
    aggregation: Option<&'a String>,
}

impl<'a> KeyTexts<'a> {
    fn of(key: &'a DocumentKey) -> Self {
        match key {
            DocumentKey::Aggregation { aggregation, structure } => Self {
                aggregation: Some(aggregation),
                structure: Some(structure),
                ..Self::default()
            },
            DocumentKey::Path { path, source } => {
                Self { path: Some(path), source: Some(source), ..Self::default() }
            }
            DocumentKey::Register { number, register, structure, year } => Self {
                number: Some(number),
                register: Some(register),
                structure: Some(structure),
                year: Some(year),
                ..Self::default()
            },
        }
    }
}

fn key_kind(key: &DocumentKey) -> &'static str {
    match key {
        DocumentKey::Aggregation { .. } => "aggregation",
        DocumentKey::Path { .. } => "path",
        DocumentKey::Register { .. } => "register",
    }
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

fn spell(out: &mut String, value: &dyn std::fmt::Display) -> bool {
    write!(out, "{value}").expect("writing to a String cannot fail");
    true
}

/// Faster than to spell a digest as text: it is done for every row.
fn spell_hex(out: &mut String, bytes: &[u8]) -> bool {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    let text = text.get(..2 * bytes.len()).and_then(|text| str::from_utf8(text).ok());
    out.push_str(text.expect("at most 32 bytes, in ASCII digits"));
    true
}

fn optional(out: &mut String, text: Option<&String>) -> bool {
    out.push_str(text.map_or("", String::as_str));
    text.is_some()
}

fn aggregations(row: &TableRow, out: &mut String) -> bool {
    for (index, name) in row.description.aggregations.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(name);
    }
    !row.description.aggregations.is_empty()
}

fn metadata(row: &TableRow, out: &mut String) -> bool {
    if row.description.metadata.is_empty() {
        return false;
    }
    let json = serde_json::to_string(&row.description.metadata).expect("texts only");
    out.push_str(&json);
    json.len() <= METADATA_BYTES_MAX
}

/// Returns the days since 1970-01-01, for the years that every reader knows.
fn days(date: Date) -> Option<i64> {
    let since = Date::constant(1970, 1, 1).until(date).ok()?;
    (1..=9999).contains(&date.year()).then(|| i64::from(since.get_days()))
}

fn integer(number: usize) -> i64 {
    i64::from(i32::try_from(number).unwrap_or(i32::MAX))
}

fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
