//! Signed data to be signed: the signed attributes first, the whole structure once the signature
//! is there.

use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    asn1::{
        CONTENT_TYPE, DATA, EC_PUBLIC_KEY, ECDSA_SHA_256, MESSAGE_DIGEST, SHA_256, SIGNED_DATA,
        SIGNING_CERTIFICATE_V2, SIGNING_TIME,
    },
    certificate::CertificateError,
    cms::EMBEDDED_CERTIFICATES_MAX,
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
                &algorithm_der(ECDSA_SHA_256),
                &der::wrap(der::OCTET_STRING, &[signature_der]),
            ],
        );
        let signers = der::wrap(der::SET, &[&signer]);
        let signed_data = der::wrap(der::SEQUENCE, &[&self.head, &signers]);
        let explicit = der::wrap(der::context(0), &[&signed_data]);
        der::wrap(der::SEQUENCE, &[&oid_der(SIGNED_DATA), &explicit])
    }
}

/// Prepares signed data with one signer, ECDSA with SHA-256, and the attributes of CAdES-B.
pub(crate) fn prepare(what: &ToSign<'_>) -> Result<Unsigned, CertificateError> {
    let certificate = Certificate::read(what.certificate_der)?;
    if certificate.key.algorithm.oid != EC_PUBLIC_KEY {
        return Err(CertificateError::UnusableKey);
    }
    let mut attributes = vec![
        attribute(CONTENT_TYPE, &oid_der(what.content_type)),
        attribute(MESSAGE_DIGEST, &der::wrap(der::OCTET_STRING, &[what.content_sha256.as_bytes()])),
        attribute(SIGNING_CERTIFICATE_V2, &signing_certificate(&certificate)),
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
        der::wrap(der::SET, &[&algorithm_der(SHA_256)]),
        encapsulated,
        certificates(what)?,
    ];
    let serial = der::wrap(der::INTEGER, &[certificate.serial]);
    let signer_head = [
        der::unsigned_integer(&[1]),
        der::wrap(der::SEQUENCE, &[certificate.issuer, &serial]),
        algorithm_der(SHA_256),
    ];
    Ok(Unsigned {
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
fn signing_certificate(certificate: &Certificate<'_>) -> Vec<u8> {
    let hash = Sha256Digest::of(certificate.raw);
    let hash = der::wrap(der::OCTET_STRING, &[hash.as_bytes()]);
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
