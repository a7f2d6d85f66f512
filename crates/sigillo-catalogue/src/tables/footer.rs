//! Reading a segment: its footer first, then of each row group the columns that are wanted.

use std::{io, ops::Range, sync::Arc};

use bytes::{Buf as _, Bytes};
use parquet::{
    column::{
        page::PageReader,
        reader::{ColumnReader, get_column_reader},
    },
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
        reader::{ChunkReader, Length},
        serialized_reader::SerializedPageReader,
    },
};

use crate::tables::{
    columns::{Rows, TextValues, Values},
    error::{TableError, unreadable},
    schema::{DescriptionColumn, TableKind},
    segment::{CHECKSUMS, FooterPlace, ROW_GROUP_ROWS_MAX},
};

/// No footer is longer, in bytes.
pub const FOOTER_BYTES_MAX: u64 = 16 << 20;

/// No column chunk is longer, in bytes, compressed or not.
const CHUNK_BYTES_MAX: i64 = 256 << 20;

/// The footer of a segment: where its columns lie.
#[derive(Debug)]
pub struct SegmentFooter {
    kind: TableKind,
    metadata: ParquetMetaData,
    /// Of every column chunk, row group by row group.
    checksums: Vec<u32>,
}

impl SegmentFooter {
    /// Reads a footer from its bytes.
    ///
    /// # Errors
    ///
    /// [`TableError::Segment`] if they are not the footer that was written, or not of this table.
    pub fn parse(kind: TableKind, place: FooterPlace, bytes: &[u8]) -> Result<Self, TableError> {
        if bytes.len() as u64 > FOOTER_BYTES_MAX {
            return Err(unreadable("its footer is too long"));
        }
        if crc32fast::hash(bytes) != place.crc32 {
            return Err(unreadable("its footer is damaged"));
        }
        let length = bytes.len().checked_sub(8).ok_or_else(|| unreadable("it has no footer"))?;
        let metadata =
            ParquetMetaDataReader::decode_metadata(&bytes[..length]).map_err(|e| damaged(&e))?;
        let schema = kind.parquet_schema().map_err(|error| damaged(&error))?;
        if metadata.file_metadata().schema() != &*schema {
            return Err(unreadable("it has other columns"));
        }
        let values = metadata.file_metadata().key_value_metadata().into_iter().flatten();
        let checksums = values.filter(|it| it.key == CHECKSUMS).find_map(|it| it.value.as_deref());
        let checksums = parse_checksums(checksums.unwrap_or_default());
        if checksums.len() != metadata.num_row_groups() * kind.columns().len() {
            return Err(unreadable("it has no checksums"));
        }
        let footer = Self { kind, metadata, checksums };
        for group in footer.metadata.row_groups() {
            if group.num_columns() != kind.columns().len() {
                return Err(unreadable("it has other columns"));
            }
            check_group(group, place.offset)?;
        }
        Ok(footer)
    }

    /// Reads the footer of a segment that is in memory as a whole.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn of_whole(kind: TableKind, place: FooterPlace, bytes: &[u8]) -> Result<Self, TableError> {
        let footer = usize::try_from(place.offset).ok().and_then(|offset| bytes.get(offset..));
        Self::parse(kind, place, footer.ok_or_else(|| unreadable("it is too short"))?)
    }

    /// Returns the number of row groups.
    pub fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Tells whether a row group may hold a row whose text in `column` is `text`, or begins with
    /// it, in upper or lower case.
    pub fn may_hold_text(&self, group: usize, column: DescriptionColumn, text: &str) -> bool {
        let Some(chunk) = self.metadata.row_groups().get(group) else { return false };
        let Some(stats) = chunk.column(column as usize).statistics() else { return true };
        if stats.null_count_opt().is_some_and(|nulls| Ok(nulls) == chunk.num_rows().try_into()) {
            return false;
        }
        // What other letters are in the other case, their bytes do not tell.
        if !text.is_ascii() {
            return true;
        }
        // Upper case comes before lower case.
        let (first, last) = (text.to_ascii_uppercase(), text.to_ascii_lowercase());
        let prefix = |bytes: &[u8]| bytes[..bytes.len().min(text.len())].to_vec();
        let low = stats.min_bytes_opt().is_none_or(|low| prefix(low).as_slice() <= last.as_bytes());
        let high = stats.max_bytes_opt().is_none_or(|high| high >= first.as_bytes());
        low && high
    }

    /// Tells whether a row group may hold a row whose day is in the range.
    pub fn may_hold_day(&self, group: usize, days: &std::ops::RangeInclusive<i64>) -> bool {
        let Some(chunk) = self.metadata.row_groups().get(group) else { return false };
        let column = DescriptionColumn::Date as usize;
        let Some(stats) = chunk.column(column).statistics() else { return true };
        let day = |bytes: Option<&[u8]>| {
            Some(i64::from(i32::from_le_bytes(bytes?.first_chunk::<4>().copied()?)))
        };
        if stats.null_count_opt().is_some_and(|nulls| Ok(nulls) == chunk.num_rows().try_into()) {
            return false;
        }
        day(stats.min_bytes_opt()).is_none_or(|low| low <= *days.end())
            && day(stats.max_bytes_opt()).is_none_or(|high| high >= *days.start())
    }

    /// Returns where a column of a row group lies in the file.
    pub fn chunk(&self, group: usize, column: DescriptionColumn) -> Range<u64> {
        self.chunk_at(group, column as usize)
    }

    fn chunk_at(&self, group: usize, column: usize) -> Range<u64> {
        let chunk = self.metadata.row_groups().get(group).map(|it| it.column(column));
        let (offset, length) = chunk.map_or((0, 0), ColumnChunkMetaData::byte_range);
        offset..offset.saturating_add(length)
    }

    /// Reads columns of a row group from their bytes, each as [`chunk`](Self::chunk) said.
    ///
    /// # Errors
    ///
    /// [`TableError::Segment`] if they are not those that were written.
    pub fn read(
        &self,
        group: usize,
        chunks: Vec<(DescriptionColumn, Bytes)>,
    ) -> Result<GroupReader, TableError> {
        self.read_at(group, chunks.into_iter().map(|(it, bytes)| (it as usize, bytes)))
    }

    /// Reads a row group as a whole from a segment in memory.
    pub(crate) fn read_whole(
        &self,
        group: usize,
        segment: &Bytes,
    ) -> Result<GroupReader, TableError> {
        let columns = 0..self.kind.columns().len();
        let chunks = columns.map(|column| Ok((column, self.slice(group, column, segment)?)));
        self.read_at(group, chunks.collect::<Result<Vec<_>, TableError>>()?.into_iter())
    }

    fn slice(&self, group: usize, column: usize, segment: &Bytes) -> Result<Bytes, TableError> {
        let range = self.chunk_at(group, column);
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let bytes = range.and_then(|(from, to)| segment.get(from..to));
        Ok(segment.slice_ref(bytes.ok_or_else(|| unreadable("it is too short"))?))
    }

    /// Returns the number of rows of a row group.
    pub(crate) fn rows_of(&self, group: usize) -> usize {
        let group = self.metadata.row_groups().get(group);
        group.and_then(|group| usize::try_from(group.num_rows()).ok()).unwrap_or(0)
    }

    /// Returns what a row group says of its columns, each of which is found undamaged in the
    /// segment.
    pub(crate) fn proven_group(
        &self,
        group: usize,
        segment: &Bytes,
    ) -> Result<&RowGroupMetaData, TableError> {
        for column in 0..self.kind.columns().len() {
            self.check_chunk(group, column, &self.slice(group, column, segment)?)?;
        }
        let group = self.metadata.row_groups().get(group);
        group.ok_or_else(|| unreadable("it has fewer rows"))
    }

    fn check_chunk(&self, group: usize, column: usize, bytes: &[u8]) -> Result<(), TableError> {
        let at = group * self.kind.columns().len() + column;
        if self.checksums.get(at) == Some(&crc32fast::hash(bytes)) {
            return Ok(());
        }
        let name = self.kind.columns()[column].name;
        Err(unreadable(format!("column {name} of row group {group} is damaged")))
    }

    fn read_at(
        &self,
        group: usize,
        chunks: impl Iterator<Item = (usize, Bytes)>,
    ) -> Result<GroupReader, TableError> {
        let row_group = self.metadata.row_groups().get(group);
        let row_group = row_group.ok_or_else(|| unreadable("it has fewer rows"))?;
        let rows = usize::try_from(row_group.num_rows()).unwrap_or(0);
        let mut readers: Vec<_> = self.kind.columns().iter().map(|_| None).collect();
        for (column, bytes) in chunks {
            self.check_chunk(group, column, &bytes)?;
            let chunk = row_group.column(column);
            let source = Arc::new(ChunkBytes { offset: chunk.byte_range().0, bytes });
            let pages = SerializedPageReader::new(source, chunk, rows, None);
            let pages: Box<dyn PageReader> = Box::new(pages.map_err(|error| damaged(&error))?);
            readers[column] = Some(get_column_reader(chunk.column_descr_ptr(), pages));
        }
        Ok(GroupReader { kind: self.kind, readers, remaining: rows })
    }
}

/// Columns of one row group that are being read, some rows at a time.
pub struct GroupReader {
    kind: TableKind,
    readers: Vec<Option<ColumnReader>>,
    remaining: usize,
}

impl std::fmt::Debug for GroupReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupReader").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}

impl GroupReader {
    /// Reads at most `rows_max` rows more, or none when there are no more.
    ///
    /// # Errors
    ///
    /// [`TableError::Segment`] if the bytes cannot be read as rows.
    pub fn next_rows(&mut self, rows_max: usize) -> Result<Option<Rows>, TableError> {
        let len = self.remaining.min(rows_max.max(1));
        if len == 0 {
            return Ok(None);
        }
        self.remaining -= len;
        let mut columns = Vec::with_capacity(self.readers.len());
        for (reader, column) in self.readers.iter_mut().zip(self.kind.columns()) {
            columns.push(match reader {
                None => None,
                Some(reader) => Some(read_values(reader, len, column.nullable)?),
            });
        }
        Ok(Some(Rows { columns, len }))
    }
}

fn read_values(
    reader: &mut ColumnReader,
    len: usize,
    nullable: bool,
) -> Result<Values, TableError> {
    let mut levels = Vec::with_capacity(if nullable { len } else { 0 });
    let found = if nullable { Some(&mut levels) } else { None };
    let (rows, values) = match reader {
        ColumnReader::ByteArrayColumnReader(reader) => {
            let mut values: Vec<ByteArray> = Vec::with_capacity(len);
            let read = reader.read_records(len, found, None, &mut values);
            let (rows, ..) = read.map_err(|error| damaged(&error))?;
            (rows, texts_of(&spread(rows, nullable, &levels, values)?)?)
        }
        ColumnReader::Int32ColumnReader(reader) => {
            let mut values: Vec<i32> = Vec::with_capacity(len);
            let read = reader.read_records(len, found, None, &mut values);
            let (rows, ..) = read.map_err(|error| damaged(&error))?;
            let numbers = spread(rows, nullable, &levels, values)?;
            (rows, Values::Number(numbers.into_iter().map(|it| it.map(i64::from)).collect()))
        }
        ColumnReader::Int64ColumnReader(reader) => {
            let mut values: Vec<i64> = Vec::with_capacity(len);
            let read = reader.read_records(len, found, None, &mut values);
            let (rows, ..) = read.map_err(|error| damaged(&error))?;
            (rows, Values::Number(spread(rows, nullable, &levels, values)?))
        }
        _ => return Err(unreadable("it has other columns")),
    };
    if rows == len { Ok(values) } else { Err(unreadable("a column has fewer rows")) }
}

/// Puts values where there are some, by their definition levels.
fn spread<T>(
    rows: usize,
    nullable: bool,
    levels: &[i16],
    values: Vec<T>,
) -> Result<Vec<Option<T>>, TableError> {
    let mut values = values.into_iter();
    let all = (0..rows).map(|row| {
        let present = !nullable || levels.get(row).is_some_and(|level| *level > 0);
        if present {
            values.next().map(Some).ok_or_else(|| unreadable("a column has fewer values"))
        } else {
            Ok(None)
        }
    });
    all.collect()
}

fn texts_of(values: &[Option<ByteArray>]) -> Result<Values, TableError> {
    let mut texts = TextValues::default();
    texts.ends.reserve(values.len());
    for value in values {
        if let Some(bytes) = value {
            let text = std::str::from_utf8(bytes.data());
            texts.bytes.push_str(text.map_err(|_| unreadable("a text is not UTF-8"))?);
        }
        texts.end(value.is_some());
    }
    Ok(Values::Text(texts))
}

fn check_group(group: &RowGroupMetaData, footer_offset: u64) -> Result<(), TableError> {
    let too_large = || unreadable("a row group is larger than any that is written");
    if usize::try_from(group.num_rows()).map_or(true, |rows| rows > ROW_GROUP_ROWS_MAX) {
        return Err(too_large());
    }
    for chunk in group.columns() {
        let sizes = [chunk.compressed_size(), chunk.uncompressed_size()];
        let offsets = [Some(chunk.data_page_offset()), chunk.dictionary_page_offset()];
        // `byte_range` relies on it.
        if offsets.into_iter().flatten().chain(sizes).any(|it| it < 0)
            || sizes.into_iter().any(|it| it > CHUNK_BYTES_MAX)
        {
            return Err(too_large());
        }
        let (offset, length) = chunk.byte_range();
        if offset.checked_add(length).is_none_or(|end| end > footer_offset) {
            return Err(unreadable("a column lies outside of it"));
        }
    }
    Ok(())
}

fn parse_checksums(text: &str) -> Vec<u32> {
    let digits = text.as_bytes().chunks(8);
    let sums = digits.map(|it| u32::from_str_radix(str::from_utf8(it).ok()?, 16).ok());
    sums.collect::<Option<_>>().unwrap_or_default()
}

fn damaged(error: &ParquetError) -> TableError {
    unreadable(error.to_string())
}

/// The bytes of one column chunk, at their place in the file.
struct ChunkBytes {
    offset: u64,
    bytes: Bytes,
}

impl ChunkBytes {
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let skipped = start.checked_sub(self.offset).and_then(|it| usize::try_from(it).ok());
        let skipped = skipped.filter(|it| *it <= self.bytes.len());
        skipped
            .map(|it| self.bytes.slice(it..))
            .ok_or_else(|| ParquetError::EOF(format!("{start} is outside of the column")))
    }
}

impl Length for ChunkBytes {
    fn len(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl ChunkReader for ChunkBytes {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let rest = self.from(start)?;
        if length > rest.len() {
            let error = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(ParquetError::External(Box::new(error)));
        }
        Ok(rest.slice(..length))
    }
}
