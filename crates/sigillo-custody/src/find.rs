//! Finding documents by what their producers say of them, in the table of descriptions.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    sync::Arc,
};

use bytes::Bytes;
use jiff::civil::Date;

use sigillo_catalogue::tables::{
    DescriptionColumn, FOOTER_BYTES_MAX, Rows, SegmentFile, SegmentFooter, TableError, TableKind,
    TableState,
};
use sigillo_evidence_log::{Archive, TableFault, read_table};
use sigillo_model::{DocumentId, Entry, ObjectKey, encode_name};
use sigillo_store::ReadPool;

use DescriptionColumn as Column;

/// No search returns more documents.
pub const FOUND_MAX: usize = 100_000;

/// No search knows more documents with several versions.
const VERSIONED_MAX: usize = 2_000_000;

/// Rows that are looked at at a time.
const ROWS_AT_ONCE: usize = 4096;

/// What to look for: all that is given must be true of a document.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FindQuery {
    /// Each is a part of the key, the subject or the names of files, upper and lower case alike; in
    /// keys and names as people write them, or as they are spelt.
    pub words: Vec<String>,
    /// A part of the key, as it is printed.
    pub key: Option<String>,
    /// A part of the path.
    pub path: Option<String>,
    /// A part of the subject.
    pub subject: Option<String>,
    /// The class, or one above it, upper and lower case alike: `vi` finds `VI.3`, `VI/3` and `VI-3`.
    pub class: Option<String>,
    /// The document type.
    pub document_type: Option<String>,
    /// The days of the document, from and to.
    pub days: Option<(Date, Date)>,
    /// The aggregation it belongs to, by its name or by its key, upper and lower case alike.
    pub aggregation: Option<String>,
    /// Parts of what the producer states under names of its own; names and texts in either case.
    pub fields: Vec<(String, String)>,
    /// Older versions as well.
    pub versions: bool,
}

/// A version of a document that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundDocument {
    /// The producer's key, as it is printed.
    pub key: String,
    /// The document's id, 32 hexadecimal digits.
    pub document: String,
    /// The version's id, 64 hexadecimal digits.
    pub version_id: String,
    /// Number of the version, from 1.
    pub version: i64,
    /// The commit that added it.
    pub commit: i64,
    /// The day of the document.
    pub date: Option<Date>,
    /// The class.
    pub class: Option<String>,
    /// The document type.
    pub document_type: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// The names of its files.
    pub files: Vec<String>,
    /// It is an aggregation, and no document.
    pub is_aggregation: bool,
    /// What the producer states under names of its own.
    pub metadata: BTreeMap<String, String>,
}

/// What a search found, and what it could not look at.
#[derive(Debug, Default)]
pub struct FindOutcome {
    /// What was found, by key and version.
    pub found: Vec<FoundDocument>,
    /// There is more than a search returns.
    pub more: bool,
    /// Documents that were committed and are not in the table.
    pub missing: u64,
    /// Parts of the table that could not be read.
    pub faults: Vec<TableFault>,
}

impl FindOutcome {
    /// Tells whether every document was looked at.
    pub fn is_complete(&self) -> bool {
        self.missing == 0 && self.faults.is_empty()
    }
}

/// Looks for documents. Writes nothing.
///
/// A damaged part of the table is passed over and reported: documents are found by the rest.
///
/// # Errors
///
/// [`TableFault`] if the store or the log could not be read.
pub async fn find(
    archive: &Archive,
    reads: &ReadPool,
    query: &FindQuery,
) -> Result<FindOutcome, TableFault> {
    let mut outcome = FindOutcome::default();
    let table = match read_table(archive, TableKind::Descriptions).await {
        Ok(table) => table,
        Err(fault) if is_damage(&fault) => {
            outcome.faults.push(fault);
            TableState::new(TableKind::Descriptions)
        }
        Err(fault) => return Err(fault),
    };
    outcome.missing = missing(archive, &table).await?;
    let mut search = Search {
        query: Arc::new(Matcher::new(query)),
        found: Vec::new(),
        newest: HashMap::new(),
        more: false,
    };
    for file in table.files() {
        match search.segment(archive, reads, file).await {
            Ok(()) => {}
            Err(fault) if is_damage(&fault) => outcome.faults.push(fault),
            Err(fault) => return Err(fault),
        }
    }
    outcome.more = search.more;
    outcome.found = search.finish(query.versions);
    Ok(outcome)
}

pub(crate) fn is_damage(fault: &TableFault) -> bool {
    matches!(fault, TableFault::Damaged { .. } | TableFault::Missing { .. } | TableFault::Panicked)
}

/// Counts the documents of commits that the table has not taken in.
pub(crate) async fn missing(archive: &Archive, table: &TableState) -> Result<u64, TableFault> {
    let (mut documents, mut number) = (0, 1);
    loop {
        number = table.coverage().first_missing(number);
        let Some(commit) = archive.commit(number).await? else { return Ok(documents) };
        for entry in &commit.entries {
            if let Entry::BatchCommitted(batch) = entry {
                documents += u64::from(batch.documents);
            }
        }
        number += 1;
    }
}

/// A search that is under way.
struct Search {
    query: Arc<Matcher>,
    found: Vec<FoundDocument>,
    /// The newest version of documents with several.
    newest: HashMap<DocumentId, i64>,
    more: bool,
}

/// What was found in a row group.
#[derive(Default)]
struct GroupHits {
    /// The places of rows.
    rows: Vec<usize>,
    /// Versions beyond the first.
    versioned: Vec<(DocumentId, i64)>,
}

impl Search {
    async fn segment(
        &mut self,
        archive: &Archive,
        reads: &ReadPool,
        file: &SegmentFile,
    ) -> Result<(), TableFault> {
        let segment = SegmentAt::open(archive, reads, file).await?;
        for group in 0..segment.footer.row_groups() {
            let may_match = self.query.may_match(&segment.footer, group);
            let columns = if may_match {
                self.query.columns()
            } else {
                // Only whether something newer is here.
                vec![Column::DocumentId, Column::Version]
            };
            let query = may_match.then(|| Arc::clone(&self.query));
            let hits = segment
                .read(reads, group, columns, GroupHits::default(), move |hits, rows, first| {
                    look_through(query.as_deref(), hits, rows, first);
                })
                .await?;
            for (document, version) in hits.versioned {
                if self.newest.len() >= VERSIONED_MAX && !self.newest.contains_key(&document) {
                    self.more = true;
                    continue;
                }
                let newest = self.newest.entry(document).or_insert(version);
                *newest = version.max(*newest);
            }
            let room = FOUND_MAX - self.found.len();
            self.more |= hits.rows.len() > room;
            let wanted: Vec<usize> = hits.rows.into_iter().take(room).collect();
            if !wanted.is_empty() {
                let found = segment
                    .read(reads, group, SHOWN.to_vec(), Vec::new(), move |found, rows, first| {
                        take_rows(&wanted, found, rows, first);
                    })
                    .await?;
                self.found.extend(found);
            }
        }
        Ok(())
    }

    fn finish(self, versions: bool) -> Vec<FoundDocument> {
        let (mut found, newest) = (self.found, self.newest);
        if !versions {
            found.retain(|it| {
                let newest = it.document.parse().ok().and_then(|document| newest.get(&document));
                newest.is_none_or(|newest| *newest <= it.version)
            });
        }
        found.sort_by(|a, b| (&a.key, a.version).cmp(&(&b.key, b.version)));
        found
    }
}

/// The kind of key that aggregations have.
const AGGREGATION: &str = "aggregation";

/// What is shown of a document.
const SHOWN: [Column; 12] = [
    Column::DocumentId,
    Column::VersionId,
    Column::Version,
    Column::Key,
    Column::Subject,
    Column::Date,
    Column::Class,
    Column::DocumentType,
    Column::FileNames,
    Column::Commit,
    Column::KeyKind,
    Column::Metadata,
];

fn look_through(query: Option<&Matcher>, hits: &mut GroupHits, rows: &Rows, first: usize) {
    let mut buffer = String::new();
    for row in 0..rows.len() {
        let version = rows.number(Column::Version, row).unwrap_or(1);
        if version > 1 {
            let document = rows.text(Column::DocumentId, row).and_then(|it| it.parse().ok());
            hits.versioned.extend(document.map(|document| (document, version)));
        }
        if query.is_some_and(|query| query.matches(rows, row, &mut buffer)) {
            hits.rows.push(first + row);
        }
    }
}

fn take_rows(wanted: &[usize], found: &mut Vec<FoundDocument>, rows: &Rows, first: usize) {
    let from = wanted.partition_point(|row| *row < first);
    for row in wanted[from..].iter().take_while(|row| **row < first + rows.len()) {
        let row = row - first;
        let text = |column| rows.text(column, row).map(str::to_owned);
        let number = |column| rows.number(column, row);
        found.push(FoundDocument {
            key: text(Column::Key).unwrap_or_default(),
            document: text(Column::DocumentId).unwrap_or_default(),
            version_id: text(Column::VersionId).unwrap_or_default(),
            version: number(Column::Version).unwrap_or_default(),
            commit: number(Column::Commit).unwrap_or_default(),
            date: number(Column::Date).and_then(date_of),
            class: text(Column::Class),
            document_type: text(Column::DocumentType),
            subject: text(Column::Subject),
            files: rows
                .text(Column::FileNames, row)
                .map_or_else(Vec::new, |names| names.split('\n').map(str::to_owned).collect()),
            is_aggregation: rows.text(Column::KeyKind, row) == Some(AGGREGATION),
            metadata: rows.text(Column::Metadata, row).map(metadata_of).unwrap_or_default(),
        });
    }
}

/// Reads what the producer states under names of its own. A column that is not as it was written
/// was told by its checksum.
fn metadata_of(json: &str) -> BTreeMap<String, String> {
    serde_json::from_str(json).unwrap_or_default()
}

/// A segment in the store whose footer was read.
struct SegmentAt<'a> {
    archive: &'a Archive,
    key: ObjectKey,
    footer: Arc<SegmentFooter>,
}

impl<'a> SegmentAt<'a> {
    async fn open(
        archive: &'a Archive,
        reads: &ReadPool,
        file: &SegmentFile,
    ) -> Result<Self, TableFault> {
        let key = ObjectKey::table_segment(TableKind::Descriptions.name(), &file.path);
        let store = archive.store();
        let damaged = |what: &str| TableFault::Damaged {
            key: key.clone(),
            source: TableError::Segment { what: what.to_owned() },
        };
        let size = store.size(&key).await.map_err(TableFault::store("reading a segment"))?;
        if size != file.size_bytes {
            return Err(damaged("it has another size"));
        }
        if size - file.footer.offset.min(size) > FOOTER_BYTES_MAX {
            return Err(damaged("its footer is too long"));
        }
        let footer = store.read_range(&key, file.footer.offset..size).await;
        let footer = footer.map_err(TableFault::store("reading a segment"))?;
        let place = file.footer;
        let parsed = reads
            .run(move || SegmentFooter::parse(TableKind::Descriptions, place, &footer))
            .await
            .map_err(|_| TableFault::Panicked)?;
        let footer = parsed.map_err(|source| TableFault::Damaged { key: key.clone(), source })?;
        Ok(Self { archive, key, footer: Arc::new(footer) })
    }

    /// Reads columns of a row group and folds their rows, which come with the place of the first.
    async fn read<T: Send + 'static>(
        &self,
        reads: &ReadPool,
        group: usize,
        columns: Vec<Column>,
        mut into: T,
        fold: impl Fn(&mut T, &Rows, usize) + Send + 'static,
    ) -> Result<T, TableFault> {
        let mut chunks: Vec<(Column, Bytes)> = Vec::with_capacity(columns.len());
        for column in columns {
            let range = self.footer.chunk(group, column);
            let read = self.archive.store().read_range(&self.key, range).await;
            chunks.push((column, read.map_err(TableFault::store("reading a segment"))?));
        }
        let footer = Arc::clone(&self.footer);
        let task = move || -> Result<T, TableError> {
            let (mut reader, mut first) = (footer.read(group, chunks)?, 0);
            while let Some(rows) = reader.next_rows(ROWS_AT_ONCE)? {
                fold(&mut into, &rows, first);
                first += rows.len();
            }
            Ok(into)
        };
        let read = reads.run(task).await.map_err(|_| TableFault::Panicked)?;
        read.map_err(|source| TableFault::Damaged { key: self.key.clone(), source })
    }
}

/// A query made ready: lower case, days as numbers.
#[derive(Debug)]
struct Matcher {
    words: Vec<Wanted>,
    parts: Vec<(Column, Wanted)>,
    class: Option<String>,
    document_type: Option<String>,
    aggregation: Option<String>,
    fields: Vec<(String, String)>,
    days: Option<RangeInclusive<i64>>,
}

/// A part of a text, in lower case.
#[derive(Debug)]
struct Wanted {
    plain: String,
    /// As names are spelt, where that is something else: `50%25` for `50%`.
    spelt: Option<String>,
}

impl Wanted {
    fn new(text: &str) -> Self {
        let spelt = Some(encode_name(text.as_bytes())).filter(|spelt| spelt != text);
        Self { plain: text.to_lowercase(), spelt: spelt.map(|it| it.to_lowercase()) }
    }

    fn is_in(&self, text: &str) -> bool {
        text.contains(&self.plain) || self.spelt.as_ref().is_some_and(|it| text.contains(it))
    }
}

/// A word may stand in any of these. A path is part of its key.
const WORD_COLUMNS: [Column; 3] = [Column::Key, Column::Subject, Column::FileNames];

impl Matcher {
    fn new(query: &FindQuery) -> Self {
        let parts = [
            (Column::Key, &query.key),
            (Column::Path, &query.path),
            (Column::Subject, &query.subject),
        ];
        let parts = parts
            .into_iter()
            .filter_map(|(column, part)| part.as_ref().map(|part| (column, Wanted::new(part))));
        Self {
            words: query.words.iter().map(|word| Wanted::new(word)).collect(),
            parts: parts.collect(),
            class: query.class.as_ref().map(|it| it.to_lowercase()),
            document_type: query.document_type.as_ref().map(|it| it.to_lowercase()),
            aggregation: query.aggregation.as_ref().map(|it| it.to_lowercase()),
            fields: query
                .fields
                .iter()
                .map(|(name, part)| (name.to_lowercase(), part.to_lowercase()))
                .collect(),
            days: query.days.map(|(from, to)| day_of(from)..=day_of(to)),
        }
    }

    /// Returns the columns that a row must be looked at by.
    fn columns(&self) -> Vec<Column> {
        let mut columns = vec![Column::DocumentId, Column::Version];
        if !self.words.is_empty() {
            columns.extend(WORD_COLUMNS);
        }
        columns.extend(self.parts.iter().map(|(column, _)| *column));
        columns.extend(self.class.as_ref().map(|_| Column::Class));
        columns.extend(self.document_type.as_ref().map(|_| Column::DocumentType));
        columns.extend(self.days.as_ref().map(|_| Column::Date));
        if self.aggregation.is_some() {
            columns.extend([Column::Aggregations, Column::Structure, Column::Source]);
        }
        if !self.fields.is_empty() {
            columns.push(Column::Metadata);
        }
        columns.sort_by_key(|column| *column as usize);
        columns.dedup();
        columns
    }

    /// Tells whether a row group may hold a match, by the bounds that its footer states.
    fn may_match(&self, footer: &SegmentFooter, group: usize) -> bool {
        let class = self.class.as_ref();
        class.is_none_or(|class| footer.may_hold_text(group, Column::Class, class))
            && self.days.as_ref().is_none_or(|days| footer.may_hold_day(group, days))
    }

    fn matches(&self, rows: &Rows, row: usize, buffer: &mut String) -> bool {
        if let Some(days) = &self.days
            && !rows.number(Column::Date, row).is_some_and(|day| days.contains(&day))
        {
            return false;
        }
        if let Some(wanted) = &self.class {
            let Some(found) = rows.text(Column::Class, row) else { return false };
            buffer.clear();
            lower_into(buffer, found);
            if !is_below(buffer, wanted) {
                return false;
            }
        }
        if let Some(wanted) = &self.document_type {
            let Some(found) = rows.text(Column::DocumentType, row) else { return false };
            buffer.clear();
            lower_into(buffer, found);
            if buffer != wanted {
                return false;
            }
        }
        for (column, part) in &self.parts {
            let Some(found) = rows.text(*column, row) else { return false };
            buffer.clear();
            lower_into(buffer, found);
            if !part.is_in(buffer) {
                return false;
            }
        }
        if !self.is_member(rows, row) || !self.states_fields(rows, row) {
            return false;
        }
        if self.words.is_empty() {
            return true;
        }
        buffer.clear();
        for text in WORD_COLUMNS.iter().filter_map(|column| rows.text(*column, row)) {
            lower_into(buffer, text);
            // No word has it, so that none is found across two texts.
            buffer.push('\0');
        }
        self.words.iter().all(|word| word.is_in(buffer))
    }
}

impl Matcher {
    /// Tells whether a row belongs to the aggregation, which is named alone or after who named it.
    fn is_member(&self, rows: &Rows, row: usize) -> bool {
        let Some(wanted) = &self.aggregation else { return true };
        let Some(names) = rows.text(Column::Aggregations, row) else { return false };
        let by = rows.text(Column::Structure, row).or_else(|| rows.text(Column::Source, row));
        let by = by.unwrap_or_default().to_lowercase();
        names.split('\n').map(str::to_lowercase).any(|name| {
            let after = wanted.strip_suffix(&*name).and_then(|before| before.strip_suffix('/'));
            name == *wanted || after.is_some_and(|before| before == by)
        })
    }

    fn states_fields(&self, rows: &Rows, row: usize) -> bool {
        if self.fields.is_empty() {
            return true;
        }
        let Some(json) = rows.text(Column::Metadata, row) else { return false };
        let stated = metadata_of(json);
        self.fields.iter().all(|(name, part)| {
            let named = stated.iter().filter(|(other, _)| other.to_lowercase() == *name);
            named.map(|(_, text)| text.to_lowercase()).any(|text| text.contains(&**part))
        })
    }
}

/// Appends a text in lower case.
fn lower_into(buffer: &mut String, text: &str) {
    if text.is_ascii() {
        let start = buffer.len();
        buffer.push_str(text);
        buffer[start..].make_ascii_lowercase();
    } else {
        buffer.push_str(&text.to_lowercase());
    }
}

/// Tells whether a class is another one, or below it, whatever stands between their parts.
fn is_below(class: &str, above: &str) -> bool {
    class.strip_prefix(above).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Days since 1970-01-01.
fn day_of(date: Date) -> i64 {
    let since = date.since(Date::constant(1970, 1, 1));
    since.map_or(i64::MAX, |span| i64::from(span.get_days()))
}

fn date_of(day: i64) -> Option<Date> {
    let span = jiff::Span::new().try_days(day).ok()?;
    Date::constant(1970, 1, 1).checked_add(span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_those_below_it() {
        for (class, above, below) in [
            ("VI.3", "VI.3", true),
            ("VI.3.1", "VI", true),
            ("VI/3", "VI", true),
            ("VI-3", "VI", true),
            ("VI, 3", "VI", true),
            ("VI.3bis", "VI.3", false),
            ("VI.30", "VI.3", false),
            ("VII", "VI", false),
            ("VI", "VI.3", false),
        ] {
            assert_eq!(is_below(class, above), below, "{class} {above}");
        }
    }

    #[test]
    fn days_are_numbered_both_ways() {
        for date in
            [Date::constant(1, 1, 1), Date::constant(1969, 12, 31), Date::constant(9999, 12, 31)]
        {
            assert_eq!(date_of(day_of(date)), Some(date));
        }
        assert_eq!(day_of(Date::constant(1970, 1, 2)), 1);
    }

    #[test]
    fn lower_case_is_that_of_all_letters() {
        let mut buffer = "x".to_owned();
        lower_into(&mut buffer, "PERÙ");
        lower_into(&mut buffer, "ABC");
        assert_eq!(buffer, "xperùabc");
    }
}
