//! What the local trial authority signs: tokens and refusals.

use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    CertificateError, TimeStampRequest,
    asn1::TST_INFO,
    der,
    request::{imprint_der, oid_der},
    sign::{self, ToSign, Unsigned},
    time,
};

/// The policy of trial time-stamps and trial certificates: a random UUID under 2.25, so that it
/// can be nobody else's.
pub const TRIAL_POLICY: &str = "2.25.284150255677072508408869882955256066906";
/// Longest text of a refusal, in bytes.
const REFUSAL_BYTES_MAX: usize = 500;

/// What goes into a trial token.
#[derive(Clone, Copy, Debug)]
pub struct TokenContent<'a> {
    /// The request that it answers. Whatever policy it asks for, the token is under
    /// [`TRIAL_POLICY`].
    pub request: &'a TimeStampRequest,
    /// Its serial number, unique by the caller's care: a big-endian number.
    pub serial: [u8; 16],
    /// The time that it states, kept to the millisecond.
    pub stamped_at: Timestamp,
    /// The certificate of the trial authority.
    pub certificate_der: &'a [u8],
    /// The certificates above it, embedded with it.
    pub chain: &'a [Vec<u8>],
}

/// A response that lacks only its signature.
#[derive(Clone, Debug)]
pub struct PreparedToken {
    unsigned: Unsigned,
}

impl PreparedToken {
    /// Returns the bytes to sign with the key of the certificate: ECDSA P-256 with SHA-256, or P-384 with
    /// SHA-384.
    pub fn to_sign(&self) -> &[u8] {
        self.unsigned.to_sign()
    }

    /// Encodes the whole `TimeStampResp`, status granted, with the signature, which is DER.
    pub fn finish(self, signature_der: &[u8]) -> Vec<u8> {
        let status = der::wrap(der::SEQUENCE, &[&der::unsigned_integer(&[0])]);
        der::wrap(der::SEQUENCE, &[&status, &self.unsigned.finish(signature_der)])
    }
}

/// Prepares a trial token. Source: RFC 3161 §2.4.2, RFC 5816.
///
/// # Errors
///
/// [`CertificateError`] if a certificate cannot be read or has no elliptic-curve key, or the time
/// cannot be written.
pub fn prepare_token(content: &TokenContent<'_>) -> Result<PreparedToken, CertificateError> {
    let at = content.stamped_at;
    let info = der::wrap(
        der::SEQUENCE,
        &[
            &der::unsigned_integer(&[1]),
            &oid_der(TRIAL_POLICY),
            &imprint_der(&content.request.imprint),
            &der::unsigned_integer(&content.serial),
            &time::generalized(at).ok_or(CertificateError::UnusableTime { at })?,
            &der::unsigned_integer(&content.request.nonce),
        ],
    );
    let unsigned = sign::prepare(&ToSign {
        content_type: TST_INFO,
        content: Some(&info),
        content_sha256: Sha256Digest::of(&info),
        signing_time: None,
        certificate_der: content.certificate_der,
        chain: content.chain,
    })?;
    Ok(PreparedToken { unsigned })
}

/// Encodes a `TimeStampResp` that rejects a request, with `failure` as its text.
///
/// Of the text at most 500 bytes are written.
pub fn refusal(failure: &str) -> Vec<u8> {
    const REJECTION: u8 = 2;
    let text = &failure[..failure.floor_char_boundary(REFUSAL_BYTES_MAX)];
    let text = der::wrap(der::UTF8_STRING, &[text.as_bytes()]);
    let texts = der::wrap(der::SEQUENCE, &[&text]);
    // badRequest (bit 2): five bits of the one byte are unused.
    let failures = der::wrap(der::BIT_STRING, &[&[5, 0x20]]);
    let status = [der::unsigned_integer(&[REJECTION]), texts, failures].concat();
    der::wrap(der::SEQUENCE, &[&der::wrap(der::SEQUENCE, &[&status])])
}
