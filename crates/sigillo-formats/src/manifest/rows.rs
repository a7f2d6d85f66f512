//! Splitting a CSV into rows and cells (RFC 4180), with the line on which each row begins.

use std::borrow::Cow;

/// One row with something on its line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Row<'a> {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// Its first cells, as many as were asked for; `\r\n` within them has become `\n`.
    pub(super) cells: Vec<Cow<'a, str>>,
    /// How many cells it has.
    pub(super) cell_count: usize,
    /// The first cell, from 0, that goes on after its closing quote.
    pub(super) loose_quote: Option<usize>,
}

/// The quoted cell that begins on this line has no end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct OpenQuote {
    pub(super) line: u64,
}

/// Goes through a CSV row by row. Lines end with `\n`, `\r\n` or `\r`; empty ones are no rows.
#[derive(Clone, Debug)]
pub(super) struct Rows<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    separator: u8,
    cells_max: usize,
}

impl<'a> Rows<'a> {
    /// Starts at the beginning of `text`; a row hands out no more than `cells_max` cells.
    pub(super) fn new(text: &'a str, separator: u8, cells_max: usize) -> Self {
        Self { text, at: 0, line: 1, separator, cells_max }
    }

    /// Goes on with another number of cells.
    pub(super) fn with_cells_max(self, cells_max: usize) -> Self {
        Self { cells_max, ..self }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over the end of the last row and empty lines.
    fn skip_line_ends(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.line += line_ends(&rest[..length]);
        self.at += length;
    }

    fn cell(&mut self) -> Result<(Cow<'a, str>, bool), OpenQuote> {
        if self.byte() != Some(b'"') {
            return Ok((Cow::Borrowed(self.plain()), false));
        }
        let quoted = self.quoted()?;
        let rest = self.plain();
        if rest.is_empty() {
            return Ok((quoted, false));
        }
        Ok((Cow::Owned(quoted.into_owned() + rest), true))
    }

    /// Takes everything up to the separator or the end of the line. A quote is nothing special.
    fn plain(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| matches!(byte, b'\r' | b'\n') || *byte == self.separator;
        let length = rest.as_bytes().iter().position(|byte| ends(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Takes what is between two quotes; two quotes in a row are one that is meant.
    fn quoted(&mut self) -> Result<Cow<'a, str>, OpenQuote> {
        let begin = self.at + 1;
        let mut end = begin;
        let mut doubled = false;
        loop {
            let Some(length) = self.text[end..].find('"') else {
                return Err(OpenQuote { line: self.line });
            };
            end += length;
            if self.text.as_bytes().get(end + 1) != Some(&b'"') {
                break;
            }
            doubled = true;
            end += 2;
        }
        self.at = end + 1;
        let inner = &self.text[begin..end];
        self.line += line_ends(inner.as_bytes());
        let mut cell = Cow::Borrowed(inner);
        if doubled {
            cell = Cow::Owned(cell.replace("\"\"", "\""));
        }
        if cell.contains("\r\n") {
            cell = Cow::Owned(cell.replace("\r\n", "\n"));
        }
        Ok(cell)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, OpenQuote>;

    /// Returns the next row, or the quote that has no end; nothing can be read beyond that.
    fn next(&mut self) -> Option<Self::Item> {
        self.skip_line_ends();
        self.byte()?;
        let mut row = Row { line: self.line, cells: Vec::new(), cell_count: 0, loose_quote: None };
        loop {
            let (cell, loose) = match self.cell() {
                Ok(cell) => cell,
                Err(open) => {
                    self.at = self.text.len();
                    return Some(Err(open));
                }
            };
            if loose && row.loose_quote.is_none() {
                row.loose_quote = Some(row.cell_count);
            }
            if row.cell_count < self.cells_max {
                row.cells.push(cell);
            }
            row.cell_count += 1;
            if self.byte() != Some(self.separator) {
                return Some(Ok(row));
            }
            self.at += 1;
        }
    }
}

/// Counts the ends of lines in `bytes`; `\r\n` is one.
pub(super) fn line_ends(bytes: &[u8]) -> u64 {
    let mut count = 0;
    let mut after_return = false;
    for byte in bytes {
        count += u64::from(*byte == b'\r' || (*byte == b'\n' && !after_return));
        after_return = *byte == b'\r';
    }
    count
}
