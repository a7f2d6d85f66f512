//! Time-stamp requests of RFC 3161.

use sigillo_model::Sha256Digest;

/// Largest request accepted, in bytes.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;

/// A request for a time-stamp over a SHA-256 digest, the TSA's certificate included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimeStampRequest {
    /// The digest to stamp.
    pub imprint: Sha256Digest,
    /// Fresh random bytes that tie the answer to this request.
    pub nonce: [u8; 8],
    /// The policy asked for, a dotted OID.
    pub policy: Option<String>,
}

/// The bytes are no request that the trial authority answers.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// Not a well-formed request.
    #[error("the time-stamp request is malformed: {what}")]
    Malformed {
        /// Where.
        what: &'static str,
    },
}

impl TimeStampRequest {
    /// Encodes the request.
    pub fn to_der(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads a request as the local trial authority does: SHA-256 and `certReq` only.
    pub fn parse(_der: &[u8]) -> Result<Self, RequestError> {
        todo!()
    }
}
