//! The signature of a trusted list: one, enveloped, over the whole document.
//!
//! Sources: XML Signature 1.1 (W3C, 2013-04-11), RFC 6931 and RFC 9231 for algorithms, ETSI TS
//! 119 612 annex B for the profile.

use std::collections::HashSet;

use jiff::Timestamp;
use roxmltree::Node;

use sigillo_ers::{
    BareSignature, CERTIFICATE_BYTES_MAX, HashFunction, SignatureScheme, certificate_subject,
    verify_bare,
};
use sigillo_model::Sha256Digest;

use super::{
    TrustedListError,
    c14n::{Canonical, INCLUSIVE_PREFIXES_MAX},
    read::decode_base64,
    xml::{children, only_child, text_of},
};

/// The name space of XML signatures.
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// How data are written where no transform says it.
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";

/// Most references of one signature: the document, signed properties, key information.
const REFERENCES_MAX: usize = 8;
/// Most certificates in the key information.
const CERTIFICATES_MAX: usize = 32;
/// Longest value of a signature, in bytes: RSA of 8192 bits.
const VALUE_BYTES_MAX: usize = 1_024;
/// Longest digest, in bytes.
const DIGEST_BYTES_MAX: usize = 64;

fn shape(what: &'static str) -> TrustedListError {
    TrustedListError::SignatureShape { what }
}

/// Checks the signature of the document whose root is given; returns the certificate of its signer,
/// one of `signers` and valid at `at`.
pub(super) fn check(
    root: Node<'_, '_>,
    signers: &[Vec<u8>],
    at: Timestamp,
) -> Result<Vec<u8>, TrustedListError> {
    let signature = the_signature(root)?;
    check_ids(root)?;
    let certificate = signer_of(signature, signers)?;
    let info = only_child(signature, DS, "SignedInfo").ok_or(shape("there is no SignedInfo"))?;
    let method = only_child(info, DS, "CanonicalizationMethod");
    let method = method.ok_or(shape("there is no CanonicalizationMethod"))?;
    let canonical = canonical(method)?;
    let method = only_child(info, DS, "SignatureMethod");
    let (scheme, hash) = scheme(algorithm(method.ok_or(shape("there is no SignatureMethod"))?)?)?;
    let references: Vec<_> = children(info, DS, "Reference").collect();
    if references.len() > REFERENCES_MAX {
        return Err(shape("there are too many references"));
    }
    let mut whole = 0;
    for reference in references {
        whole += usize::from(check_reference(reference, root, signature)?);
    }
    if whole != 1 {
        return Err(shape("not exactly one reference is to the whole document"));
    }
    let value = only_child(signature, DS, "SignatureValue").map(text_of).unwrap_or_default();
    let value = decode_base64(&value, VALUE_BYTES_MAX);
    let value = value.ok_or(shape("the value of the signature cannot be read"))?;
    let bare = BareSignature { certificate: &certificate, scheme, hash, signature: &value, at };
    verify_bare(&bare, &canonical.write(info, None)?)?;
    Ok(certificate)
}

/// Returns the only signature in the document, which is a child of its root.
fn the_signature<'a, 'input>(root: Node<'a, 'input>) -> Result<Node<'a, 'input>, TrustedListError> {
    let mut all = root.descendants().filter(|it| it.has_tag_name((DS, "Signature")));
    match (all.next(), all.next()) {
        (None, _) => Err(shape("there is none")),
        (Some(_), Some(_)) => Err(shape("there are several")),
        (Some(only), None) if only.parent() == Some(root) => Ok(only),
        (Some(_), None) => Err(shape("it is not a child of the root")),
    }
}

/// Refuses names that two elements have: which of them was signed would be a guess.
fn check_ids(root: Node<'_, '_>) -> Result<(), TrustedListError> {
    let mut seen = HashSet::new();
    let attributes = root.descendants().flat_map(|it| it.attributes());
    let mut names = attributes.filter(|it| it.name().eq_ignore_ascii_case("id"));
    if names.all(|it| seen.insert(it.value())) {
        Ok(())
    } else {
        Err(shape("an Id is there twice"))
    }
}

/// Returns the certificate in the key information that is one of `signers`.
fn signer_of(signature: Node<'_, '_>, signers: &[Vec<u8>]) -> Result<Vec<u8>, TrustedListError> {
    let data = children(signature, DS, "KeyInfo").flat_map(|it| children(it, DS, "X509Data"));
    let all = data.flat_map(|it| children(it, DS, "X509Certificate")).take(CERTIFICATES_MAX);
    let decoded = all.map(|it| decode_base64(&text_of(it), CERTIFICATE_BYTES_MAX));
    let all = decoded.collect::<Option<Vec<_>>>();
    let all = all.ok_or(shape("a certificate in it cannot be read"))?;
    let first = all.first().ok_or(shape("there is no certificate in it"))?;
    let unknown = || TrustedListError::UnknownSigner {
        subject: certificate_subject(first).unwrap_or_else(|error| error.to_string()),
        sha256: Sha256Digest::of(first).to_string(),
    };
    all.iter().find(|der| signers.contains(der)).cloned().ok_or_else(unknown)
}

fn algorithm<'a>(method: Node<'a, '_>) -> Result<&'a str, TrustedListError> {
    method.attribute("Algorithm").ok_or(shape("an algorithm is not named"))
}

/// Tells an algorithm that is too weak from one that is not known.
fn refused(address: &str) -> TrustedListError {
    let algorithm = address.to_owned();
    let lower = address.to_ascii_lowercase();
    let weak = ["sha1", "md5", "dsa-sha1", "ripemd", "sha224"].iter().any(|it| lower.contains(it));
    if weak {
        TrustedListError::WeakAlgorithm { algorithm }
    } else {
        TrustedListError::UnknownAlgorithm { algorithm }
    }
}

fn scheme(address: &str) -> Result<(SignatureScheme, HashFunction), TrustedListError> {
    use HashFunction::{Sha256, Sha384, Sha512};
    use SignatureScheme::{Ecdsa, RsaPkcs1, RsaPss};
    Ok(match address {
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => (RsaPkcs1, Sha256),
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => (RsaPkcs1, Sha384),
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => (RsaPkcs1, Sha512),
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1" => (RsaPss, Sha256),
        "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1" => (RsaPss, Sha384),
        "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1" => (RsaPss, Sha512),
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => (Ecdsa, Sha256),
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => (Ecdsa, Sha384),
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512" => (Ecdsa, Sha512),
        other => return Err(refused(other)),
    })
}

fn hash(address: &str) -> Result<HashFunction, TrustedListError> {
    Ok(match address {
        "http://www.w3.org/2001/04/xmlenc#sha256" => HashFunction::Sha256,
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => HashFunction::Sha384,
        "http://www.w3.org/2001/04/xmlenc#sha512" => HashFunction::Sha512,
        other => return Err(refused(other)),
    })
}

/// Reads how something is made canonical.
fn canonical(method: Node<'_, '_>) -> Result<Canonical, TrustedListError> {
    let address = algorithm(method)?;
    let mut canonical = Canonical::named(address).ok_or_else(|| refused(address))?;
    for parameter in method.children().filter(Node::is_element) {
        if !canonical.exclusive || !parameter.has_tag_name((EXCLUSIVE, "InclusiveNamespaces")) {
            return Err(shape("a canonicalisation has parameters that are not known"));
        }
        let list = parameter.attribute("PrefixList").unwrap_or_default();
        let prefixes = list.split_ascii_whitespace();
        let prefixes = prefixes.map(|it| if it == "#default" { "" } else { it }.to_owned());
        canonical.inclusive_prefixes.extend(prefixes.take(INCLUSIVE_PREFIXES_MAX + 1));
    }
    if canonical.inclusive_prefixes.len() > INCLUSIVE_PREFIXES_MAX {
        return Err(shape("a canonicalisation names too many prefixes"));
    }
    Ok(canonical)
}

/// Checks the digest of a reference; tells whether it is to the whole document.
fn check_reference(
    reference: Node<'_, '_>,
    root: Node<'_, '_>,
    signature: Node<'_, '_>,
) -> Result<bool, TrustedListError> {
    let address = reference.attribute("URI").ok_or(shape("a reference is to nothing"))?;
    let (is_enveloped, mut canonical) = transforms(reference)?;
    // A reference within the document is to it without comments (XML Signature 1.1 §4.4.3.3).
    canonical.comments = false;
    let named = address.strip_prefix('#');
    let is_root = named.is_some_and(|id| root.attribute("Id") == Some(id));
    let is_whole = address.is_empty() || is_root;
    let signed = match named {
        _ if is_whole && !is_enveloped => {
            return Err(shape("a reference to the document does not take the signature out"));
        }
        None if is_whole => canonical.write_document(root, Some(signature.id()))?,
        Some(_) if is_whole => canonical.write(root, Some(signature.id()))?,
        Some(id) if !is_enveloped => {
            let mut inside = signature.descendants().skip(1);
            let element = inside.find(|it| it.attribute("Id") == Some(id));
            canonical.write(element.ok_or(shape("a reference is outside of it"))?, None)?
        }
        Some(_) => return Err(shape("a reference is outside of it")),
        None => return Err(shape("a reference leads out of the document")),
    };
    let method =
        only_child(reference, DS, "DigestMethod").ok_or(shape("a digest has no method"))?;
    let hash = hash(algorithm(method)?)?;
    let value = only_child(reference, DS, "DigestValue").map(text_of).unwrap_or_default();
    let value = decode_base64(&value, DIGEST_BYTES_MAX);
    if value.is_some_and(|value| value == hash.digest(&signed)) {
        return Ok(is_whole);
    }
    let what = if is_whole { "the list" } else { "what was signed with it" };
    Err(TrustedListError::OtherDigest { what })
}

/// Reads the transforms of a reference: perhaps that which takes the signature out, then perhaps a
/// canonicalisation.
fn transforms(reference: Node<'_, '_>) -> Result<(bool, Canonical), TrustedListError> {
    let plain = || Canonical::named(INCLUSIVE).ok_or(shape("a canonicalisation is not known"));
    let Some(transforms) = only_child(reference, DS, "Transforms") else {
        let any = children(reference, DS, "Transforms").next().is_some();
        return if any {
            Err(shape("a reference has two lists of transforms"))
        } else {
            Ok((false, plain()?))
        };
    };
    let mut all = transforms.children().filter(Node::is_element);
    let (mut is_enveloped, mut next) = (false, all.next());
    if next.is_some_and(|it| it.attribute("Algorithm") == Some(ENVELOPED)) {
        (is_enveloped, next) = (true, all.next());
    }
    let canonical = next.map_or_else(plain, canonical)?;
    if all.next().is_some() {
        return Err(shape("a reference has more transforms than are accepted"));
    }
    Ok((is_enveloped, canonical))
}
