//! Signatures: which algorithm is meant, and whether a signature is right.

use aws_lc_rs::{
    digest,
    signature::{
        self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
        ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1,
        ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};

use crate::{
    asn1::{
        self, EC_PUBLIC_KEY, ECDSA_SHA_256, ECDSA_SHA_384, ECDSA_SHA_512, ED25519,
        MASK_GENERATION_1, P_256, P_384, P_521, RSA_ENCRYPTION, RSA_PSS, RSA_SHA_256, RSA_SHA_384,
        RSA_SHA_512, RsaPssParameters, SHA_256, SHA_384, SHA_512,
    },
    der::{self, Reader},
    x509::{self, Algorithm, PublicKey},
};

/// RSA keys of other sizes are too weak, or too slow to ask of a verifier.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A hash function of the SHA-2 family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Returns the function with dotted OID `oid`, `None` for any other.
    pub(crate) fn from_oid(oid: &str) -> Option<Self> {
        match oid {
            SHA_256 => Some(Self::Sha256),
            SHA_384 => Some(Self::Sha384),
            SHA_512 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Returns the function that `algorithm` names, `None` for any other.
    pub(crate) fn of_algorithm(algorithm: &Algorithm<'_>) -> Option<Self> {
        Self::from_oid(&algorithm.oid).filter(|_| algorithm.is_bare())
    }

    /// Hashes `bytes`.
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let function = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(function, bytes).as_ref().to_vec()
    }

    /// Length of a digest, in bytes.
    const fn length_bytes(self) -> u64 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A signature was not found right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SignatureFault {
    /// It is wrong.
    Wrong,
    /// Nothing here can check it.
    UnknownAlgorithm { algorithm: String },
}

/// Checks `signature` over `message`.
///
/// The algorithm is chosen from the signature algorithm, the key and, where the former leaves it
/// open, the digest algorithm of the signer: many authorities write `rsaEncryption`.
pub(crate) fn check_signature(
    algorithm: &Algorithm<'_>,
    hash: Hash,
    key: &PublicKey<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    let verifier = choose(algorithm, hash, key)?;
    UnparsedPublicKey::new(verifier, key.bits)
        .verify(message, signature)
        .map_err(|_| SignatureFault::Wrong)
}

fn choose(
    algorithm: &Algorithm<'_>,
    hash: Hash,
    key: &PublicKey<'_>,
) -> Result<&'static dyn VerificationAlgorithm, SignatureFault> {
    let unknown = |algorithm: &str| SignatureFault::UnknownAlgorithm {
        algorithm: format!("{algorithm} with a key of {}", key.algorithm.oid),
    };
    let oid = algorithm.oid.as_str();
    let known: Option<&'static dyn VerificationAlgorithm> = match oid {
        RSA_ENCRYPTION if algorithm.is_bare() => Some(pkcs1(hash)),
        RSA_SHA_256 if algorithm.is_bare() => Some(pkcs1(Hash::Sha256)),
        RSA_SHA_384 if algorithm.is_bare() => Some(pkcs1(Hash::Sha384)),
        RSA_SHA_512 if algorithm.is_bare() => Some(pkcs1(Hash::Sha512)),
        RSA_PSS => pss_hash(algorithm).map(pss),
        ECDSA_SHA_256 if algorithm.is_bare() => ecdsa(Hash::Sha256, key),
        ECDSA_SHA_384 if algorithm.is_bare() => ecdsa(Hash::Sha384, key),
        ECDSA_SHA_512 if algorithm.is_bare() => ecdsa(Hash::Sha512, key),
        ED25519 if algorithm.parameters.is_none() => Some(&signature::ED25519),
        _ => None,
    };
    let fits = match oid {
        ED25519 => key.algorithm.oid == ED25519,
        ECDSA_SHA_256 | ECDSA_SHA_384 | ECDSA_SHA_512 => key.algorithm.oid == EC_PUBLIC_KEY,
        RSA_PSS => matches!(key.algorithm.oid.as_str(), RSA_ENCRYPTION | RSA_PSS),
        _ => key.algorithm.oid == RSA_ENCRYPTION,
    };
    let known = known.filter(|_| fits).ok_or_else(|| unknown(oid))?;
    if matches!(key.algorithm.oid.as_str(), RSA_ENCRYPTION | RSA_PSS) {
        let bits = rsa_bits(key.bits).ok_or_else(|| unknown(oid))?;
        if !RSA_BITS.contains(&bits) {
            return Err(unknown(&format!("{oid}, RSA of {bits} bits,")));
        }
    }
    Ok(known)
}

fn pkcs1(hash: Hash) -> &'static dyn VerificationAlgorithm {
    match hash {
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    }
}

fn pss(hash: Hash) -> &'static dyn VerificationAlgorithm {
    match hash {
        Hash::Sha256 => &RSA_PSS_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PSS_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PSS_2048_8192_SHA512,
    }
}

fn ecdsa(hash: Hash, key: &PublicKey<'_>) -> Option<&'static dyn VerificationAlgorithm> {
    let mut reader = Reader::new(key.algorithm.parameters?);
    let curve = reader.expect(der::OBJECT_IDENTIFIER, "a curve").ok()?;
    Some(match (der::oid_text(curve.content).ok()?.as_str(), hash) {
        (P_256, Hash::Sha256) => &ECDSA_P256_SHA256_ASN1,
        (P_256, Hash::Sha384) => &ECDSA_P256_SHA384_ASN1,
        (P_256, Hash::Sha512) => &ECDSA_P256_SHA512_ASN1,
        (P_384, Hash::Sha256) => &ECDSA_P384_SHA256_ASN1,
        (P_384, Hash::Sha384) => &ECDSA_P384_SHA384_ASN1,
        (P_384, Hash::Sha512) => &ECDSA_P384_SHA512_ASN1,
        (P_521, Hash::Sha256) => &ECDSA_P521_SHA256_ASN1,
        (P_521, Hash::Sha384) => &ECDSA_P521_SHA384_ASN1,
        (P_521, Hash::Sha512) => &ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

/// Returns the hash of PSS parameters whose mask uses the same and whose salt is as long: the one
/// shape in use, and the one aws-lc-rs verifies.
pub(crate) fn pss_hash(algorithm: &Algorithm<'_>) -> Option<Hash> {
    let parameters: RsaPssParameters =
        asn1::decode(algorithm.parameters?, "PSS parameters").ok()?;
    let hash_of = |algorithm: &rasn_pkix::AlgorithmIdentifier| {
        let parameters = algorithm.parameters.as_ref().map(rasn::types::Any::as_bytes);
        Hash::from_oid(&asn1::dotted(&algorithm.algorithm)).filter(|_| x509::is_absent(parameters))
    };
    let hash = hash_of(parameters.hash_algorithm.as_ref()?)?;
    let mask = parameters.mask_algorithm?;
    let mask_hash = asn1::decode::<rasn_pkix::AlgorithmIdentifier>(
        mask.parameters.as_ref()?.as_bytes(),
        "a mask hash",
    );
    let usual = asn1::dotted(&mask.algorithm) == MASK_GENERATION_1
        && hash_of(&mask_hash.ok()?) == Some(hash)
        && parameters.salt_length == Some(hash.length_bytes())
        && parameters.trailer_field.is_none_or(|trailer| trailer == 1);
    usual.then_some(hash)
}

/// Returns the bits of the modulus of an `RSAPublicKey`.
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut fields = Reader::new(key).expect(der::SEQUENCE, "an RSA key").ok()?.inside();
    let modulus = fields.expect(der::INTEGER, "an RSA modulus").ok()?.content;
    let modulus = der::read_unsigned(modulus).ok()?;
    let leading = modulus.first()?.leading_zeros();
    Some(modulus.len() * 8 - usize::try_from(leading).ok()?)
}
