//! Why a receipt could not be given.

use sigillo_evidence_log::LogError;
use sigillo_model::{ErrorKind, SubmissionId, VersionId};
use sigillo_proof::{ReceiptDifference, ReceiptError};

use crate::CustodyError;

/// Why a receipt could not be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GiveReceiptError {
    /// The archive could not be read.
    #[error("the archive could not be read")]
    Custody(#[source] CustodyError),
    /// The published checkpoint is missing, damaged, or not that of the commits.
    #[error("the published checkpoint cannot be used: {what}")]
    Checkpoint {
        /// What is wrong with it.
        what: String,
    },
    /// The archive does not say any more what an older receipt says.
    #[error("the archive does not bear out the older receipt")]
    Differs(#[source] ReceiptDifference),
    /// The files of the documents do not fit.
    #[error("the files have {bytes} bytes together, and {max} have room beside what proves them")]
    FilesTooLarge {
        /// Bytes of all files.
        bytes: u64,
        /// Bytes that have room.
        max: u64,
    },
    /// The checkpoint in an older receipt is none of a log of the archive.
    #[error("the checkpoint in the older receipt is none of this archive's: {what}")]
    Foreign {
        /// What is wrong with it.
        what: String,
    },
    /// The log does not begin with the one under the older receipt's checkpoint.
    #[error("the log does not begin with the {size} entries that the older receipt vouches for")]
    LogDiffers {
        /// Entries under the older checkpoint.
        size: u64,
    },
    /// What the receipt was to be for is not under the published checkpoint yet.
    #[error("the published checkpoint does not cover {what} yet")]
    NotCovered {
        /// What it does not cover.
        what: &'static str,
    },
    /// The log knows no such submission.
    #[error("the archive has no submission {submission}")]
    NoSubmission {
        /// The submission asked for.
        submission: SubmissionId,
    },
    /// No batch holds the version.
    #[error("the archive has no version {version}")]
    NoVersion {
        /// The version asked for.
        version: VersionId,
    },
    /// It would be larger than a receipt may be.
    #[error("the receipt would be too large: {0}")]
    TooLarge(ReceiptError),
}

impl GiveReceiptError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Custody(error) => error.kind(),
            Self::NotCovered { .. } => ErrorKind::Transient,
            Self::FilesTooLarge { .. }
            | Self::Foreign { .. }
            | Self::NoSubmission { .. }
            | Self::NoVersion { .. }
            | Self::TooLarge(_) => ErrorKind::Invalid,
            Self::Checkpoint { .. } | Self::Differs(_) | Self::LogDiffers { .. } => {
                ErrorKind::Integrity
            }
        }
    }
}

impl From<CustodyError> for GiveReceiptError {
    fn from(error: CustodyError) -> Self {
        Self::Custody(error)
    }
}

impl From<LogError> for GiveReceiptError {
    fn from(error: LogError) -> Self {
        Self::Custody(CustodyError::Log(error))
    }
}
