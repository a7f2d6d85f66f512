//! The vocabulary of Sigillo: ids, digests, records, log entries, findings and the seams through
//! which time, randomness and signatures come in.
//!
//! Pure: no clock, no randomness, no input or output.

mod digest;
mod error_kind;
mod ids;
mod json;
mod layout;
mod line;
mod name;
mod seams;

mod archive;
mod batch;
mod description;
mod entry;
mod key;
mod record;
mod renewal;
mod sealing;
mod succession;
mod validation;

mod finding;
mod hash_tree;
mod kept_findings;

pub use archive::{ARCHIVE_BYTES_MAX, Algorithms, ArchiveDescription, ArchiveKeys, Entity};
pub use batch::{BATCH_DOCUMENTS_MAX, BATCH_PACKS_MAX, ListedPack, PACK_LIST_BYTES_MAX, PackList};
pub use description::{DESCRIPTION_MEMBERS_MAX, Description, TEXT_BYTES_MAX};
pub use digest::{
    Blake3Digest, EvidenceDigest, ParseDigestError, Sha256Digest, Sha256Hasher, Sha512Digest,
    Sha512Hasher, VersionId,
};
pub use entry::{
    ArchiveCreated, BatchCommitted, BatchesSealed, COMMIT_ENTRIES_MAX, CheckpointAnchored,
    CommitOpened, ENTRY_BYTES_MAX, Entry, EntryError, EvidenceRehashed, EvidenceRenewed,
    KeyRotated, SealingStamped, StampedTree, SubmissionCompleted, SubmissionReceived,
};
pub use error_kind::ErrorKind;
pub use finding::{Finding, FindingCode, Place, Severity, Verdict};
pub use hash_tree::{
    HASH_TREE_BYTES_MAX, HASH_TREE_LISTS_MAX, HASH_TREE_SEALINGS_MAX, HashTree, RehashedBatch,
    RehashedSealing,
};
pub use ids::{
    ActId, ArchiveId, BatchId, DocumentId, ParseIdError, RenewalId, SealingId, SubmissionId,
    WriterId,
};
pub use json::{
    JSON_DEPTH_MAX, JSON_INTEGER_MAX, JsonError, LogTime, parse_canonical, parse_json,
    to_canonical, to_canonical_in_order,
};
pub use kept_findings::KeptFindings;
pub use key::DocumentKey;
pub use layout::ObjectKey;
pub use line::is_sha512_line;
pub use name::{decode_name, encode_name};
pub use record::{
    FileEntry, Operation, RECORD_BYTES_MAX, Record, RecordError, RecordKind, SALT_BYTES, salt_text,
};
pub use renewal::{
    RENEWAL_BYTES_MAX, RENEWAL_MEMBERS_MAX, RENEWAL_TOKENS_MAX, RENEWAL_VALIDATION_MAX,
    RenewalMember, RenewalMembers,
};
pub use sealing::{STATEMENT_BYTES_MAX, SealedBatch, Statement};
pub use seams::{Clock, Entropy, Signer, SignerError};
pub use succession::{
    BeyondEnd, CLOCK_TOLERANCE_SECONDS, GENERATIONS_MAX, LogSucceeded, SUCCESSION_ACT_BYTES_MAX,
    SUCCESSION_ACT_FORMAT, SUCCESSION_CHECKPOINT_BYTES_MAX, SUCCESSION_WORDS_BYTES_MAX, Succession,
    SuccessionAct, SuccessionReason,
};
pub use validation::{
    EvidenceKind, ListedEvidence, VALIDATION_EVIDENCE_MAX, VALIDATION_FORMAT,
    VALIDATION_LIST_BYTES_MAX, VALIDATION_LISTS_MAX, VALIDATION_NAMED_MAX, ValidationList,
    ValidationOf,
};
