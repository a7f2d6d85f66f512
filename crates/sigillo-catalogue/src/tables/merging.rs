//! Making one segment of several.

use bytes::Bytes;

use crate::tables::{
    columns::Rows,
    error::{TableError, unreadable},
    footer::{GroupReader, SegmentFooter},
    schema::{DescriptionColumn, TableKind},
    segment::{FooterPlace, Segment, SegmentWriter, is_full},
};

/// Rows that are read from a segment at a time.
const READ_ROWS: usize = 4096;

/// Both tables begin with the same columns.
const DOCUMENT: usize = DescriptionColumn::DocumentId as usize;
const VERSION: usize = DescriptionColumn::Version as usize;

/// Makes one segment with all rows of the given ones, in order.
///
/// # Errors
///
/// [`TableError::Segment`] if one of them is damaged or none has rows, [`TableError::Writing`].
pub fn merge_segments(
    kind: TableKind,
    inputs: &[(FooterPlace, Bytes)],
) -> Result<Segment, TableError> {
    let mut cursors = Vec::with_capacity(inputs.len());
    for (place, bytes) in inputs {
        let mut cursor = Cursor::new(kind, *place, bytes.clone())?;
        if cursor.settle()? {
            cursors.push(cursor);
        }
    }
    if cursors.is_empty() {
        return Err(unreadable("there are no rows in it"));
    }
    let mut writer = SegmentWriter::new(kind)?;
    let mut group = kind.no_rows();
    while let Some(least) = least_of(&cursors) {
        let cursor = &mut cursors[least];
        group.push_from(&cursor.rows, cursor.row);
        cursor.row += 1;
        if !cursor.settle()? {
            cursors.swap_remove(least);
        }
        if is_full(&group) {
            writer.write(std::mem::replace(&mut group, kind.no_rows()))?;
        }
    }
    writer.write(group)?;
    writer.finish()
}

fn least_of(cursors: &[Cursor]) -> Option<usize> {
    (0..cursors.len()).min_by(|a, b| cursors[*a].order().cmp(&cursors[*b].order()))
}

/// A segment that is being read from its beginning.
struct Cursor {
    footer: SegmentFooter,
    bytes: Bytes,
    next_group: usize,
    reader: Option<GroupReader>,
    rows: Rows,
    row: usize,
}

impl Cursor {
    fn new(kind: TableKind, place: FooterPlace, bytes: Bytes) -> Result<Self, TableError> {
        let footer = SegmentFooter::of_whole(kind, place, &bytes)?;
        Ok(Self { footer, bytes, next_group: 0, reader: None, rows: kind.no_rows(), row: 0 })
    }

    /// Reads on if the rows in memory are used up; tells whether there is a row.
    fn settle(&mut self) -> Result<bool, TableError> {
        while self.row >= self.rows.len() {
            let more = match &mut self.reader {
                Some(reader) => reader.next_rows(READ_ROWS)?,
                None => None,
            };
            if let Some(rows) = more {
                (self.rows, self.row) = (rows, 0);
            } else if self.next_group < self.footer.row_groups() {
                self.reader = Some(self.footer.read_whole(self.next_group, &self.bytes)?);
                self.next_group += 1;
            } else {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn order(&self) -> (Option<&str>, Option<i64>) {
        (self.rows.text_at(DOCUMENT, self.row), self.rows.number_at(VERSION, self.row))
    }
}
