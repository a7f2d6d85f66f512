//! Why a period statement could not be made.

use sigillo_authorities::KeyError;
use sigillo_ers::CertificateError;
use sigillo_evidence_log::LogError;
use sigillo_model::{ErrorKind, ObjectKey, SignerError};
use sigillo_proof::{PeriodError, PeriodFault};

use crate::CustodyError;

/// Why a period statement could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakePeriodError {
    /// The certificate of the seal key cannot be used.
    #[error("the certificate of the seal key cannot be used")]
    Certificate(#[source] CertificateError),
    /// The archive could not be read.
    #[error("the archive could not be read")]
    Custody(#[source] CustodyError),
    /// There is no such period.
    #[error(
        "the log has no such period: it would end before it begins, or before the first commit"
    )]
    Empty,
    /// The entries of the log are not as they must be.
    #[error("the log is not as it must be")]
    Fault(#[source] PeriodFault),
    /// The log key could not sign.
    #[error("a checkpoint of the period could not be signed")]
    Key(#[source] KeyError),
    /// The log does not contain a checkpoint that was named.
    #[error("the log does not contain the checkpoint of {size} entries")]
    LogDiffers {
        /// Entries that it covers.
        size: u64,
    },
    /// A checkpoint that was named does not cover whole commits.
    #[error("the checkpoint of {size} entries does not cover whole commits")]
    NotWhole {
        /// Entries that it covers.
        size: u64,
    },
    /// An object of the archive cannot be used.
    #[error("object {key} cannot be used: {what}")]
    Object {
        /// Its key.
        key: ObjectKey,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Something is not in the tree that must be.
    #[error("the log does not hold what it must")]
    Outside,
    /// The seal key could not sign.
    #[error("the period could not be sealed")]
    Signer(#[source] SignerError),
    /// The log came after another one: statements over both are not made yet.
    #[error(
        "the log of this archive was succeeded by log {generation}: statements of an archive with \
         more than one log cannot be made yet"
    )]
    Succeeded {
        /// The generation of the newest log.
        generation: u64,
    },
    /// It would be larger than a period statement may be.
    #[error("the period is too large for one statement")]
    TooLarge(#[source] PeriodError),
    /// There is more of something in the period than a statement may have.
    #[error("the period has {count} {what}, more than the {max} that one statement may have")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        max: u64,
    },
}

impl MakePeriodError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Custody(error) => error.kind(),
            Self::Key(error) => error.kind(),
            Self::Certificate(_)
            | Self::Empty
            | Self::NotWhole { .. }
            | Self::Signer(_)
            | Self::Succeeded { .. }
            | Self::TooLarge(_)
            | Self::TooMuch { .. } => ErrorKind::Invalid,
            Self::Fault(_) | Self::LogDiffers { .. } | Self::Object { .. } | Self::Outside => {
                ErrorKind::Integrity
            }
        }
    }

    /// Tells whether a shorter period would do.
    pub const fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::TooMuch { .. })
    }
}

impl From<CustodyError> for MakePeriodError {
    fn from(error: CustodyError) -> Self {
        Self::Custody(error)
    }
}

impl From<LogError> for MakePeriodError {
    fn from(error: LogError) -> Self {
        Self::Custody(CustodyError::Log(error))
    }
}
