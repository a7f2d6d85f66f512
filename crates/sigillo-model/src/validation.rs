//! The lists of what was gathered to judge the certificates of a sealing's time-stamps.

use serde::{Deserialize, Serialize};

use crate::{LogTime, RenewalId, SealingId, Sha256Digest};

/// Largest list read, in bytes.
pub const VALIDATION_LIST_BYTES_MAX: u64 = 64 << 10;
/// Most lists of one sealing.
pub const VALIDATION_LISTS_MAX: u64 = 10_000;
/// Most names in all lists of one sealing or renewal that are read, the same ones counted again.
pub const VALIDATION_NAMED_MAX: usize = 10_000;
/// Most pieces of evidence on one time-stamp that are read, missing ones included.
pub const VALIDATION_EVIDENCE_MAX: usize = 1_000;
/// Beside what evidence lies: that whose time-stamps it is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ValidationOf {
    /// A sealing.
    Sealing(SealingId),
    /// A renewal.
    Renewal(RenewalId),
}

impl From<SealingId> for ValidationOf {
    fn from(sealing: SealingId) -> Self {
        Self::Sealing(sealing)
    }
}

impl From<RenewalId> for ValidationOf {
    fn from(renewal: RenewalId) -> Self {
        Self::Renewal(renewal)
    }
}

/// The format of the lists written.
pub const VALIDATION_FORMAT: u32 = 1;

/// What was gathered at one time for one time-stamp.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationList {
    /// When, by our clock.
    pub at: LogTime,
    /// What was gathered; each is an object of its own.
    pub evidence: Vec<ListedEvidence>,
    /// [`VALIDATION_FORMAT`].
    pub format: u32,
    /// The evidence line of the time-stamp.
    pub line: String,
    /// The token, by its SHA-256.
    pub token_sha256: Sha256Digest,
}

/// One piece of evidence.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListedEvidence {
    /// `crl` or `ocsp`.
    pub kind: EvidenceKind,
    /// SHA-256 of its bytes, and its name.
    pub sha256: Sha256Digest,
    /// Its size.
    pub size_bytes: u64,
}

/// What a piece of evidence is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// A certificate revocation list (RFC 5280), DER.
    Crl,
    /// An OCSP response (RFC 6960), DER.
    Ocsp,
}
