//! The index of producers' keys: which key has which newest version.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sigillo_model::{ArchiveId, DocumentId, ErrorKind, Sha256Digest, VersionId};

use crate::run_file::{Run, read_runs, write_run};

/// One version as the index knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IndexedVersion {
    /// Digest of the producer's key, `DocumentKey::digest`.
    pub key: Sha256Digest,
    /// Digest of what the producer stated, `Record::sameness`.
    pub sameness: Sha256Digest,
    /// The version.
    pub version: VersionId,
    /// Its document.
    pub document: DocumentId,
}

/// Every key of an archive with its newest version, complete up to a stated commit.
///
/// Kept as sorted runs, one for each commit that was indexed, in a folder of the state and in
/// memory: 112 bytes for each version. Clones share the runs, so a clone is a snapshot.
#[derive(Clone, Debug)]
pub struct KeyIndex {
    folder: Option<PathBuf>,
    archive: ArchiveId,
    runs: Vec<Arc<Run>>,
    complete_to: u64,
}

impl KeyIndex {
    /// Opens the index in `folder`; what is missing or damaged there is left out, and so is all
    /// that came after it.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the folder cannot be made or listed.
    pub fn open(folder: &Path, archive: ArchiveId) -> Result<Self, IndexError> {
        let runs = read_runs(folder, archive)?;
        let complete_to = runs.last().map_or(0, |run| run.through);
        let runs = runs.into_iter().map(Arc::new).collect();
        Ok(Self { folder: Some(folder.to_owned()), archive, runs, complete_to })
    }

    /// Starts an empty index that is kept in memory only.
    pub fn in_memory(archive: ArchiveId) -> Self {
        Self { folder: None, archive, runs: Vec::new(), complete_to: 0 }
    }

    /// Returns the last commit that the index has taken in, 0 for none.
    pub fn complete_to(&self) -> u64 {
        self.complete_to
    }

    /// Counts the versions in the index.
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.versions.len()).sum()
    }

    /// Tells whether the index has no versions.
    pub fn is_empty(&self) -> bool {
        self.runs.iter().all(|run| run.versions.is_empty())
    }

    /// Returns a version of the newest commit that added any, with the number of that commit.
    pub fn newest(&self) -> Option<(u64, VersionId)> {
        let run = self.runs.iter().rev().find(|run| !run.versions.is_empty())?;
        Some((run.through, run.versions[0].version))
    }

    /// Returns the newest version of a key.
    pub fn lookup(&self, key: Sha256Digest) -> Option<IndexedVersion> {
        self.runs.iter().rev().find_map(|run| run.lookup(key))
    }

    /// Returns the newest indexed version of every key of a document, in no order.
    pub fn versions_of(&self, document: DocumentId) -> Vec<IndexedVersion> {
        let versions = self.runs.iter().rev().flat_map(|run| &run.versions);
        versions.filter(|it| it.document == document).copied().collect()
    }

    /// Returns the documents whose id begins with `prefix`, in lower-case hex, at most `count_max`.
    pub fn documents_with_prefix(&self, prefix: &str, count_max: usize) -> Vec<DocumentId> {
        let mut found = Vec::new();
        for version in self.runs.iter().flat_map(|run| &run.versions) {
            if version.document.to_string().starts_with(prefix)
                && !found.contains(&version.document)
            {
                found.push(version.document);
                if found.len() == count_max {
                    break;
                }
            }
        }
        found
    }

    /// Takes in what the commits after the last one up to `through` added. Where that is nothing,
    /// nothing is written either.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the run could not be written; the index in memory is complete all the same.
    pub fn add(&mut self, through: u64, versions: Vec<IndexedVersion>) -> Result<(), IndexError> {
        self.complete_to = through;
        if versions.is_empty() {
            return Ok(());
        }
        let after = self.runs.last().map_or(0, |run| run.through);
        let run = Arc::new(Run::new(after, through, versions));
        self.runs.push(Arc::clone(&run));
        match &self.folder {
            Some(folder) => write_run(folder, self.archive, &run),
            None => Ok(()),
        }
    }

    /// Forgets everything, in memory and in the folder.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if a file could not be removed.
    pub fn clear(&mut self) -> Result<(), IndexError> {
        self.runs.clear();
        self.complete_to = 0;
        match &self.folder {
            Some(folder) => crate::run_file::remove_runs(folder),
            None => Ok(()),
        }
    }
}

/// The files of the index could not be read or written; nothing true is lost by that.
#[derive(Debug, thiserror::Error)]
#[error("the index in {folder} failed while {doing}")]
pub struct IndexError {
    /// The folder of the index.
    pub folder: String,
    /// What was being done.
    pub doing: &'static str,
    /// What stood in the way.
    pub source: std::io::Error,
}

impl IndexError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Transient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: ArchiveId = ArchiveId::from_bytes([1; 16]);

    fn version(key: u32, content: u8) -> IndexedVersion {
        IndexedVersion {
            key: Sha256Digest::of(&key.to_be_bytes()),
            sameness: Sha256Digest::of(&[content]),
            version: VersionId::from_bytes([content; 32]),
            document: DocumentId::from_bytes([content; 16]),
        }
    }

    #[test]
    fn what_was_added_is_found_again_after_opening() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        assert_eq!((index.complete_to(), index.is_empty()), (0, true));
        index.add(3, (0..1000).map(|key| version(key, 1)).collect()).unwrap();
        index.add(4, vec![version(7, 2)]).unwrap();
        let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        assert_eq!((opened.complete_to(), opened.len()), (4, 1001));
        for index in [&index, &opened] {
            assert_eq!(index.lookup(version(7, 0).key), Some(version(7, 2)));
            assert_eq!(index.lookup(version(999, 0).key), Some(version(999, 1)));
            assert_eq!(index.lookup(version(1000, 0).key), None);
        }
        assert_eq!(opened.documents_with_prefix("0202", 2), [DocumentId::from_bytes([2; 16])]);
    }

    #[test]
    fn a_damaged_run_is_left_out_with_all_that_came_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        for commit in 1..=3_u8 {
            index.add(commit.into(), vec![version(commit.into(), commit)]).unwrap();
        }
        let mut files: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut bytes = std::fs::read(&files[1]).unwrap();
        bytes[70] ^= 1;
        std::fs::write(&files[1], bytes).unwrap();
        let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        assert_eq!((opened.complete_to(), opened.len()), (1, 1));
    }

    #[test]
    fn the_index_of_another_archive_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        index.add(1, vec![version(1, 1)]).unwrap();
        let other = KeyIndex::open(folder.path(), ArchiveId::from_bytes([2; 16])).unwrap();
        assert!(other.is_empty());
    }
}
