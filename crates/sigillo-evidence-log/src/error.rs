//! Why the log could not do what it was asked.

use sigillo_authorities::{KeyError, SignedHead};
use sigillo_ers::CertificateError;
use sigillo_model::{EntryError, ErrorKind, ObjectKey, SignerError};
use sigillo_store::{StoreError, pack::PackError};

use crate::CommitFault;

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The store did not do what it was asked.
    #[error("the store failed while {doing}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What stood in the way.
        source: StoreError,
    },

    /// There is no archive in the store.
    #[error("there is no archive in {place}")]
    NoArchive {
        /// The store, as it names itself.
        place: String,
    },

    /// Another archive, or one with other keys, is in the store already.
    #[error("{place} already holds another archive, of {entity}")]
    OtherArchive {
        /// The store, as it names itself.
        place: String,
        /// Whose archive it is.
        entity: String,
    },

    /// `archive.json` cannot be read.
    #[error("archive.json cannot be read: {reason}")]
    BadDescription {
        /// What is wrong with it.
        reason: String,
    },

    /// `archive.json` is the one that the first commit names, and states what is not known here.
    #[error("archive.json states {what}, which this program does not know")]
    LaterProgram {
        /// What it states.
        what: String,
    },

    /// A commit is not one of this archive's.
    #[error("commit {number} is damaged: {fault}")]
    CommitDamaged {
        /// Number of the commit.
        number: u64,
        /// What is wrong with it.
        fault: CommitFault,
    },

    /// A commit is missing although later ones exist.
    #[error("commit {number} is missing although later ones exist")]
    CommitMissing {
        /// Number of the commit.
        number: u64,
    },

    /// The newest commits are missing: what is published covers more.
    #[error(
        "commit {number} is missing: a checkpoint of {covered} entries is published, and the commits have \
         {size}"
    )]
    NewestMissing {
        /// The number of the first that is missing.
        number: u64,
        /// Entries that the published checkpoint covers.
        covered: u64,
        /// Entries that the commits have.
        size: u64,
    },

    /// The log found in the store does not extend the checkpoint that this key folder signed last.
    #[error(
        "LOG_DIVERGED: the log in the store has {found_size} entries and does not extend the \
         checkpoint of {} entries that these keys signed last; nothing was written", last.size
    )]
    Diverged {
        /// What was signed last.
        last: SignedHead,
        /// Entries found in the store.
        found_size: u64,
    },

    /// Another log came after the one that the keys at hand are for.
    #[error(
        "the log was succeeded by log {generation} with commit {commit}, and this was opened, or has \
         keys, for the one before: nothing was written"
    )]
    Succeeded {
        /// The generation of the new log.
        generation: u64,
        /// The commit that began it.
        commit: u64,
    },

    /// The log cannot be succeeded as was asked.
    #[error("the log cannot be succeeded: {what}")]
    NoSuccession {
        /// What stands in the way.
        what: String,
    },

    /// What was written is not what is read back.
    #[error("object {key} reads back as something else than was written")]
    ReadBack {
        /// Its key.
        key: ObjectKey,
    },

    /// A fresh random name is taken by somebody else's object.
    #[error("object {key} exists although its name was drawn afresh")]
    NameTaken {
        /// Its key.
        key: ObjectKey,
    },

    /// The key folder could not sign or remember.
    #[error("the key folder failed while {doing}")]
    Keys {
        /// What was being done.
        doing: &'static str,
        /// What stood in the way.
        source: KeyError,
    },

    /// A key could not sign.
    #[error("a commit could not be signed")]
    Signer {
        /// What stood in the way.
        source: SignerError,
    },

    /// An entry is longer than the log allows, or there are too many.
    #[error("the entries do not fit into one commit")]
    Entries {
        /// What is wrong, for a single entry.
        source: Option<EntryError>,
    },

    /// A pack could not be read.
    #[error("pack {key} cannot be read")]
    Pack {
        /// Its key.
        key: ObjectKey,
        /// What stood in the way.
        source: PackError,
    },

    /// The index of keys cannot be read.
    #[error("the index of keys failed")]
    Index {
        /// What stood in the way.
        source: sigillo_catalogue::IndexError,
    },

    /// An object is damaged, so what it holds cannot be indexed.
    #[error("object {key} cannot be indexed: {what}")]
    Unindexable {
        /// Its key.
        key: ObjectKey,
        /// What is wrong with it.
        what: &'static str,
    },

    /// A task that read a pack panicked.
    #[error("a task that read a pack panicked")]
    ReadPanicked,

    /// A seal could not be prepared from the certificate.
    #[error("the seal could not be made: {reason}")]
    Seal {
        /// What stood in the way.
        reason: String,
    },

    /// The certificate of the seal is not valid now.
    #[error("nothing can be sealed: {reason}")]
    SealCertificate {
        /// Whose it is, and from when to when it is valid.
        reason: String,
    },

    /// Other writers were faster again and again.
    #[error("other writers took the next number {attempts} times in a row")]
    Crowded {
        /// How often it was tried.
        attempts: u32,
    },
}

impl LogError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store { source, .. } => source.kind(),
            Self::Keys { source, .. } => source.kind(),
            Self::Pack { source, .. } => source.kind(),
            Self::NoArchive { .. }
            | Self::NoSuccession { .. }
            | Self::OtherArchive { .. }
            | Self::SealCertificate { .. }
            | Self::LaterProgram { .. } => ErrorKind::Invalid,
            Self::BadDescription { .. }
            | Self::CommitDamaged { .. }
            | Self::CommitMissing { .. }
            | Self::Diverged { .. }
            | Self::NewestMissing { .. }
            | Self::Unindexable { .. }
            | Self::ReadBack { .. } => ErrorKind::Integrity,
            Self::NameTaken { .. } | Self::Crowded { .. } | Self::Succeeded { .. } => {
                ErrorKind::Conflict
            }
            Self::Signer { .. } | Self::Index { .. } => ErrorKind::Transient,
            Self::Entries { .. } | Self::Seal { .. } | Self::ReadPanicked => ErrorKind::Bug,
        }
    }

    /// Says why a seal could not be prepared.
    pub(crate) fn seal(error: &CertificateError) -> Self {
        let reason = error.to_string();
        match error {
            CertificateError::NotValid { .. } => Self::SealCertificate { reason },
            _ => Self::Seal { reason },
        }
    }

    /// Adds to a store's error what was being done.
    pub(crate) fn store(doing: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::Store { doing, source }
    }

    /// Adds to a key folder's error what was being done.
    pub(crate) fn keys(doing: &'static str) -> impl FnOnce(KeyError) -> Self {
        move |source| Self::Keys { doing, source }
    }
}
