//! Why a key folder could not be made, opened or used.

use std::{io, path::PathBuf};

use sigillo_ers::CertificateError;
use sigillo_model::{ErrorKind, SignerError};

use crate::SignedHead;

/// Why a [`KeyFolder`](crate::KeyFolder) could not be made, opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A trial certificate could not be made, such as when the clock is far off.
    #[error("cannot make the trial certificate {}", path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// What stood in the way.
        source: CertificateError,
    },

    /// A file of the folder is not what Sigillo writes there.
    #[error("{} is damaged: {reason}; restore it from a copy of the key folder", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The head to be signed does not continue the last one that was: signing it would fork the
    /// log. Nothing was signed.
    #[error(
        "the log diverged: {} leaves with root {} do not belong to the log of {} leaves with root \
         {} that this key signed last; nothing was signed, find out which of the two is the log",
        head.size, head.root, last.size, last.root
    )]
    Diverged {
        /// The last head signed.
        last: SignedHead,
        /// The head that was not signed.
        head: SignedHead,
    },

    /// Others than the owner can read or change a file or the folder.
    #[error(
        "{} is open to others than its owner (mode {mode:04o}); run `chmod {remedy} '{}'`, and \
         replace its keys if others may have read them",
        path.display(), path.display()
    )]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits it must have, as `chmod` takes them.
        remedy: &'static str,
    },

    /// The operating system refused something.
    #[error("cannot use the key folder while {doing} {}", path.display())]
    Io {
        /// What was being done, as it precedes the name of the file.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What stood in the way.
        source: io::Error,
    },

    /// A certificate does not belong to the key beside it.
    #[error(
        "{} is no certificate of the key in {}; restore both from the same copy",
        certificate.display(), key.display()
    )]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },

    /// The folder, or a file of it, does not exist.
    #[error(
        "{} does not exist; name the right key folder, restore it from a copy, or complete a new \
         one with `sigillo init`",
        path.display()
    )]
    Missing {
        /// The file or folder.
        path: PathBuf,
    },

    /// A log key was to sign what is neither a checkpoint nor a rotation.
    #[error("a log key signs nothing but checkpoints and the key that follows it")]
    NoRotation,

    /// The name of the entity cannot stand in a certificate.
    #[error("the entity name {entity:?} cannot stand in a certificate: {reason}")]
    Entity {
        /// The name, shortened.
        entity: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The folder is that of a witness of another name.
    #[error("{} holds the key of the witness {name:?} already", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
        /// The name of that witness.
        name: String,
    },

    /// The folder has as many log keys as it can have.
    #[error("{} and those after it are {max} keys, and no log can have more", path.display())]
    TooManyKeys {
        /// The first of them.
        path: PathBuf,
        /// How many it can have.
        max: u64,
    },

    /// The witness has cosigned as many logs as it can remember.
    #[error("the witness in {} has cosigned {max} logs, and can remember no more", path.display())]
    TooMany {
        /// Its folder.
        path: PathBuf,
        /// How many it can remember.
        max: usize,
    },

    /// A key could not be generated or could not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

impl KeyError {
    /// Returns what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged { .. } | Self::Diverged { .. } | Self::Mismatch { .. } => {
                ErrorKind::Integrity
            }
            Self::Certificate { .. }
            | Self::Entity { .. }
            | Self::Exposed { .. }
            | Self::Missing { .. }
            | Self::NoRotation
            | Self::Taken { .. }
            | Self::TooMany { .. }
            | Self::TooManyKeys { .. } => ErrorKind::Invalid,
            Self::Io { .. } | Self::Signer(_) => ErrorKind::Transient,
        }
    }
}
