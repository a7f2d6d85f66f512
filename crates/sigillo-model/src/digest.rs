//! Digests of content, each with exactly one spelling.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{Context, SHA256, SHA512, digest};

/// Defines a digest of a fixed length that is written as lower-case hexadecimal digits.
macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; Self::LENGTH_BYTES]);

        impl $name {
            /// Length of the digest, in bytes.
            pub const LENGTH_BYTES: usize = $length;

            /// Takes the bytes as a digest computed elsewhere.
            pub const fn from_bytes(bytes: [u8; Self::LENGTH_BYTES]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes of the digest.
            pub const fn as_bytes(&self) -> &[u8; Self::LENGTH_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * Self::LENGTH_BYTES];
                hex::encode_to_slice(self.0, &mut text).expect("the buffer has twice the length");
                f.write_str(std::str::from_utf8(&text).expect("hex is ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; Self::LENGTH_BYTES];
                match hex::decode_to_slice(text, &mut bytes) {
                    // One spelling per digest, so that equal texts and equal digests agree.
                    Ok(()) if !text.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Self(bytes)),
                    _ => Err(ParseDigestError { text: text.chars().take(80).collect() }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut text = [0; 2 * Self::LENGTH_BYTES];
                hex::encode_to_slice(self.0, &mut text).expect("the buffer has twice the length");
                serializer.serialize_str(std::str::from_utf8(&text).expect("hex is ASCII"))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest_type! {
    /// A SHA-256 digest: the one evidence is made of.
    Sha256Digest, 32
}

digest_type! {
    /// A SHA-512 digest: the one evidence is renewed with once SHA-256 comes to its end.
    Sha512Digest, 64
}

digest_type! {
    /// The id of one version of a document: its leaf, a commitment to its record and files.
    ///
    /// It is the RFC 4998 data-object-group hash over {SHA-256(record), SHA-256(file)…}, see
    /// `docs/format.md`.
    VersionId, 32
}

digest_type! {
    /// A BLAKE3 digest: the address of a pack. Never part of a proof (no official list names it).
    Blake3Digest, 32
}

impl Sha256Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes_of(&digest(&SHA256, bytes)))
    }

    /// Hashes the concatenation of `parts`.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256Hasher::default();
        for part in parts {
            hasher.update(part);
        }
        hasher.finish()
    }
}

impl Sha512Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts([bytes])
    }

    /// Hashes the concatenation of `parts`.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha512Hasher::default();
        for part in parts {
            hasher.update(part);
        }
        hasher.finish()
    }
}

/// Hashes bytes that come piece by piece, with SHA-512.
#[derive(Clone)]
pub struct Sha512Hasher(Context);

impl Sha512Hasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes that were taken in.
    pub fn finish(self) -> Sha512Digest {
        let digest = self.0.finish();
        Sha512Digest(digest.as_ref().try_into().expect("SHA-512 gives 64 bytes"))
    }
}

impl Default for Sha512Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA512))
    }
}

impl fmt::Debug for Sha512Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha512Hasher")
    }
}

/// Hashes bytes that come piece by piece.
#[derive(Clone)]
pub struct Sha256Hasher(Context);

impl Sha256Hasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes that were taken in.
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest(bytes_of(&self.0.finish()))
    }
}

impl Default for Sha256Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl fmt::Debug for Sha256Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256Hasher")
    }
}

fn bytes_of(digest: &aws_lc_rs::digest::Digest) -> [u8; Sha256Digest::LENGTH_BYTES] {
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

impl Blake3Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// A digest of evidence: SHA-256, or SHA-512 from a hash-tree renewal on. Written as hexadecimal
/// digits, 64 or 128, which tell the two apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum EvidenceDigest {
    /// SHA-256.
    Sha256(Sha256Digest),
    /// SHA-512.
    Sha512(Sha512Digest),
}

impl EvidenceDigest {
    /// Returns the bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(digest) => digest.as_bytes(),
            Self::Sha512(digest) => digest.as_bytes(),
        }
    }

    /// Returns the digest if it is one of SHA-256.
    pub const fn sha256(&self) -> Option<Sha256Digest> {
        match self {
            Self::Sha256(digest) => Some(*digest),
            Self::Sha512(_) => None,
        }
    }

    /// Returns the digest if it is one of SHA-512.
    pub const fn sha512(&self) -> Option<Sha512Digest> {
        match self {
            Self::Sha256(_) => None,
            Self::Sha512(digest) => Some(*digest),
        }
    }
}

impl From<Sha256Digest> for EvidenceDigest {
    fn from(digest: Sha256Digest) -> Self {
        Self::Sha256(digest)
    }
}

impl From<Sha512Digest> for EvidenceDigest {
    fn from(digest: Sha512Digest) -> Self {
        Self::Sha512(digest)
    }
}

impl fmt::Display for EvidenceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha512(digest) => digest.fmt(f),
        }
    }
}

impl FromStr for EvidenceDigest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 2 * Sha512Digest::LENGTH_BYTES {
            return text.parse().map(Self::Sha512);
        }
        text.parse().map(Self::Sha256)
    }
}

impl serde::Serialize for EvidenceDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sha256(digest) => digest.serialize(serializer),
            Self::Sha512(digest) => digest.serialize(serializer),
        }
    }
}

impl<'de> serde::Deserialize<'de> for EvidenceDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not a digest in lower-case hexadecimal digits.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not a digest of lower-case hexadecimal digits, as many as its function gives")]
pub struct ParseDigestError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = Sha256Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert!(text.to_uppercase().parse::<Sha256Digest>().is_err());
        assert!(text[1..].parse::<Sha256Digest>().is_err());
        assert_eq!(Sha256Digest::of_parts([&b"a"[..], &b"bc"[..]]), digest);
    }

    #[test]
    fn digests_of_evidence_are_told_apart_by_their_length() {
        let sha512 = Sha512Digest::of_parts([&b"a"[..], &b"bc"[..]]);
        assert!(sha512.to_string().starts_with("ddaf35a193617abacc417349ae204131"));
        for digest in [EvidenceDigest::from(sha512), Sha256Digest::of(b"abc").into()] {
            let text = digest.to_string();
            assert_eq!(text.parse(), Ok(digest));
            assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{text}\""));
            assert!(text[2..].parse::<EvidenceDigest>().is_err());
            assert!(text.to_uppercase().parse::<EvidenceDigest>().is_err());
        }
    }
}
