//! Signatures: which algorithm is meant, and whether a signature is right.

use std::fmt;

use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
    ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::{
    asn1::{
        EC_PUBLIC_KEY, ECDSA_SHA_256, ECDSA_SHA_384, ECDSA_SHA_512, ED25519, P_256, P_384, P_521,
        RSA_ENCRYPTION, RSA_PSS, RSA_SHA_1, RSA_SHA_224, RSA_SHA_256, RSA_SHA_384, RSA_SHA_512,
        RSA_SHA3_256, RSA_SHA3_384, RSA_SHA3_512,
    },
    der::{self, Reader},
    hash::HashFunction,
    legacy,
    x509::{Algorithm, PublicKey},
};

/// RSA keys of other sizes are too weak, or too slow to ask of a verifier.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Which algorithms may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Accepted {
    /// Those that new signatures may use, their certificate named by SHA-2.
    New,
    /// The same, but the certificate may be named by SHA-1, as was the custom.
    Kept,
    /// All that can be computed here, for evidence that others made.
    Legacy,
}

/// A signature was not found right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SignatureFault {
    /// It is wrong.
    Wrong,
    /// Nothing here can check it.
    UnknownAlgorithm { algorithm: String },
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong => f.write_str("its signature is wrong"),
            Self::UnknownAlgorithm { algorithm } => {
                write!(f, "its signature algorithm is not known: {algorithm}")
            }
        }
    }
}

/// A key and a signature algorithm, and what is hashed with it.
pub(crate) struct Signing<'a> {
    /// The algorithm of the signature.
    pub(crate) algorithm: &'a Algorithm<'a>,
    /// The digest algorithm of the signer.
    pub(crate) hash: HashFunction,
    /// The signer's key.
    pub(crate) key: &'a PublicKey<'a>,
}

/// Checks `signature` over `message`.
///
/// The algorithm is chosen from the signature algorithm, the key and, where the former leaves it
/// open, the digest algorithm of the signer: many authorities write `rsaEncryption`.
pub(crate) fn check_signature(
    signing: &Signing<'_>,
    message: &[u8],
    signature: &[u8],
    accepted: Accepted,
) -> Result<(), SignatureFault> {
    let key = signing.key.bits;
    match choose(signing) {
        Ok(verifier) => UnparsedPublicKey::new(verifier, key)
            .verify(message, signature)
            .map_err(|_| SignatureFault::Wrong),
        Err(unknown) if accepted != Accepted::Legacy || !is_rsa(signing.key) => Err(unknown),
        Err(unknown) => match signing.algorithm.oid.as_str() {
            RSA_PSS => legacy::check_pss(signing.algorithm, key, message, signature),
            oid => match pkcs1_hash(oid, signing.hash).filter(|_| signing.algorithm.is_bare()) {
                Some(hash) => legacy::check_pkcs1(hash, key, message, signature),
                None => Err(unknown),
            },
        },
    }
}

/// Checks a signature of today over `message`, whose scheme and hash function stand apart from it.
pub(crate) fn check_bare(
    scheme: SignatureScheme,
    hash: HashFunction,
    key: &PublicKey<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    let unknown = || SignatureFault::UnknownAlgorithm {
        algorithm: format!(
            "{} with a key of {}",
            SignatureUse { scheme, bits: None, hash: Some(hash) },
            key.algorithm.oid
        ),
    };
    let is_strong = || rsa_bits(key.bits).is_some_and(|bits| RSA_BITS.contains(&bits));
    let of_rsa = key.algorithm.oid == RSA_ENCRYPTION && is_strong();
    let verifier = match scheme {
        SignatureScheme::RsaPkcs1 if of_rsa => pkcs1(hash),
        SignatureScheme::RsaPss if of_rsa => pss(hash),
        SignatureScheme::Ecdsa if key.algorithm.oid == EC_PUBLIC_KEY => ecdsa(hash, key),
        _ => None,
    };
    let verifier = verifier.ok_or_else(unknown)?;
    UnparsedPublicKey::new(verifier, key.bits)
        .verify(message, signature)
        .map_err(|_| SignatureFault::Wrong)
}

/// Says in words what a signature was made with, such as `RSA-2048 PKCS#1 v1.5 with SHA-256`.
pub(crate) fn describe(signing: &Signing<'_>) -> SignatureUse {
    let Signing { algorithm, key, .. } = signing;
    let bits = if is_rsa(key) { rsa_bits(key.bits) } else { curve_bits(key) };
    let (scheme, hash) = match algorithm.oid.as_str() {
        RSA_PSS => (SignatureScheme::RsaPss, legacy::pss_hash(algorithm)),
        ED25519 => (SignatureScheme::Ed25519, Some(HashFunction::Sha512)),
        ECDSA_SHA_256 => (SignatureScheme::Ecdsa, Some(HashFunction::Sha256)),
        ECDSA_SHA_384 => (SignatureScheme::Ecdsa, Some(HashFunction::Sha384)),
        ECDSA_SHA_512 => (SignatureScheme::Ecdsa, Some(HashFunction::Sha512)),
        oid if is_rsa(key) => (SignatureScheme::RsaPkcs1, pkcs1_hash(oid, signing.hash)),
        _ => (SignatureScheme::Other, Some(signing.hash)),
    };
    SignatureUse { scheme, bits, hash }
}

/// Says what a signature was made with as far as that can be told without the key.
pub(crate) fn describe_unchecked(algorithm: &Algorithm<'_>) -> Option<SignatureUse> {
    let (scheme, hash) = match algorithm.oid.as_str() {
        RSA_PSS => (SignatureScheme::RsaPss, legacy::pss_hash(algorithm)?),
        ED25519 => (SignatureScheme::Ed25519, HashFunction::Sha512),
        ECDSA_SHA_256 => (SignatureScheme::Ecdsa, HashFunction::Sha256),
        ECDSA_SHA_384 => (SignatureScheme::Ecdsa, HashFunction::Sha384),
        ECDSA_SHA_512 => (SignatureScheme::Ecdsa, HashFunction::Sha512),
        RSA_ENCRYPTION => return None,
        oid => (SignatureScheme::RsaPkcs1, pkcs1_hash(oid, HashFunction::Sha256)?),
    };
    Some(SignatureUse { scheme, bits: None, hash: Some(hash) })
}

/// How a signature was made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SignatureScheme {
    /// RSA with the padding of PKCS #1 v1.5.
    RsaPkcs1,
    /// RSA with PSS padding.
    RsaPss,
    /// ECDSA over a curve over a prime field.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// Anything else.
    Other,
}

/// What a signature was made with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SignatureUse {
    /// The scheme.
    pub scheme: SignatureScheme,
    /// Bits of the modulus or of the curve's field, as far as they are known here.
    pub bits: Option<usize>,
    /// The hash function of the message, as far as it is known here.
    pub hash: Option<HashFunction>,
}

impl fmt::Display for SignatureUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            SignatureScheme::RsaPkcs1 => "RSA PKCS#1 v1.5",
            SignatureScheme::RsaPss => "RSA-PSS",
            SignatureScheme::Ecdsa => "ECDSA",
            SignatureScheme::Ed25519 => "Ed25519",
            SignatureScheme::Other => "a signature of another kind",
        })?;
        if let Some(bits) = self.bits {
            write!(f, ", {bits} bits")?;
        }
        match self.hash {
            Some(hash) => write!(f, ", {hash}"),
            None => Ok(()),
        }
    }
}

fn is_rsa(key: &PublicKey<'_>) -> bool {
    matches!(key.algorithm.oid.as_str(), RSA_ENCRYPTION | RSA_PSS)
}

/// Returns the hash function of a PKCS #1 v1.5 signature; `rsaEncryption` leaves it to the signer.
fn pkcs1_hash(oid: &str, signer: HashFunction) -> Option<HashFunction> {
    Some(match oid {
        RSA_ENCRYPTION => signer,
        RSA_SHA_1 => HashFunction::Sha1,
        RSA_SHA_224 => HashFunction::Sha224,
        RSA_SHA_256 => HashFunction::Sha256,
        RSA_SHA_384 => HashFunction::Sha384,
        RSA_SHA_512 => HashFunction::Sha512,
        RSA_SHA3_256 => HashFunction::Sha3_256,
        RSA_SHA3_384 => HashFunction::Sha3_384,
        RSA_SHA3_512 => HashFunction::Sha3_512,
        _ => return None,
    })
}

fn choose(signing: &Signing<'_>) -> Result<&'static dyn VerificationAlgorithm, SignatureFault> {
    let Signing { algorithm, hash, key } = signing;
    let unknown = |algorithm: &str| SignatureFault::UnknownAlgorithm {
        algorithm: format!("{algorithm} with a key of {}", key.algorithm.oid),
    };
    let oid = algorithm.oid.as_str();
    let known: Option<&'static dyn VerificationAlgorithm> = match oid {
        RSA_PSS => pss_hash(algorithm).and_then(pss),
        ECDSA_SHA_256 if algorithm.is_bare() => ecdsa(HashFunction::Sha256, key),
        ECDSA_SHA_384 if algorithm.is_bare() => ecdsa(HashFunction::Sha384, key),
        ECDSA_SHA_512 if algorithm.is_bare() => ecdsa(HashFunction::Sha512, key),
        ED25519 if algorithm.parameters.is_none() => Some(&signature::ED25519),
        _ if algorithm.is_bare() => pkcs1_hash(oid, *hash).and_then(pkcs1),
        _ => None,
    };
    let fits = match oid {
        ED25519 => key.algorithm.oid == ED25519,
        ECDSA_SHA_256 | ECDSA_SHA_384 | ECDSA_SHA_512 => key.algorithm.oid == EC_PUBLIC_KEY,
        RSA_PSS => is_rsa(key),
        _ => key.algorithm.oid == RSA_ENCRYPTION,
    };
    let known = known.filter(|_| fits).ok_or_else(|| unknown(oid))?;
    if is_rsa(key) {
        let bits = rsa_bits(key.bits).ok_or_else(|| unknown(oid))?;
        if !RSA_BITS.contains(&bits) {
            return Err(unknown(&format!("{oid}, RSA of {bits} bits,")));
        }
    }
    Ok(known)
}

fn pkcs1(hash: HashFunction) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match hash {
        HashFunction::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        HashFunction::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        HashFunction::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

fn pss(hash: HashFunction) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match hash {
        HashFunction::Sha256 => &RSA_PSS_2048_8192_SHA256,
        HashFunction::Sha384 => &RSA_PSS_2048_8192_SHA384,
        HashFunction::Sha512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// Returns the named curve of a key, dotted.
fn curve(key: &PublicKey<'_>) -> Option<String> {
    let mut reader = Reader::new(key.algorithm.parameters?);
    let curve = reader.expect(der::OBJECT_IDENTIFIER, "a curve").ok()?;
    der::oid_text(curve.content).ok()
}

fn curve_bits(key: &PublicKey<'_>) -> Option<usize> {
    Some(match curve(key)?.as_str() {
        P_256 => 256,
        P_384 => 384,
        P_521 => 521,
        _ => return None,
    })
}

fn ecdsa(hash: HashFunction, key: &PublicKey<'_>) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (curve(key)?.as_str(), hash) {
        (P_256, HashFunction::Sha256) => &ECDSA_P256_SHA256_ASN1,
        (P_256, HashFunction::Sha384) => &ECDSA_P256_SHA384_ASN1,
        (P_256, HashFunction::Sha512) => &ECDSA_P256_SHA512_ASN1,
        (P_384, HashFunction::Sha256) => &ECDSA_P384_SHA256_ASN1,
        (P_384, HashFunction::Sha384) => &ECDSA_P384_SHA384_ASN1,
        (P_384, HashFunction::Sha512) => &ECDSA_P384_SHA512_ASN1,
        (P_521, HashFunction::Sha256) => &ECDSA_P521_SHA256_ASN1,
        (P_521, HashFunction::Sha384) => &ECDSA_P521_SHA384_ASN1,
        (P_521, HashFunction::Sha512) => &ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

/// Returns the hash of PSS parameters whose mask uses the same and whose salt is as long: the one
/// shape in use, and the one aws-lc-rs verifies.
pub(crate) fn pss_hash(algorithm: &Algorithm<'_>) -> Option<HashFunction> {
    let shape = legacy::pss_shape(algorithm)?;
    let usual = shape.salt_bytes == shape.hash.length_bytes() && shape.hash.is_of_today();
    usual.then_some(shape.hash)
}

/// Returns the bits of the modulus of an `RSAPublicKey`.
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut fields = Reader::new(key).expect(der::SEQUENCE, "an RSA key").ok()?.inside();
    let modulus = fields.expect(der::INTEGER, "an RSA modulus").ok()?.content;
    let modulus = der::read_unsigned(modulus).ok()?;
    let leading = modulus.first()?.leading_zeros();
    Some(modulus.len() * 8 - usize::try_from(leading).ok()?)
}
