//! Time-stamp responses of RFC 3161: every check before a token counts.

use jiff::{SignedDuration, Timestamp};

use crate::{
    FillError, RevocationKind, TimeStampRequest, TokenError, Trust, TrustAnchors, VerifiedToken,
    der::{self, DerError, Element},
    fill_token,
    signature::Accepted,
    token,
};

/// Largest response accepted, in bytes.
pub const RESPONSE_BYTES_MAX: usize = token::TOKEN_BYTES_MAX + (64 << 10);
/// Longest text kept of a refusal, in characters.
const REFUSAL_CHARACTERS_MAX: usize = 1_000;
/// Bits of `PKIFailureInfo` by name. Source: RFC 3161 §2.4.2.
const FAILURES: [(usize, &str); 8] = [
    (0, "badAlg"),
    (2, "badRequest"),
    (5, "badDataFormat"),
    (14, "timeNotAvailable"),
    (15, "unacceptedPolicy"),
    (16, "unacceptedExtension"),
    (17, "addInfoNotAvailable"),
    (25, "systemFailure"),
];

/// What a response must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The request that was sent.
    pub request: &'a TimeStampRequest,
    /// The instant of the check by our clock.
    pub at: Timestamp,
    /// How far the token's time may lie from `at`, either way.
    pub tolerance: SignedDuration,
    /// Where a path must end.
    pub anchors: &'a TrustAnchors,
}

/// A token that answers a request and passed every check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimeStampToken {
    raw: Vec<u8>,
    verified: VerifiedToken,
}

impl TimeStampToken {
    /// Returns the exact bytes of the `ContentInfo`: as received, unless it was filled since.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Fills in what judges its certificates, as [`fill_token`] does.
    ///
    /// # Errors
    ///
    /// As [`fill_token`].
    pub fn fill(
        &self,
        anchors: &TrustAnchors,
        evidence: &[(RevocationKind, &[u8])],
    ) -> Result<Self, FillError> {
        let raw = fill_token(&self.raw, anchors, evidence)?;
        Ok(Self { raw, verified: self.verified.clone() })
    }

    /// Returns what the token says.
    pub fn verified(&self) -> &VerifiedToken {
        &self.verified
    }
}

/// A response does not count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResponseError {
    /// Larger than [`RESPONSE_BYTES_MAX`].
    #[error("the time-stamp response has {size_bytes} bytes, more than {RESPONSE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// Not a well-formed response.
    #[error("the time-stamp response is malformed: {what}")]
    Malformed {
        /// What was wrong or being read.
        what: &'static str,
    },
    /// The authority refused.
    #[error("the authority refused with status {status} ({failure}): {text}")]
    Refused {
        /// `PKIStatus`: 2 rejection, 3 waiting, 4 and 5 revocation.
        status: u8,
        /// The names of the failures stated, `-` for none.
        failure: String,
        /// The authority's words, control characters replaced.
        text: String,
    },
    /// The authority says granted but sent no token.
    #[error("the authority granted a time-stamp but sent none")]
    TokenMissing,
    /// The token does not verify, or is over another digest.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The nonce is missing or another.
    #[error("the time-stamp answers another request: its nonce is {found}, not {expected}")]
    OtherNonce {
        /// The nonce found, hexadecimal, `-` for none.
        found: String,
        /// The nonce sent, hexadecimal.
        expected: String,
    },
    /// The policy is not the one asked for.
    #[error("the time-stamp is under policy {found}, not {expected}")]
    OtherPolicy {
        /// The policy found.
        found: String,
        /// The policy asked for.
        expected: String,
    },
    /// The time is too far from our clock.
    #[error("the time-stamp states {stamped_at}, more than {tolerance:#} from {at} by our clock")]
    TimeOff {
        /// The time stated.
        stamped_at: Timestamp,
        /// Our time.
        at: Timestamp,
        /// The bound.
        tolerance: SignedDuration,
    },
    /// No path leads from the signer to an anchor.
    #[error("no valid path leads from {authority} to a trust anchor")]
    Untrusted {
        /// The subject of the signer's certificate.
        authority: String,
    },
}

impl From<DerError> for ResponseError {
    fn from(error: DerError) -> Self {
        Self::Malformed { what: error.what }
    }
}

/// Checks a `TimeStampResp` against what was asked and returns its token.
///
/// The token is verified as [`crate::verify_token`] does, but must name its certificate by SHA-2,
/// must lead to an anchor, and must carry nonce, policy and digest of the request and a time near
/// ours. Left to the caller: that its serial number is new, and that the bytes were stored first.
///
/// # Errors
///
/// [`ResponseError`] for the first check that fails. Source: RFC 3161 §2.2 and §2.4.2.
pub fn check_response(
    der: &[u8],
    expected: &Expectations<'_>,
) -> Result<TimeStampToken, ResponseError> {
    if der.len() > RESPONSE_BYTES_MAX {
        return Err(ResponseError::TooLarge { size_bytes: der.len() });
    }
    let mut fields = der::read_checked(der, "a response")?.inside();
    let status = fields.expect(der::SEQUENCE, "a status")?;
    let token = fields.optional(der::SEQUENCE)?;
    fields.end("a response")?;
    check_status(&status)?;
    let raw = token.ok_or(ResponseError::TokenMissing)?.raw;

    let request = expected.request;
    let examined = token::examine(raw, &request.imprint, expected.anchors, Accepted::New)?;
    let nonce = der::unsigned_integer(&request.nonce);
    let nonce = &nonce[2..];
    if examined.nonce.as_deref() != Some(nonce) {
        let found = examined.nonce.map_or_else(|| "-".to_owned(), hex::encode);
        return Err(ResponseError::OtherNonce { found, expected: hex::encode(nonce) });
    }
    let verified = examined.verified;
    if let Some(policy) = request.policy.as_ref().filter(|policy| **policy != verified.policy) {
        let (found, expected) = (verified.policy, policy.clone());
        return Err(ResponseError::OtherPolicy { found, expected });
    }
    let stamped_at = verified.stamped_at;
    if stamped_at.duration_since(expected.at).unsigned_abs() > expected.tolerance.unsigned_abs() {
        let Expectations { at, tolerance, .. } = *expected;
        return Err(ResponseError::TimeOff { stamped_at, at, tolerance });
    }
    match verified.trust {
        Trust::Anchored { .. } => Ok(TimeStampToken { raw: raw.to_vec(), verified }),
        Trust::Unknown => Err(ResponseError::Untrusted { authority: verified.authority }),
    }
}

/// Checks that a `PKIStatusInfo` says granted, with modifications or without.
fn check_status(info: &Element<'_>) -> Result<(), ResponseError> {
    let mut fields = info.inside();
    let status = fields.expect(der::INTEGER, "a status")?.content;
    let texts = fields.optional(der::SEQUENCE)?;
    let failures = fields.optional(der::BIT_STRING)?;
    fields.end("a status")?;
    let status = match status {
        [0 | 1] => return Ok(()),
        [status] => *status,
        _ => return Err(ResponseError::Malformed { what: "a status" }),
    };
    let mut text = String::new();
    if let Some(texts) = texts {
        let mut texts = texts.inside();
        while let Some(part) = texts.optional(der::UTF8_STRING)? {
            let gap = if text.is_empty() { "" } else { " " };
            text.push_str(gap);
            text.push_str(&String::from_utf8_lossy(part.content));
        }
        texts.end("the text of a status")?;
    }
    let plain = |character: char| {
        if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
    };
    let text = text.chars().take(REFUSAL_CHARACTERS_MAX).map(plain).collect();
    let bits = failures.and_then(|failures| failures.content.get(1..)).unwrap_or_default();
    let is_set = |bit: usize| bits.get(bit / 8).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0);
    let names: Vec<&str> =
        FAILURES.iter().filter(|(bit, _)| is_set(*bit)).map(|(_, name)| *name).collect();
    let failure = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    Err(ResponseError::Refused { status, failure, text })
}
