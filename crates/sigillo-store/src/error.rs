//! Why a store did not do what it was asked, by what the caller can do about it.

use sigillo_model::{ErrorKind, ObjectKey};

use crate::BackendError;

/// Why a [`Store`](crate::Store) did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder of the store does not exist or cannot be used.
    #[error("cannot use {folder} as a store while {doing}")]
    Folder {
        /// The folder, as it was given.
        folder: String,
        /// What was being done.
        doing: &'static str,
        /// What stood in the way.
        source: std::io::Error,
    },

    /// It is not said how the service is reached, or as whom.
    #[error("cannot use {place} as a store: {what}")]
    Service {
        /// The place, without anything secret.
        place: String,
        /// What is missing or wrong, and what to do about it.
        what: String,
    },

    /// There is no object under this key.
    #[error("object {key} not found")]
    NotFound {
        /// The key asked for.
        key: ObjectKey,
    },

    /// Something is in the place of the object that is no object, such as a folder or a pipe.
    #[error("something that is not a regular file is in the place of object {key}")]
    NotAnObject {
        /// The key asked for.
        key: ObjectKey,
    },

    /// The key does not belong to content: whatever names it or not, it is not removed.
    #[error("object {key} is not content and cannot be removed")]
    NotContent {
        /// The key that was to be removed.
        key: ObjectKey,
    },

    /// The key belongs to what is written once: it cannot be replaced.
    #[error("object {key} is written once and cannot be replaced")]
    NotDerived {
        /// The key that was to be replaced.
        key: ObjectKey,
    },

    /// A write of this key failed earlier in this process: what lies there, or in the operating
    /// system's cache, proves nothing any more. Another process may try again.
    #[error("object {key} cannot be created by this process: an earlier write of it failed")]
    Poisoned {
        /// The key that was to be created.
        key: ObjectKey,
    },

    /// The object is larger than any object under this key can be; it was not read.
    #[error("object {key} has {size_bytes} bytes, more than the {bytes_max} that it can have")]
    TooLarge {
        /// The key of the object.
        key: ObjectKey,
        /// Size of the object.
        size_bytes: u64,
        /// The most the caller accepts.
        bytes_max: u64,
    },

    /// The store did not answer, or refused for a reason that may pass.
    #[error("store unavailable while {doing} object {key}")]
    Unavailable {
        /// The key of the object, or the prefix of a listing.
        key: ObjectKey,
        /// What was being done, as it precedes "object".
        doing: &'static str,
        /// What stood in the way.
        source: BackendError,
    },

    /// The store lies about what everything else rests on; it must not be written to.
    #[error("store unfit for an archive: {what}")]
    Unfit {
        /// What it did, in words.
        what: String,
    },

    /// The store says neither that the object is there nor that it is not.
    #[error("object {key} is neither there nor creatable after {attempts} attempts")]
    Undecided {
        /// The key that was to be created.
        key: ObjectKey,
        /// How often it was tried.
        attempts: u32,
    },

    /// The object was not written, or must not be trusted; its key is poisoned in this process.
    #[error("write of object {key} failed")]
    WriteFailed {
        /// The key that was to be created.
        key: ObjectKey,
        /// What stood in the way.
        source: BackendError,
    },
}

impl StoreError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotContent { .. } | Self::NotDerived { .. } => ErrorKind::Bug,
            Self::TooLarge { .. } | Self::NotAnObject { .. } => ErrorKind::Integrity,
            Self::Folder { .. }
            | Self::Service { .. }
            | Self::NotFound { .. }
            | Self::Unfit { .. }
            | Self::WriteFailed { source: BackendError::Refused { .. }, .. } => ErrorKind::Invalid,
            Self::Poisoned { .. } | Self::Undecided { .. } | Self::WriteFailed { .. } => {
                ErrorKind::Transient
            }
            Self::Unavailable { source, .. } => source.kind(),
        }
    }

    /// Adds to a backend's error of reading or settling which object it was about.
    pub(crate) fn reading(key: &ObjectKey, doing: &'static str, source: BackendError) -> Self {
        let key = key.clone();
        match source {
            BackendError::NotFound => Self::NotFound { key },
            BackendError::NotAnObject => Self::NotAnObject { key },
            BackendError::TooLarge { size_bytes, bytes_max } => {
                Self::TooLarge { key, size_bytes, bytes_max }
            }
            source => Self::Unavailable { key, doing, source },
        }
    }
}
