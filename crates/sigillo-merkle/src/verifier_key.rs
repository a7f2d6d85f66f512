//! Public keys of logs and of their witnesses.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    digest::{Context, SHA256},
    signature::{ED25519, ML_DSA_44, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{CosignedAt, NoteSignature, cosignature::subtree_message, cosignature_message};

/// The longest text of a key that is read, in bytes: one of ML-DSA-44 has some 1,800.
pub const VERIFIER_KEY_BYTES_MAX: usize = 4096;

/// A named public key that signs notes (Ed25519), or cosigns checkpoints (Ed25519 or ML-DSA-44).
///
/// Its text is C2SP's `vkey`: `<name>+<id in hex>+<base64 of type and key>`. Name and id together
/// stand for key and algorithm in a note. Source: C2SP signed-note, "Verifier keys".
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    public_key: Vec<u8>,
}

impl VerifierKey {
    const ID_BYTES: usize = 4;

    /// Takes a key that signs the text of notes (type 0x01).
    ///
    /// # Errors
    ///
    /// [`VerifierKeyError::InvalidName`] for a name that cannot stand in a note.
    pub fn new_ed25519(
        name: impl Into<String>,
        public_key: [u8; 32],
    ) -> Result<Self, VerifierKeyError> {
        Self::new(name.into(), KeyKind::Ed25519, public_key.to_vec())
    }

    /// Takes a witness's key, which cosigns checkpoints at a time (type 0x04).
    ///
    /// # Errors
    ///
    /// [`VerifierKeyError::InvalidName`] for a name that cannot stand in a note.
    pub fn new_cosigner(
        name: impl Into<String>,
        public_key: [u8; 32],
    ) -> Result<Self, VerifierKeyError> {
        Self::new(name.into(), KeyKind::Cosigner, public_key.to_vec())
    }

    /// Reads a `vkey`.
    ///
    /// # Errors
    ///
    /// [`VerifierKeyError`] for a malformed text, another type of key, or an id of another key.
    pub fn parse(text: &str) -> Result<Self, VerifierKeyError> {
        if text.len() > VERIFIER_KEY_BYTES_MAX {
            return Err(VerifierKeyError::Malformed);
        }
        // The name has no plus; the base64 may.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError::Malformed);
        };
        let key = STANDARD.decode(key).map_err(|_| VerifierKeyError::Malformed)?;
        let (&kind, public_key) = key.split_first().ok_or(VerifierKeyError::Malformed)?;
        let kind = KeyKind::from_byte(kind).ok_or(VerifierKeyError::UnknownType { kind })?;
        if public_key.len() != kind.public_key_bytes() {
            return Err(VerifierKeyError::Malformed);
        }
        let key = Self::new(name.to_owned(), kind, public_key.to_vec())?;
        if hex::encode(key.id()) == id { Ok(key) } else { Err(VerifierKeyError::WrongId) }
    }

    /// Returns the name: not empty, no Unicode spaces, no control characters, no `+`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Computes the id: the start of a SHA-256 over name, type and key. It names, it proves nothing.
    pub fn id(&self) -> [u8; 4] {
        let mut hasher = Context::new(&SHA256);
        hasher.update(self.name.as_bytes());
        hasher.update(&[b'\n', self.kind as u8]);
        hasher.update(&self.public_key);
        let mut id = [0; Self::ID_BYTES];
        id.copy_from_slice(&hasher.finish().as_ref()[..Self::ID_BYTES]);
        id
    }

    /// Returns the bytes of the public key: 32 as RFC 8032 encodes them, or 1,312 of FIPS 204.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Returns whether the key cosigns checkpoints (type 0x04 or 0x06) rather than signs notes.
    pub const fn is_cosigner(&self) -> bool {
        matches!(self.kind, KeyKind::Cosigner | KeyKind::MlDsaCosigner)
    }

    /// Returns whether `signature` is this key's signature, or cosignature, of `text`.
    ///
    /// The signature is what follows the key id in a note: 64 bytes, or 72 or 2,428 of a cosigner.
    pub fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            KeyKind::Ed25519 => self.verify_ed25519(text, signature),
            KeyKind::Cosigner | KeyKind::MlDsaCosigner => {
                self.verify_cosignature(text, signature).is_some()
            }
        }
    }

    /// Tells whether this key signed `text` with the signature that a line of a note states: the line
    /// without newline, in its one spelling, under this key's name and id.
    pub fn has_signed(&self, text: &str, line: &str) -> bool {
        NoteSignature::parse_line(line).is_some_and(|stated| {
            stated.to_line().strip_suffix('\n') == Some(line)
                && (stated.name.as_str(), stated.id) == (self.name(), self.id())
                && self.verify(text.as_bytes(), &stated.signature)
        })
    }

    /// Verifies a cosignature of `text` and returns the time it states.
    ///
    /// None if it is not valid, or if the key is no cosigner's. That `text` is a checkpoint is for
    /// the caller to see. A cosigner of ML-DSA-44 that states no time gives 1970; what it cosigns
    /// are the first three lines of the text. Source: C2SP tlog-cosignature.
    pub fn verify_cosignature(&self, text: &[u8], signature: &[u8]) -> Option<CosignedAt> {
        let (seconds, signature) = signature.split_first_chunk()?;
        let at = CosignedAt::from_unix_seconds(u64::from_be_bytes(*seconds))?;
        let is_valid = match self.kind {
            KeyKind::Ed25519 => false,
            KeyKind::Cosigner => self.verify_ed25519(&cosignature_message(at, text), signature),
            KeyKind::MlDsaCosigner => {
                let message = subtree_message(&self.name, at, text)?;
                UnparsedPublicKey::new(&ML_DSA_44, &self.public_key)
                    .verify(&message, signature)
                    .is_ok()
            }
        };
        is_valid.then_some(at)
    }

    /// Returns the time that a cosignature, already found valid, states.
    pub(crate) fn cosigned_at(&self, signature: &[u8]) -> Option<CosignedAt> {
        let (seconds, _) = signature.split_first_chunk().filter(|_| self.is_cosigner())?;
        CosignedAt::from_unix_seconds(u64::from_be_bytes(*seconds))
    }

    fn new(name: String, kind: KeyKind, public_key: Vec<u8>) -> Result<Self, VerifierKeyError> {
        if !is_key_name(&name) {
            return Err(VerifierKeyError::InvalidName);
        }
        Ok(Self { name, kind, public_key })
    }

    fn verify_ed25519(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public_key).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind as u8];
        key.extend_from_slice(&self.public_key);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Why a text or a name is not that of a verifier key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierKeyError {
    /// The text does not have the form `<name>+<id>+<base64>`, or the key has a wrong length.
    #[error("malformed verifier key")]
    Malformed,
    /// The name is empty or has spaces, control characters or a plus.
    #[error("a key's name must be neither empty nor have spaces, control characters or a plus")]
    InvalidName,
    /// The key is of a type other than Ed25519 (0x01) and cosigners of Ed25519 (0x04) and ML-DSA-44
    /// (0x06).
    #[error("verifier key of unknown type {kind}")]
    UnknownType {
        /// The type's byte.
        kind: u8,
    },
    /// The id is not that of this name and key.
    #[error("verifier key whose id belongs to another name or key")]
    WrongId,
}

/// What a key signs; the byte is C2SP's signature type identifier.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum KeyKind {
    Ed25519 = 0x01,
    Cosigner = 0x04,
    MlDsaCosigner = 0x06,
}

impl KeyKind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Cosigner),
            0x06 => Some(Self::MlDsaCosigner),
            _ => None,
        }
    }

    const fn public_key_bytes(self) -> usize {
        match self {
            Self::Ed25519 | Self::Cosigner => 32,
            Self::MlDsaCosigner => 1312,
        }
    }
}

/// Returns whether `name` can stand in a signature line and in the text of a key.
pub(crate) fn is_key_name(name: &str) -> bool {
    let is_excluded = |c: char| c == '+' || c.is_whitespace() || c.is_control();
    !name.is_empty() && !name.contains(is_excluded)
}
