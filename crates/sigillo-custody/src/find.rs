//! Finding documents by what their producers say of them, in the table of descriptions.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use jiff::civil::Date;

use sigillo_catalogue::tables::{
    DescriptionColumn, FOOTER_BYTES_MAX, Rows, SegmentFile, SegmentFooter, TableError, TableKind,
    TableState,
};
use sigillo_evidence_log::{Archive, TableFault, read_table};
use sigillo_model::{DocumentId, Entry, ObjectKey};
use sigillo_store::ReadPool;

use crate::find_query::{FindQuery, Matcher, date_of, metadata_of};

use DescriptionColumn as Column;

/// No search returns more documents.
pub const FOUND_MAX: usize = 100_000;

/// No search holds more bytes of texts of what it found.
pub const FOUND_BYTES_MAX: usize = 64 << 20;

/// No search knows more documents with several versions.
const VERSIONED_MAX: usize = 2_000_000;

/// Rows that are looked at at a time.
const ROWS_AT_ONCE: usize = 4096;

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

impl FoundDocument {
    /// Bytes of its texts.
    fn text_bytes(&self) -> usize {
        let texts = [&self.class, &self.document_type, &self.subject];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let files = self.files.iter().map(String::len).sum::<usize>();
        let stated = self.metadata.iter().map(|(name, text)| name.len() + text.len());
        self.key.len() + texts + files + stated.sum::<usize>()
    }
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
        found: Found::with_room(FOUND_MAX, FOUND_BYTES_MAX),
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
    outcome.more = search.more || search.found.more;
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
    found: Found,
    /// The newest version of documents with several.
    newest: HashMap<DocumentId, i64>,
    more: bool,
}

/// What was found, as much as there was room for.
struct Found {
    documents: Vec<FoundDocument>,
    /// How many more there is room for.
    documents_left: usize,
    /// Bytes of texts that there is room for.
    bytes_left: usize,
    /// There was no room for something.
    more: bool,
}

impl Found {
    fn with_room(documents_left: usize, bytes_left: usize) -> Self {
        Self { documents: Vec::new(), documents_left, bytes_left, more: false }
    }

    /// Takes in a document if there is room for it; after the first without there is none.
    fn add(&mut self, document: FoundDocument) {
        let size = document.text_bytes();
        if self.more || self.documents_left == 0 || self.bytes_left < size {
            self.more = true;
            return;
        }
        self.documents_left -= 1;
        self.bytes_left -= size;
        self.documents.push(document);
    }

    /// Takes in what was found in the room that was left.
    fn take_in(&mut self, found: Self) {
        let Self { documents, documents_left, bytes_left, more } = found;
        self.documents.extend(documents);
        (self.documents_left, self.bytes_left, self.more) = (documents_left, bytes_left, more);
    }
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
            if hits.rows.is_empty() || self.found.more {
                self.found.more |= !hits.rows.is_empty();
                continue;
            }
            let room = Found::with_room(self.found.documents_left, self.found.bytes_left);
            let found = segment
                .read(reads, group, SHOWN.to_vec(), room, move |found, rows, first| {
                    take_rows(&hits.rows, found, rows, first);
                })
                .await?;
            self.found.take_in(found);
        }
        Ok(())
    }

    fn finish(self, versions: bool) -> Vec<FoundDocument> {
        let (mut found, newest) = (self.found.documents, self.newest);
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

fn take_rows(wanted: &[usize], found: &mut Found, rows: &Rows, first: usize) {
    let from = wanted.partition_point(|row| *row < first);
    for row in wanted[from..].iter().take_while(|row| **row < first + rows.len()) {
        let row = row - first;
        let text = |column| rows.text(column, row).map(str::to_owned);
        let number = |column| rows.number(column, row);
        found.add(FoundDocument {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn document(subject_bytes: usize) -> FoundDocument {
        FoundDocument {
            key: "k".to_owned(),
            document: String::new(),
            version_id: String::new(),
            version: 1,
            commit: 1,
            date: None,
            class: None,
            document_type: None,
            subject: Some("s".repeat(subject_bytes)),
            files: Vec::new(),
            is_aggregation: false,
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_held_is_bounded_by_number_and_by_bytes() {
        for (documents, bytes, held) in [(3, 1_000, 3), (9, 35, 3), (9, 1_000, 5)] {
            let mut all = Found::with_room(documents, bytes);
            for group in [2, 3] {
                let mut found = Found::with_room(all.documents_left, all.bytes_left);
                (0..group).for_each(|_| found.add(document(10)));
                all.take_in(found);
            }
            assert_eq!((all.documents.len(), all.more), (held, held < 5), "{documents} {bytes}");
        }
    }
}
