//! Cosignatures: a witness's word on when it saw a checkpoint.

use std::str;

use crate::{Checkpoint, TreeHash};

/// When a cosigner says it saw the checkpoint, in seconds since 1970-01-01T00:00:00Z.
///
/// The cosigner's claim, as far as its key is trusted; verification does not compare it with any
/// clock.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CosignedAt(u64);

impl CosignedAt {
    /// Takes seconds since 1970; the specification allows no more than 2⁶³ − 1.
    pub const fn from_unix_seconds(seconds: u64) -> Option<Self> {
        if seconds <= i64::MAX.cast_unsigned() { Some(Self(seconds)) } else { None }
    }

    /// Returns the seconds since 1970: at most 2⁶³ − 1.
    pub const fn as_unix_seconds(self) -> u64 {
        self.0
    }
}

/// Returns what a cosigner signs: two header lines, then the text of the checkpoint.
///
/// Source: C2SP tlog-cosignature, "Ed25519 signed message".
pub fn cosignature_message(at: CosignedAt, text: &[u8]) -> Vec<u8> {
    let mut message = format!("cosignature/v1\ntime {}\n", at.as_unix_seconds()).into_bytes();
    message.extend_from_slice(text);
    message
}

/// Returns what a cosigner of ML-DSA-44 signs about a whole tree, the one of the checkpoint `text`.
///
/// None if `text` is no checkpoint, or a name does not fit. Source: C2SP tlog-cosignature,
/// "ML-DSA-44 signed message".
pub(crate) fn subtree_message(cosigner: &str, at: CosignedAt, text: &[u8]) -> Option<Vec<u8>> {
    let Checkpoint { origin, size, root } = Checkpoint::parse(str::from_utf8(text).ok()?).ok()?;
    let mut message = b"subtree/v1\n\0".to_vec();
    message.reserve(2 + cosigner.len() + origin.len() + 3 * 8 + TreeHash::LENGTH_BYTES);
    message.push(u8::try_from(cosigner.len()).ok()?);
    message.extend_from_slice(cosigner.as_bytes());
    message.extend_from_slice(&at.as_unix_seconds().to_be_bytes());
    message.push(u8::try_from(origin.len()).ok()?);
    message.extend_from_slice(origin.as_bytes());
    message.extend_from_slice(&0_u64.to_be_bytes());
    message.extend_from_slice(&size.to_be_bytes());
    message.extend_from_slice(root.as_bytes());
    Some(message)
}
