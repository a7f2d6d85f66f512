//! The vocabulary of Sigillo: ids, digests, records, log entries, findings and the seams through
//! which time, randomness and signatures come in.
//!
//! Pure: no clock, no randomness, no input or output.

mod digest;
mod error_kind;
mod ids;
mod layout;
mod seams;

pub use digest::{Blake3Digest, ParseDigestError, Sha256Digest, VersionId};
pub use error_kind::ErrorKind;
pub use ids::{
    ActId, ArchiveId, BatchId, DocumentId, ParseIdError, SealingId, SubmissionId, WriterId,
};
pub use layout::ObjectKey;
pub use seams::{Clock, Entropy, Signer, SignerError};
