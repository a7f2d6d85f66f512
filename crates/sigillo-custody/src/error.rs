//! Why custody could not look, or could not write what it was asked to.

use sigillo_evidence_log::LogError;
use sigillo_model::{ErrorKind, ObjectKey};
use sigillo_store::{StoreError, pack::PackError};

/// Why custody could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// The log could not be read.
    #[error("the evidence log could not be read")]
    Log(#[source] LogError),
    /// A pack could not be read.
    #[error("pack {key} could not be read")]
    Pack {
        /// Its key.
        key: ObjectKey,
        /// What stood in the way.
        source: PackError,
    },
    /// A task panicked.
    #[error("a task panicked")]
    Panicked,
    /// The store failed.
    #[error("the store failed while {doing}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What stood in the way.
        source: StoreError,
    },
    /// An object of the archive is damaged, so what it lists cannot be found.
    #[error("object {key} cannot be used")]
    Unreadable {
        /// Its key.
        key: ObjectKey,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {path}")]
    Write {
        /// Its path.
        path: String,
        /// What stood in the way.
        source: std::io::Error,
    },
}

impl From<LogError> for CustodyError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl CustodyError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Log(error) => error.kind(),
            Self::Pack { source, .. } => source.kind(),
            Self::Panicked => ErrorKind::Bug,
            Self::Store { source, .. } => source.kind(),
            Self::Unreadable { .. } => ErrorKind::Integrity,
            Self::Write { .. } => ErrorKind::Invalid,
        }
    }
}
