//! Faults for which nothing of a CSV can be taken in.

use super::value::shown;

/// Largest CSV accepted, in bytes.
pub const METADATA_BYTES_MAX: u64 = 256 << 20;

/// No CSV has more rows below its header.
pub const METADATA_ROWS_MAX: u64 = 1_000_000;

/// What a CSV states may need about so much memory, in bytes; more is refused before it is taken.
pub const METADATA_MEMORY_BYTES_MAX: u64 = 1 << 30;

/// No more misspelt columns are named in a message.
const COLUMNS_SHOWN_MAX: usize = 20;

/// Why nothing of a CSV can be taken in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The name of a column cannot be kept.
    #[error("the name of column {number} {fault}", number = .index + 1)]
    ColumnName {
        /// Which column, from 0.
        index: usize,
        /// What is wrong with the name.
        fault: &'static str,
    },
    /// Two columns have one name.
    #[error("the column `{}` is there twice", shown(.name))]
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// Columns are nearly ours, or have our meaning under another name.
    #[error("{}", misspelt_words(.columns))]
    MisspeltColumns {
        /// The columns, at least one, in the order of the header.
        columns: Vec<MisspeltColumn>,
    },
    /// There is nothing in the file.
    #[error("there is no header: the file is empty")]
    NoHeader,
    /// The header does not name the one column that must be there.
    #[error("the header on line {line} has no column `path`")]
    NoPathColumn {
        /// The line of the header, from 1.
        line: u64,
    },
    /// The bytes are not UTF-8.
    #[error("the file is not UTF-8: line {line}, byte {byte}")]
    NotUtf8 {
        /// The line with the first byte that does not fit, from 1.
        line: u64,
        /// Which byte of that line, from 1.
        byte: u64,
    },
    /// A quote is opened and never closed, so that nobody can tell where the rows end.
    #[error("the quote that opens on line {line} is never closed")]
    OpenQuote {
        /// The line on which the quoted cell begins, from 1.
        line: u64,
    },
    /// The columns are separated by tabs.
    #[error("the columns of the header on line {line} are separated by tabs, not by `;` or `,`")]
    TabSeparated {
        /// The line of the header, from 1.
        line: u64,
    },
    /// The file is larger than the limit.
    #[error("the file has {size_bytes} bytes, more than {METADATA_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        size_bytes: u64,
    },
    /// There are more columns than a description has room for.
    #[error("the header has {count} columns, of which at most {count_max} are taken in")]
    TooManyColumns {
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// There are more rows than the limit.
    #[error("the file has more than {METADATA_ROWS_MAX} rows")]
    TooManyRows,
    /// What the file states would need more memory than the limit.
    #[error("the file states more than there is room for, from line {line} on")]
    TooMuchStated {
        /// The line of the first row without room, from 1.
        line: u64,
    },
}

/// A column that has one of our meanings under another name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MisspeltColumn {
    /// The name as it was written.
    pub name: String,
    /// The column that was probably meant.
    pub meant: &'static str,
}

fn misspelt_words(columns: &[MisspeltColumn]) -> String {
    let words = columns
        .iter()
        .take(COLUMNS_SHOWN_MAX)
        .map(|it| format!("the column `{}` is not known; `{}` is", shown(&it.name), it.meant));
    let mut words = words.collect::<Vec<_>>().join("; ");
    if columns.len() > COLUMNS_SHOWN_MAX {
        words += "; and so are others";
    }
    words
}

impl MetadataError {
    /// Returns what to do about it, in words.
    pub fn remedy(&self) -> String {
        match self {
            Self::ColumnName { .. } => {
                "give the column a shorter, plain name in the header, or remove it".to_owned()
            }
            Self::DuplicateColumn { .. } => "rename or remove one of the two".to_owned(),
            Self::MisspeltColumns { columns } => {
                let meant: Vec<String> = columns
                    .iter()
                    .take(COLUMNS_SHOWN_MAX)
                    .map(|it| format!("`{}`", it.meant))
                    .collect();
                let name = columns.first().map_or("", |it| it.name.as_str());
                format!(
                    "write {} in the header; to keep such a column as one of your own, begin its \
                     name with something else, for example `ente: {}`",
                    meant.join(", "),
                    shown(name)
                )
            }
            Self::TabSeparated { .. } => "save the file with `;` or `,` between the columns (in \
                                          Excel: Save as, \"CSV UTF-8\")"
                .to_owned(),
            Self::NoHeader => "write the names of the columns on the first line".to_owned(),
            Self::NoPathColumn { .. } => {
                "write the names of the columns on the first line, one of them `path`, with `;` or \
                 `,` between them"
                    .to_owned()
            }
            Self::NotUtf8 { .. } => "save the file as UTF-8 (in Excel: Save as, \"CSV UTF-8\"; in \
                                     LibreOffice: character set \"Unicode (UTF-8)\")"
                .to_owned(),
            Self::OpenQuote { .. } => {
                "close the quote, or write every quote within a quoted cell twice".to_owned()
            }
            Self::TooLarge { .. } | Self::TooManyRows | Self::TooMuchStated { .. } => {
                "split it into several files, and ingest with one after the other".to_owned()
            }
            Self::TooManyColumns { .. } => "remove the columns that nobody needs".to_owned(),
        }
    }
}
