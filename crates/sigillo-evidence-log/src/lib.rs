//! The evidence log of one archive: commits, recovery, publishing, sealing, stamping, reading and
//! auditing.
//!
//! The commits under `log/seq/` are the only truth of the log, and creating the next number is the
//! only way anything is added. Tiles, entry bundles and the published checkpoint are copies that
//! follow from them.

mod archive;
mod chain;
mod commit;
mod error;
mod generation;
mod head;
mod key_rotation;
mod right_edge;

mod publish;
mod recover;
mod writer;

mod chains;
mod covering;
mod gathering;
mod hash_tree_objects;
mod lines;
mod lost;
mod rehashing;
mod renewal_fit;
mod renewing;
mod revoked_out;
mod sealing;
mod sealing_chains;
mod stamping;
mod standing;
mod stopped;
mod succession;
mod told_revocations;
mod tree_parts;
mod validation;

mod anchoring;
mod audit;
mod audit_derived;
mod audit_lines;
mod audit_received;
mod audit_renewals;
mod audit_revocation;
mod audit_sealings;
mod audit_seals;
mod audit_succession;
mod batch_objects;
mod indexing;
mod records;
mod seen_log;
mod summary;
mod tables;
mod view;

pub use anchoring::commit_anchor;
pub use archive::{Archive, NewArchive, place_of};
pub use audit::{AuditKnowledge, AuditTime, LogAudit, audit_log};
pub use audit_succession::{Uncontained, beyond_end, is_said_lost, uncontained};
pub use batch_objects::{BatchObjectError, read_leaves, read_pack_list, read_rehashed_leaves};
pub use chains::{ChainToken, Chains, Rehash, TokenFrom, chain_hash, chains_of, last_chain};
pub use commit::{COMMIT_BYTES_MAX, Commit, CommitFault};
pub use error::LogError;
pub use gathering::{
    GatherPlan, GatherRules, PlannedCopy, PlannedGathering, copy_revocations, gather_again,
    plan_gathering,
};
pub use hash_tree_objects::{UnstampedTree, check_objects, list_objects, list_sealed_objects};
pub use head::{COMMITS_MAX, find_head};
pub use indexing::{UnreadDocuments, catch_up_index, forget_foreign_index, index_commit, indexed};
pub use key_rotation::{LoggedRotation, RotatedKey, is_rotation_unfinished, rotate_log_key};
pub use lines::{HashFamily, LINE_NAME_CHARS_MAX, LineProfile, is_trial_line, plan_lines};
pub use lost::Unread;
pub use publish::{PublishedCheckpoint, Standing, read_checkpoint, rebuild_log};
pub use records::proven_record;
pub use recover::{ended_log_contains, first_not_contained, log_contains};
pub use rehashing::{RehashOutcome, commit_hash_tree};
pub use renewing::{
    PlannedRehash, PlannedRenewal, RENEWAL_LEAD, RenewOutcome, RenewalPlan, RenewalRules, Renewer,
    plan_renewals,
};
pub use revoked_out::RevokedRenewals;
pub use right_edge::RightEdge;
pub use sealing::{SealOutcome, Sealed, Sealer, checkpoint_value};
pub use sealing_chains::{ReadTokens, SealingChains};
pub use seen_log::{BelievedKeys, SeenHead, SeenLog};
pub use stamping::{EVIDENCE_LINE, StampOutcome, StampWith, Stamping, stamp_sealings};
pub use succession::{
    ClockBehind, SucceededLog, SuccessionPlan, SuccessionTerms, act_clock_behind, clock_behind,
    is_vouched_by_old_key, plan_succession, read_act, sign_succession_act, succeed_log,
    write_succession_act,
};
pub use summary::{LineSummary, LogSummary, UnsealedBatch, UnstampedSealing, summarise};
pub use tables::{CaughtUp, TableFault, Tables, read_table};
pub use told_revocations::{ToldRevocation, ToldRevocations};
pub use validation::{
    GatherOutcome, KeptEvidence, RevokedCertificate, gather_validation, read_validation,
};
pub use view::{
    LogView, LoggedAnchor, LoggedBatch, LoggedRehash, LoggedRenewal, LoggedSealing, LoggedStamp,
    LoggedSuccession, read_commits, read_view,
};
pub use writer::{CommitOutcome, Committed, LogKeys, LogWriter};
