//! Time-stamp responses of RFC 3161: every check before a token counts.

use crate::{TimeStampRequest, TrustAnchors, VerifiedToken};

/// Largest response accepted, in bytes.
pub const RESPONSE_BYTES_MAX: usize = crate::TOKEN_BYTES_MAX + (64 << 10);

/// What a response must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The request that was sent.
    pub request: &'a TimeStampRequest,
    /// The instant of the check by our clock.
    pub at: jiff::Timestamp,
    /// How far the token's time may lie from `at`, either way.
    pub tolerance: jiff::SignedDuration,
    /// Where a path must end.
    pub anchors: &'a TrustAnchors,
}

/// A token that answers a request and passed every check.
#[derive(Clone, Debug)]
pub struct TimeStampToken {
    raw: Vec<u8>,
    verified: VerifiedToken,
}

impl TimeStampToken {
    /// Returns the exact bytes of the `ContentInfo` as received.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Returns what the token says.
    pub fn verified(&self) -> &VerifiedToken {
        &self.verified
    }
}

/// A response does not count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResponseError {
    /// Not a well-formed response.
    #[error("the time-stamp response is malformed: {what}")]
    Malformed {
        /// Where.
        what: &'static str,
    },
}

/// Checks a `TimeStampResp` against what was asked.
pub fn check_response(
    _der: &[u8],
    _expected: &Expectations<'_>,
) -> Result<TimeStampToken, ResponseError> {
    todo!()
}
