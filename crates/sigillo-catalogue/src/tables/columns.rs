//! Values of a table in memory, column by column.

/// No text of a table is longer, in bytes; what is longer is cut, for the record has it whole.
pub const TABLE_TEXT_BYTES_MAX: usize = 4096;

/// Some rows of a table, of all its columns or a selection, column by column.
#[derive(Debug)]
pub struct Rows {
    /// For each column of the table, its values if they are here.
    pub(crate) columns: Vec<Option<Values>>,
    pub(crate) len: usize,
}

/// The values of one column.
#[derive(Debug)]
pub(crate) enum Values {
    Text(TextValues),
    Number(Vec<Option<i64>>),
}

/// Texts one after the other.
#[derive(Debug, Default)]
pub(crate) struct TextValues {
    pub(crate) bytes: String,
    /// Where each text ends, and whether there is one.
    pub(crate) ends: Vec<(usize, bool)>,
}

impl TextValues {
    /// Ends the text that was pushed to `bytes`, or says that there is none.
    pub(crate) fn end(&mut self, present: bool) {
        let start = self.ends.last().map_or(0, |it| it.0);
        let limit = start.saturating_add(TABLE_TEXT_BYTES_MAX);
        if !present {
            self.bytes.truncate(start);
        } else if self.bytes.len() > limit {
            self.bytes.truncate(self.bytes.floor_char_boundary(limit));
        }
        self.ends.push((self.bytes.len(), present));
    }

    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        let (end, present) = *self.ends.get(row)?;
        let start = if row == 0 { 0 } else { self.ends[row - 1].0 };
        present.then(|| &self.bytes[start..end])
    }
}

impl Rows {
    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns a text, or nothing if there is none, or if the column was not read.
    pub(crate) fn text_at(&self, column: usize, row: usize) -> Option<&str> {
        match self.columns.get(column)?.as_ref()? {
            Values::Text(texts) => texts.get(row),
            Values::Number(_) => None,
        }
    }

    /// Returns a number, or nothing if there is none, or if the column was not read.
    pub(crate) fn number_at(&self, column: usize, row: usize) -> Option<i64> {
        match self.columns.get(column)?.as_ref()? {
            Values::Number(numbers) => numbers.get(row).copied().flatten(),
            Values::Text(_) => None,
        }
    }

    /// Returns how many bytes of text there are.
    pub(crate) fn text_bytes(&self) -> usize {
        let texts = self.columns.iter().flatten().map(|values| match values {
            Values::Text(texts) => texts.bytes.len(),
            Values::Number(_) => 0,
        });
        texts.sum()
    }

    /// Appends a row of other rows, which have the same columns.
    pub(crate) fn push_from(&mut self, other: &Self, row: usize) {
        for (column, values) in self.columns.iter_mut().enumerate() {
            match values {
                Some(Values::Text(texts)) => {
                    let text = other.text_at(column, row);
                    texts.bytes.push_str(text.unwrap_or_default());
                    texts.end(text.is_some());
                }
                Some(Values::Number(numbers)) => numbers.push(other.number_at(column, row)),
                None => {}
            }
        }
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let mut texts = TextValues::default();
        texts.bytes.push('a');
        texts.end(true);
        texts.bytes.push_str(&"é".repeat(TABLE_TEXT_BYTES_MAX));
        texts.end(true);
        texts.bytes.push_str("lost");
        texts.end(false);
        texts.end(true);
        assert_eq!(texts.get(0), Some("a"));
        assert_eq!(texts.get(1), Some(&*"é".repeat(TABLE_TEXT_BYTES_MAX / 2)));
        assert_eq!((texts.get(2), texts.get(3), texts.get(4)), (None, Some(""), None));
    }
}
