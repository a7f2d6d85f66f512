//! The journal of one source: which of its files were read already, with which digest, so that an
//! ingest that was interrupted does not read them again.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use sigillo_model::Sha256Digest;

use crate::IndexError;

/// No journal knows more files; what is beyond is read again.
pub const JOURNAL_FILES_MAX: usize = 500_000;

/// No journal is read beyond so many bytes.
const JOURNAL_BYTES_MAX: u64 = 2 * JOURNAL_FILES_MAX as u64 * (ENTRY_BYTES as u64 + 8);

const MAGIC: &[u8; 18] = b"sigillo journal 1\n";
const ENTRY_BYTES: usize = 16 + 16 + 32;

/// One file that was read; whether its document is in the archive is for the index to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JournalEntry {
    /// Which file it is: a digest of its path within the source, cut short.
    pub file: [u8; 16],
    /// What the operating system says of it: a digest of size, times and inode, cut short.
    pub facts: [u8; 16],
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
}

/// What a journal said when it was opened.
///
/// Losing it, or a part of it, loses nothing: files are read again, and what was archived is
/// recognised by its content.
#[derive(Debug, Default)]
pub struct Journal {
    known: HashMap<[u8; 16], ([u8; 16], Sha256Digest)>,
    path: Option<PathBuf>,
}

/// Adds to a journal, block by block.
#[derive(Debug)]
pub struct JournalWriter {
    path: PathBuf,
    left: usize,
}

impl Journal {
    /// Opens the journal of the source called `source`, in `folder`. What is damaged is left out,
    /// with all that follows.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the folder cannot be made or the journal cannot be read or tidied up.
    pub fn open(folder: &Path, source: &str) -> Result<Self, IndexError> {
        let failed = |source| IndexError {
            folder: folder.display().to_string(),
            doing: "opening the journal",
            source,
        };
        let name = Sha256Digest::of(source.as_bytes()).to_string();
        let path = folder.join(format!("{}.journal", &name[..32]));
        fs::create_dir_all(folder).map_err(failed)?;
        let bytes = match File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(JOURNAL_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let (known, entries, sound_bytes) = read(&bytes);
        let is_untidy = sound_bytes < bytes.len() || entries > 2 * known.len().max(1000);
        let journal = Self { known, path: Some(path) };
        if is_untidy {
            journal.rewrite().map_err(failed)?;
        }
        Ok(journal)
    }

    /// Returns the digest of a file, if it was read when the same was said of it.
    pub fn lookup(&self, file: &[u8; 16], facts: &[u8; 16]) -> Option<Sha256Digest> {
        self.known.get(file).filter(|known| known.0 == *facts).map(|known| known.1)
    }

    /// Counts the files that it knows.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Tells whether it knows no file.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Returns what adds to this journal, if it is kept in a file.
    pub fn writer(&self) -> Option<JournalWriter> {
        let left = JOURNAL_FILES_MAX.saturating_sub(self.known.len());
        self.path.clone().map(|path| JournalWriter { path, left })
    }

    /// Writes the journal anew, each file once.
    fn rewrite(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let staged = path.with_extension(format!("part{}", std::process::id()));
        let entries = self.known.iter().map(|(file, (facts, sha256))| JournalEntry {
            file: *file,
            facts: *facts,
            sha256: *sha256,
        });
        let mut bytes = MAGIC.to_vec();
        encode_block(entries, &mut bytes);
        File::create(&staged)?.write_all(&bytes)?;
        fs::rename(&staged, path)
    }
}

impl JournalWriter {
    /// Adds files; beyond what a journal may know, it leaves them out.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if they could not be written; they will be read again.
    pub fn add(&mut self, mut entries: Vec<JournalEntry>) -> Result<(), IndexError> {
        entries.truncate(self.left);
        if entries.is_empty() {
            return Ok(());
        }
        self.left -= entries.len();
        let append = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            let mut bytes = Vec::new();
            if file.metadata()?.len() == 0 {
                bytes.extend_from_slice(MAGIC);
            }
            encode_block(entries.iter().copied(), &mut bytes);
            // In one call: others may add to it, too.
            file.write_all(&bytes)
        };
        append().map_err(|source| IndexError {
            folder: self.path.display().to_string(),
            doing: "adding to the journal",
            source,
        })
    }
}

/// A block: the number of entries, the entries, the CRC-32 of both.
fn encode_block(entries: impl Iterator<Item = JournalEntry>, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    let mut count: u32 = 0;
    for entry in entries {
        bytes.extend_from_slice(&entry.file);
        bytes.extend_from_slice(&entry.facts);
        bytes.extend_from_slice(entry.sha256.as_bytes());
        count += 1;
    }
    bytes[start..start + 4].copy_from_slice(&count.to_be_bytes());
    let sum = crc32fast::hash(&bytes[start..]);
    bytes.extend_from_slice(&sum.to_be_bytes());
}

type Known = HashMap<[u8; 16], ([u8; 16], Sha256Digest)>;

/// Returns what a journal says, how many entries it has, and how many of its bytes are sound.
fn read(bytes: &[u8]) -> (Known, usize, usize) {
    let mut known = Known::new();
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return (known, 0, 0) };
    let mut count = 0;
    while let Some((entries, after)) = read_block(rest) {
        for entry in entries {
            let (file, facts) = entry.split_at(16);
            let (facts, sha256) = facts.split_at(16);
            let file: [u8; 16] = file.try_into().expect("16 bytes were split off");
            let facts: [u8; 16] = facts.try_into().expect("16 bytes were split off");
            let sha256: [u8; 32] = sha256.try_into().expect("32 bytes are left");
            if known.len() < JOURNAL_FILES_MAX || known.contains_key(&file) {
                known.insert(file, (facts, Sha256Digest::from_bytes(sha256)));
            }
            count += 1;
        }
        rest = after;
    }
    (known, count, bytes.len() - rest.len())
}

fn read_block(bytes: &[u8]) -> Option<(&[[u8; ENTRY_BYTES]], &[u8])> {
    let (count, _) = bytes.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
    let length = count.checked_mul(ENTRY_BYTES)?.checked_add(4)?;
    let (block, after) = bytes.split_at_checked(length)?;
    let (sum, after) = after.split_first_chunk::<4>()?;
    let (entries, _) = block[4..].as_chunks::<ENTRY_BYTES>();
    (crc32fast::hash(block) == u32::from_be_bytes(*sum)).then_some((entries, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(file: u8, facts: u8) -> JournalEntry {
        let sha256 = Sha256Digest::of(&[file, facts]);
        JournalEntry { file: [file; 16], facts: [facts; 16], sha256 }
    }

    fn path_in(folder: &Path) -> PathBuf {
        folder.read_dir().unwrap().next().unwrap().unwrap().path()
    }

    #[test]
    fn what_was_added_is_known_while_nothing_else_is_said_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "carte").unwrap();
        let mut writer = journal.writer().unwrap();
        writer.add(vec![entry(1, 1), entry(2, 1)]).unwrap();
        writer.add(vec![entry(1, 2)]).unwrap();
        let journal = Journal::open(folder.path(), "carte").unwrap();
        assert_eq!(journal.lookup(&[2; 16], &[1; 16]), Some(entry(2, 1).sha256));
        assert_eq!(journal.lookup(&[1; 16], &[2; 16]), Some(entry(1, 2).sha256));
        assert_eq!(journal.lookup(&[1; 16], &[1; 16]), None);
        assert_eq!(journal.lookup(&[3; 16], &[1; 16]), None);
        assert!(Journal::open(folder.path(), "altre").unwrap().is_empty());
    }

    #[test]
    fn no_byte_that_changes_gives_another_digest() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "carte").unwrap();
        let mut writer = journal.writer().unwrap();
        writer.add(vec![entry(1, 1)]).unwrap();
        writer.add(vec![entry(2, 1)]).unwrap();
        let path = path_in(folder.path());
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            for bad in
                [[&bytes[..at], &[bytes[at] ^ 1], &bytes[at + 1..]].concat(), bytes[..at].to_vec()]
            {
                fs::write(&path, &bad).unwrap();
                let journal = Journal::open(folder.path(), "carte").unwrap();
                for known in [entry(1, 1), entry(2, 1)] {
                    let found = journal.lookup(&known.file, &known.facts);
                    assert!(found.is_none_or(|it| it == known.sha256), "byte {at}");
                }
                // It was tidied up: what is added now is found.
                journal.writer().unwrap().add(vec![entry(3, 3)]).unwrap();
                let journal = Journal::open(folder.path(), "carte").unwrap();
                assert!(journal.lookup(&[3; 16], &[3; 16]).is_some(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_journal_that_repeats_itself_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "carte").unwrap();
        let mut writer = journal.writer().unwrap();
        for _ in 0..30 {
            writer.add((0..100).map(|file| entry(file, 1)).collect()).unwrap();
        }
        let path = path_in(folder.path());
        let before = fs::metadata(&path).unwrap().len();
        assert_eq!(Journal::open(folder.path(), "carte").unwrap().len(), 100);
        assert!(fs::metadata(&path).unwrap().len() < before / 10);
        assert_eq!(Journal::open(folder.path(), "carte").unwrap().len(), 100);
    }
}
