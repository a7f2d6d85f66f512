//! One commit: a signed note whose lines are entries, the first of them its header.

use bytes::Bytes;

use sigillo_merkle::{
    NOTE_BYTES_MAX, NoteError, NoteSignature, SignedNote, TreeHash, VerifierKey, leaf_hash,
};
use sigillo_model::{
    COMMIT_ENTRIES_MAX, CommitOpened, Entry, EntryError, KeyRotated, LogSucceeded, Sha256Digest,
    Signer,
};

use crate::LogError;

/// Largest commit object read, in bytes.
pub const COMMIT_BYTES_MAX: u64 = NOTE_BYTES_MAX as u64;

/// A commit whose signature was checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Commit {
    /// Its header, which is also its first entry.
    pub header: CommitOpened,
    /// Its entries, header first.
    pub entries: Vec<Entry>,
    /// The lines of the entries, without newline: what the log hashes.
    pub lines: Vec<Bytes>,
    /// SHA-256 of the whole object.
    pub digest: Sha256Digest,
}

impl Commit {
    /// Reads the object of commit `number`, which must bear a signature of `key`.
    ///
    /// # Errors
    ///
    /// [`CommitFault`] for an object that is no commit, not this one, or not signed by `key`.
    pub fn parse(bytes: &Bytes, number: u64, key: &VerifierKey) -> Result<Self, CommitFault> {
        let note = SignedNote::parse(bytes).map_err(CommitFault::Note)?;
        note.verify(std::slice::from_ref(key)).map_err(CommitFault::Note)?;
        // What is not covered by the signature must not vary either: one signature, one spelling.
        if note.signatures.len() != 1 || note.to_bytes() != **bytes {
            return Err(CommitFault::Spelling);
        }
        let lines: Vec<Bytes> =
            note.text.lines().map(|line| Bytes::copy_from_slice(line.as_bytes())).collect();
        if lines.len() > COMMIT_ENTRIES_MAX {
            return Err(CommitFault::TooManyEntries);
        }
        let entries = lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                Entry::parse_line(line).map_err(|error| CommitFault::Entry { index, error })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let Some(Entry::CommitOpened(header)) = entries.first() else {
            return Err(CommitFault::NoHeader);
        };
        if entries[1..].iter().any(|entry| matches!(entry, Entry::CommitOpened(_))) {
            return Err(CommitFault::SecondHeader);
        }
        if header.commit != number {
            return Err(CommitFault::WrongNumber { found: header.commit });
        }
        if !is_succession_in_place(header, &entries) {
            return Err(CommitFault::Succession);
        }
        Ok(Self { header: header.clone(), entries, lines, digest: Sha256Digest::of(bytes) })
    }

    /// Returns the leaves that the commit adds to the log.
    pub fn leaves(&self) -> impl Iterator<Item = TreeHash> {
        self.lines.iter().map(|line| leaf_hash(line))
    }

    /// Returns the number of entries after this commit.
    pub fn size_after(&self) -> u64 {
        self.header.first_leaf + u64::try_from(self.lines.len()).unwrap_or(u64::MAX)
    }

    /// Returns the last sealed commit as the next header must state it.
    pub fn sealed_after(&self) -> u64 {
        let newest = self.entries.iter().rev().find_map(|entry| match entry {
            Entry::BatchesSealed(sealed) => Some(sealed.through),
            _ => None,
        });
        newest.unwrap_or(self.header.sealed)
    }

    /// Returns the newest commit with another key of the log, as the next header must state it.
    pub fn rotated_after(&self) -> Option<u64> {
        let rotates = self.rotations().next().is_some();
        if rotates { Some(self.header.commit) } else { self.header.rotated }
    }

    /// Returns what began this log in place of an older one, if this commit did.
    pub fn succession(&self) -> Option<&LogSucceeded> {
        match self.entries.get(1) {
            Some(Entry::LogSucceeded(body)) => Some(body),
            _ => None,
        }
    }

    /// Returns the rotations of the log's key in it, each with its place in the log.
    pub(crate) fn rotations(&self) -> impl Iterator<Item = (u64, &KeyRotated)> {
        (self.header.first_leaf..).zip(&self.entries).filter_map(|(index, entry)| match entry {
            Entry::KeyRotated(body) => Some((index, body)),
            _ => None,
        })
    }
}

/// Tells whether a succession stands where it must, and nowhere else: alone behind the header of the
/// commit that says to begin its log.
fn is_succession_in_place(header: &CommitOpened, entries: &[Entry]) -> bool {
    let successions = entries.iter().filter(|it| matches!(it, Entry::LogSucceeded(_))).count();
    let begins = header.succeeded == Some(header.commit);
    let is_alone = entries.len() == 2 && successions == 1;
    if begins { is_alone } else { successions == 0 }
}

/// Writes and signs the object of a commit.
///
/// # Errors
///
/// [`LogError::Entries`] for more entries than a commit holds or one that is too long,
/// [`LogError::Signer`] if the key cannot sign.
pub(crate) fn encode_commit(
    header: CommitOpened,
    entries: &[Entry],
    signer: &dyn Signer,
    key: &VerifierKey,
) -> Result<Bytes, LogError> {
    if entries.len() + 1 > COMMIT_ENTRIES_MAX {
        return Err(LogError::Entries { source: None });
    }
    let mut text = Vec::new();
    let number = header.commit;
    let header = Entry::CommitOpened(header);
    for entry in std::iter::once(&header).chain(entries) {
        let line = entry.to_line().map_err(|error| LogError::Entries { source: Some(error) })?;
        text.extend_from_slice(&line);
        text.push(b'\n');
    }
    let signature = signer.sign(&text).map_err(|source| LogError::Signer { source })?;
    let signature = NoteSignature { name: key.name().to_owned(), id: key.id(), signature };
    let text = String::from_utf8(text).expect("entries are canonical JSON, which is UTF-8");
    let note =
        SignedNote::new(text, vec![signature]).map_err(|_| LogError::Entries { source: None })?;
    let bytes = Bytes::from(note.to_bytes());
    // What could not be read again must not take a number of the log.
    Commit::parse(&bytes, number, key).map_err(|_| LogError::Entries { source: None })?;
    Ok(bytes)
}

/// Why an object is not the commit it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitFault {
    /// It is of an older log, behind the end of that.
    #[error("it is of log {generation}, which ended with commit {last}")]
    AfterEnd {
        /// The generation it states.
        generation: u64,
        /// The last commit of that log.
        last: u64,
    },
    /// One of its lines is no entry.
    #[error("entry {index} of it cannot be read: {error}")]
    Entry {
        /// Place among its entries, from 0.
        index: usize,
        /// What is wrong with the line.
        error: EntryError,
    },
    /// Its first entry is not a header.
    #[error("it does not begin with a header")]
    NoHeader,
    /// A folder, a pipe or the like lies where it should.
    #[error("something that is not a regular file is in its place")]
    NotAnObject,
    /// It is no signed note, or not signed by the archive's commit key.
    #[error("{0}")]
    Note(NoteError),
    /// A later entry is a header.
    #[error("it has a second header")]
    SecondHeader,
    /// The commit that began its log teaches no keys.
    #[error("the commit that began its log, {opened}, {what}")]
    Opening {
        /// Number of that commit.
        opened: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It has more than the one signature, or is not spelt as we write it.
    #[error("it is not spelt as a commit is")]
    Spelling,
    /// A succession of the log stands in the wrong place.
    #[error("a succession of the log does not stand alone in the commit that begins the next")]
    Succession,
    /// It has more entries than a commit can have.
    #[error("it has more than {COMMIT_ENTRIES_MAX} entries")]
    TooManyEntries,
    /// It is another commit.
    #[error("it is commit {found}")]
    WrongNumber {
        /// The number it states.
        found: u64,
    },
    /// It does not follow from the commits before it.
    #[error("it does not follow from the commits before it: {what}")]
    Chain {
        /// Which member of its header is wrong.
        what: &'static str,
    },
}
