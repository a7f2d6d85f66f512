//! The keys of one log, one after the other: each is named, and signed for, by the one before it.

use crate::{Checkpoint, NoteSignature, SignedNote, VerifierKey};

/// Most rotations of one log's key that count.
pub const KEY_ROTATIONS_MAX: usize = 64;

/// First line of what a log's key signs to name the next: no checkpoint begins so, for the name of a
/// key has no spaces.
const ROTATION_HEADER: &str = "sigillo key rotation v1";

/// The keys of one log, by the size of what they sign.
///
/// The first signs every checkpoint up to the entry of the first rotation, not with it; the second
/// those that cover that entry, up to the entry of the next, and so on. Source: `docs/format.md`,
/// "Keys of the log".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeysOfLog {
    first: VerifierKey,
    /// Where the entry of each rotation stands in the log, from 0, and the key that it names.
    later: Vec<(u64, VerifierKey)>,
}

impl KeysOfLog {
    /// Begins with the key that a log had first.
    pub const fn new(first: VerifierKey) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Takes in the next rotation, whose entry stands at `index` in the log.
    ///
    /// # Errors
    ///
    /// [`RotationError`] for one that does not follow from the keys before it; then they stay as they
    /// are.
    pub fn rotate(
        &mut self,
        index: u64,
        number: u64,
        key: &str,
        signature: &str,
    ) -> Result<(), RotationError> {
        if self.later.len() >= KEY_ROTATIONS_MAX {
            return Err(RotationError::TooMany);
        }
        if number != self.rotations() + 1 || self.later.last().is_some_and(|it| it.0 >= index) {
            return Err(RotationError::Order);
        }
        let next = VerifierKey::parse(key).ok().filter(|it| it.to_string() == key);
        let is_next = |it: &VerifierKey| it.name() == self.first.name() && !it.is_cosigner();
        let next = next.filter(is_next).ok_or(RotationError::Key)?;
        if self.contains(&next) {
            return Err(RotationError::Reused);
        }
        let (text, current) = (rotation_text(number, &next), self.current());
        if !current.has_signed(&text, signature) {
            return Err(RotationError::Signature);
        }
        self.later.push((index, next));
        Ok(())
    }

    /// Returns the key that signs checkpoints of `size` entries.
    pub fn of_size(&self, size: u64) -> &VerifierKey {
        let covered = self.later.partition_point(|(index, _)| *index < size);
        covered.checked_sub(1).and_then(|at| self.later.get(at)).map_or(&self.first, |it| &it.1)
    }

    /// Returns the key that signs the checkpoint in `note`, by the size that it states; the first one
    /// for a note that states none. Nothing is verified.
    pub fn of_note(&self, note: &[u8]) -> &VerifierKey {
        let parsed = SignedNote::parse(note).ok();
        let checkpoint = parsed.and_then(|it| Checkpoint::parse(&it.text).ok());
        checkpoint.map_or(&self.first, |it| self.of_size(it.size))
    }

    /// Returns the key that the log had first.
    pub const fn first(&self) -> &VerifierKey {
        &self.first
    }

    /// Returns the newest key.
    pub fn current(&self) -> &VerifierKey {
        self.later.last().map_or(&self.first, |(_, key)| key)
    }

    /// Returns how many rotations there were.
    pub fn rotations(&self) -> u64 {
        u64::try_from(self.later.len()).unwrap_or(u64::MAX)
    }

    /// Returns all keys, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.first).chain(self.later.iter().map(|(_, key)| key))
    }

    /// Returns whether `key` is or was the log's.
    pub fn contains(&self, key: &VerifierKey) -> bool {
        self.iter().any(|it| it == key)
    }

    /// Returns whether somebody who knows these keys can believe a checkpoint of `size` entries that is
    /// signed by the newest of `shown`: if the newest key known here is among those, the rotations after
    /// it are signed for; an older checkpoint must be by the key that is known here for its size.
    pub fn believes(&self, shown: &Self, size: u64) -> bool {
        shown.contains(self.current()) || self.of_size(size) == shown.of_size(size)
    }

    /// Returns whether somebody who knows these keys can believe what the newest of `shown` signs of the
    /// end of the log: no rotation that is known here may lie beyond that end, for after it an older key
    /// signs for nothing.
    pub fn believes_end(&self, shown: &Self) -> bool {
        shown.contains(self.current())
    }

    /// Returns whether another chain of keys begins with all of these, each rotation at its place.
    pub fn begins(&self, other: &Self) -> bool {
        other.first == self.first && other.later.starts_with(&self.later)
    }

    /// Returns where the first rotation stands, from 0, that is known here and that `shown`, the keys of
    /// the same log as somebody else shows it, does not have there; nothing if it has all.
    pub fn first_lacking(&self, shown: &Self) -> Option<u64> {
        self.later.iter().find(|it| !shown.later.contains(it)).map(|it| it.0)
    }

    /// Returns whether a checkpoint of `size` entries, signed by `key` if that is known, speaks for the log no
    /// more: by what is known here, the key of that size has retired, or had before.
    pub fn is_retired(&self, size: u64, key: Option<&VerifierKey>) -> bool {
        let of_size = self.of_size(size);
        let is_older = |key: &VerifierKey| key != of_size && self.contains(key);
        of_size != self.current() || key.is_some_and(is_older)
    }

    /// Returns whether a signature in `note` claims to be by this log, and by none of these keys.
    pub fn is_stranger(&self, note: &[u8]) -> bool {
        let is_ours = |it: &NoteSignature| self.iter().any(|key| key.id() == it.id);
        SignedNote::parse(note).is_ok_and(|note| {
            note.signatures.iter().any(|it| it.name == self.first.name() && !is_ours(it))
        })
    }
}

impl From<VerifierKey> for KeysOfLog {
    fn from(first: VerifierKey) -> Self {
        Self::new(first)
    }
}

/// Writes what a log's key signs to name the next one; `number` counts the rotations, from 1.
pub fn rotation_text(number: u64, next: &VerifierKey) -> String {
    format!("{ROTATION_HEADER}\n{}\n{number}\n{next}\n", next.name())
}

/// Why a rotation does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// What it names is no key of this log's name that signs notes, in its one spelling.
    #[error("what it names is not a key under the log's name")]
    Key,
    /// It has another number than the next, or does not stand behind the one before it.
    #[error("it is not the next rotation")]
    Order,
    /// The key was the log's before.
    #[error("it names a key that the log has or had already")]
    Reused,
    /// It is not signed by the key before it.
    #[error("it is not signed by the key before it")]
    Signature,
    /// There are more than [`KEY_ROTATIONS_MAX`].
    #[error("there are more than {KEY_ROTATIONS_MAX} rotations")]
    TooMany,
}
