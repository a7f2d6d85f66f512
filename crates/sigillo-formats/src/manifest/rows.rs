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
        let length = rest.as_bytes().iter().position(ends).unwrap_or(rest.len());
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a row is without the reading of it: its line and its cells.
    type Plain = (u64, Vec<String>);

    fn read(text: &str, separator: u8) -> Result<Vec<Plain>, OpenQuote> {
        let rows = Rows::new(text, separator, 100);
        rows.map(|row| {
            let row = row?;
            assert_eq!(row.cell_count, row.cells.len());
            Ok((row.line, row.cells.into_iter().map(Cow::into_owned).collect()))
        })
        .collect()
    }

    #[track_caller]
    fn check(text: &str, rows: &[(u64, &[&str])]) {
        let rows: Vec<Plain> = rows
            .iter()
            .map(|(line, cells)| (*line, cells.iter().map(|cell| (*cell).to_owned()).collect()))
            .collect();
        assert_eq!(read(text, b';'), Ok(rows), "{text:?}");
    }

    #[test]
    fn rows_are_split_at_separators_and_ends_of_lines() {
        check("", &[]);
        check("a", &[(1, &["a"])]);
        check("a;b\nc;\n;\n", &[(1, &["a", "b"]), (2, &["c", ""]), (3, &["", ""])]);
        check("a\r\nb\r\n", &[(1, &["a"]), (2, &["b"])]);
        check("a\rb", &[(1, &["a"]), (2, &["b"])]);
        check("a,b;c", &[(1, &["a,b", "c"])]);
    }

    #[test]
    fn empty_lines_are_counted_and_are_no_rows() {
        check("\n\na\n\r\n\rb", &[(3, &["a"]), (6, &["b"])]);
    }

    #[test]
    fn quotes_hold_separators_quotes_and_ends_of_lines() {
        check("\"a;\"\"b\"\"\";c\nd", &[(1, &["a;\"b\"", "c"]), (2, &["d"])]);
        check("a;\"b\nc\r\nd\"\ne", &[(1, &["a", "b\nc\nd"]), (4, &["e"])]);
        check("\"\";\"\"\"\"", &[(1, &["", "\""])]);
        check("a \"b\";\"c\"", &[(1, &["a \"b\"", "c"])]);
    }

    #[test]
    fn a_quote_without_end_is_seen_with_its_line() {
        for (text, line) in [("\"", 1), ("a\nb;\"c\nd\n", 2), ("\"a\nb\";\"\"\"", 2)] {
            assert_eq!(read(text, b';'), Err(OpenQuote { line }), "{text:?}");
        }
    }

    #[test]
    fn what_follows_a_closing_quote_is_kept_and_told() {
        let mut rows = Rows::new("a;\"b\"c\"d;e\n\"f\"", b';', 100);
        let row = rows.next().unwrap().unwrap();
        assert_eq!(row.cells, ["a", "bc\"d", "e"]);
        assert_eq!(row.loose_quote, Some(1));
        assert_eq!(rows.next().unwrap().unwrap().loose_quote, None);
    }

    #[test]
    fn no_more_cells_are_kept_than_asked_for() {
        let row = Rows::new("a;b;c;d", b';', 2).next().unwrap().unwrap();
        assert_eq!((row.cells.len(), row.cell_count), (2, 4));
    }

    fn cells() -> impl Strategy<Value = Vec<Vec<String>>> {
        let cell = "[a;,\" \u{e8}]{0,4}|[a\n\"]{0,4}";
        proptest::collection::vec(proptest::collection::vec(cell, 2..5), 0..8)
    }

    proptest! {
        #[test]
        fn what_another_program_writes_is_read_as_it_was_meant(
            cells in cells(), crlf: bool, comma: bool,
        ) {
            let separator = if comma { b',' } else { b';' };
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new()
                .delimiter(separator)
                .terminator(terminator)
                .flexible(true)
                .from_writer(Vec::new());
            let mut line = 1;
            let mut expected = Vec::new();
            for row in cells {
                writer.write_record(&row).unwrap();
                expected.push((line, row.clone()));
                line += 1 + row.iter().map(|cell| cell.matches('\n').count() as u64).sum::<u64>();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(read(&text, separator), Ok(expected), "{:?}", text);
        }

        #[test]
        fn another_reader_finds_the_same_cells(text in "[ab;\"\n\r]{0,40}") {
            let Ok(rows) = read(&text, b';') else { return Ok(()) };
            // The other reader keeps `\r\n` in quotes as it is, and forgives what we tell.
            let loose = Rows::new(&text, b';', 100).any(|row| row.unwrap().loose_quote.is_some());
            prop_assume!(!loose && !text.contains("\r\n"));
            let mut reader = csv::ReaderBuilder::new()
                .delimiter(b';')
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            let ours: Vec<Vec<String>> = rows.into_iter().map(|(_, cells)| cells).collect();
            prop_assert_eq!(ours, theirs, "{:?}", text);
        }
    }
}
