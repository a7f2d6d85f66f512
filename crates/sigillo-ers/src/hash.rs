//! Hash functions that evidence was or is made with.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use sigillo_model::{EvidenceDigest, Sha256Digest, Sha512Digest};

use crate::{
    asn1::{SHA_1, SHA_224, SHA_256, SHA_384, SHA_512, SHA3_256, SHA3_384, SHA3_512},
    x509::{self, Algorithm},
};

/// A hash function that can be computed here.
///
/// Old ones too: evidence of past decades rests on them. How long each may be relied on is the
/// business of [`crate::AlgorithmTable`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HashFunction {
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-224, 28 bytes.
    Sha224,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
    /// SHA3-256, 32 bytes.
    Sha3_256,
    /// SHA3-384, 48 bytes.
    Sha3_384,
    /// SHA3-512, 64 bytes.
    Sha3_512,
}

/// A text names no hash function that can be computed here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{name:?} is no hash function known here")]
pub struct UnknownHashName {
    /// The text, shortened.
    pub name: String,
}

impl HashFunction {
    /// Every function.
    pub const ALL: [Self; 8] = [
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// Returns the name, such as `SHA-256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha3_256 => "SHA3-256",
            Self::Sha3_384 => "SHA3-384",
            Self::Sha3_512 => "SHA3-512",
        }
    }

    /// Returns the dotted OID.
    pub const fn oid(self) -> &'static str {
        match self {
            Self::Sha1 => SHA_1,
            Self::Sha224 => SHA_224,
            Self::Sha256 => SHA_256,
            Self::Sha384 => SHA_384,
            Self::Sha512 => SHA_512,
            Self::Sha3_256 => SHA3_256,
            Self::Sha3_384 => SHA3_384,
            Self::Sha3_512 => SHA3_512,
        }
    }

    /// Returns the function with dotted OID `oid`, `None` for any other.
    pub fn from_oid(oid: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.oid() == oid)
    }

    /// Returns the function that `algorithm` names, `None` for any other.
    pub(crate) fn of_algorithm(algorithm: &Algorithm<'_>) -> Option<Self> {
        Self::from_oid(&algorithm.oid).filter(|_| algorithm.is_bare())
    }

    /// Returns the function that a decoded `AlgorithmIdentifier` names, else its dotted OID.
    pub(crate) fn of_identifier(
        identifier: &rasn_pkix::AlgorithmIdentifier,
    ) -> Result<Self, String> {
        let oid = crate::asn1::dotted(&identifier.algorithm);
        let parameters = identifier.parameters.as_ref().map(rasn::types::Any::as_bytes);
        Self::from_oid(&oid).filter(|_| x509::is_absent(parameters)).ok_or(oid)
    }

    /// Tells whether the function is one of those that signatures of today use: SHA-256, SHA-384
    /// and SHA-512.
    pub(crate) const fn is_of_today(self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha384 | Self::Sha512)
    }

    /// Length of a digest, in bytes.
    pub const fn length_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    fn function(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
            Self::Sha3_256 => &digest::SHA3_256,
            Self::Sha3_384 => &digest::SHA3_384,
            Self::Sha3_512 => &digest::SHA3_512,
        }
    }

    /// Hashes `bytes`.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.function(), bytes).as_ref().to_vec()
    }

    /// Hashes the concatenation of `parts`.
    pub fn digest_parts<'a>(self, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut hasher = self.hasher();
        parts.into_iter().for_each(|part| hasher.update(part));
        hasher.finish()
    }

    /// Starts a digest over bytes that come one after the other.
    pub fn hasher(self) -> Hasher {
        Hasher(digest::Context::new(self.function()))
    }
}

/// What a time-stamp is over: a digest with its hash function.
///
/// Written as hexadecimal digits, with the name of the function before them if that is not SHA-256.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Imprint {
    hash: HashFunction,
    digest: Vec<u8>,
}

impl Imprint {
    /// Takes a digest, if it is as long as those of `hash` are.
    pub fn new(hash: HashFunction, digest: Vec<u8>) -> Option<Self> {
        (digest.len() == hash.length_bytes()).then_some(Self { hash, digest })
    }

    /// Returns the hash function.
    pub const fn hash(&self) -> HashFunction {
        self.hash
    }

    /// Returns the bytes of the digest.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl From<Sha256Digest> for Imprint {
    fn from(digest: Sha256Digest) -> Self {
        Self { hash: HashFunction::Sha256, digest: digest.as_bytes().to_vec() }
    }
}

impl From<Sha512Digest> for Imprint {
    fn from(digest: Sha512Digest) -> Self {
        Self { hash: HashFunction::Sha512, digest: digest.as_bytes().to_vec() }
    }
}

impl From<EvidenceDigest> for Imprint {
    fn from(digest: EvidenceDigest) -> Self {
        match digest {
            EvidenceDigest::Sha256(digest) => digest.into(),
            EvidenceDigest::Sha512(digest) => digest.into(),
        }
    }
}

impl fmt::Display for Imprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hash != HashFunction::Sha256 {
            write!(f, "{} ", self.hash)?;
        }
        f.write_str(&hex::encode(&self.digest))
    }
}

/// A digest that is under way.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl fmt::Display for HashFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads a name as people write it: `sha256`, `SHA-256`, `sha3-256`, `sha3_256`.
impl FromStr for HashFunction {
    type Err = UnknownHashName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
        let found = Self::ALL.into_iter().find(|hash| bare(hash.name()) == bare(text));
        found.ok_or_else(|| UnknownHashName { name: text.chars().take(40).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_its_oid_name_and_length() {
        for hash in HashFunction::ALL {
            assert_eq!(HashFunction::from_oid(hash.oid()), Some(hash));
            assert_eq!(hash.name().parse(), Ok(hash));
            assert_eq!(hash.digest(b"abc").len(), hash.length_bytes());
            assert_eq!(hash.digest_parts([&b"a"[..], b"", b"bc"]), hash.digest(b"abc"));
        }
        assert_eq!("sha3_256".parse(), Ok(HashFunction::Sha3_256));
        assert_eq!("sha256".parse(), Ok(HashFunction::Sha256));
        assert!("md5".parse::<HashFunction>().is_err());
    }

    #[test]
    fn an_imprint_is_as_long_as_its_function_says() {
        let digest = HashFunction::Sha512.digest(b"abc");
        let imprint = Imprint::new(HashFunction::Sha512, digest.clone()).unwrap();
        assert_eq!(imprint.to_string(), format!("SHA-512 {}", hex::encode(&digest)));
        assert_eq!(Imprint::new(HashFunction::Sha256, digest), None);
        let digest = Sha256Digest::of(b"abc");
        assert_eq!(Imprint::from(digest).to_string(), digest.to_string());
    }

    #[test]
    fn digests_are_those_that_are_published() {
        // The first bytes over "abc". Source: FIPS 180-4 and FIPS 202, examples.
        for (hash, first) in [
            (HashFunction::Sha1, "a9993e364706816a"),
            (HashFunction::Sha224, "23097d223405d822"),
            (HashFunction::Sha256, "ba7816bf8f01cfea"),
            (HashFunction::Sha384, "cb00753f45a35e8b"),
            (HashFunction::Sha512, "ddaf35a193617aba"),
            (HashFunction::Sha3_256, "3a985da74fe225b2"),
            (HashFunction::Sha3_384, "ec01498288516fc9"),
            (HashFunction::Sha3_512, "b751850b1a57168a"),
        ] {
            assert_eq!(hex::encode(&hash.digest(b"abc")[..8]), first, "{hash}");
        }
    }
}
