//! Receipts: what proves on its own that documents were taken into an archive; read, checked,
//! compared and put into words.
//!
//! Pure: no clock, no randomness, no input or output. A receipt is never believed: whom to trust
//! is what the caller says, and everything else is computed anew. Source: `docs/format.md`,
//! "Receipts".

mod bytes;
mod receipt;

mod proofs;

mod check;
mod check_documents;
mod check_sealings;
mod check_submission;

mod evidence;

mod bundle;
mod bundle_check;
mod bundle_zip;

mod extends;
mod html;
mod render;

pub use bundle::{BUNDLE_DOCUMENTS_MAX, BUNDLE_SCHEMA, Bundle, BundleError, BundledFile};
pub use bundle_check::{BundleCheck, BundleRules, check_bundle};
pub use bundle_zip::{BUNDLE_BYTES_MAX, BUNDLE_ENTRIES_MAX};
pub use bytes::Base64Bytes;
pub use check::{
    AttestedTime, FINDINGS_MAX, GivenFile, MatchedFile, ReceiptCheck, ReceiptTrust, check_receipt,
};
pub use evidence::{DocumentEvidence, EvidenceMaker};
pub use extends::{ReceiptDifference, extends};
pub use html::{CheckedPage, CheckedSort, render_html};
pub use proofs::{EXPLICIT_PROOFS_MAX, LEAVES_SHARE, needs_leaves};
pub use receipt::{
    ArchiveSection, BatchSection, Counts, DocumentSection, LoggedLine, PROOF_HASHES_MAX,
    RECEIPT_BATCHES_MAX, RECEIPT_BYTES_MAX, RECEIPT_DOCUMENTS_MAX, RECEIPT_REFUSALS_MAX,
    RECEIPT_SCHEMA, RECEIPT_SEALINGS_MAX, RECEIPT_TOKENS_MAX, Receipt, ReceiptError,
    RefusedDocument, SealedIn, SealingSection, StatedReport, SubmissionSection, TokenSection,
};
pub use render::render_text;
