//! Time-stamp requests of RFC 3161.

use crate::{
    Imprint,
    asn1::{self, MessageImprint, TimeStampReq},
    der::{self, DerError},
    hash::HashFunction,
};

/// Largest request accepted, in bytes.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;

/// A request for a time-stamp over a digest, the authority's certificate included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimeStampRequest {
    /// The digest to stamp.
    pub imprint: Imprint,
    /// Fresh random bytes that tie the answer to this request: a big-endian number.
    pub nonce: [u8; 8],
    /// The policy asked for, a dotted OID; `None` leaves it to the authority.
    pub policy: Option<String>,
}

/// The bytes are no request that the trial authority answers.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// Larger than [`REQUEST_BYTES_MAX`].
    #[error("the time-stamp request has {size_bytes} bytes, more than {REQUEST_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// Not a well-formed request.
    #[error("the time-stamp request is malformed: {what}")]
    Malformed {
        /// What was wrong or being read.
        what: &'static str,
    },
    /// A version other than 1.
    #[error("the time-stamp request has version {found}, not 1")]
    UnknownVersion {
        /// The version found.
        found: u64,
    },
    /// A hash function other than SHA-256, SHA-384 and SHA-512.
    #[error("the time-stamp request is over a digest of {found}, not SHA-256, SHA-384 or SHA-512")]
    UnknownHash {
        /// The hash function found, dotted.
        found: String,
    },
    /// No nonce, or one that is negative or longer than 8 bytes.
    #[error("the time-stamp request has no nonce of up to 8 bytes")]
    UnusableNonce,
    /// The authority's certificate was not asked for.
    #[error("the time-stamp request does not ask for the certificate")]
    CertificateNotRequested,
    /// Extensions, of which none is known.
    #[error("the time-stamp request has extensions")]
    UnknownExtension,
}

impl From<DerError> for RequestError {
    fn from(error: DerError) -> Self {
        Self::Malformed { what: error.what }
    }
}

impl TimeStampRequest {
    /// Encodes the request. Source: RFC 3161 §2.4.1.
    ///
    /// A policy that is no dotted OID is left out: no answer could then pass
    /// [`crate::check_response`], which compares the policy as text.
    pub fn to_der(&self) -> Vec<u8> {
        let policy = self.policy.as_deref().and_then(der::oid_content);
        let policy = policy.map(|oid| der::wrap(der::OBJECT_IDENTIFIER, &[&oid]));
        der::wrap(
            der::SEQUENCE,
            &[
                &der::unsigned_integer(&[1]),
                &imprint_der(&self.imprint),
                &policy.unwrap_or_default(),
                &der::unsigned_integer(&self.nonce),
                &der::wrap(0x01, &[&[0xff]]),
            ],
        )
    }

    /// Reads a request as the local trial authority answers them: a digest of SHA-256, SHA-384 or
    /// SHA-512, a nonce of at most 8 bytes, the certificate wanted.
    ///
    /// # Errors
    ///
    /// [`RequestError`] for every other request.
    pub fn parse(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge { size_bytes: der.len() });
        }
        der::read_checked(der, "a request")?;
        let request: TimeStampReq = asn1::decode(der, "a request")?;
        if request.version != 1 {
            return Err(RequestError::UnknownVersion { found: request.version });
        }
        if request.extensions.is_some() {
            return Err(RequestError::UnknownExtension);
        }
        if !request.cert_req {
            return Err(RequestError::CertificateNotRequested);
        }
        let imprint = imprint_of(&request.message_imprint)
            .map_err(|found| RequestError::UnknownHash { found })?
            .ok_or(RequestError::Malformed { what: "a digest" })?;
        if !imprint.hash().is_of_today() {
            let found = imprint.hash().oid().to_owned();
            return Err(RequestError::UnknownHash { found });
        }
        let nonce = request.nonce.ok_or(RequestError::UnusableNonce)?;
        let magnitude = der::read_unsigned(&nonce.0).map_err(|_| RequestError::UnusableNonce)?;
        let mut nonce = [0; 8];
        let start = nonce.len().checked_sub(magnitude.len()).ok_or(RequestError::UnusableNonce)?;
        nonce[start..].copy_from_slice(magnitude);
        let policy = request.req_policy.map(|policy| der::oid_text(&policy.0)).transpose()?;
        Ok(Self { imprint, nonce, policy })
    }
}

/// Writes a `MessageImprint`.
pub(crate) fn imprint_der(imprint: &Imprint) -> Vec<u8> {
    let algorithm = algorithm_der(imprint.hash().oid());
    let digest = der::wrap(der::OCTET_STRING, &[imprint.digest()]);
    der::wrap(der::SEQUENCE, &[&algorithm, &digest])
}

/// Writes the `AlgorithmIdentifier` of `oid` without parameters.
pub(crate) fn algorithm_der(oid: &str) -> Vec<u8> {
    der::wrap(der::SEQUENCE, &[&oid_der(oid)])
}

/// Writes the OBJECT IDENTIFIER `oid`, one of the constants of this crate.
pub(crate) fn oid_der(oid: &str) -> Vec<u8> {
    der::wrap(der::OBJECT_IDENTIFIER, &[&der::oid_content(oid).unwrap_or_default()])
}

/// Returns the digest that `imprint` is, `None` for a wrong length.
///
/// # Errors
///
/// The dotted OID of a hash function that is not known here.
fn imprint_of(imprint: &MessageImprint) -> Result<Option<Imprint>, String> {
    let hash = HashFunction::of_identifier(&imprint.hash_algorithm)?;
    Ok(Imprint::new(hash, imprint.hashed_message.to_vec()))
}

#[cfg(test)]
mod tests {
    use sigillo_model::Sha256Digest;

    use super::*;

    fn request() -> TimeStampRequest {
        TimeStampRequest {
            imprint: Sha256Digest::of(b"abc").into(),
            nonce: [0, 0xff, 2, 3, 4, 5, 6, 7],
            policy: Some(crate::TRIAL_POLICY.to_owned()),
        }
    }

    #[test]
    fn a_request_is_read_back() {
        for (nonce, policy, hash) in [
            ([0; 8], None, HashFunction::Sha256),
            ([0xff; 8], Some(crate::TRIAL_POLICY), HashFunction::Sha384),
            ([0, 0x80, 0, 0, 0, 0, 0, 1], Some("1.2.3"), HashFunction::Sha512),
        ] {
            let policy = policy.map(str::to_owned);
            let imprint = Imprint::new(hash, hash.digest(b"abc")).unwrap();
            let request = TimeStampRequest { imprint, nonce, policy };
            assert_eq!(TimeStampRequest::parse(&request.to_der()), Ok(request.clone()));
            let typed: TimeStampReq = asn1::decode(&request.to_der(), "test").unwrap();
            assert_eq!(rasn::der::encode(&typed).unwrap(), request.to_der());
        }
    }

    #[test]
    fn requests_that_the_trial_authority_does_not_answer_are_refused() {
        let typed: TimeStampReq = asn1::decode(&request().to_der(), "test").unwrap();
        let refused = |change: &dyn Fn(&mut TimeStampReq)| {
            let mut changed = typed.clone();
            change(&mut changed);
            TimeStampRequest::parse(&rasn::der::encode(&changed).unwrap()).unwrap_err()
        };
        assert_eq!(refused(&|r| r.version = 2), RequestError::UnknownVersion { found: 2 });
        assert_eq!(refused(&|r| r.cert_req = false), RequestError::CertificateNotRequested);
        assert_eq!(refused(&|r| r.nonce = None), RequestError::UnusableNonce);
        let long = asn1::RawInteger(vec![1; 9].into());
        assert_eq!(refused(&|r| r.nonce = Some(long.clone())), RequestError::UnusableNonce);
        let negative = asn1::RawInteger(vec![0x80].into());
        assert_eq!(refused(&|r| r.nonce = Some(negative.clone())), RequestError::UnusableNonce);
        assert_eq!(refused(&|r| r.extensions = Some(vec![])), RequestError::UnknownExtension);
        let short = |r: &mut TimeStampReq| r.message_imprint.hashed_message = vec![0; 20].into();
        assert_eq!(refused(&short), RequestError::Malformed { what: "a digest" });
        let other_hash = |last: u32, length: usize| {
            refused(&|r: &mut TimeStampReq| {
                let oid = [2, 16, 840, 1, 101, 3, 4, 2, last];
                let oid = rasn::types::Oid::new(&oid).unwrap().into();
                r.message_imprint.hash_algorithm.algorithm = oid;
                r.message_imprint.hashed_message = vec![0; length].into();
            })
        };
        let found = asn1::SHA_224.to_owned();
        assert_eq!(other_hash(4, 28), RequestError::UnknownHash { found });
        assert_eq!(other_hash(3, 32), RequestError::Malformed { what: "a digest" });
        let size_bytes = REQUEST_BYTES_MAX + 1;
        assert_eq!(
            TimeStampRequest::parse(&vec![0; size_bytes]),
            Err(RequestError::TooLarge { size_bytes })
        );
    }
}
