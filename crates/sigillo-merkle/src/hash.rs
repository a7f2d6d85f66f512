//! The hash of a tree node, and the three ways to make one.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The SHA-256 hash of a leaf, of an inner node or of a whole tree.
///
/// Two spellings, each with exactly one form per hash: lower-case hex ([`Display`](fmt::Display),
/// [`FromStr`]) and the padded standard base64 of C2SP.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TreeHash([u8; Self::LENGTH_BYTES]);

impl TreeHash {
    /// Bytes in a hash.
    pub const LENGTH_BYTES: usize = 32;

    /// Takes 32 bytes as the hash they are.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH_BYTES] {
        &self.0
    }

    /// Spells the hash as C2SP files do: 44 characters of padded standard base64.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads the spelling of [`to_base64`](Self::to_base64) and no other.
    ///
    /// # Errors
    ///
    /// [`ParseTreeHashError`] for other lengths, alphabets, paddings, or bits that say nothing.
    pub fn from_base64(text: &str) -> Result<Self, ParseTreeHashError> {
        let refused = || ParseTreeHashError(text.to_owned());
        if text.len() != Self::LENGTH_BYTES.div_ceil(3) * 4 {
            return Err(refused());
        }
        let bytes = STANDARD.decode(text).map_err(|_| refused())?;
        bytes.try_into().map(Self).map_err(|_| refused())
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHash({self})")
    }
}

impl FromStr for TreeHash {
    type Err = ParseTreeHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; Self::LENGTH_BYTES];
        match hex::decode_to_slice(text, &mut bytes) {
            // One spelling per hash, so that equal texts and equal hashes agree.
            Ok(()) if hex::encode(bytes) == text => Ok(Self(bytes)),
            _ => Err(ParseTreeHashError(text.to_owned())),
        }
    }
}

/// The text is not the one spelling of a tree hash.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a tree hash: {0:?}")]
pub struct ParseTreeHashError(String);

/// Hashes an entry into its leaf: SHA-256(0x00 ‖ entry). Source: RFC 9162 §2.1.1.
pub fn leaf_hash(entry: &[u8]) -> TreeHash {
    let mut hasher = Context::new(&SHA256);
    hasher.update(&[0x00]);
    hasher.update(entry);
    tree_hash(&hasher.finish())
}

/// Hashes two siblings into their parent: SHA-256(0x01 ‖ left ‖ right). Source: RFC 9162 §2.1.1.
pub fn node_hash(left: TreeHash, right: TreeHash) -> TreeHash {
    let mut message = [0x01; 1 + 2 * TreeHash::LENGTH_BYTES];
    message[1..=TreeHash::LENGTH_BYTES].copy_from_slice(&left.0);
    message[1 + TreeHash::LENGTH_BYTES..].copy_from_slice(&right.0);
    tree_hash(&digest(&SHA256, &message))
}

/// Returns the root of the tree without leaves: SHA-256 of nothing. Source: RFC 9162 §2.1.1.
pub fn empty_root() -> TreeHash {
    tree_hash(&digest(&SHA256, &[]))
}

fn tree_hash(digest: &Digest) -> TreeHash {
    TreeHash(digest.as_ref().try_into().expect("SHA-256 gives 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const EMPTY_HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hashes_are_those_of_the_standard() {
        assert_eq!(empty_root().to_base64(), EMPTY_BASE64);
        // Computed with another implementation (coreutils).
        assert_eq!(
            leaf_hash(b"").to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            node_hash(leaf_hash(b""), leaf_hash(b"\0")).to_string(),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
    }

    #[test]
    fn both_spellings_come_back() {
        assert_eq!(EMPTY_HEX.parse(), Ok(empty_root()));
        assert_eq!(empty_root().to_string(), EMPTY_HEX);
        assert_eq!(TreeHash::from_base64(EMPTY_BASE64), Ok(empty_root()));
        assert_eq!(format!("{:?}", empty_root()), format!("TreeHash({EMPTY_HEX})"));
    }

    #[test]
    fn a_second_spelling_is_refused() {
        for text in ["", &EMPTY_HEX.to_uppercase(), &EMPTY_HEX[2..], &format!("{EMPTY_HEX}00")] {
            assert!(text.parse::<TreeHash>().is_err(), "{text}");
        }
        for text in [
            "",
            EMPTY_BASE64.trim_end_matches('='),
            // The last digit carries two bits that say nothing: they must be zero.
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU==",
            " 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFVV",
        ] {
            assert!(TreeHash::from_base64(text).is_err(), "{text}");
        }
    }
}
