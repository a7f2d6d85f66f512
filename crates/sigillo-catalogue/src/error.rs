//! What can go wrong with the files of the index.

use std::{io, path::Path};

use sigillo_model::ErrorKind;

/// The files of the index could not be read or written; nothing true is lost by that.
#[derive(Debug, thiserror::Error)]
#[error("the index in {folder} failed while {doing}")]
pub struct IndexError {
    /// The folder of the index.
    pub folder: String,
    /// What was being done.
    pub doing: &'static str,
    /// What stood in the way.
    pub source: io::Error,
}

impl IndexError {
    /// Returns what a caller can do about it: try again, since what was damaged has been removed
    /// and is made again from the log.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Transient
    }
}

pub(crate) fn failed(folder: &Path, doing: &'static str) -> impl Fn(io::Error) -> IndexError {
    move |source| IndexError { folder: folder.display().to_string(), doing, source }
}

/// Makes the error that says that bytes are not what was written.
pub(crate) fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Tells whether an error says that a file is not what was written, rather than that it could not
/// be read.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
