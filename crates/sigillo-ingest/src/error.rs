//! Why an ingest ended before its end; what was committed until then is safe.

use sigillo_catalogue::IndexError;
use sigillo_evidence_log::LogError;
use sigillo_model::{ErrorKind, ObjectKey};
use sigillo_store::{StoreError, pack::PackError};

/// Why an ingest ended before its end. What was committed until then stays, and ingesting the same
/// source again completes it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// A batch has more documents than the format allows.
    #[error("a batch of {documents} documents was made, more than one may have")]
    BatchTooLarge {
        /// How many.
        documents: usize,
    },
    /// Other writers were faster again and again.
    #[error("other writers took the next number {attempts} times in a row")]
    Crowded {
        /// How often it was tried.
        attempts: u32,
    },
    /// The index of keys failed.
    #[error("the index of keys failed")]
    Index(#[source] IndexError),
    /// The index of keys lacks documents that the archive has: which keys are new cannot be told.
    #[error(
        "INDEX_INCOMPLETE: the keys of {} of commit {commit} could not be read from {object} ({what}), \
         so whether a document is new cannot be told", count_text(*documents)
    )]
    IndexIncomplete {
        /// The first commit that it lacks documents of.
        commit: u64,
        /// How many, 0 if that is not known.
        documents: u64,
        /// The object that could not be read.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// The log failed.
    #[error("the evidence log failed")]
    Log(#[source] LogError),
    /// A fresh random name is taken by somebody else's object.
    #[error("object {key} exists although its name was drawn afresh")]
    NameTaken {
        /// Its key.
        key: ObjectKey,
    },
    /// A pack could not be written.
    #[error("a pack could not be written")]
    Pack(#[source] PackError),
    /// A task panicked.
    #[error("a task of the ingest panicked")]
    Panicked,
    /// A batch had to be made anew again and again.
    #[error("batches had to be made anew {passes} times in a row")]
    StillChanging {
        /// How often it was tried.
        passes: u32,
    },
    /// The store failed.
    #[error("the store failed while {doing}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What stood in the way.
        source: StoreError,
    },
    /// The thread that writes packs could not be started.
    #[error("the thread that writes packs could not be started")]
    Thread(#[source] std::io::Error),
}

impl From<LogError> for IngestError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl IngestError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Crowded { .. } | Self::NameTaken { .. } | Self::StillChanging { .. } => {
                ErrorKind::Conflict
            }
            Self::Index(error) => error.kind(),
            Self::IndexIncomplete { .. } => ErrorKind::Integrity,
            Self::Log(error) => error.kind(),
            Self::Pack(error) => error.kind(),
            Self::BatchTooLarge { .. } | Self::Panicked => ErrorKind::Bug,
            Self::Store { source, .. } => source.kind(),
            Self::Thread(_) => ErrorKind::Transient,
        }
    }
}

fn count_text(documents: u64) -> String {
    match documents {
        0 => "some documents".to_owned(),
        1 => "1 document".to_owned(),
        documents => format!("{documents} documents"),
    }
}
