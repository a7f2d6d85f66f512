//! Making one segment of several.

use std::sync::Arc;

use bytes::Bytes;

use crate::tables::{
    columns::Rows,
    error::{TableError, unreadable},
    footer::{GroupReader, SegmentFooter},
    schema::{DescriptionColumn, TableKind},
    segment::{FooterPlace, ROW_GROUP_BYTES_MAX, ROW_GROUP_ROWS_MAX, Segment, SegmentWriter},
};

/// Rows that are read from a segment at a time.
const READ_ROWS: usize = 1024;

/// Row groups of so many rows are copied as they are; smaller ones are merged.
pub const COPIED_ROWS_MIN: usize = 16_384;

/// Small row groups are merged until they have so many rows: all of them are in memory at once.
const MERGED_ROWS: usize = 2 * COPIED_ROWS_MIN;

/// Both tables begin with the same columns.
const DOCUMENT: usize = DescriptionColumn::DocumentId as usize;
const VERSION: usize = DescriptionColumn::Version as usize;

/// Makes one segment with all rows of the given ones, each row group in order.
///
/// Nothing is gained by an order across row groups, for ids are random: so large ones are copied,
/// which costs next to nothing.
///
/// # Errors
///
/// [`TableError::Segment`] if one of them is damaged or none has rows, [`TableError::Writing`].
pub fn merge_segments(
    kind: TableKind,
    inputs: &[(FooterPlace, Bytes)],
) -> Result<Segment, TableError> {
    let mut writer = SegmentWriter::new(kind)?;
    let (mut small, mut small_rows) = (Vec::new(), 0);
    for (place, bytes) in inputs {
        let footer = Arc::new(SegmentFooter::of_whole(kind, *place, bytes)?);
        for group in 0..footer.row_groups() {
            let rows = footer.rows_of(group);
            if rows >= COPIED_ROWS_MIN && writer.copy(&footer, group, bytes)? {
                continue;
            }
            if small_rows + rows > MERGED_ROWS {
                merge_groups(&mut writer, kind, &mut small)?;
                small_rows = 0;
            }
            small.push((Arc::clone(&footer), group, bytes));
            small_rows += rows;
        }
    }
    merge_groups(&mut writer, kind, &mut small)?;
    let segment = writer.finish()?;
    if segment.rows == 0 { Err(unreadable("there are no rows in it")) } else { Ok(segment) }
}

/// Merges row groups into one, or into some if their texts are long.
fn merge_groups(
    writer: &mut SegmentWriter,
    kind: TableKind,
    groups: &mut Vec<(Arc<SegmentFooter>, usize, &Bytes)>,
) -> Result<(), TableError> {
    let mut cursors = Vec::with_capacity(groups.len());
    for (footer, group, bytes) in groups.drain(..) {
        let mut cursor = Cursor::new(kind, footer.read_whole(group, bytes)?);
        if cursor.settle()? {
            cursors.push(cursor);
        }
    }
    let mut merged = kind.no_rows();
    while let Some(least) = least_of(&cursors) {
        let cursor = &mut cursors[least];
        merged.push_from(&cursor.rows, cursor.row);
        cursor.row += 1;
        if !cursor.settle()? {
            cursors.swap_remove(least);
        }
        if merged.len() >= ROW_GROUP_ROWS_MAX || merged.text_bytes() >= ROW_GROUP_BYTES_MAX {
            writer.write(std::mem::replace(&mut merged, kind.no_rows()))?;
        }
    }
    writer.write(merged)
}

fn least_of(cursors: &[Cursor]) -> Option<usize> {
    (0..cursors.len()).min_by(|a, b| cursors[*a].order().cmp(&cursors[*b].order()))
}

/// A row group that is being read from its beginning.
struct Cursor {
    reader: GroupReader,
    rows: Rows,
    row: usize,
}

impl Cursor {
    fn new(kind: TableKind, reader: GroupReader) -> Self {
        Self { reader, rows: kind.no_rows(), row: 0 }
    }

    /// Reads on if the rows in memory are used up; tells whether there is a row.
    fn settle(&mut self) -> Result<bool, TableError> {
        while self.row >= self.rows.len() {
            let Some(rows) = self.reader.next_rows(READ_ROWS)? else { return Ok(false) };
            (self.rows, self.row) = (rows, 0);
        }
        Ok(true)
    }

    fn order(&self) -> (Option<&str>, Option<i64>) {
        (self.rows.text_at(DOCUMENT, self.row), self.rows.number_at(VERSION, self.row))
    }
}
