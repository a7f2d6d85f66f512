//! What the local trial authority signs: tokens and refusals.

use crate::{CertificateError, TimeStampRequest};

/// Policy of trial time-stamps: 2.25 and a random UUID.
pub const TRIAL_POLICY: &str = "2.25.284150255677072508408869882955256066906";

/// What goes into a token.
#[derive(Clone, Copy, Debug)]
pub struct TokenContent<'a> {
    /// The request that it answers.
    pub request: &'a TimeStampRequest,
    /// Its serial number, unique by the caller's care.
    pub serial: [u8; 16],
    /// The time that it states.
    pub stamped_at: jiff::Timestamp,
    /// The certificate of the trial authority.
    pub certificate_der: &'a [u8],
    /// The certificates above it.
    pub chain: &'a [Vec<u8>],
}

/// A response that lacks only its signature.
#[derive(Clone, Debug)]
pub struct PreparedToken {
    to_sign: Vec<u8>,
}

impl PreparedToken {
    /// Returns the bytes to sign with ECDSA P-256 and SHA-256.
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// Encodes the whole `TimeStampResp`, status granted, with the signature, which is DER.
    pub fn finish(self, _signature_der: &[u8]) -> Vec<u8> {
        todo!()
    }
}

/// Prepares a trial token.
pub fn prepare_token(_content: &TokenContent<'_>) -> Result<PreparedToken, CertificateError> {
    todo!()
}

/// Encodes a `TimeStampResp` with status rejection and `failure` as its text.
pub fn refusal(_failure: &str) -> Vec<u8> {
    todo!()
}
