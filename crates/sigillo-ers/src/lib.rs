//! Evidence: RFC 3161 time-stamps, RFC 4998 hash trees, CAdES seals and the certificates behind
//! them; the bytes to sign, and verification at a past time.
//!
//! Pure: no clock, no randomness, no input or output. Keys stay outside: whatever is signed comes
//! out of a `prepare_…` function as bytes and goes back into `finish` as a signature. Received
//! bytes are kept as they came; nothing that others signed is ever encoded again.

mod sealing;
mod tree;

mod asn1;
mod der;
mod time;
mod x509;

mod anchors;
mod bare;
mod beside;
mod cms;
mod ess;
mod hash;
mod legacy;
mod listed;
mod pss;
mod signature;

mod crl;
mod evidence_told;
mod joined;
mod ocsp;
mod revocation;
mod revocation_check;
mod revocation_piece;
mod revocation_reason;
mod revocation_summary;
mod signed;

mod chain_stamps;
mod lifetimes;
mod path_bearing;
mod record;
mod record_check;
mod record_revocation;
mod renewal;

mod filled;
mod request;
mod response;
mod token;
mod token_revocation;

mod certificate;
mod curve;
mod issue;
mod seal;
mod sign;

pub use anchors::{
    ANCHOR_NAME_BYTES_MAX, ANCHORS_MAX, Trust, TrustAnchors, certificate_end, certificate_start,
};
pub use bare::{BareSignature, BareSignatureError, certificate_subject, verify_bare};
pub use certificate::{
    CERTIFICATE_BYTES_MAX, CertificateContent, CertificateError, CertificateRole, PEM_BLOCKS_MAX,
    PEM_BYTES_MAX, PreparedCertificate, pem_blocks, prepare_certificate, to_pem,
};
pub use chain_stamps::{ChainStamps, rehashed_group};
pub use cms::CmsError;
pub use evidence_told::{
    CertificateNames, NamedRevoked, ToldEvidence, evidence_told, evidence_told_each,
    evidence_within, revocation_kind, tells_of_revocation,
};
pub use filled::{FILLED_REVOCATIONS_MAX, FillError, fill_token, is_filled_from};
pub use hash::{HashFunction, Hasher, Imprint, UnknownHashName};
pub use issue::{PreparedToken, TRIAL_POLICY, TokenContent, prepare_token, refusal};
pub use joined::JoinedHashes;
pub use lifetimes::{ALGORITHM_TABLE_BYTES_MAX, AlgorithmTable, AlgorithmTableError, Lifetime};
pub use listed::{ListedPeriod, ListedService, Qualification, Standing};
pub use record::{
    ArchiveTimeStamp, EvidenceRecord, NamedHash, RECORD_BYTES_MAX, RECORD_CHAINS_MAX,
    RECORD_HASHES_MAX, RECORD_LISTS_MAX, RECORD_STAMPS_MAX, RecordError, StampChain, StampParts,
    write_chain, write_record, write_sequence,
};
pub use record_check::{
    Authorities, RecordObject, RecordReport, RecordRules, StampReport, lists_root, record_hashes,
    renewed_value, verify_record,
};
pub use record_revocation::RevocationRules;
pub use renewal::{
    Due, DueCause, PreparedRenewal, Renewal, RenewalError, renew_hash_tree, renew_time_stamp,
    renewals_due, token_certificate_end, token_renewals_due, token_signature,
};
pub use request::{REQUEST_BYTES_MAX, RequestError, TimeStampRequest};
pub use response::{
    Expectations, RESPONSE_BYTES_MAX, ResponseError, TimeStampToken, check_response,
};
pub use revocation::{
    CertificateRevocation, REVOCATION_BYTES_MAX, REVOCATION_ITEMS_MAX, REVOCATION_SET_BYTES_MAX,
    RevocationEffect, RevocationError, RevocationKind, RevocationSet, RevocationSource,
    RevocationStatus, RevocationTimes,
};
pub use revocation_reason::RevocationReason;
pub use revocation_summary::{
    RevocationSummary, USED_EVIDENCE_MAX, UsedEvidence, is_revocation_known,
};
pub use seal::{
    PreparedSeal, SEAL_BYTES_MAX, SealError, VerifiedSeal, is_seal_anchored, prepare_seal,
    verify_seal, verify_stamped_seal,
};
pub use sealing::{sealing_leaves, sealing_value};
pub use signature::{SignatureScheme, SignatureUse};
pub use token::{
    DrawnToken, TOKEN_BYTES_MAX, TokenError, VerifiedToken, draw_from_token, verify_token,
};
pub use token_revocation::{
    REVOCATION_QUESTIONS_MAX, RevocationQuestion, RevokedStamp, revocation_questions,
    revoked_by_others, revoked_now, revoked_stamp, token_revocation,
};
pub use tree::{
    EvidenceTree, TreeDigest, evidence_value, list_value, pair_value, renewal_leaf, tree_path,
    tree_root, version_id, walk_path,
};
