//! What can be wrong with the files of a table.

use sigillo_model::ErrorKind;

/// A file of a table is not what this program writes. Tables are made again from the truth.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// An action of the table's log is none of ours, or breaks one of its rules.
    #[error("version {version} of the table's log cannot be used: {what}")]
    Log {
        /// Number of the version, from 0.
        version: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A segment is damaged, or has other columns.
    #[error("a segment cannot be read: {what}")]
    Segment {
        /// What is wrong with it.
        what: String,
    },
    /// A segment could not be made: a bug.
    #[error("a segment could not be written: {what}")]
    Writing {
        /// What stood in the way.
        what: String,
    },
}

impl TableError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Log { .. } | Self::Segment { .. } => ErrorKind::Integrity,
            Self::Writing { .. } => ErrorKind::Bug,
        }
    }
}

pub(crate) fn unreadable(what: impl Into<String>) -> TableError {
    TableError::Segment { what: what.into() }
}

pub(crate) fn unwritable(error: &parquet::errors::ParquetError) -> TableError {
    TableError::Writing { what: error.to_string() }
}
