//! Signed data to be signed: the signed attributes first, the whole structure once the signature
//! is there.

use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    HashFunction,
    asn1::{
        CONTENT_TYPE, DATA, EC_PUBLIC_KEY, MESSAGE_DIGEST, SIGNED_DATA, SIGNING_CERTIFICATE_V2,
        SIGNING_TIME,
    },
    certificate::CertificateError,
    cms::EMBEDDED_CERTIFICATES_MAX,
    curve::{Curve, curve_of},
    der,
    request::{algorithm_der, oid_der},
    time,
    x509::Certificate,
};

/// What is signed, with whose certificate.
pub(crate) struct ToSign<'a> {
    pub(crate) content_type: &'static str,
    /// The content, `None` to leave it outside.
    pub(crate) content: Option<&'a [u8]>,
    pub(crate) content_sha256: Sha256Digest,
    pub(crate) signing_time: Option<Timestamp>,
    pub(crate) certificate_der: &'a [u8],
    pub(crate) chain: &'a [Vec<u8>],
}

/// Signed data that lacks only its signature.
#[derive(Clone, Debug)]
pub(crate) struct Unsigned {
    /// OID of the signature algorithm.
    signature: &'static str,
    to_sign: Vec<u8>,
    /// Version, digest algorithms, content and certificates, encoded.
    head: Vec<u8>,
    /// Version and identifier of the signer, and the digest algorithm, encoded.
    signer_head: Vec<u8>,
}

impl Unsigned {
    /// Returns the signed attributes as they are signed.
    pub(crate) fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// Encodes the `ContentInfo`.
    pub(crate) fn finish(self, signature_der: &[u8]) -> Vec<u8> {
        let mut attributes = self.to_sign;
        attributes[0] = der::context(0);
        let signer = der::wrap(
            der::SEQUENCE,
            &[
                &self.signer_head,
                &attributes,
                &algorithm_der(self.signature),
                &der::wrap(der::OCTET_STRING, &[signature_der]),
            ],
        );
        let signers = der::wrap(der::SET, &[&signer]);
        let signed_data = der::wrap(der::SEQUENCE, &[&self.head, &signers]);
        let explicit = der::wrap(der::context(0), &[&signed_data]);
        der::wrap(der::SEQUENCE, &[&oid_der(SIGNED_DATA), &explicit])
    }
}

/// Prepares signed data with one signer, ECDSA with the hash function of its curve, and the attributes
/// of CAdES-B. Content that is left outside is known by SHA-256 alone.
pub(crate) fn prepare(what: &ToSign<'_>) -> Result<Unsigned, CertificateError> {
    let certificate = Certificate::read(what.certificate_der)?;
    if certificate.key.algorithm.oid != EC_PUBLIC_KEY {
        return Err(CertificateError::UnusableKey);
    }
    let curve = curve_of(certificate.key.bits).ok_or(CertificateError::UnusableKey)?;
    let digest = match (curve.hash, what.content) {
        (HashFunction::Sha256, _) => what.content_sha256.as_bytes().to_vec(),
        (hash, Some(content)) => hash.digest(content),
        (_, None) => return Err(CertificateError::UnusableKey),
    };
    let mut attributes = vec![
        attribute(CONTENT_TYPE, &oid_der(what.content_type)),
        attribute(MESSAGE_DIGEST, &der::wrap(der::OCTET_STRING, &[&digest])),
        attribute(SIGNING_CERTIFICATE_V2, &signing_certificate(&certificate, curve)),
    ];
    if let Some(at) = what.signing_time {
        let at = time::time(at).ok_or(CertificateError::UnusableTime { at })?;
        attributes.push(attribute(SIGNING_TIME, &at));
    }
    let version: u8 = if what.content_type == DATA { 1 } else { 3 };
    let content = what.content.map(|content| {
        let octets = der::wrap(der::OCTET_STRING, &[content]);
        der::wrap(der::context(0), &[&octets])
    });
    let encapsulated =
        der::wrap(der::SEQUENCE, &[&oid_der(what.content_type), &content.unwrap_or_default()]);
    let head = [
        der::unsigned_integer(&[version]),
        der::wrap(der::SET, &[&algorithm_der(curve.hash_oid)]),
        encapsulated,
        certificates(what)?,
    ];
    let serial = der::wrap(der::INTEGER, &[certificate.serial]);
    let signer_head = [
        der::unsigned_integer(&[1]),
        der::wrap(der::SEQUENCE, &[certificate.issuer, &serial]),
        algorithm_der(curve.hash_oid),
    ];
    Ok(Unsigned {
        signature: curve.signature,
        to_sign: set_of(der::SET, attributes),
        head: head.concat(),
        signer_head: signer_head.concat(),
    })
}

/// Encodes the certificate and those above it, each once.
fn certificates(what: &ToSign<'_>) -> Result<Vec<u8>, CertificateError> {
    if what.chain.len() >= EMBEDDED_CERTIFICATES_MAX {
        return Err(CertificateError::ChainTooLong { count: what.chain.len() });
    }
    let mut all = vec![what.certificate_der.to_vec()];
    for above in what.chain {
        Certificate::read(above)?;
        all.push(above.clone());
    }
    Ok(set_of(der::context(0), all))
}

fn attribute(oid: &str, value: &[u8]) -> Vec<u8> {
    der::wrap(der::SEQUENCE, &[&oid_der(oid), &der::wrap(der::SET, &[value])])
}

/// Encodes a `SigningCertificateV2`: SHA-256 is its default and so not written.
fn signing_certificate(certificate: &Certificate<'_>, curve: &Curve) -> Vec<u8> {
    let named = match curve.hash {
        HashFunction::Sha256 => Vec::new(),
        _ => algorithm_der(curve.hash_oid),
    };
    let hash = curve.hash.digest(certificate.raw);
    let hash = [named, der::wrap(der::OCTET_STRING, &[&hash])].concat();
    let issuer = der::wrap(der::SEQUENCE, &[&der::wrap(der::context(4), &[certificate.issuer])]);
    let serial = der::wrap(der::INTEGER, &[certificate.serial]);
    let issuer_serial = der::wrap(der::SEQUENCE, &[&issuer, &serial]);
    let identifier = der::wrap(der::SEQUENCE, &[&hash, &issuer_serial]);
    der::wrap(der::SEQUENCE, &[&der::wrap(der::SEQUENCE, &[&identifier])])
}

/// Encodes a SET OF as DER wants it: its elements sorted. Duplicates are written once.
fn set_of(tag: u8, mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort_unstable();
    elements.dedup();
    der::wrap(tag, &[&elements.concat()])
}
