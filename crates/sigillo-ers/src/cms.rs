//! CMS signed data with one signer (RFC 5652), as tokens and seals are: reading and verifying.

use jiff::Timestamp;

use crate::{
    asn1::{
        self, CONTENT_TYPE, DATA, MESSAGE_DIGEST, SIGNED_DATA, SIGNING_CERTIFICATE,
        SIGNING_CERTIFICATE_V2, SIGNING_TIME,
    },
    beside::Beside,
    certificate::CERTIFICATE_BYTES_MAX,
    der::{self, DerError, Element, Reader},
    ess,
    hash::HashFunction,
    signature::{self, Accepted, SignatureFault, SignatureUse, Signing},
    time,
    x509::{Algorithm, Certificate},
};

/// Most certificates in one structure.
pub(crate) const EMBEDDED_CERTIFICATES_MAX: usize = 32;
/// Most signed attributes.
const SIGNED_ATTRIBUTES_MAX: usize = 32;

/// Signed data is not what it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CmsError {
    /// Larger than is read.
    #[error("the signed data has {size_bytes} bytes, more than {size_bytes_max}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// Not well-formed DER.
    #[error("the signed data is malformed: {what}")]
    Malformed {
        /// What was wrong or being read.
        what: &'static str,
    },
    /// Another kind of CMS content.
    #[error("the content is {found}, not signed data")]
    NotSignedData {
        /// The content type found, dotted.
        found: String,
    },
    /// A version that does not go with the content.
    #[error("the {structure} does not have version {expected}")]
    WrongVersion {
        /// `SignedData` or `SignerInfo`.
        structure: &'static str,
        /// The version that RFC 5652 asks for.
        expected: u8,
    },
    /// None or several signers.
    #[error("{count} signers instead of one")]
    SignerCount {
        /// How many.
        count: usize,
    },
    /// Something else was signed.
    #[error("the signed content is {found}, not {expected}")]
    WrongContentType {
        /// The type found, dotted.
        found: String,
        /// The type expected, dotted.
        expected: &'static str,
    },
    /// A signed attribute is missing.
    #[error("the signed attribute {attribute} is missing")]
    MissingAttribute {
        /// Its name.
        attribute: &'static str,
    },
    /// A signed attribute is there more than once, or has several values.
    #[error("the signed attribute {attribute} is repeated")]
    RepeatedAttribute {
        /// Its name.
        attribute: String,
    },
    /// The signer signed another content.
    #[error("the signed digest is not that of the content")]
    DigestMismatch,
    /// The signer's certificate is not embedded.
    #[error("the signer's certificate is not embedded")]
    SignerCertificateMissing,
    /// The signed attributes name another certificate than the signer's.
    #[error("the signing certificate attribute names another certificate")]
    SigningCertificateMismatch,
    /// The certificate is named by SHA-1 only, which new signatures must not do.
    #[error("the signing certificate is named by SHA-1 only")]
    OldSigningCertificate,
    /// The certificate is not for this purpose.
    #[error("the certificate of {subject} is not for this purpose: {reason}")]
    WrongPurpose {
        /// Its subject.
        subject: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The certificate was not valid at the time.
    #[error("the certificate of {subject} is valid from {not_before} to {not_after}, not at {at}")]
    OutsideValidity {
        /// Its subject.
        subject: String,
        /// The instant that counts.
        at: Timestamp,
        /// First instant of validity.
        not_before: Timestamp,
        /// Last instant of validity.
        not_after: Timestamp,
    },
    /// The signature is wrong.
    #[error("the signature is wrong")]
    WrongSignature,
    /// An algorithm that nothing here can check: no verdict, rather than a bad one.
    #[error("the {role} algorithm is not known: {algorithm}")]
    UnknownAlgorithm {
        /// What it is for.
        role: &'static str,
        /// The algorithm, dotted, with what else was not as known.
        algorithm: String,
    },
}

impl CmsError {
    /// Tells whether there is no verdict, as opposed to a bad one.
    pub fn is_unknown_algorithm(&self) -> bool {
        matches!(self, Self::UnknownAlgorithm { .. })
    }
}

impl From<DerError> for CmsError {
    fn from(error: DerError) -> Self {
        Self::Malformed { what: error.what }
    }
}

/// Signed data, read but not verified.
#[derive(Clone, Debug)]
pub(crate) struct SignedData<'a> {
    content_type: String,
    /// The content, `None` if it is detached.
    pub(crate) content: Option<&'a [u8]>,
    digest_algorithms: Vec<Algorithm<'a>>,
    /// The X.509 certificates, raw.
    pub(crate) certificates: Vec<&'a [u8]>,
    /// What came with it for verifying it later, raw and unprotected: revocation lists and OCSP
    /// responses, certificates.
    pub(crate) beside: Beside<'a>,
    signer: Signer<'a>,
}

#[derive(Clone, Debug)]
struct Signer<'a> {
    identifier: Element<'a>,
    digest_algorithm: Algorithm<'a>,
    /// As signed: under the tag of a SET.
    signed_attributes: Vec<u8>,
    attributes: Vec<(String, Element<'a>)>,
    signature_algorithm: Algorithm<'a>,
    signature: &'a [u8],
    /// The unsigned attributes.
    unsigned: Option<Element<'a>>,
}

/// What the content must be.
pub(crate) struct Rules<'a> {
    pub(crate) content_type: &'static str,
    /// Hashes the content, `None` if that hash of it is not at hand.
    pub(crate) digest: &'a dyn Fn(HashFunction) -> Option<Vec<u8>>,
    /// Which algorithms are.
    pub(crate) accepted: Accepted,
}

impl<'a> SignedData<'a> {
    /// Reads the `ContentInfo` that `raw` is.
    pub(crate) fn read(raw: &'a [u8], size_bytes_max: usize) -> Result<Self, CmsError> {
        if raw.len() > size_bytes_max {
            return Err(CmsError::TooLarge { size_bytes: raw.len(), size_bytes_max });
        }
        let mut info = der::read_checked(raw, "a ContentInfo")?.inside();
        let found = read_oid(&mut info)?;
        if found != SIGNED_DATA {
            return Err(CmsError::NotSignedData { found });
        }
        let mut explicit = info.expect(der::context(0), "the content")?.inside();
        info.end("a ContentInfo")?;
        let mut fields = explicit.expect(der::SEQUENCE, "the SignedData")?.inside();
        explicit.end("the content")?;

        let version = fields.expect(der::INTEGER, "a version")?.content;
        let digest_algorithms = fields.expect(der::SET, "the digest algorithms")?;
        let (content_type, content) =
            read_content(&fields.expect(der::SEQUENCE, "the encapsulated content")?)?;
        let embedded = fields.optional(der::context(0))?;
        let revocation = fields.optional(der::context(1))?;
        let signers = fields.expect(der::SET, "the signers")?;
        fields.end("the SignedData")?;

        let (signer, signer_version) = read_signer(&signers)?;
        let (certificates, others) = read_certificates(embedded.as_ref())?;
        let mut beside = Beside::default();
        let other_revocation = match revocation {
            Some(choices) => {
                let has_other = has_other_revocation(&choices)?;
                beside.read_choices(&choices);
                has_other
            }
            None => false,
        };
        if let Some(attributes) = signer.unsigned {
            beside.read_attributes(&attributes);
        }
        let (expected, tolerated) = if others.contains(&0xa3) || other_revocation {
            // OCSP responses are often added without raising the version.
            (5, 3)
        } else if others.contains(&0xa2) {
            (4, 4)
        } else if others.contains(&0xa1) || signer_version == 3 || content_type != DATA {
            (3, 3)
        } else {
            (1, 1)
        };
        if version != [expected] && version != [tolerated] {
            return Err(CmsError::WrongVersion { structure: "SignedData", expected });
        }
        Ok(Self {
            content_type,
            content,
            digest_algorithms: read_algorithms(&digest_algorithms)?,
            certificates,
            beside,
            signer,
        })
    }

    /// Returns the signature as it stands there.
    pub(crate) const fn signature(&self) -> &'a [u8] {
        self.signer.signature
    }

    /// Checks what kind of content was signed.
    pub(crate) fn expect_content_type(&self, expected: &'static str) -> Result<(), CmsError> {
        if self.content_type == expected {
            return Ok(());
        }
        let found = self.content_type.clone();
        Err(CmsError::WrongContentType { found, expected })
    }

    /// Verifies everything but path, time and purpose, and returns the signer's certificate.
    pub(crate) fn verify(&self, rules: &Rules<'_>) -> Result<Certificate<'a>, CmsError> {
        self.expect_content_type(rules.content_type)?;
        let hash = self.signer_hash(rules.accepted)?;
        let certificate = self.signer_certificate()?;

        let mut stated = self.required(CONTENT_TYPE, "contentType")?;
        let found = read_oid(&mut stated)?;
        if found != rules.content_type {
            return Err(CmsError::WrongContentType { found, expected: rules.content_type });
        }
        let mut stated = self.required(MESSAGE_DIGEST, "messageDigest")?;
        let stated = stated.expect(der::OCTET_STRING, "a message digest")?.content;
        let digest = (rules.digest)(hash).ok_or_else(|| CmsError::UnknownAlgorithm {
            role: "content digest",
            algorithm: self.signer.digest_algorithm.oid.clone(),
        })?;
        if stated != digest {
            return Err(CmsError::DigestMismatch);
        }
        self.check_signing_certificate(&certificate, rules.accepted)?;
        let signer = &self.signer;
        let signing = self.signing(hash, &certificate);
        signature::check_signature(
            &signing,
            &signer.signed_attributes,
            signer.signature,
            rules.accepted,
        )
        .map_err(|fault| match fault {
            SignatureFault::Wrong => CmsError::WrongSignature,
            SignatureFault::UnknownAlgorithm { algorithm } => {
                CmsError::UnknownAlgorithm { role: "signature", algorithm }
            }
        })?;
        Ok(certificate)
    }

    /// Says what the signature was made with, as far as that is known here.
    pub(crate) fn signature_use(&self, certificate: &Certificate<'_>) -> Option<SignatureUse> {
        let hash = HashFunction::of_algorithm(&self.signer.digest_algorithm)?;
        Some(signature::describe(&self.signing(hash, certificate)))
    }

    fn signing<'s>(&'s self, hash: HashFunction, certificate: &'s Certificate<'_>) -> Signing<'s> {
        Signing { algorithm: &self.signer.signature_algorithm, hash, key: &certificate.key }
    }

    /// Returns the signed time, if there is one.
    pub(crate) fn signing_time(&self) -> Result<Option<Timestamp>, CmsError> {
        let Some(value) = self.attribute(SIGNING_TIME)? else { return Ok(None) };
        let stated: rasn_pkix::Time = asn1::decode(value.raw, "a signing time")?;
        Ok(Some(time::from_time(&stated)?))
    }

    fn signer_hash(&self, accepted: Accepted) -> Result<HashFunction, CmsError> {
        let algorithm = &self.signer.digest_algorithm;
        let listed = |listed: &Algorithm<'_>| listed.oid == algorithm.oid && listed.is_bare();
        if !self.digest_algorithms.iter().any(listed) {
            return Err(CmsError::Malformed { what: "the digest algorithm is not announced" });
        }
        let usable = |hash: &HashFunction| accepted == Accepted::Legacy || hash.is_of_today();
        HashFunction::of_algorithm(algorithm).filter(usable).ok_or_else(|| {
            CmsError::UnknownAlgorithm { role: "digest", algorithm: algorithm.oid.clone() }
        })
    }

    /// Returns the signer's certificate; nothing of it is verified.
    pub(crate) fn signer_certificate(&self) -> Result<Certificate<'a>, CmsError> {
        let identifier = &self.signer.identifier;
        for raw in &self.certificates {
            let certificate = Certificate::read(raw)?;
            let found = if identifier.tag == der::SEQUENCE {
                let mut fields = identifier.inside();
                let issuer = fields.expect(der::SEQUENCE, "a signer's issuer")?;
                let serial = fields.expect(der::INTEGER, "a signer's serial number")?;
                fields.end("a signer's identifier")?;
                issuer.raw == certificate.issuer && serial.content == certificate.serial
            } else {
                certificate.key_identifier == Some(identifier.content)
            };
            if found {
                return Ok(certificate);
            }
        }
        Err(CmsError::SignerCertificateMissing)
    }

    fn check_signing_certificate(
        &self,
        certificate: &Certificate<'_>,
        accepted: Accepted,
    ) -> Result<(), CmsError> {
        let new = self.attribute(SIGNING_CERTIFICATE_V2)?;
        let old = self.attribute(SIGNING_CERTIFICATE)?;
        if let Some(value) = &new {
            ess::check_v2(value.raw, certificate, accepted)?;
        }
        if let Some(value) = &old {
            ess::check_v1(value.raw, certificate)?;
        }
        match (new, old) {
            (Some(_), _) => Ok(()),
            (None, Some(_)) if accepted != Accepted::New => Ok(()),
            (None, Some(_)) => Err(CmsError::OldSigningCertificate),
            (None, None) => Err(CmsError::MissingAttribute { attribute: "signingCertificateV2" }),
        }
    }

    fn required(&self, oid: &str, attribute: &'static str) -> Result<Reader<'a>, CmsError> {
        let value = self.attribute(oid)?.ok_or(CmsError::MissingAttribute { attribute })?;
        Ok(Reader::new(value.raw))
    }

    /// Returns the one value of a signed attribute, if there is that attribute.
    fn attribute(&self, oid: &str) -> Result<Option<Element<'a>>, CmsError> {
        let Some((_, values)) = self.signer.attributes.iter().find(|(name, _)| name == oid) else {
            return Ok(None);
        };
        let mut reader = values.inside();
        let value = reader.any("the value of an attribute")?;
        match reader.next()? {
            None => Ok(Some(value)),
            Some(_) => Err(CmsError::RepeatedAttribute { attribute: oid.to_owned() }),
        }
    }
}

/// Checks that `certificate` is valid at `at`.
pub(crate) fn check_validity(certificate: &Certificate<'_>, at: Timestamp) -> Result<(), CmsError> {
    let Certificate { not_before, not_after, subject, .. } = certificate;
    // A certificate names whole seconds, and its last second belongs to it.
    if *not_before <= at && at.as_second() <= not_after.as_second() {
        return Ok(());
    }
    let (not_before, not_after) = (*not_before, *not_after);
    Err(CmsError::OutsideValidity { subject: subject.clone(), at, not_before, not_after })
}

fn read_oid(reader: &mut Reader<'_>) -> Result<String, DerError> {
    der::oid_text(reader.expect(der::OBJECT_IDENTIFIER, "an object identifier")?.content)
}

fn read_algorithms<'a>(set: &Element<'a>) -> Result<Vec<Algorithm<'a>>, DerError> {
    let (mut algorithms, mut reader) = (Vec::new(), set.inside());
    while let Some(algorithm) = reader.optional(der::SEQUENCE)? {
        if algorithms.len() == SIGNED_ATTRIBUTES_MAX {
            return Err(DerError { what: "too many digest algorithms" });
        }
        algorithms.push(Algorithm::read(&algorithm)?);
    }
    reader.end("the digest algorithms")?;
    Ok(algorithms)
}

fn read_content<'a>(element: &Element<'a>) -> Result<(String, Option<&'a [u8]>), DerError> {
    let mut fields = element.inside();
    let content_type = read_oid(&mut fields)?;
    let content = match fields.optional(der::context(0))? {
        None => None,
        Some(explicit) => {
            let mut reader = explicit.inside();
            let content = reader.expect(der::OCTET_STRING, "the content")?.content;
            reader.end("the content")?;
            Some(content)
        }
    };
    fields.end("the encapsulated content")?;
    Ok((content_type, content))
}

/// Returns the X.509 certificates, raw, and the tags of the other choices.
fn read_certificates<'a>(
    embedded: Option<&Element<'a>>,
) -> Result<(Vec<&'a [u8]>, Vec<u8>), DerError> {
    let (mut certificates, mut others) = (Vec::new(), Vec::new());
    let mut reader = embedded.map_or(Reader::new(&[]), Element::inside);
    while let Some(element) = reader.next()? {
        match element.tag {
            der::SEQUENCE if element.raw.len() <= CERTIFICATE_BYTES_MAX => {
                certificates.push(element.raw);
            }
            0xa1..=0xa3 => others.push(element.tag),
            _ => return Err(DerError { what: "an embedded certificate" }),
        }
        if certificates.len() + others.len() > EMBEDDED_CERTIFICATES_MAX {
            return Err(DerError { what: "too many embedded certificates" });
        }
    }
    Ok((certificates, others))
}

fn has_other_revocation(choices: &Element<'_>) -> Result<bool, DerError> {
    let (mut other, mut reader) = (false, choices.inside());
    while let Some(choice) = reader.next()? {
        other |= choice.tag == der::context(1);
        if choice.tag != der::SEQUENCE && choice.tag != der::context(1) {
            return Err(DerError { what: "embedded revocation data" });
        }
    }
    Ok(other)
}

/// Reads the one `SignerInfo` of the set; its version goes with the kind of its identifier.
fn read_signer<'a>(signers: &Element<'a>) -> Result<(Signer<'a>, u8), CmsError> {
    let mut reader = signers.inside();
    let first = reader.optional(der::SEQUENCE)?;
    let mut count = usize::from(first.is_some());
    while reader.optional(der::SEQUENCE)?.is_some() {
        count += 1;
    }
    reader.end("the signers")?;
    let Some(info) = first.filter(|_| count == 1) else {
        return Err(CmsError::SignerCount { count });
    };
    let mut fields = info.inside();
    let version = fields.expect(der::INTEGER, "a signer's version")?.content;
    let identifier = fields.any("a signer's identifier")?;
    let expected = match identifier.tag {
        der::SEQUENCE => 1,
        0x80 => 3,
        _ => return Err(CmsError::Malformed { what: "a signer's identifier" }),
    };
    if version != [expected] {
        return Err(CmsError::WrongVersion { structure: "SignerInfo", expected });
    }
    let digest_algorithm = Algorithm::read(&fields.expect(der::SEQUENCE, "a digest algorithm")?)?;
    let attributes = fields
        .optional(der::context(0))?
        .ok_or(CmsError::MissingAttribute { attribute: "contentType" })?;
    let signature_algorithm =
        Algorithm::read(&fields.expect(der::SEQUENCE, "a signature algorithm")?)?;
    let signature = fields.expect(der::OCTET_STRING, "a signature")?.content;
    let unsigned = fields.optional(der::context(1))?;
    fields.end("a signer")?;

    let mut signed_attributes = attributes.raw.to_vec();
    signed_attributes[0] = der::SET;
    let attributes = read_attributes(&attributes)?;
    let signer = Signer {
        identifier,
        digest_algorithm,
        signed_attributes,
        attributes,
        signature_algorithm,
        signature,
        unsigned,
    };
    Ok((signer, expected))
}

fn read_attributes<'a>(set: &Element<'a>) -> Result<Vec<(String, Element<'a>)>, CmsError> {
    let mut attributes: Vec<(String, Element<'a>)> = Vec::new();
    let mut reader = set.inside();
    while let Some(attribute) = reader.next()? {
        let mut fields = attribute.inside();
        let oid = read_oid(&mut fields)?;
        let values = fields.expect(der::SET, "the values of an attribute")?;
        fields.end("an attribute")?;
        if attributes.len() == SIGNED_ATTRIBUTES_MAX {
            return Err(CmsError::Malformed { what: "too many signed attributes" });
        }
        if attributes.iter().any(|(name, _)| *name == oid) {
            return Err(CmsError::RepeatedAttribute { attribute: oid });
        }
        attributes.push((oid, values));
    }
    Ok(attributes)
}
