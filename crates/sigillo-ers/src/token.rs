//! Time-stamp tokens of RFC 3161, verified at the time they state.

use sigillo_model::Sha256Digest;

use crate::{Trust, TrustAnchors};

/// Largest token accepted, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1 << 20;

/// What a verified token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedToken {
    /// The time it states.
    pub stamped_at: jiff::Timestamp,
    /// The policy under which it was made, a dotted OID.
    pub policy: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// The subject of the signer's certificate, in words.
    pub authority: String,
    /// What the path of the signer's certificate led to.
    pub trust: Trust,
    /// Whether the policy is [`crate::TRIAL_POLICY`].
    pub trial: bool,
}

/// A token does not prove what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// Not a well-formed token.
    #[error("the time-stamp token is malformed: {what}")]
    Malformed {
        /// Where.
        what: &'static str,
    },
}

impl TokenError {
    /// Tells whether the token could not be judged, as opposed to being wrong.
    pub fn is_unknown_algorithm(&self) -> bool {
        false
    }
}

/// Verifies the token `raw` over `imprint` at the time that it states.
pub fn verify_token(
    _raw: &[u8],
    _imprint: Sha256Digest,
    _anchors: &TrustAnchors,
) -> Result<VerifiedToken, TokenError> {
    todo!()
}
