//! Receipts: what proves on its own that documents were taken into an archive; read, checked,
//! compared and put into words. Period statements: what proves on its own what happened in an
//! archive meanwhile. Samples that nobody can steer: which documents a seed draws.
//!
//! Pure: no clock, no randomness, no input or output. Neither is ever believed: whom to trust is
//! what the caller says, and everything else is computed anew. Source: `docs/format.md`,
//! "Receipts", "Period statements", "Samples".

mod bytes;
mod logged;
mod receipt;
mod receipt_error;
mod receipt_schema;
mod sort;
mod spelling;

mod proofs;

mod check;
mod check_checkpoint;
mod check_documents;
mod check_ended;
mod check_hash_trees;
mod check_logs;
mod check_renewals;
mod check_sealings;
mod check_seals;
mod check_submission;
mod check_validation;
mod line_findings;

mod evidence;

mod bundle;
mod bundle_check;
mod bundle_times;
mod bundle_zip;

mod period;
mod period_check;
mod period_count;
mod period_make;
mod period_render;

mod sample;

mod extends;
mod holding;
mod html;
mod render;
mod renewals;

pub use bundle::{
    BUNDLE_DOCUMENTS_MAX, BUNDLE_SCHEMA, BUNDLE_SCHEMA_OF_LOGS, BUNDLE_SCHEMA_OF_TREES, Bundle,
    BundleError, BundledFile,
};
pub use bundle_check::{
    BundleCheck, BundleRules, REVOCATION_KNOWN, check_bundle, check_receipt_at,
};
pub use bundle_zip::{BUNDLE_BYTES_MAX, BUNDLE_ENTRIES_MAX};
pub use bytes::Base64Bytes;
pub use check::{
    AttestedTime, EndedLog, FINDINGS_MAX, GivenFile, LineStanding, MatchedFile, ReceiptCheck,
    ReceiptTrust, SuccessorKeys, check_receipt,
};
pub use check_checkpoint::{CosignedBy, is_witnessed, not_witnessed};
pub use check_ended::end_of;
pub use check_logs::CheckedLog;
pub use evidence::{DocumentEvidence, EvidenceMaker};
pub use extends::{ReceiptDifference, extends, keep_cosignatures};
pub use holding::HoldingLines;
pub use html::{CheckedPage, CheckedSort, render_html};
pub use logged::{ArchiveSection, EntryPlace, LoggedLine, SUCCESSION_INDEX, SuccessionSection};
pub use period::{
    EndedPeriod, PERIOD_BYTES_MAX, PERIOD_ENTRIES_MAX, PERIOD_SCHEMA, PERIOD_SCHEMA_OF_LOGS,
    PERIOD_TYPES_MAX, PeriodBatch, PeriodCommit, PeriodCounts, PeriodError, PeriodStatement,
    StatedPeriod, TypeCount, is_period_statement,
};
pub use period_check::{PeriodCheck, PeriodTime, check_period};
pub use period_count::{CountedPeriod, ENTRY_TYPES, PeriodFault, count_period};
pub use period_make::{PeriodDraft, period_value};
pub use period_render::render_period;
pub use proofs::{EXPLICIT_PROOFS_MAX, LEAVES_SHARE, needs_leaves};
pub use receipt::{
    BatchSection, Counts, DocumentSection, DocumentTreeSection, HashTreeSection, PROOF_HASHES_MAX,
    RECEIPT_BATCHES_MAX, RECEIPT_BYTES_MAX, RECEIPT_DOCUMENTS_MAX, RECEIPT_REFUSALS_MAX,
    RECEIPT_RENEWALS_MAX, RECEIPT_SEALINGS_MAX, RECEIPT_TOKENS_MAX, RECEIPT_VALIDATION_BYTES_MAX,
    RECEIPT_VALIDATION_MAX, RECEIPT_WITNESSES_MAX, Receipt, RefusedDocument, RenewalSection,
    SealedIn, SealingSection, StatedReport, SubmissionSection, TokenSection, ValidationSection,
};
pub use receipt_error::ReceiptError;
pub use receipt_schema::{RECEIPT_SCHEMA, RECEIPT_SCHEMA_OF_LOGS, RECEIPT_SCHEMA_OF_TREES};
pub use render::render_text;
pub use sample::{
    CheckpointSeed, DETECTION_SHARE_PPM, SAMPLE_DOCUMENTS_MAX, SAMPLE_WITNESSES_MAX, SeedError,
    TokenSeed, checkpoint_seed, detection_ppm, draw_sample, smallest_found, token_seed,
};
pub use sort::ProofSort;
