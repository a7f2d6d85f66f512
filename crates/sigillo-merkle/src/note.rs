//! Signed notes: a text and the signatures under it.

use std::str;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{CosignedAt, VerifierKey, verifier_key::is_key_name};

/// The longest note that is read, in bytes: a commit is a note of up to 10,000 lines.
pub const NOTE_BYTES_MAX: usize = 16 << 20;

/// The most signatures that are read in one note.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// What stands before the name in a signature line.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// A text with signatures, none of which was checked yet.
///
/// The text must not be believed before [`verify`](Self::verify) says who signed it.
/// Source: C2SP signed-note.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedNote {
    /// What was signed, with its final newline.
    pub text: String,
    /// The signatures, in the order of their lines.
    pub signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Puts signatures under a text, if the result is a note that can be read again.
    ///
    /// # Errors
    ///
    /// [`NoteError`] as [`parse`](Self::parse).
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        let note = Self { text, signatures };
        let bytes = note.to_bytes();
        match Self::parse(&bytes)? {
            parsed if parsed == note => Ok(note),
            // Such as an empty text, or a name with a line of its own in it.
            _ => Err(NoteError::NoBlankLine),
        }
    }

    /// Reads a note without believing it.
    ///
    /// The text ends before the last blank line; it may have blank lines itself.
    ///
    /// # Errors
    ///
    /// [`NoteError`] for bytes that are not a note, or exceed [`NOTE_BYTES_MAX`] or
    /// [`NOTE_SIGNATURES_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { length_bytes: bytes.len() });
        }
        if bytes.iter().any(|byte| *byte < b' ' && *byte != b'\n') {
            return Err(NoteError::ControlCharacter);
        }
        let note = str::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        let blank_line = note.rfind("\n\n").ok_or(NoteError::NoBlankLine)? + 1;
        let (text, signatures) = (&note[..blank_line], &note[blank_line + 1..]);
        let signatures = parse_signatures(signatures)?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Writes text, blank line and signature lines. Does not check what the fields were set to.
    pub fn to_bytes(&self) -> Vec<u8> {
        let lines: String = self.signatures.iter().map(NoteSignature::to_line).collect();
        format!("{}\n{lines}", self.text).into_bytes()
    }

    /// Checks every signature by one of `keys` and tells which there are, in the order of lines.
    ///
    /// Signatures by other keys are ignored, even under a known name. A key that signed twice is
    /// told once, with its first line, so that the number of signatures is a number of keys.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadSignature`] if a signature claims to be by one of `keys` and is not,
    /// [`NoteError::NoKnownSignature`] if none is by one of them, [`NoteError::AmbiguousKey`] if
    /// one could be by several. Source: C2SP signed-note, "Signatures".
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Vec<VerifiedSignature>, NoteError> {
        let ids: Vec<_> = keys.iter().map(VerifierKey::id).collect();
        let mut verified: Vec<VerifiedSignature> = Vec::new();
        for (signature_index, signature) in self.signatures.iter().enumerate() {
            let is_claimed =
                |at: usize| ids[at] == signature.id && keys[at].name() == signature.name;
            let Some(key_index) = (0..keys.len()).find(|at| is_claimed(*at)) else { continue };
            let key = &keys[key_index];
            if (key_index..keys.len()).any(|other| is_claimed(other) && keys[other] != *key) {
                return Err(NoteError::AmbiguousKey { name: signature.name.clone() });
            }
            if !key.verify(self.text.as_bytes(), &signature.signature) {
                return Err(NoteError::BadSignature { name: signature.name.clone() });
            }
            if verified.iter().all(|earlier| earlier.key_index != key_index) {
                let cosigned_at = key.cosigned_at(&signature.signature);
                verified.push(VerifiedSignature { signature_index, key_index, cosigned_at });
            }
        }
        if verified.is_empty() { Err(NoteError::NoKnownSignature) } else { Ok(verified) }
    }
}

/// One signature line of a note, not checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: [u8; 4],
    /// The signature itself, in the form of the key's type.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    const ID_BYTES: usize = 4;

    /// Takes a signature by `key` over the bytes of a note's text.
    pub fn ed25519(key: &VerifierKey, signature: [u8; 64]) -> Self {
        Self { name: key.name().to_owned(), id: key.id(), signature: signature.to_vec() }
    }

    /// Takes a cosignature by `key` over [`cosignature_message`](crate::cosignature_message).
    pub fn cosignature(key: &VerifierKey, at: CosignedAt, signature: [u8; 64]) -> Self {
        let signature = [&at.as_unix_seconds().to_be_bytes()[..], &signature].concat();
        Self { name: key.name().to_owned(), id: key.id(), signature }
    }

    /// Reads a line without its newline; none if it is no signature line.
    pub fn parse_line(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (id, signature) = bytes.split_first_chunk::<{ Self::ID_BYTES }>()?;
        if !is_key_name(name) || signature.is_empty() {
            return None;
        }
        Some(Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }

    /// Writes the line, with its newline.
    pub fn to_line(&self) -> String {
        let encoded = STANDARD.encode([&self.id[..], &self.signature].concat());
        format!("{SIGNATURE_PREFIX}{} {encoded}\n", self.name)
    }
}

/// A signature found good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VerifiedSignature {
    /// Its place among the note's signatures, from 0.
    pub signature_index: usize,
    /// The place of its key among the keys given, from 0.
    pub key_index: usize,
    /// The time it states, if the key is a cosigner's.
    pub cosigned_at: Option<CosignedAt>,
}

/// Why bytes are not a signed note, or not one signed by the right keys.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The note exceeds [`NOTE_BYTES_MAX`].
    #[error("the note is too long: {length_bytes} bytes")]
    TooLong {
        /// Bytes of the note.
        length_bytes: usize,
    },
    /// The note exceeds [`NOTE_SIGNATURES_MAX`].
    #[error("the note has more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// The note is not valid UTF-8.
    #[error("the note is not valid UTF-8")]
    NotUtf8,
    /// The note has an ASCII control character other than newline.
    #[error("the note has a control character other than newline")]
    ControlCharacter,
    /// No blank line divides the note into a text and its signatures.
    #[error("the note has no blank line between its text and its signatures")]
    NoBlankLine,
    /// A signature line is malformed, is not ended by a newline, or there is none.
    #[error("signature line {position} of the note is malformed or missing")]
    MalformedSignature {
        /// Place among the signature lines, from 0.
        position: usize,
    },
    /// A signature names a known key but is not valid.
    #[error("the signature under the name {name:?} is not valid")]
    BadSignature {
        /// Name of the key.
        name: String,
    },
    /// Several known keys have the name and id of a signature.
    #[error("several keys have the name {name:?} and the same id")]
    AmbiguousKey {
        /// Name of the keys.
        name: String,
    },
    /// No signature is by a known key.
    #[error("the note has no signature by a known key")]
    NoKnownSignature,
}

fn parse_signatures(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    let mut signatures = Vec::new();
    for line in lines.split_inclusive('\n') {
        let position = signatures.len();
        if position == NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let signature = line.strip_suffix('\n').and_then(NoteSignature::parse_line);
        signatures.push(signature.ok_or(NoteError::MalformedSignature { position })?);
    }
    if signatures.is_empty() {
        return Err(NoteError::MalformedSignature { position: 0 });
    }
    Ok(signatures)
}
