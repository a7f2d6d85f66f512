//! Why custody could not look, or could not write what it was asked to.

use sigillo_evidence_log::LogError;
use sigillo_model::{ErrorKind, ObjectKey};
use sigillo_store::{StoreError, pack::PackError};

/// Why custody could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// A cosignature is not one of this witness on a checkpoint of this log.
    #[error("the cosignature of {witness:?} cannot be used: {what}")]
    Cosignature {
        /// The name of the witness.
        witness: String,
        /// What is wrong with it.
        what: String,
    },
    /// The log could not be read.
    #[error("the evidence log could not be read")]
    Log(#[source] LogError),
    /// A pack that the log names is not there: whoever removes anything now may remove the rest.
    #[error("pack {key}, which commit {commit} names, is missing; nothing was removed")]
    NamedMissing {
        /// Its key.
        key: ObjectKey,
        /// The commit of the batch that names it.
        commit: u64,
    },
    /// The store did not give an object, and may give it later.
    #[error("{key}: {what}")]
    NotGiven {
        /// Its key.
        key: String,
        /// What stood in the way.
        what: String,
    },
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
    /// The log names more than is held in memory at once.
    #[error("the log names more than {limit} packs and submissions, too many to sweep")]
    TooManyNames {
        /// The most that is held.
        limit: usize,
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
            Self::NotGiven { .. } => ErrorKind::Transient,
            Self::Panicked => ErrorKind::Bug,
            Self::Store { source, .. } => source.kind(),
            Self::NamedMissing { .. } | Self::Unreadable { .. } => ErrorKind::Integrity,
            Self::Cosignature { .. } | Self::TooManyNames { .. } | Self::Write { .. } => {
                ErrorKind::Invalid
            }
        }
    }
}
