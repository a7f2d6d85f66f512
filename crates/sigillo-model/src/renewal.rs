//! What a renewal of time-stamps covers.

use serde::{Deserialize, Serialize};

use crate::{EvidenceDigest, RenewalId, Sha256Digest};

/// Most sealings that one renewal covers.
pub const RENEWAL_MEMBERS_MAX: usize = 100_000;

/// Most time-stamps of one sealing that a renewal covers: some decades of them.
pub const RENEWAL_TOKENS_MAX: usize = 64;

/// Most revocation lists and OCSP responses that a renewal covers with the time-stamps of one sealing.
pub const RENEWAL_VALIDATION_MAX: usize = 256;

/// Largest `members.json` accepted, in bytes.
pub const RENEWAL_BYTES_MAX: u64 = 64 << 20;

/// `members.json`: the sealings whose time-stamps one newer time-stamp covers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RenewalMembers {
    /// The format of the object: 1.
    pub format: u32,
    /// The evidence line.
    pub line: String,
    /// The sealings, by number.
    pub members: Vec<RenewalMember>,
    /// The renewal's folder.
    pub renewal: RenewalId,
}

/// One sealing in a renewal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RenewalMember {
    /// Number of the sealing.
    pub number: u64,
    /// SHA-256 of all time-stamps that it has on the line, oldest first.
    pub tokens: Vec<Sha256Digest>,
    /// The revocation evidence on them that the renewal covers and no older one of the chain did, by
    /// the hash function of the chain: in the order of the digests, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<EvidenceDigest>,
}
