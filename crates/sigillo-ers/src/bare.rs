//! Signatures that stand outside of CMS, such as those in XML.

use jiff::Timestamp;

use crate::{
    certificate::{CERTIFICATE_BYTES_MAX, CertificateError},
    cms, der,
    hash::HashFunction,
    signature::{SignatureFault, SignatureScheme, check_bare},
    x509::Certificate,
};

/// Longest signature accepted, in bytes: RSA of 8192 bits.
const SIGNATURE_BYTES_MAX: usize = 1_024;

/// A signature and how it was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BareSignature<'a> {
    /// The signer's certificate, DER.
    pub certificate: &'a [u8],
    /// [`SignatureScheme::RsaPkcs1`], [`SignatureScheme::RsaPss`] with a mask of the same hash
    /// function and a salt of its length, or [`SignatureScheme::Ecdsa`] over P-256, P-384 or P-521.
    pub scheme: SignatureScheme,
    /// SHA-256, SHA-384 or SHA-512.
    pub hash: HashFunction,
    /// Of RSA as it is; of ECDSA the two integers, each as long as the curve's field (RFC 4050 §3.3,
    /// XML Signature 1.1 §6.4.3).
    pub signature: &'a [u8],
    /// The time at which the certificate must be valid.
    pub at: Timestamp,
}

/// A signature was not found right.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BareSignatureError {
    /// The certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate was not valid at the time.
    #[error("the certificate of {subject} is valid from {not_before} to {not_after}, not on {at}")]
    NotValid {
        /// Its subject.
        subject: String,
        /// First instant.
        not_before: Timestamp,
        /// Last instant.
        not_after: Timestamp,
        /// The time asked for.
        at: Timestamp,
    },
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Wrong,
    /// Nothing here checks signatures of this kind, or they are too weak.
    #[error("the signature algorithm is not accepted: {algorithm}")]
    UnknownAlgorithm {
        /// What it is.
        algorithm: String,
    },
}

/// Checks a signature over `message` with the key of a certificate. Who issued that is not looked
/// at, nor what it is for.
///
/// # Errors
///
/// [`BareSignatureError`] for everything but a right signature.
pub fn verify_bare(
    signature: &BareSignature<'_>,
    message: &[u8],
) -> Result<(), BareSignatureError> {
    let certificate = read(signature.certificate)?;
    if cms::check_validity(&certificate, signature.at).is_err() {
        return Err(BareSignatureError::NotValid {
            subject: certificate.subject,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            at: signature.at,
        });
    }
    let BareSignature { scheme, hash, signature: value, .. } = *signature;
    let encoded = match scheme {
        SignatureScheme::Ecdsa => two_integers(value).ok_or(BareSignatureError::Wrong)?,
        _ if value.len() > SIGNATURE_BYTES_MAX => return Err(BareSignatureError::Wrong),
        _ => value.to_vec(),
    };
    check_bare(scheme, hash, &certificate.key, message, &encoded).map_err(|fault| match fault {
        SignatureFault::Wrong => BareSignatureError::Wrong,
        SignatureFault::UnknownAlgorithm { algorithm } => {
            BareSignatureError::UnknownAlgorithm { algorithm }
        }
    })
}

/// Returns the subject of the certificate `der` in words.
///
/// # Errors
///
/// [`CertificateError`] if `der` is no certificate.
pub fn certificate_subject(der: &[u8]) -> Result<String, CertificateError> {
    read(der).map(|certificate| certificate.subject)
}

fn read(der: &[u8]) -> Result<Certificate<'_>, CertificateError> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::TooLarge { size_bytes: der.len() });
    }
    Ok(Certificate::read(der)?)
}

/// Writes two integers of equal length as DER; `None` if there are none.
fn two_integers(value: &[u8]) -> Option<Vec<u8>> {
    if value.is_empty() || !value.len().is_multiple_of(2) || value.len() > SIGNATURE_BYTES_MAX {
        return None;
    }
    let (first, second) = value.split_at(value.len() / 2);
    let both = [der::unsigned_integer(first), der::unsigned_integer(second)].concat();
    Some(der::wrap(der::SEQUENCE, &[&both]))
}
