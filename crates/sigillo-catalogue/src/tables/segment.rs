//! Writing a segment: a Parquet file of rows sorted by document and version.

use std::sync::Arc;

use bytes::Bytes;
use parquet::{
    basic::{Compression, ZstdLevel},
    column::writer::ColumnCloseResult,
    data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, RowGroupMetaData},
        properties::{EnabledStatistics, WriterProperties},
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::ColumnPath,
};

use sigillo_model::Blake3Digest;

use crate::tables::{
    columns::{Rows, Values},
    error::{TableError, unwritable},
    footer::SegmentFooter,
    row::TableRow,
    schema::{Column, ColumnType, TableKind},
    stats::{SegmentStats, Stated},
};

/// No row group has more rows.
pub const ROW_GROUP_ROWS_MAX: usize = 131_072;

/// No row group has more text than this and one row, in bytes.
pub(crate) const ROW_GROUP_BYTES_MAX: usize = 64 << 20;

/// Rows of one page.
const PAGE_ROWS: usize = 8192;

/// Under this name the footer keeps the CRC-32 of every column chunk, in eight digits each: chunks
/// by column, row groups in order. Parquet's own checksums of pages are not written by the library.
pub(crate) const CHECKSUMS: &str = "sigillo.crc32";

/// A segment that was made and is to be stored.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The file.
    pub bytes: Bytes,
    /// How many rows it has.
    pub rows: u64,
    /// The name of the file within the table: its BLAKE3 digest and an ending.
    pub name: String,
    /// Its statistics, as JSON of the Delta protocol.
    pub stats: String,
    /// Where its footer lies.
    pub footer: FooterPlace,
}

/// Where the footer of a segment begins (it ends with the file), and its CRC-32.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FooterPlace {
    /// Offset of its first byte.
    pub offset: u64,
    /// Checksum of all of it.
    pub crc32: u32,
}

/// Rows in the order of the tables: by document and version.
#[derive(Clone, Debug, Default)]
pub struct SortedRows {
    rows: Vec<TableRow>,
    order: Vec<u32>,
}

impl SortedRows {
    /// Puts rows in order.
    pub fn new(rows: Vec<TableRow>) -> Self {
        let mut keyed: Vec<(u64, u32)> = (0..)
            .zip(&rows)
            .map(|(index, row)| {
                let (first, _) =
                    row.draft.document.as_bytes().split_first_chunk().expect("8 of 16");
                (u64::from_be_bytes(*first), index)
            })
            .collect();
        let full = |index: u32| {
            let draft = &rows[index as usize].draft;
            (draft.document, draft.version, draft.version_id)
        };
        // Nearly always the first bytes of a random id are enough.
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| full(a.1).cmp(&full(b.1))));
        Self { order: keyed.into_iter().map(|(_, index)| index).collect(), rows }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the rows of some commits, or nothing if those are all.
    pub fn only(&self, is_wanted: impl Fn(u64) -> bool) -> Option<Self> {
        if self.rows.iter().all(|row| is_wanted(row.commit())) {
            return None;
        }
        let wanted = self.rows.iter().filter(|row| is_wanted(row.commit()));
        Some(Self::new(wanted.cloned().collect()))
    }
}

/// Makes a segment of a table, or none of no rows.
///
/// # Errors
///
/// [`TableError::Writing`], which would be a bug.
pub fn write_segment(kind: TableKind, rows: &SortedRows) -> Result<Option<Segment>, TableError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut writer = SegmentWriter::new(kind)?;
    let mut left = &rows.order[..];
    while !left.is_empty() {
        let mut text_bytes = 0;
        let count = left.iter().take(ROW_GROUP_ROWS_MAX).take_while(|index| {
            let is_room = text_bytes < ROW_GROUP_BYTES_MAX;
            text_bytes += rows.rows[**index as usize].weight_bytes();
            is_room
        });
        let (group, later) = left.split_at(count.count());
        writer.write_rows(rows, group)?;
        left = later;
    }
    writer.finish().map(Some)
}

/// A segment that is being written.
pub(crate) struct SegmentWriter {
    kind: TableKind,
    file: SerializedFileWriter<Vec<u8>>,
    stats: SegmentStats,
    checksums: String,
}

impl SegmentWriter {
    pub(crate) fn new(kind: TableKind) -> Result<Self, TableError> {
        let schema = kind.parquet_schema().map_err(|error| unwritable(&error))?;
        let level = ZstdLevel::try_new(1).map_err(|error| unwritable(&error))?;
        let mut properties = WriterProperties::builder()
            .set_created_by("sigillo".to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX));
        for column in kind.columns() {
            let path = ColumnPath::from(column.name);
            properties = properties.set_column_dictionary_enabled(path, column.repeats);
        }
        let file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))
            .map_err(|error| unwritable(&error))?;
        Ok(Self { kind, file, stats: SegmentStats::new(kind), checksums: String::new() })
    }

    /// Writes a row group, which must come after those before it.
    pub(crate) fn write(&mut self, rows: Rows) -> Result<(), TableError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.stats.add_rows(rows.len());
        let mut columns = rows.columns;
        let written = self.write_group(|index, _| columns.get_mut(index)?.take());
        written.map_err(|error| unwritable(&error))
    }

    /// The same from rows, of which only one column at a time is spelt out.
    fn write_rows(&mut self, rows: &SortedRows, group: &[u32]) -> Result<(), TableError> {
        self.stats.add_rows(group.len());
        let values =
            |column: &Column| column.values(group.iter().map(|index| &rows.rows[*index as usize]));
        let written = self.write_group(|_, column| Some(values(column)));
        written.map_err(|error| unwritable(&error))
    }

    fn write_group(
        &mut self,
        mut values_of: impl FnMut(usize, &Column) -> Option<Values>,
    ) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for (index, column) in self.kind.columns().iter().enumerate() {
            let (Some(mut writer), Some(values)) = (group.next_column()?, values_of(index, column))
            else {
                return Err(ParquetError::General(format!("no column {}", column.name)));
            };
            self.stats.add(index, &values);
            write_column(&mut writer, column, values)?;
            writer.close()?;
        }
        let written = group.close()?;
        self.sum_up(&written)
    }

    /// Notes the checksums of the row group that was written last.
    fn sum_up(&mut self, written: &RowGroupMetaData) -> Result<(), ParquetError> {
        self.file.flush()?;
        for chunk in written.columns() {
            let (offset, length) = chunk.byte_range();
            let range = usize::try_from(offset).ok().zip(usize::try_from(offset + length).ok());
            let bytes = range.and_then(|(from, to)| self.file.inner().get(from..to));
            let bytes = bytes.ok_or_else(|| ParquetError::EOF("a chunk just written".into()))?;
            self.checksums.push_str(&format!("{:08x}", crc32fast::hash(bytes)));
        }
        Ok(())
    }

    /// Copies a row group of another segment as it is, if it says enough of itself; tells whether
    /// it did.
    pub(crate) fn copy(
        &mut self,
        footer: &SegmentFooter,
        group: usize,
        segment: &Bytes,
    ) -> Result<bool, TableError> {
        let group = footer.proven_group(group, segment)?;
        if !self.stats.add_group(self.kind, group) {
            return Ok(false);
        }
        self.copy_group(group, segment).map_err(|error| unwritable(&error))?;
        Ok(true)
    }

    fn copy_group(
        &mut self,
        group: &RowGroupMetaData,
        segment: &Bytes,
    ) -> Result<(), ParquetError> {
        let rows_written = u64::try_from(group.num_rows()).unwrap_or(0);
        let mut copy = self.file.next_row_group()?;
        for column in group.columns() {
            let (_, bytes_written) = column.byte_range();
            let close = ColumnCloseResult {
                bytes_written,
                rows_written,
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            copy.append_column(segment, close)?;
        }
        let written = copy.close()?;
        self.sum_up(&written)
    }

    pub(crate) fn finish(mut self) -> Result<Segment, TableError> {
        let checksums = KeyValue::new(CHECKSUMS.to_owned(), self.checksums);
        self.file.append_key_value_metadata(checksums);
        let bytes = self.file.into_inner().map_err(|error| unwritable(&error))?;
        let what = || TableError::Writing { what: "the footer is not where it should be".into() };
        let tail = bytes.last_chunk::<8>().ok_or_else(what)?;
        let [a, b, c, d, ..] = *tail;
        let footer_bytes = u32::from_le_bytes([a, b, c, d]) as usize + tail.len();
        let offset = bytes.len().checked_sub(footer_bytes).ok_or_else(what)?;
        let stated = match self.kind {
            TableKind::Documents => Stated::All,
            TableKind::Descriptions => Stated::NumberOfRows,
        };
        Ok(Segment {
            rows: self.stats.rows(),
            name: format!("{}.parquet", Blake3Digest::of(&bytes)),
            stats: self.stats.to_json(self.kind, stated),
            footer: FooterPlace { offset: offset as u64, crc32: crc32fast::hash(&bytes[offset..]) },
            bytes: bytes.into(),
        })
    }
}

fn write_column(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column,
    values: Values,
) -> Result<(), ParquetError> {
    match values {
        Values::Text(texts) => {
            let levels: Vec<i16> = texts.ends.iter().map(|it| i16::from(it.1)).collect();
            let bytes = Bytes::from(texts.bytes.into_bytes());
            let (mut present, mut start) = (Vec::with_capacity(levels.len()), 0);
            for (end, is_there) in texts.ends {
                if is_there {
                    present.push(ByteArray::from(bytes.slice(start..end)));
                }
                start = end;
            }
            let levels = column.nullable.then_some(&*levels);
            writer.typed::<ByteArrayType>().write_batch(&present, levels, None)?;
        }
        Values::Number(numbers) => {
            let levels: Vec<i16> = numbers.iter().map(|it| i16::from(it.is_some())).collect();
            let levels = column.nullable.then_some(&*levels);
            let present = numbers.into_iter().flatten();
            if matches!(column.ty, ColumnType::Integer | ColumnType::Date) {
                let narrow = present.map(|it| i32::try_from(it).unwrap_or(i32::MAX));
                let narrow: Vec<i32> = narrow.collect();
                writer.typed::<Int32Type>().write_batch(&narrow, levels, None)?;
            } else {
                let present: Vec<i64> = present.collect();
                writer.typed::<Int64Type>().write_batch(&present, levels, None)?;
            }
        }
    }
    Ok(())
}
