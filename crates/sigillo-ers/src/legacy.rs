//! RSA signatures of former times: short keys, SHA-1, SHA-224, SHA-3, any salt.
//!
//! Only evidence that others made is checked with these, so that old records verify; how long each
//! algorithm may be relied on is judged apart from that. Public operations only: no key is secret.

use rsa::{Pss, PublicKey, pkcs1::DecodeRsaPublicKey, traits::SignatureScheme};
use sha2::digest::{Digest, FixedOutputReset};

use crate::{
    asn1::{self, MASK_GENERATION_1, RsaPssParameters},
    der,
    hash::HashFunction,
    signature::SignatureFault,
    x509::Algorithm,
};

/// Content of the `DigestInfo` before the digest, as PKCS #1 v1.5 signs it. Source: RFC 8017 §9.2.
fn digest_info(hash: HashFunction, digest: &[u8]) -> Vec<u8> {
    let algorithm = der::wrap(der::SEQUENCE, &[&crate::request::oid_der(hash.oid()), &[5, 0]]);
    let digest = der::wrap(der::OCTET_STRING, &[digest]);
    der::wrap(der::SEQUENCE, &[&algorithm, &digest])
}

/// What a PSS signature was made with.
pub(crate) struct PssShape {
    pub(crate) hash: HashFunction,
    pub(crate) salt_bytes: usize,
}

/// Checks an RSA signature with PKCS #1 v1.5 padding.
pub(crate) fn check_pkcs1(
    hash: HashFunction,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    let key = read_key(key)?;
    let info = digest_info(hash, &hash.digest(message));
    // Without a prefix the scheme compares what it is given, which is the whole DigestInfo.
    let scheme = rsa::Pkcs1v15Sign::new_unprefixed();
    scheme.verify(&key, &info, signature).map_err(|_| SignatureFault::Wrong)
}

/// Checks an RSA signature with PSS padding, as `algorithm` describes it.
pub(crate) fn check_pss(
    algorithm: &Algorithm<'_>,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    let unknown = || SignatureFault::UnknownAlgorithm {
        algorithm: format!("{} with unusual parameters", algorithm.oid),
    };
    let shape = pss_shape(algorithm).ok_or_else(unknown)?;
    let key = read_key(key)?;
    let hashed = shape.hash.digest(message);
    let verified = match shape.hash {
        HashFunction::Sha1 => pss::<sha1::Sha1>(&key, &hashed, signature, &shape),
        HashFunction::Sha224 => pss::<sha2::Sha224>(&key, &hashed, signature, &shape),
        HashFunction::Sha256 => pss::<sha2::Sha256>(&key, &hashed, signature, &shape),
        HashFunction::Sha384 => pss::<sha2::Sha384>(&key, &hashed, signature, &shape),
        HashFunction::Sha512 => pss::<sha2::Sha512>(&key, &hashed, signature, &shape),
        _ => return Err(unknown()),
    };
    if verified { Ok(()) } else { Err(SignatureFault::Wrong) }
}

fn pss<D: Digest + FixedOutputReset>(
    key: &PublicKey,
    hashed: &[u8],
    signature: &[u8],
    shape: &PssShape,
) -> bool {
    Pss::<D>::new_with_salt(shape.salt_bytes).verify(key, hashed, signature).is_ok()
}

fn read_key(key: &[u8]) -> Result<PublicKey, SignatureFault> {
    PublicKey::from_pkcs1_der(key).map_err(|_| SignatureFault::UnknownAlgorithm {
        algorithm: "an RSA key of an unusual size or form".to_owned(),
    })
}

/// Returns the hash function of PSS parameters.
pub(crate) fn pss_hash(algorithm: &Algorithm<'_>) -> Option<HashFunction> {
    pss_shape(algorithm).map(|shape| shape.hash)
}

/// Reads PSS parameters, whose defaults are SHA-1 and a salt of 20 bytes. The mask must use the
/// same hash function as the message. Source: RFC 4055 §3.1.
pub(crate) fn pss_shape(algorithm: &Algorithm<'_>) -> Option<PssShape> {
    let parameters: RsaPssParameters =
        asn1::decode(algorithm.parameters?, "PSS parameters").ok()?;
    let hash = match &parameters.hash_algorithm {
        None => HashFunction::Sha1,
        Some(identifier) => HashFunction::of_identifier(identifier).ok()?,
    };
    let mask = match &parameters.mask_algorithm {
        None => HashFunction::Sha1,
        Some(mask) if asn1::dotted(&mask.algorithm) == MASK_GENERATION_1 => {
            let inner = mask.parameters.as_ref()?.as_bytes();
            let inner: rasn_pkix::AlgorithmIdentifier = asn1::decode(inner, "a mask hash").ok()?;
            HashFunction::of_identifier(&inner).ok()?
        }
        Some(_) => return None,
    };
    let salt_bytes = usize::try_from(parameters.salt_length.unwrap_or(20)).ok()?;
    let usual = mask == hash && parameters.trailer_field.is_none_or(|trailer| trailer == 1);
    usual.then_some(PssShape { hash, salt_bytes })
}
