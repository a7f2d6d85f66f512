//! What verification needs to know of an X.509 certificate, as slices of its bytes.

use jiff::Timestamp;

use crate::{
    asn1::{
        self, AUTHORITY_INFORMATION, BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, COMMON_NAME,
        DISTRIBUTION_POINTS, EXTENDED_KEY_USAGE, KEY_USAGE, OCSP, SUBJECT_KEY_IDENTIFIER,
    },
    certificate::CERTIFICATE_BYTES_MAX,
    crl,
    der::{self, DerError, Element, Reader},
    signed::Signed,
    time,
};

/// Most extensions of one certificate.
const EXTENSIONS_MAX: usize = 64;
/// Most attributes in one name.
const NAME_ATTRIBUTES_MAX: usize = 64;
/// Most places named in one certificate where its revocation can be asked.
const PLACES_MAX: usize = 32;
/// Longest text made of a name, in characters.
const NAME_CHARACTERS_MAX: usize = 512;

const DIGITAL_SIGNATURE: u8 = 0x80;
const NON_REPUDIATION: u8 = 0x40;
const CERTIFICATE_SIGNING: u8 = 0x04;
const LIST_SIGNING: u8 = 0x02;
/// Tag of a general name that is an address.
pub(crate) const ADDRESS: u8 = 0x86;

/// An algorithm and the raw bytes of its parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Algorithm<'a> {
    pub(crate) oid: String,
    pub(crate) parameters: Option<&'a [u8]>,
}

impl<'a> Algorithm<'a> {
    /// Reads an `AlgorithmIdentifier`.
    pub(crate) fn read(element: &Element<'a>) -> Result<Self, DerError> {
        let mut reader = element.inside();
        let oid = der::oid_text(reader.expect(der::OBJECT_IDENTIFIER, "an algorithm")?.content)?;
        let parameters = reader.next()?.map(|parameters| parameters.raw);
        reader.end("an algorithm")?;
        Ok(Self { oid, parameters })
    }

    /// Tells whether there are no parameters; NULL counts as none (RFC 5754 §2).
    pub(crate) fn is_bare(&self) -> bool {
        is_absent(self.parameters)
    }
}

/// Tells whether algorithm parameters are absent or NULL.
pub(crate) fn is_absent(parameters: Option<&[u8]>) -> bool {
    matches!(parameters, None | Some([5, 0]))
}

/// A public key: its algorithm and the bits of the key itself.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey<'a> {
    pub(crate) algorithm: Algorithm<'a>,
    pub(crate) bits: &'a [u8],
}

/// A certificate, read but not verified.
#[derive(Clone, Debug)]
pub(crate) struct Certificate<'a> {
    /// All its bytes.
    pub(crate) raw: &'a [u8],
    /// Content of the serial number.
    pub(crate) serial: &'a [u8],
    /// The issuer's name, with tag and length.
    pub(crate) issuer: &'a [u8],
    /// The subject's name, with tag and length.
    pub(crate) subject_name: &'a [u8],
    /// The subject in words.
    pub(crate) subject: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) key: PublicKey<'a>,
    /// What it is signed with.
    pub(crate) algorithm: Algorithm<'a>,
    /// First byte of the key usage, `None` without that extension.
    key_usage: Option<u8>,
    /// Dotted purposes and whether they are critical, `None` without that extension.
    pub(crate) purposes: Option<(Vec<String>, bool)>,
    pub(crate) key_identifier: Option<&'a [u8]>,
    /// Dotted policies.
    pub(crate) policies: Vec<String>,
    /// Whether it may issue others, by its basic constraints.
    pub(crate) is_authority: bool,
    /// Whether it has basic constraints.
    has_constraints: bool,
    /// Whether it is of version 1, which has no extensions.
    is_first_version: bool,
    /// The names of its distribution points of revocation lists, raw.
    pub(crate) distribution_points: Vec<&'a [u8]>,
    /// The addresses of its OCSP responders.
    pub(crate) responders: Vec<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Reads the certificate that `raw` is.
    pub(crate) fn read(raw: &'a [u8]) -> Result<Self, DerError> {
        if raw.len() > CERTIFICATE_BYTES_MAX {
            return Err(DerError { what: "a certificate is too large" });
        }
        let mut outer = der::read_checked(raw, "a certificate")?.inside();
        let mut tbs = outer.expect(der::SEQUENCE, "a certificate")?.inside();
        let algorithm =
            Algorithm::read(&outer.expect(der::SEQUENCE, "a certificate's algorithm")?)?;
        outer.expect(der::BIT_STRING, "a certificate's signature")?;
        outer.end("a certificate")?;

        let is_first_version = tbs.optional(der::context(0))?.is_none();
        let serial = tbs.expect(der::INTEGER, "a certificate's serial number")?.content;
        tbs.expect(der::SEQUENCE, "a certificate's algorithm")?;
        let issuer = tbs.expect(der::SEQUENCE, "a certificate's issuer")?.raw;
        let validity = tbs.expect(der::SEQUENCE, "a certificate's validity")?;
        let validity: rasn_pkix::Validity = asn1::decode(validity.raw, "a certificate's validity")?;
        let subject = tbs.expect(der::SEQUENCE, "a certificate's subject")?;
        let key = read_key(&tbs.expect(der::SEQUENCE, "a public key")?)?;
        let mut certificate = Self {
            raw,
            serial,
            issuer,
            subject_name: subject.raw,
            subject: name_text(&subject)?,
            not_before: time::from_time(&validity.not_before)?,
            not_after: time::from_time(&validity.not_after)?,
            key,
            algorithm,
            key_usage: None,
            purposes: None,
            key_identifier: None,
            policies: Vec::new(),
            is_authority: false,
            has_constraints: false,
            is_first_version,
            distribution_points: Vec::new(),
            responders: Vec::new(),
        };
        tbs.optional(0x81)?;
        tbs.optional(0x82)?;
        if let Some(extensions) = tbs.optional(der::context(3))? {
            certificate.read_extensions(&extensions)?;
        }
        tbs.end("a certificate")?;
        Ok(certificate)
    }

    /// Tells whether the key may sign: what signs something lasting has one of two usages.
    pub(crate) fn allows_signing(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage & (DIGITAL_SIGNATURE | NON_REPUDIATION) != 0)
    }

    /// Tells whether the key may sign certificates, as far as its usage goes.
    pub(crate) fn allows_certifying(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage & CERTIFICATE_SIGNING != 0)
    }

    /// Tells whether paths may end at it if it is an anchor, and not only itself be believed.
    ///
    /// Without basic constraints that takes a key usage that says so, or version 1 and its own name as issuer.
    pub(crate) fn certifies_as_anchor(&self) -> bool {
        let is_old_root = self.is_first_version && self.issuer == self.subject_name;
        let is_stated = self.key_usage.is_some() || is_old_root;
        self.allows_certifying() && (self.is_authority || !self.has_constraints && is_stated)
    }

    /// Tells whether a purpose is stated, dotted.
    pub(crate) fn has_purpose(&self, purpose: &str) -> bool {
        let stated = self.purposes.as_ref().map(|(purposes, _)| purposes.as_slice());
        stated.unwrap_or_default().iter().any(|one| one == purpose)
    }

    /// Tells whether the key may sign revocation lists, as far as its usage goes.
    pub(crate) fn allows_listing(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage & LIST_SIGNING != 0)
    }

    /// Tells whether `issuer` is named as the issuer, may be one, and its key gave the signature.
    /// When, is not looked at.
    pub(crate) fn is_issued_by(&self, issuer: &Certificate<'_>) -> bool {
        let signed = || {
            let mut outer = Reader::new(self.raw).expect(der::SEQUENCE, "a certificate")?.inside();
            Signed::read(&mut outer)
        };
        self.issuer == issuer.subject_name
            && issuer.allows_certifying()
            && signed().is_ok_and(|signed| signed.check(&issuer.key).is_ok())
    }

    fn read_extensions(&mut self, outer: &Element<'a>) -> Result<(), DerError> {
        let mut list = outer.inside();
        let mut extensions = list.expect(der::SEQUENCE, "extensions")?.inside();
        list.end("extensions")?;
        let mut seen = Vec::new();
        while let Some(extension) = extensions.next()? {
            let mut fields = extension.inside();
            let oid =
                der::oid_text(fields.expect(der::OBJECT_IDENTIFIER, "an extension")?.content)?;
            let critical = fields.optional(0x01)?.is_some_and(|flag| flag.content != [0]);
            let value = fields.expect(der::OCTET_STRING, "an extension")?.content;
            fields.end("an extension")?;
            if seen.len() == EXTENSIONS_MAX || seen.contains(&oid) {
                return Err(DerError { what: "extensions are repeated or too many" });
            }
            self.read_extension(&oid, critical, value)?;
            seen.push(oid);
        }
        Ok(())
    }

    fn read_extension(
        &mut self,
        oid: &str,
        critical: bool,
        value: &'a [u8],
    ) -> Result<(), DerError> {
        let mut reader = Reader::new(value);
        match oid {
            KEY_USAGE => {
                let bits = reader.expect(der::BIT_STRING, "a key usage")?.content;
                self.key_usage = Some(bits.get(1).copied().unwrap_or(0));
            }
            EXTENDED_KEY_USAGE => {
                let purposes = reader.expect(der::SEQUENCE, "key purposes")?;
                self.purposes = Some((read_oids(&mut purposes.inside())?, critical));
            }
            SUBJECT_KEY_IDENTIFIER => {
                let identifier = reader.expect(der::OCTET_STRING, "a key identifier")?;
                self.key_identifier = Some(identifier.content);
            }
            CERTIFICATE_POLICIES => {
                let mut policies = reader.expect(der::SEQUENCE, "policies")?.inside();
                while let Some(policy) = policies.next()? {
                    let oid = policy.inside().expect(der::OBJECT_IDENTIFIER, "a policy")?;
                    // An identifier too large to read is none that anything here knows.
                    self.policies.extend(der::oid_text(oid.content));
                }
            }
            BASIC_CONSTRAINTS => {
                let mut fields = reader.expect(der::SEQUENCE, "basic constraints")?.inside();
                let flag = fields.optional(0x01)?;
                self.is_authority = flag.is_some_and(|flag| flag.content != [0]);
                self.has_constraints = true;
            }
            // Whoever misspells these says nothing; what they are for can then not be told.
            DISTRIBUTION_POINTS => {
                self.distribution_points = read_points(reader).unwrap_or_default();
                return Ok(());
            }
            AUTHORITY_INFORMATION => {
                self.responders = read_responders(reader).unwrap_or_default();
                return Ok(());
            }
            _ => return Ok(()),
        }
        reader.end("an extension")
    }
}

/// Reads the names of all distribution points that are for every reason and of the issuer itself.
/// Source: RFC 5280 §4.2.1.13.
fn read_points(mut reader: Reader<'_>) -> Result<Vec<&[u8]>, DerError> {
    let mut points = reader.expect(der::SEQUENCE, "distribution points")?.inside();
    let mut names = Vec::new();
    while let Some(point) = points.next()? {
        let mut fields = point.inside();
        let Some(name) = fields.optional(der::context(0))? else { continue };
        if fields.next()?.is_none() {
            names.extend(crl::point_names(&name)?);
        }
        if names.len() > PLACES_MAX {
            return Err(DerError { what: "too many distribution points" });
        }
    }
    Ok(names)
}

/// Reads the addresses of OCSP responders. Source: RFC 5280 §4.2.2.1.
fn read_responders(mut reader: Reader<'_>) -> Result<Vec<&[u8]>, DerError> {
    let mut places = reader.expect(der::SEQUENCE, "places of information")?.inside();
    let mut addresses = Vec::new();
    while let Some(place) = places.next()? {
        let mut fields = place.inside();
        let method = fields.expect(der::OBJECT_IDENTIFIER, "a place of information")?;
        let name = fields.any("a place of information")?;
        if name.tag == ADDRESS && der::oid_text(method.content)? == OCSP {
            addresses.push(name.content);
        }
        if addresses.len() > PLACES_MAX {
            return Err(DerError { what: "too many places of information" });
        }
    }
    Ok(addresses)
}

fn read_oids(reader: &mut Reader<'_>) -> Result<Vec<String>, DerError> {
    let mut oids = Vec::new();
    while let Some(oid) = reader.optional(der::OBJECT_IDENTIFIER)? {
        oids.push(der::oid_text(oid.content)?);
    }
    reader.end("a list of object identifiers")?;
    Ok(oids)
}

fn read_key<'a>(element: &Element<'a>) -> Result<PublicKey<'a>, DerError> {
    let mut fields = element.inside();
    let algorithm = Algorithm::read(&fields.expect(der::SEQUENCE, "a key's algorithm")?)?;
    let bits = fields.expect(der::BIT_STRING, "a public key")?.content;
    fields.end("a public key")?;
    match bits {
        [0, bits @ ..] => Ok(PublicKey { algorithm, bits }),
        _ => Err(DerError { what: "a public key" }),
    }
}

/// Writes a name in words: `CN=…, O=…, C=IT`, in its own order, control characters escaped.
pub(crate) fn name_text(name: &Element<'_>) -> Result<String, DerError> {
    let (mut parts, mut names) = (Vec::new(), name.inside());
    while let Some(relative) = names.optional(der::SET)? {
        let mut attributes = relative.inside();
        while let Some(attribute) = attributes.optional(der::SEQUENCE)? {
            if parts.len() == NAME_ATTRIBUTES_MAX {
                return Err(DerError { what: "a name has too many attributes" });
            }
            let mut fields = attribute.inside();
            let oid = der::oid_text(fields.expect(der::OBJECT_IDENTIFIER, "a name")?.content)?;
            let value = value_text(&fields.any("a name")?);
            fields.end("a name")?;
            parts.push(format!("{}={value}", attribute_name(&oid)));
        }
        attributes.end("a name")?;
    }
    names.end("a name")?;
    let plain = |character: char| {
        if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
    };
    Ok(parts.join(", ").chars().take(NAME_CHARACTERS_MAX).map(plain).collect())
}

fn attribute_name(oid: &str) -> &str {
    match oid {
        COMMON_NAME => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.42" => "givenName",
        "2.5.4.97" => "organizationIdentifier",
        other => other,
    }
}

/// Reads a string of a name: `BMPString` as UTF-16, UTF-8 where it is valid, else Latin-1.
fn value_text(value: &Element<'_>) -> String {
    const BMP_STRING: u8 = 0x1e;
    if value.tag == BMP_STRING {
        let pairs = value.content.as_chunks::<2>().0;
        let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        return String::from_utf16_lossy(&units);
    }
    match std::str::from_utf8(value.content) {
        Ok(text) => text.to_owned(),
        Err(_) => value.content.iter().map(|byte| char::from(*byte)).collect(),
    }
}
