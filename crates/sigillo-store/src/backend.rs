//! The seam to an object store: what is asked of one, and how it may answer.

use std::{error::Error, fmt, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;

use sigillo_model::{ErrorKind, ObjectKey};

use crate::{StagingSweep, SweepPermit};

/// Objects under keys, in a folder, in memory or in a service.
///
/// # Contract
///
/// - An object that a returned call made is durable, and every later read sees it whole.
/// - [`create`](Self::create) never overwrites. Of any number of creates of one key, from any
///   number of processes, exactly one is answered with [`CreateAnswer::Created`].
/// - An object is absent or complete, never half: no reader sees a part of one being written.
/// - [`BackendError::OutcomeUnknown`] is the honest answer when the answer was lost;
///   [`BackendError::Failed`] means that the object is not there, or must not be trusted if it is.
/// - Nothing is removed but objects of the probe and of the catalogue, which is made again, and, with
///   a permit, what no commit names.
///
/// The backend is not trusted with the truth: whoever controls it can withhold objects, never
/// change one unnoticed, for what is read is checked against digests and signatures by the caller.
/// It *is* trusted with create-if-absent, which the probe therefore tests.
#[async_trait]
pub trait ObjectBackend: fmt::Debug + Send + Sync {
    /// Stores `bytes` under `key` unless something is there. Durable once it answers `Created`.
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError>;

    /// Stores `bytes` under `key`, whatever is there. For derived objects only; idempotent.
    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError>;

    /// Reads a whole object. One larger than `bytes_max` is refused before it is read.
    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError>;

    /// Reads exactly the bytes of `range`; one that leaves the object is [`BackendError::Failed`].
    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError>;

    /// Returns the size of an object, in bytes.
    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError>;

    /// Lists at most `count_max` objects below the folder `prefix`, in no order; `""` is the root.
    ///
    /// It may be late or incomplete: no correctness argument rests on it.
    async fn list(&self, prefix: &str, count_max: usize)
    -> Result<Vec<ListedObject>, BackendError>;

    /// Makes an object that is there durable, whoever wrote it. Where visible means durable, it
    /// does nothing.
    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError>;

    /// Makes what a new archive needs before its first object. Idempotent; by default nothing.
    async fn prepare(&self) -> Result<(), BackendError> {
        Ok(())
    }

    /// Removes an object of the probe or of the catalogue; any other key is refused as unsupported.
    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError>;

    /// Removes an object that no commit names, durably. [`Store`](crate::Store) lets through only
    /// keys of content. By default nothing can be removed.
    async fn remove_unnamed(
        &self,
        _key: &ObjectKey,
        _permit: &SweepPermit,
    ) -> Result<(), BackendError> {
        Err(BackendError::Unsupported { what: "remove an object of an archive" })
    }

    /// Lists at most `count_max` files that writers have not finished, dead or alive. By default
    /// there are none.
    async fn list_staging(&self, _count_max: usize) -> Result<Vec<ListedObject>, BackendError> {
        Ok(Vec::new())
    }

    /// Removes at most `count_max` files that dead writers left unfinished, durably, unless somebody
    /// else writes now. By default there are none.
    async fn sweep_staging(
        &self,
        _count_max: usize,
        _permit: &SweepPermit,
    ) -> Result<StagingSweep, BackendError> {
        Ok(StagingSweep::default())
    }

    /// Names the store, so that the result of a probe can be remembered for it.
    fn identity(&self) -> String;
}

/// Below this, a store is tested before its first use.
pub(crate) const PROBE: &str = "probe/";

/// Tells whether an object is one that may be removed.
pub(crate) fn is_removable(key: &ObjectKey) -> bool {
    [PROBE, "catalogue/"].iter().any(|root| key.as_str().starts_with(root))
}

/// What became of a create.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CreateAnswer {
    /// The object was not there, and now is, durably.
    Created,
    /// Something was there already, durable or not; nothing was written.
    AlreadyExists,
}

/// One object of a listing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// Its size when it was listed.
    pub size_bytes: u64,
}

/// Why a backend did not do what it was asked. The caller knows the key and adds it.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// There is no such object.
    #[error("not found")]
    NotFound,

    /// Something is there that is no object, such as a folder or a pipe in place of a file.
    #[error("something that is not a regular file is in its place")]
    NotAnObject,

    /// The object is larger than the caller accepts; it was not read.
    #[error("an object of {size_bytes} bytes, more than the {bytes_max} accepted")]
    TooLarge {
        /// Size of the object.
        size_bytes: u64,
        /// The most the caller accepts.
        bytes_max: u64,
    },

    /// The answer was lost: it may have happened, or not.
    #[error("the store's answer was lost")]
    OutcomeUnknown {
        /// What stood in the way.
        source: Box<dyn Error + Send + Sync>,
    },

    /// It did not happen, or must not be trusted if it did (an fsync error, a full disk).
    #[error("the store failed")]
    Failed {
        /// What stood in the way.
        source: Box<dyn Error + Send + Sync>,
    },

    /// It did not happen, and will not until a person has done something: rights, a bucket, a name.
    #[error("the store refused: {what}")]
    Refused {
        /// What the store said, and what to do about it.
        what: String,
    },

    /// The backend cannot do this at all.
    #[error("the store cannot {what}")]
    Unsupported {
        /// What it cannot do, as it follows "the store cannot".
        what: &'static str,
    },
}

impl BackendError {
    /// Says that it did not happen, because of `source`.
    pub fn failed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { source: source.into() }
    }

    /// Says that the answer was lost, because of `source`.
    pub fn outcome_unknown(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::OutcomeUnknown { source: source.into() }
    }

    /// Says that a range leaves an object of this size.
    pub(crate) fn outside(range: &Range<u64>, size_bytes: u64) -> Self {
        Self::failed(format!(
            "bytes {} to {} are not inside an object of {size_bytes} bytes",
            range.start, range.end
        ))
    }

    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound | Self::Refused { .. } | Self::Unsupported { .. } => ErrorKind::Invalid,
            // The caller's bound is the format's: a larger object is none of ours.
            Self::TooLarge { .. } | Self::NotAnObject => ErrorKind::Integrity,
            Self::OutcomeUnknown { .. } | Self::Failed { .. } => ErrorKind::Transient,
        }
    }
}
