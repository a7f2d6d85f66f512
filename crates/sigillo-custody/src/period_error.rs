//! Why a period statement could not be made.

use sigillo_authorities::KeyError;
use sigillo_ers::CertificateError;
use sigillo_evidence_log::LogError;
use sigillo_model::{ErrorKind, ObjectKey, SignerError};
use sigillo_proof::{PeriodError, PeriodFault};

use crate::{CustodyError, GiveReceiptError};

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
    /// The logs of the archive cannot be read.
    #[error("the logs of the archive could not be read")]
    Logs(#[source] GiveReceiptError),
    /// The archive has no such log.
    #[error("the archive has no log {generation}")]
    NoLog {
        /// The generation asked for.
        generation: u64,
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
    /// The period has entries of several logs, one after the other.
    #[error("the period has entries of log {first} and of log {last}, which came after it")]
    OverBorder {
        /// The generation of the first.
        first: u64,
        /// The generation of the last.
        last: u64,
    },
    /// Something is not in the tree that must be.
    #[error("the log does not hold what it must")]
    Outside,
    /// The seal key could not sign.
    #[error("the period could not be sealed")]
    Signer(#[source] SignerError),
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
            Self::Logs(error) => error.kind(),
            Self::Key(error) => error.kind(),
            Self::Certificate(_)
            | Self::Empty
            | Self::NoLog { .. }
            | Self::NotWhole { .. }
            | Self::OverBorder { .. }
            | Self::Signer(_)
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
