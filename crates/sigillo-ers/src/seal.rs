//! Seals: detached CAdES-B signatures over a digest, ECDSA P-256 with SHA-256.

use sigillo_model::Sha256Digest;

use crate::{CertificateError, Trust, TrustAnchors};

/// Largest seal accepted, in bytes.
pub const SEAL_BYTES_MAX: usize = 1 << 20;

/// A seal that lacks only its signature.
#[derive(Clone, Debug)]
pub struct PreparedSeal {
    to_sign: Vec<u8>,
}

impl PreparedSeal {
    /// Returns the bytes to sign with ECDSA P-256 and SHA-256.
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// Encodes the seal with the signature, which is DER.
    pub fn finish(self, _signature_der: &[u8]) -> Vec<u8> {
        todo!()
    }
}

/// Prepares a seal over the content with digest `content_sha256`.
pub fn prepare_seal(
    _content_sha256: Sha256Digest,
    _certificate_der: &[u8],
    _chain: &[Vec<u8>],
    _at: jiff::Timestamp,
) -> Result<PreparedSeal, CertificateError> {
    todo!()
}

/// What a verified seal says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedSeal {
    /// The subject of the signer's certificate, in words.
    pub signer: String,
    /// The time that the signer claims.
    pub claimed_at: jiff::Timestamp,
    /// What the path of the signer's certificate led to.
    pub trust: Trust,
    /// Whether the certificate is a trial one.
    pub trial: bool,
    /// SHA-256 of the signer's certificate.
    pub certificate_sha256: Sha256Digest,
}

/// A seal does not prove what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// Not a well-formed seal.
    #[error("the seal is malformed: {what}")]
    Malformed {
        /// Where.
        what: &'static str,
    },
}

impl SealError {
    /// Tells whether the seal could not be judged, as opposed to being wrong.
    pub fn is_unknown_algorithm(&self) -> bool {
        false
    }
}

/// Verifies the seal `raw` over the content with digest `content_sha256`; its certificate must be
/// valid at `at`.
pub fn verify_seal(
    _raw: &[u8],
    _content_sha256: Sha256Digest,
    _anchors: &TrustAnchors,
    _at: jiff::Timestamp,
) -> Result<VerifiedSeal, SealError> {
    todo!()
}
