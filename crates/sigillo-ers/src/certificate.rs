//! Trial certificates, and DER as PEM text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    asn1::{
        AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, COMMON_NAME,
        DOCUMENT_SIGNING, EC_PUBLIC_KEY, EMAIL_PROTECTION, EXTENDED_KEY_USAGE, KEY_USAGE,
        SUBJECT_KEY_IDENTIFIER, TIME_STAMPING,
    },
    curve::curve_of,
    der::{self, DerError},
    issue::TRIAL_POLICY,
    request::{algorithm_der, oid_der},
    time,
};

/// Largest certificate accepted, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 64 << 10;
/// Largest PEM text accepted, in bytes.
pub const PEM_BYTES_MAX: usize = 4 << 20;
/// Most blocks read from one PEM text.
pub const PEM_BLOCKS_MAX: usize = 1_000;
/// Longest common name, in characters. Source: RFC 5280, ub-common-name.
const COMMON_NAME_CHARACTERS_MAX: usize = 64;

/// What a trial certificate is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateRole {
    /// The self-signed root of an installation's trial certificates. Signs certificates only, and
    /// none that sign others.
    TrialRoot,
    /// The local trial time-stamping authority: for time-stamping alone, critically so.
    TrialTimeStamping,
    /// A trial seal: non-repudiation, signing of documents and mail.
    TrialSeal,
}

/// What a trial certificate says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateContent {
    /// What it is for.
    pub role: CertificateRole,
    /// Common name of the subject, at most 64 characters; contains `TRIAL`.
    pub subject: String,
    /// Common name of the issuer, at most 64 characters; for a root the same.
    pub issuer: String,
    /// Serial number, random by the caller's care and not zero.
    pub serial: [u8; 16],
    /// First instant of validity, to the second.
    pub not_before: Timestamp,
    /// Last instant of validity, to the second.
    pub not_after: Timestamp,
    /// The subject's P-256 key, an uncompressed point.
    pub public_key: Vec<u8>,
    /// The issuer's P-256 key, an uncompressed point; for a root the same.
    pub issuer_public_key: Vec<u8>,
}

/// A certificate, or what is made with one, could not be made or read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// Larger than [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate has {size_bytes} bytes, more than {CERTIFICATE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// Not a well-formed certificate.
    #[error("the certificate is malformed: {what}")]
    Malformed {
        /// What was wrong or being read.
        what: &'static str,
    },
    /// A certificate that is not valid when something is to be signed.
    #[error("{reason}")]
    NotValid {
        /// Whose it is, the time, and from when to when it is valid.
        reason: String,
    },
    /// A name is empty or too long.
    #[error("{name:?} is not a common name of 1 to 64 characters")]
    UnusableName {
        /// The name, shortened.
        name: String,
    },
    /// A trial certificate that does not say so.
    #[error("the subject {subject:?} of a trial certificate does not contain TRIAL")]
    NotCalledTrial {
        /// The subject.
        subject: String,
    },
    /// The serial number is zero.
    #[error("the serial number is zero")]
    ZeroSerial,
    /// Validity ends before it begins.
    #[error("validity from {not_before} ends at {not_after}")]
    EmptyValidity {
        /// First instant.
        not_before: Timestamp,
        /// Last instant.
        not_after: Timestamp,
    },
    /// A time that ASN.1 times here cannot express.
    #[error("the time {at} cannot be written")]
    UnusableTime {
        /// The time.
        at: Timestamp,
    },
    /// A key that is no uncompressed P-256 point.
    #[error("the key is not an uncompressed P-256 point")]
    UnusableKey,
    /// A root whose issuer is somebody else.
    #[error("the root {subject:?} does not issue itself")]
    RootIssuedByOther {
        /// The subject.
        subject: String,
    },
    /// More certificates above the signer's than are embedded.
    #[error("{count} certificates above the signer's are too many")]
    ChainTooLong {
        /// How many.
        count: usize,
    },
    /// More anchors than a set holds, or a name too long.
    #[error("too many trust anchors, or a name that is too long")]
    TooManyAnchors,
    /// PEM text beyond its limits.
    #[error("the PEM text has more than {PEM_BYTES_MAX} bytes or {PEM_BLOCKS_MAX} blocks")]
    PemTooLarge,
    /// PEM text that is not well-formed.
    #[error("the PEM text is malformed at line {line}")]
    PemMalformed {
        /// Number of the line, from 1.
        line: usize,
    },
}

impl From<DerError> for CertificateError {
    fn from(error: DerError) -> Self {
        Self::Malformed { what: error.what }
    }
}

/// A certificate that lacks only its signature.
#[derive(Clone, Debug)]
pub struct PreparedCertificate {
    to_sign: Vec<u8>,
    /// OID of the issuer's signature algorithm.
    signature: &'static str,
}

impl PreparedCertificate {
    /// Returns the bytes to sign with the issuer's key: ECDSA P-256 with SHA-256, or P-384 with SHA-384.
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// Encodes the certificate with the issuer's signature, which is DER.
    pub fn finish(self, signature_der: &[u8]) -> Vec<u8> {
        let signature = der::wrap(der::BIT_STRING, &[&[0], signature_der]);
        der::wrap(der::SEQUENCE, &[&self.to_sign, &algorithm_der(self.signature), &signature])
    }
}

/// Prepares a trial certificate: X.509 v3, under [`TRIAL_POLICY`], with keys of P-256 or P-384, which
/// sign with SHA-256 or SHA-384.
///
/// # Errors
///
/// [`CertificateError`] for content that makes no such certificate. Source: RFC 5280 §4.
pub fn prepare_certificate(
    content: &CertificateContent,
) -> Result<PreparedCertificate, CertificateError> {
    check_content(content)?;
    let write_time = |at| time::time(at).ok_or(CertificateError::UnusableTime { at });
    let validity = [write_time(content.not_before)?, write_time(content.not_after)?].concat();
    let curve = curve_of(&content.public_key).ok_or(CertificateError::UnusableKey)?;
    let issuer = curve_of(&content.issuer_public_key).ok_or(CertificateError::UnusableKey)?;
    let key_algorithm = [oid_der(EC_PUBLIC_KEY), oid_der(curve.oid)].concat();
    let key = [
        der::wrap(der::SEQUENCE, &[&key_algorithm]),
        der::wrap(der::BIT_STRING, &[&[0], &content.public_key]),
    ];
    let extensions = der::wrap(der::SEQUENCE, &[&extensions(content).concat()]);
    let to_sign = der::wrap(
        der::SEQUENCE,
        &[
            &der::wrap(der::context(0), &[&der::unsigned_integer(&[2])]),
            &der::unsigned_integer(&content.serial),
            &algorithm_der(issuer.signature),
            &name(&content.issuer),
            &der::wrap(der::SEQUENCE, &[&validity]),
            &name(&content.subject),
            &der::wrap(der::SEQUENCE, &[&key.concat()]),
            &der::wrap(der::context(3), &[&extensions]),
        ],
    );
    Ok(PreparedCertificate { to_sign, signature: issuer.signature })
}

fn check_content(content: &CertificateContent) -> Result<(), CertificateError> {
    let CertificateContent { subject, issuer, not_before, not_after, .. } = content;
    for name in [subject, issuer] {
        let count = name.chars().count();
        if count == 0 || count > COMMON_NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
            let name = name.chars().take(COMMON_NAME_CHARACTERS_MAX).collect();
            return Err(CertificateError::UnusableName { name });
        }
    }
    if !subject.contains("TRIAL") {
        return Err(CertificateError::NotCalledTrial { subject: subject.clone() });
    }
    if content.serial == [0; 16] {
        return Err(CertificateError::ZeroSerial);
    }
    if not_after < not_before {
        let (not_before, not_after) = (*not_before, *not_after);
        return Err(CertificateError::EmptyValidity { not_before, not_after });
    }
    for key in [&content.public_key, &content.issuer_public_key] {
        if curve_of(key).is_none() {
            return Err(CertificateError::UnusableKey);
        }
    }
    let own = subject == issuer && content.public_key == content.issuer_public_key;
    if content.role == CertificateRole::TrialRoot && !own {
        return Err(CertificateError::RootIssuedByOther { subject: subject.clone() });
    }
    Ok(())
}

fn name(common_name: &str) -> Vec<u8> {
    let value = der::wrap(der::UTF8_STRING, &[common_name.as_bytes()]);
    let attribute = der::wrap(der::SEQUENCE, &[&oid_der(COMMON_NAME), &value]);
    der::wrap(der::SEQUENCE, &[&der::wrap(der::SET, &[&attribute])])
}

fn extensions(content: &CertificateContent) -> Vec<Vec<u8>> {
    // Each key usage with the number of bits that its one byte leaves unused.
    const CERTIFICATES_AND_LISTS: [u8; 2] = [1, 0x06];
    const DIGITAL_SIGNATURE: [u8; 2] = [7, 0x80];
    const SIGNATURE_AND_NON_REPUDIATION: [u8; 2] = [6, 0xc0];
    let (usage, purposes, critical): (_, &[&str], _) = match content.role {
        CertificateRole::TrialRoot => (CERTIFICATES_AND_LISTS, &[], false),
        CertificateRole::TrialTimeStamping => (DIGITAL_SIGNATURE, &[TIME_STAMPING], true),
        CertificateRole::TrialSeal => {
            (SIGNATURE_AND_NON_REPUDIATION, &[EMAIL_PROTECTION, DOCUMENT_SIGNING], false)
        }
    };
    let constraints = match content.role {
        // An authority whose certificates issue no others.
        CertificateRole::TrialRoot => {
            [der::wrap(0x01, &[&[0xff]]), der::unsigned_integer(&[0])].concat()
        }
        _ => Vec::new(),
    };
    let policy = der::wrap(der::SEQUENCE, &[&oid_der(TRIAL_POLICY)]);
    let own = key_identifier(&content.public_key);
    let authority = der::wrap(0x80, &[&key_identifier(&content.issuer_public_key)]);
    let mut all = vec![
        extension(BASIC_CONSTRAINTS, true, &der::wrap(der::SEQUENCE, &[&constraints])),
        extension(KEY_USAGE, true, &der::wrap(der::BIT_STRING, &[&usage])),
        extension(SUBJECT_KEY_IDENTIFIER, false, &der::wrap(der::OCTET_STRING, &[&own])),
        extension(AUTHORITY_KEY_IDENTIFIER, false, &der::wrap(der::SEQUENCE, &[&authority])),
        extension(CERTIFICATE_POLICIES, false, &der::wrap(der::SEQUENCE, &[&policy])),
    ];
    if !purposes.is_empty() {
        let purposes: Vec<u8> = purposes.iter().flat_map(|purpose| oid_der(purpose)).collect();
        let purposes = der::wrap(der::SEQUENCE, &[&purposes]);
        all.push(extension(EXTENDED_KEY_USAGE, critical, &purposes));
    }
    all
}

fn extension(oid: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der::wrap(0x01, &[&[0xff]]) } else { Vec::new() };
    let value = der::wrap(der::OCTET_STRING, &[value]);
    der::wrap(der::SEQUENCE, &[&oid_der(oid), &critical, &value])
}

/// Returns the leftmost 160 bits of the key's SHA-256. Source: RFC 7093 §2, method 1.
fn key_identifier(public_key: &[u8]) -> [u8; 20] {
    let digest = Sha256Digest::of(public_key);
    let mut identifier = [0; 20];
    identifier.copy_from_slice(&digest.as_bytes()[..20]);
    identifier
}

/// Writes `der` as a PEM block named `label`. Source: RFC 7468 §3.
pub fn to_pem(label: &str, der: &[u8]) -> String {
    let (encoded, mut text) = (STANDARD.encode(der), format!("-----BEGIN {label}-----\n"));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}

/// Reads the blocks named `label` from `text`, in order; other blocks and text between are skipped.
///
/// # Errors
///
/// [`CertificateError::PemMalformed`] for a block that does not end or is not Base64,
/// [`CertificateError::PemTooLarge`] beyond the limits.
pub fn pem_blocks(text: &str, label: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    if text.len() > PEM_BYTES_MAX {
        return Err(CertificateError::PemTooLarge);
    }
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let (mut blocks, mut open, mut last) = (Vec::new(), None::<String>, 0);
    for (line, number) in text.lines().zip(1..) {
        last = number;
        let malformed = CertificateError::PemMalformed { line: number };
        match (&mut open, line.trim()) {
            (None, line) if line == begin => open = Some(String::new()),
            (None, _) => {}
            (Some(body), line) if line == end => {
                if blocks.len() == PEM_BLOCKS_MAX {
                    return Err(CertificateError::PemTooLarge);
                }
                blocks.push(STANDARD.decode(body).map_err(|_| malformed)?);
                open = None;
            }
            (Some(_), line) if line.starts_with("-----") => return Err(malformed),
            (Some(body), line) => body.push_str(line),
        }
    }
    if open.is_some() { Err(CertificateError::PemMalformed { line: last }) } else { Ok(blocks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_blocks_are_read_back() {
        for length in [0, 1, 47, 48, 49, 1_000] {
            let der = vec![0xa5; length];
            let text = format!("before\n{}between\r\n{}", to_pem("A B", &der), to_pem("C", b"c"));
            assert_eq!(pem_blocks(&text, "A B"), Ok(vec![der]));
            assert_eq!(pem_blocks(&text, "C"), Ok(vec![b"c".to_vec()]));
            assert_eq!(pem_blocks(&text, "D"), Ok(vec![]));
        }
    }

    #[test]
    fn bad_pem_is_refused_with_its_line() {
        for (text, line) in [
            ("-----BEGIN A-----\nQQ==\n", 2),
            ("-----BEGIN A-----\nQ!==\n-----END A-----\n", 3),
            ("\n-----BEGIN A-----\n-----BEGIN A-----\n", 3),
            ("-----BEGIN A-----\nQQ==\n-----END B-----\n", 3),
        ] {
            let error = CertificateError::PemMalformed { line };
            assert_eq!(pem_blocks(text, "A"), Err(error), "{text}");
        }
        let many = to_pem("A", b"").repeat(PEM_BLOCKS_MAX + 1);
        assert_eq!(pem_blocks(&many, "A"), Err(CertificateError::PemTooLarge));
        let long = "\n".repeat(PEM_BYTES_MAX + 1);
        assert_eq!(pem_blocks(&long, "A"), Err(CertificateError::PemTooLarge));
    }
}
