//! What certificates, revocation lists and OCSP responses have in common: bytes that were signed,
//! the algorithm and the signature, and extensions.

use crate::{
    asn1::RSA_ENCRYPTION,
    der::{self, DerError, Element, Reader},
    hash::HashFunction,
    signature::{self, Accepted, SignatureFault, SignatureUse, Signing},
    x509::{Algorithm, PublicKey},
};

/// Most extensions of one structure.
const EXTENSIONS_MAX: usize = 64;

/// The outer three fields: as received, nothing verified.
#[derive(Clone, Debug)]
pub(crate) struct Signed<'a> {
    /// What was signed, with tag and length.
    pub(crate) to_sign: Element<'a>,
    algorithm: Algorithm<'a>,
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Reads them from the beginning of a structure.
    pub(crate) fn read(fields: &mut Reader<'a>) -> Result<Self, DerError> {
        let to_sign = fields.expect(der::SEQUENCE, "what was signed")?;
        let algorithm = Algorithm::read(&fields.expect(der::SEQUENCE, "a signature algorithm")?)?;
        let bits = fields.expect(der::BIT_STRING, "a signature")?.content;
        let [0, signature @ ..] = bits else {
            return Err(DerError { what: "a signature" });
        };
        Ok(Self { to_sign, algorithm, signature })
    }

    /// Checks the signature with `key`, over the bytes as they were received. Returns what it was
    /// made with.
    pub(crate) fn check(&self, key: &PublicKey<'_>) -> Result<SignatureUse, SignatureFault> {
        let Self { algorithm, .. } = self;
        if algorithm.oid == RSA_ENCRYPTION {
            // Here nothing else says which hash function it is.
            return Err(SignatureFault::UnknownAlgorithm { algorithm: algorithm.oid.clone() });
        }
        let signing = Signing { algorithm, hash: HashFunction::Sha256, key };
        let (to_sign, accepted) = (self.to_sign.raw, Accepted::Legacy);
        signature::check_signature(&signing, to_sign, self.signature, accepted)?;
        Ok(signature::describe(&signing))
    }
}

/// An extension, or an attribute of its shape.
pub(crate) struct Extension<'a> {
    /// Content of its object identifier.
    pub(crate) oid: &'a [u8],
    pub(crate) critical: bool,
    pub(crate) value: &'a [u8],
}

/// Reads the extensions in `list`, which is the SEQUENCE of them.
pub(crate) fn extensions<'a>(list: &Element<'a>) -> Result<Vec<Extension<'a>>, DerError> {
    let (mut all, mut reader) = (Vec::new(), list.inside());
    while let Some(extension) = reader.next()? {
        if all.len() == EXTENSIONS_MAX {
            return Err(DerError { what: "too many extensions" });
        }
        let mut fields = extension.inside();
        let oid = fields.expect(der::OBJECT_IDENTIFIER, "an extension")?.content;
        let critical = fields.optional(0x01)?.is_some_and(|flag| flag.content != [0]);
        let value = fields.expect(der::OCTET_STRING, "an extension")?.content;
        fields.end("an extension")?;
        all.push(Extension { oid, critical, value });
    }
    Ok(all)
}

/// Reads the one element in an explicit tag, which must have `tag`.
pub(crate) fn explicit<'a>(
    outer: &Element<'a>,
    tag: u8,
    what: &'static str,
) -> Result<Element<'a>, DerError> {
    let mut reader = outer.inside();
    let inner = reader.expect(tag, what)?;
    reader.end(what)?;
    Ok(inner)
}
