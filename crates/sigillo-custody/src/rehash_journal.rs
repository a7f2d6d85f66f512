//! What an interrupted hash-tree renewal has done already: a file that may be lost at any time.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use sigillo_model::{BatchId, RehashedBatch, Sha256Digest};

/// Largest journal read, in bytes; what is beyond is done again.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// One batch whose new leaves are in the store.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Line {
    /// What the leaves were made by: see [`RehashJournal::key`].
    by: Sha256Digest,
    done: RehashedBatch,
}

/// The batches whose new leaves are in the store.
#[derive(Debug, Default)]
pub struct RehashJournal {
    path: Option<PathBuf>,
    file: Option<File>,
    done: HashMap<(BatchId, Sha256Digest), RehashedBatch>,
}

impl RehashJournal {
    /// Opens a journal, which need not be there. A line that was not finished is as if it were not
    /// there.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path)?;
        let mut bytes = Vec::new();
        (&file).take(JOURNAL_BYTES_MAX).read_to_end(&mut bytes)?;
        let lines = bytes.split(|byte| *byte == b'\n');
        let read = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        let done = read.map(|line| ((line.done.batch, line.by), line.done)).collect();
        // What follows begins on a line of its own.
        if bytes.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { path: Some(path), file: Some(file), done })
    }

    /// Returns what leaves are made by: the older time-stamps of their sealing on a line.
    pub(crate) fn key(line: &str, tokens: &[Sha256Digest]) -> Sha256Digest {
        let tokens = tokens.iter().map(|token| &token.as_bytes()[..]);
        Sha256Digest::of_parts([line.as_bytes(), b"\n"].into_iter().chain(tokens))
    }

    /// Returns a batch that was done, none if something of it was left out: it may be there again.
    pub(crate) fn done(&self, batch: BatchId, by: Sha256Digest) -> Option<&RehashedBatch> {
        self.done.get(&(batch, by)).filter(|done| done.left_out.is_empty())
    }

    /// Notes a batch. A journal that cannot be written costs time later, and nothing else.
    pub(crate) fn note(&mut self, by: Sha256Digest, done: &RehashedBatch) {
        let Some(file) = &mut self.file else { return };
        let line = Line { by, done: done.clone() };
        let Ok(mut json) = serde_json::to_vec(&line) else { return };
        json.push(b'\n');
        if file.write_all(&json).is_err() {
            self.file = None;
        }
    }

    /// Removes the journal: the renewal is in the log.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed.
    pub fn finish(self) -> io::Result<()> {
        self.path.map_or(Ok(()), std::fs::remove_file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_again_and_half_a_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/rehash");
        let by = RehashJournal::key("plain", &[Sha256Digest::of(b"token")]);
        let batch = |byte| RehashedBatch {
            batch: BatchId::from_bytes([byte; 16]),
            leaves: None,
            left_out: Vec::new(),
            root: None,
        };
        let mut journal = RehashJournal::open(path.clone()).unwrap();
        journal.note(by, &batch(1));
        journal.note(by, &RehashedBatch { left_out: vec![0], ..batch(2) });
        drop(journal);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"by\":\"").unwrap();
        let mut journal = RehashJournal::open(path.clone()).unwrap();
        assert_eq!(journal.done(batch(1).batch, by), Some(&batch(1)));
        assert_eq!(journal.done(batch(2).batch, by), None, "something was left out");
        let other = RehashJournal::key("plain", &[]);
        assert_eq!(journal.done(batch(1).batch, other), None, "by other time-stamps");
        journal.note(by, &batch(3));
        drop(journal);
        let journal = RehashJournal::open(path.clone()).unwrap();
        assert_eq!(journal.done(batch(3).batch, by), Some(&batch(3)), "after half a line");
        journal.finish().unwrap();
        assert!(!path.exists());
    }
}
