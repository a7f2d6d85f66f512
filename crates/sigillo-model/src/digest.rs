//! Digests of content, each with exactly one spelling.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{Context, SHA256, digest};

/// Defines a 32-byte digest that is written as 64 lower-case hexadecimal digits.
macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; Self::LENGTH_BYTES]);

        impl $name {
            /// Length of the digest, in bytes.
            pub const LENGTH_BYTES: usize = 32;

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
    Sha256Digest
}

digest_type! {
    /// The id of one version of a document: its leaf, a commitment to its record and files.
    ///
    /// It is the RFC 4998 data-object-group hash over {SHA-256(record), SHA-256(file)…}, see
    /// `docs/format.md`.
    VersionId
}

digest_type! {
    /// A BLAKE3 digest: the address of a pack. Never part of a proof (no official list names it).
    Blake3Digest
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

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not a digest of 64 lower-case hexadecimal digits")]
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
}
