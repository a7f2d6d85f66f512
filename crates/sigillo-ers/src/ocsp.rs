//! OCSP responses (RFC 6960): reading them, who may sign them, and what one says of a certificate;
//! and the requests for them.

use jiff::Timestamp;
use rasn::types::GeneralizedTime;

use crate::{
    asn1::{self, OCSP_BASIC, OCSP_SIGNING},
    certificate::CERTIFICATE_BYTES_MAX,
    cms,
    der::{self, DerError, Element, Reader},
    hash::HashFunction,
    request::oid_der,
    revocation::Said,
    revocation_reason::RevocationReason,
    signed::{self, Signed},
    time,
    x509::{self, Algorithm, Certificate},
};

/// Largest response accepted, in bytes.
pub(crate) const OCSP_BYTES_MAX: usize = 1 << 20;
/// Most answers in one response.
const ANSWERS_MAX: usize = 10_000;
/// Most certificates in one response.
const CERTIFICATES_MAX: usize = 16;

const ENUMERATED: u8 = 0x0a;
const GOOD: u8 = 0x80;
const REVOKED: u8 = 0xa1;
const UNKNOWN: u8 = 0x82;

// Content of the object identifiers of extensions.
const NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
const ARCHIVE_CUTOFF: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 6];
const EXTENDED_REVOKE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 9];

/// A response, read but not verified.
#[derive(Clone, Debug)]
pub(crate) struct Ocsp<'a> {
    signed: Signed<'a>,
    responder: Responder<'a>,
    /// When it was signed.
    pub(crate) produced_at: Timestamp,
    answers: Vec<Answer<'a>>,
    /// Certificates that ended at this time or later are still known, as all answers say.
    keeps_from: Option<Timestamp>,
    certificates: Vec<&'a [u8]>,
    /// What forbids using it for any certificate.
    unusable: Option<String>,
}

/// How the signer is named.
#[derive(Clone, Copy, Debug)]
enum Responder<'a> {
    /// By its name, with tag and length.
    Name(&'a [u8]),
    /// By the SHA-1 of its key.
    Key(&'a [u8]),
}

/// What is said of one certificate.
#[derive(Clone, Debug)]
struct Answer<'a> {
    hash: Algorithm<'a>,
    name_hash: &'a [u8],
    key_hash: &'a [u8],
    serial: &'a [u8],
    status: Element<'a>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    keeps_from: Option<Timestamp>,
    critical: Option<&'a [u8]>,
}

/// An answer for the certificate asked about.
pub(crate) struct Answered {
    pub(crate) said: Said,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Option<Timestamp>,
    pub(crate) keeps_from: Option<Timestamp>,
}

impl<'a> Ocsp<'a> {
    /// Reads an `OCSPResponse`, or the `BasicOCSPResponse` that is kept without what is around it.
    pub(crate) fn read(raw: &'a [u8]) -> Result<Self, DerError> {
        if raw.len() > OCSP_BYTES_MAX {
            return Err(DerError { what: "an OCSP response is too large" });
        }
        let outer = der::read_checked(raw, "an OCSP response")?;
        let mut fields = outer.inside();
        let Some(status) = fields.optional(ENUMERATED)? else {
            return Self::read_basic(&outer);
        };
        if status.content != [0] {
            return Err(DerError { what: "an OCSP response without an answer" });
        }
        let bytes = fields.expect(der::context(0), "an OCSP response")?;
        fields.end("an OCSP response")?;
        let mut fields = signed::explicit(&bytes, der::SEQUENCE, "an OCSP response")?.inside();
        let kind = fields.expect(der::OBJECT_IDENTIFIER, "the kind of an OCSP response")?;
        if der::oid_text(kind.content)? != OCSP_BASIC {
            return Err(DerError { what: "the kind of an OCSP response" });
        }
        let basic = fields.expect(der::OCTET_STRING, "an OCSP response")?.content;
        fields.end("an OCSP response")?;
        Self::read_basic(&der::read_checked(basic, "an OCSP response")?)
    }

    fn read_basic(outer: &Element<'a>) -> Result<Self, DerError> {
        let mut fields = outer.inside();
        let signed = Signed::read(&mut fields)?;
        let mut certificates = Vec::new();
        if let Some(outer) = fields.optional(der::context(0))? {
            let list = signed::explicit(&outer, der::SEQUENCE, "certificates of a response")?;
            let mut reader = list.inside();
            while let Some(certificate) = reader.optional(der::SEQUENCE)? {
                let too_large = certificate.raw.len() > CERTIFICATE_BYTES_MAX;
                if too_large || certificates.len() == CERTIFICATES_MAX {
                    return Err(DerError { what: "certificates of a response" });
                }
                certificates.push(certificate.raw);
            }
            reader.end("certificates of a response")?;
        }
        fields.end("an OCSP response")?;
        let mut fields = signed.to_sign.inside();
        fields.optional(der::context(0))?;
        let responder = read_responder(&fields.any("who answered")?)?;
        let produced_at = read_time(&fields.expect(der::GENERALIZED_TIME, "a time")?)?;
        let answers = read_answers(&fields.expect(der::SEQUENCE, "the answers")?)?;
        let extensions = read_extensions(fields.optional(der::context(1))?)?;
        fields.end("an OCSP response")?;
        let unusable = extensions.critical.map(critical_text).transpose()?;
        let keeps_from = extensions.keeps_from;
        Ok(Self { signed, responder, produced_at, answers, keeps_from, certificates, unusable })
    }

    /// Returns what it says of the certificate of `issuer` with a serial number, the answer that is
    /// newest; `None` if it says nothing of it.
    pub(crate) fn answer(
        &self,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
    ) -> Option<Result<Answered, String>> {
        let mut ids = IssuerIds { issuer, known: Vec::new() };
        let of_serial = self.answers.iter().filter(|it| it.serial == certificate.serial);
        let answer = of_serial.filter(|it| ids.name(it)).max_by_key(|it| it.this_update)?;
        let usable = || {
            if let Some(reason) = &self.unusable {
                return Err(reason.clone());
            }
            if let Some(oid) = answer.critical {
                return Err(critical_text(oid).map_err(|error| error.to_string())?);
            }
            let said = read_status(&answer.status).map_err(|error| error.to_string())?;
            Ok(Answered {
                said: said.ok_or_else(|| "its answer is: unknown".to_owned())?,
                this_update: answer.this_update,
                next_update: answer.next_update,
                keeps_from: answer.keeps_from.or(self.keeps_from),
            })
        };
        Some(usable())
    }

    /// Returns the serial numbers of which it says that they are revoked.
    pub(crate) fn revoked(&self) -> impl Iterator<Item = &'a [u8]> {
        self.answers.iter().filter(|it| it.status.tag == REVOKED).map(|it| it.serial)
    }

    /// Checks the signature: by `issuer`, or by whom it named for that in a certificate among those
    /// of the response and `more`. Source: RFC 6960 §4.2.2.2.
    pub(crate) fn signer<'c>(
        &self,
        issuer: &Certificate<'c>,
        more: &[&'c [u8]],
    ) -> Result<OcspSigner<'c>, String>
    where
        'a: 'c,
    {
        let mut reason = "it was signed by somebody else, whom the issuer did not name".to_owned();
        if self.is_named(issuer) {
            match self.signed.check(&issuer.key) {
                Ok(with) => return Ok(OcspSigner { delegate: None, with }),
                Err(fault) => reason = fault.to_string(),
            }
        }
        for raw in self.certificates.iter().chain(more) {
            let Ok(delegate) = Certificate::read(raw) else { continue };
            if !self.is_named(&delegate) || delegate.raw == issuer.raw {
                continue;
            }
            if let Err(what) = check_delegate(&delegate, issuer, self.produced_at) {
                reason = what;
                continue;
            }
            match self.signed.check(&delegate.key) {
                Ok(with) => return Ok(OcspSigner { delegate: Some(delegate), with }),
                Err(fault) => reason = fault.to_string(),
            }
        }
        Err(reason)
    }

    /// Returns who answered, in words.
    pub(crate) fn responder_text(&self) -> String {
        let read = |name: &[u8]| x509::name_text(&Reader::new(name).any("a name").ok()?).ok();
        match self.responder {
            Responder::Name(name) => read(name).unwrap_or_default(),
            Responder::Key(key) => format!("the key {}", hex::encode(key)),
        }
    }

    fn is_named(&self, certificate: &Certificate<'_>) -> bool {
        match self.responder {
            Responder::Name(name) => name == certificate.subject_name,
            Responder::Key(key) => HashFunction::Sha1.digest(certificate.key.bits) == key,
        }
    }
}

/// Who signed a response: the issuer itself, or by its order another.
pub(crate) struct OcspSigner<'c> {
    pub(crate) delegate: Option<Certificate<'c>>,
    pub(crate) with: crate::signature::SignatureUse,
}

/// Sees that `issuer` itself named `delegate` as a signer of responses, valid at the time.
fn check_delegate(
    delegate: &Certificate<'_>,
    issuer: &Certificate<'_>,
    at: Timestamp,
) -> Result<(), String> {
    if !delegate.has_purpose(OCSP_SIGNING) {
        return Err("its signer's certificate is not for signing OCSP responses".to_owned());
    }
    if !delegate.allows_signing() {
        return Err("the key usage of its signer does not allow signing".to_owned());
    }
    if !delegate.is_issued_by(issuer) {
        return Err("its signer's certificate was not issued by the same issuer".to_owned());
    }
    cms::check_validity(delegate, at).map_err(|error| error.to_string())
}

/// How answers name an issuer, found out once for each hash function.
struct IssuerIds<'i> {
    issuer: &'i Certificate<'i>,
    /// The hashes of its name and of its key.
    known: Vec<(HashFunction, Vec<u8>, Vec<u8>)>,
}

impl IssuerIds<'_> {
    /// Tells whether an answer is about a certificate of the issuer.
    fn name(&mut self, answer: &Answer<'_>) -> bool {
        let Some(hash) = HashFunction::of_algorithm(&answer.hash) else { return false };
        let place = self.known.iter().position(|it| it.0 == hash).unwrap_or_else(|| {
            let (name, key) = (self.issuer.subject_name, self.issuer.key.bits);
            self.known.push((hash, hash.digest(name), hash.digest(key)));
            self.known.len() - 1
        });
        let (_, name_hash, key_hash) = &self.known[place];
        name_hash == answer.name_hash && key_hash == answer.key_hash
    }
}

fn critical_text(oid: &[u8]) -> Result<String, DerError> {
    let oid = der::oid_text(oid)?;
    Ok(format!("it has the critical extension {oid}, which is not known"))
}

fn read_responder<'a>(choice: &Element<'a>) -> Result<Responder<'a>, DerError> {
    match choice.tag {
        0xa1 => Ok(Responder::Name(signed::explicit(choice, der::SEQUENCE, "who answered")?.raw)),
        0xa2 => {
            let key = signed::explicit(choice, der::OCTET_STRING, "who answered")?;
            Ok(Responder::Key(key.content))
        }
        _ => Err(DerError { what: "who answered" }),
    }
}

fn read_time(element: &Element<'_>) -> Result<Timestamp, DerError> {
    let read: GeneralizedTime = asn1::decode(element.raw, "a time of a response")?;
    time::from_generalized(&read)
}

fn read_answers<'a>(list: &Element<'a>) -> Result<Vec<Answer<'a>>, DerError> {
    let (mut answers, mut reader) = (Vec::new(), list.inside());
    while let Some(answer) = reader.optional(der::SEQUENCE)? {
        if answers.len() == ANSWERS_MAX {
            return Err(DerError { what: "too many answers" });
        }
        answers.push(read_answer(&answer)?);
    }
    reader.end("the answers")?;
    Ok(answers)
}

fn read_answer<'a>(element: &Element<'a>) -> Result<Answer<'a>, DerError> {
    let mut fields = element.inside();
    let mut id = fields.expect(der::SEQUENCE, "whom an answer is about")?.inside();
    let hash = Algorithm::read(&id.expect(der::SEQUENCE, "a hash function")?)?;
    let name_hash = id.expect(der::OCTET_STRING, "the hash of a name")?.content;
    let key_hash = id.expect(der::OCTET_STRING, "the hash of a key")?.content;
    let serial = id.expect(der::INTEGER, "a serial number")?.content;
    id.end("whom an answer is about")?;
    let status = fields.any("a status")?;
    let this_update = read_time(&fields.expect(der::GENERALIZED_TIME, "a time")?)?;
    let next_update = match fields.optional(der::context(0))? {
        None => None,
        Some(outer) => {
            Some(read_time(&signed::explicit(&outer, der::GENERALIZED_TIME, "a time")?)?)
        }
    };
    let Extensions { critical, keeps_from } = read_extensions(fields.optional(der::context(1))?)?;
    fields.end("an answer")?;
    Ok(Answer {
        hash,
        name_hash,
        key_hash,
        serial,
        status,
        this_update,
        next_update,
        keeps_from,
        critical,
    })
}

/// What matters of extensions.
#[derive(Default)]
struct Extensions<'a> {
    /// The first that is critical and not known.
    critical: Option<&'a [u8]>,
    keeps_from: Option<Timestamp>,
}

fn read_extensions(outer: Option<Element<'_>>) -> Result<Extensions<'_>, DerError> {
    let mut read = Extensions::default();
    let Some(outer) = outer else { return Ok(read) };
    let list = signed::explicit(&outer, der::SEQUENCE, "extensions of a response")?;
    for extension in signed::extensions(&list)? {
        match extension.oid {
            ARCHIVE_CUTOFF => {
                let cutoff: GeneralizedTime = asn1::decode(extension.value, "a cutoff")?;
                read.keeps_from = Some(time::from_generalized(&cutoff)?);
            }
            NONCE | EXTENDED_REVOKE => {}
            oid if extension.critical => read.critical = read.critical.or(Some(oid)),
            _ => {}
        }
    }
    Ok(read)
}

/// Reads a status; `None` is unknown.
fn read_status(status: &Element<'_>) -> Result<Option<Said>, DerError> {
    match status.tag {
        GOOD if status.content.is_empty() => Ok(Some(Said::Good)),
        UNKNOWN if status.content.is_empty() => Ok(None),
        REVOKED => {
            let mut fields = status.inside();
            let at = read_time(&fields.expect(der::GENERALIZED_TIME, "a time of revocation")?)?;
            let reason = match fields.optional(der::context(0))? {
                None => None,
                Some(outer) => Some(RevocationReason::read(outer.content)?),
            };
            fields.end("a revocation")?;
            Ok(Some(Said::Revoked { at, reason }))
        }
        _ => Err(DerError { what: "a status" }),
    }
}

/// Writes the request for the status of `certificate`, which `issuer` issued: SHA-1 for the names of
/// things, which every responder knows, and no nonce, so that prepared answers may be given. Source:
/// RFC 6960 §4.1, RFC 5019 §2.1.
pub(crate) fn request(certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Vec<u8> {
    let hash = HashFunction::Sha1;
    let id = der::wrap(
        der::SEQUENCE,
        &[
            &der::wrap(der::SEQUENCE, &[&oid_der(hash.oid()), &[5, 0]]),
            &der::wrap(der::OCTET_STRING, &[&hash.digest(issuer.subject_name)]),
            &der::wrap(der::OCTET_STRING, &[&hash.digest(issuer.key.bits)]),
            &der::wrap(der::INTEGER, &[certificate.serial]),
        ],
    );
    let list = der::wrap(der::SEQUENCE, &[&der::wrap(der::SEQUENCE, &[&id])]);
    der::wrap(der::SEQUENCE, &[&der::wrap(der::SEQUENCE, &[&list])])
}
