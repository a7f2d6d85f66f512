//! The signed attributes that name the signer's certificate (RFC 2634 §5.4, RFC 5035 §3).
//!
//! Without them another certificate with the same key could be put in the place of the signer's.

use aws_lc_rs::digest;

use crate::{
    asn1::{self, IssuerSerial, SHA_256, SigningCertificate, SigningCertificateV2},
    cms::CmsError,
    der::{self, Reader},
    hash::HashFunction,
    signature::Accepted,
    x509::{self, Certificate},
};

/// Checks that the first certificate that a `SigningCertificateV2` names is `certificate`.
pub(crate) fn check_v2(
    value: &[u8],
    certificate: &Certificate<'_>,
    accepted: Accepted,
) -> Result<(), CmsError> {
    let stated: SigningCertificateV2 = asn1::decode(value, "a signing certificate attribute")?;
    let first = stated.certs.first().ok_or(CmsError::SigningCertificateMismatch)?;
    let (oid, parameters) = match &first.hash_algorithm {
        None => (SHA_256.to_owned(), None),
        Some(algorithm) => (asn1::dotted(&algorithm.algorithm), algorithm.parameters.as_ref()),
    };
    let hash = HashFunction::from_oid(&oid)
        .filter(|hash| accepted == Accepted::Legacy || hash.is_of_today())
        .filter(|_| x509::is_absent(parameters.map(rasn::types::Any::as_bytes)))
        .ok_or(CmsError::UnknownAlgorithm { role: "certificate digest", algorithm: oid })?;
    check(
        &hash.digest(certificate.raw),
        &first.cert_hash,
        first.issuer_serial.as_ref(),
        certificate,
    )
}

/// Checks that the first certificate that a `SigningCertificate` names is `certificate`.
pub(crate) fn check_v1(value: &[u8], certificate: &Certificate<'_>) -> Result<(), CmsError> {
    let stated: SigningCertificate = asn1::decode(value, "a signing certificate attribute")?;
    let first = stated.certs.first().ok_or(CmsError::SigningCertificateMismatch)?;
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.raw);
    check(hash.as_ref(), &first.cert_hash, first.issuer_serial.as_ref(), certificate)
}

fn check(
    hash: &[u8],
    stated: &[u8],
    issuer_serial: Option<&IssuerSerial>,
    certificate: &Certificate<'_>,
) -> Result<(), CmsError> {
    let named = match issuer_serial {
        None => true,
        Some(stated) => {
            let [issuer] = stated.issuer.as_slice() else {
                return Err(CmsError::SigningCertificateMismatch);
            };
            // directoryName [4], explicit because a Name is a choice.
            let name = Reader::new(issuer.as_bytes()).expect(der::context(4), "an issuer")?;
            name.content == certificate.issuer
                && stated.serial_number.0.as_ref() == certificate.serial
        }
    };
    if named && hash == stated { Ok(()) } else { Err(CmsError::SigningCertificateMismatch) }
}
