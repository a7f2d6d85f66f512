//! Keeping what was archived: verifying, finding, giving back, and rebuilding what can be rebuilt.
//!
//! A verifier reports findings; an error means that it could not look.

mod batch_check;
mod entry_scan;
mod links;
mod pack_check;
mod report_check;
mod sample;
mod verify;

mod claims;
mod export;
mod give_back;
mod output_folder;
mod records_file;
mod target;
mod window;

mod find;
mod find_query;
mod holder;
mod known;
mod locate;
mod named;
mod path;
mod rebuild;

mod sweep;
mod sweep_names;

mod anchors;
mod bundled_files;
mod cosignatures;
mod qualified;
mod receipt;
mod receipt_archive;
mod receipt_instead;
mod receipt_kept;
mod receipt_log;
mod receipt_records;
mod receipt_sealings;
mod receipt_trees;
mod receipt_validation;

mod rehash;
mod rehash_journal;
mod rehash_pack;
mod trees_check;

mod submissions;

mod period;
mod period_error;
mod period_log;

mod catalogue;
mod doctor;
mod health;
mod index_check;
mod published;

mod error;
mod receipt_error;
mod receipt_lost;

pub use anchors::{AnchorFault, CheckpointAnchor, store_anchor};
pub use catalogue::check_catalogue;
pub use cosignatures::{
    CosignatureOutcome, CosignedCheckpoint, list_cosigned_sizes, read_cosignatures,
    store_cosignature,
};
pub use doctor::{
    check_certificates, check_clock, check_last_read, check_sealing, check_signer, check_stamping,
    growth_a_day,
};
pub use error::CustodyError;
pub use export::{Aside, ExportOutcome, ExportProblem, ExportProgress, Exporter};
pub use find::{FOUND_BYTES_MAX, FOUND_MAX, FindOutcome, FoundDocument, find};
pub use find_query::FindQuery;
pub use health::{Check, Health, Space, check_space};
pub use index_check::check_index;
pub use known::KnownVersions;
pub use locate::{LocateError, Located, Locator, MATCHES_MAX, PREFIX_DIGITS_MIN};
pub use period::{MadePeriod, PeriodAsked, PeriodBound, PeriodMaker};
pub use period_error::MakePeriodError;
pub use published::check_published;
pub use qualified::{is_revocation_known, unqualified_stamps};
pub use rebuild::{RebuildOutcome, RebuildProgress, rebuild_blocks};
pub use receipt::{ReceiptMaker, ReceiptOf};
pub use receipt_error::GiveReceiptError;
pub use receipt_log::{Growth, GrowthToEnd, ReceiptLog};
pub use receipt_lost::GivenReceipt;
pub use receipt_validation::AddedValidation;
pub use rehash::{MadeTree, Rehasher};
pub use rehash_journal::RehashJournal;
pub use sample::{SampleReport, SampleSeed};
pub use submissions::{CompletedAt, SubmissionAccount, read_submissions, source_of};
pub use sweep::{SWEPT_MAX, SweepOutcome, SweepPlan, perform_sweep, plan_sweep};
pub use sweep_names::{NAMED_MAX, Names, Standing};
pub use target::{OTHERS, RECORDS};
pub use trees_check::check_trees;
pub use verify::{FINDINGS_MAX, Scope, Verifier, VerifyProgress, VerifyReport};
