//! The index of producers' keys: which key has which newest version.

use std::{
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
};

use sigillo_model::{ArchiveId, DocumentId, Sha256Digest};

use crate::{
    IndexError, IndexedVersion, LeftOut, RUN_VERSIONS_MAX,
    error::failed,
    folder::{self, MergingLock},
    left_out,
    merge::{merge, merge_from, merged_shape},
    run::{Run, first_of},
    shape::Shape,
    version::{self, Encoded},
    writer::RunWriter,
};

/// Every version of an archive by its key, complete up to a stated commit but for what is stated to
/// be left out.
///
/// Kept as sorted runs in a folder of the state, at first one for each commit that was indexed and
/// then merged, so that they stay few. In memory are 2 bytes for each version; the rest is read
/// when it is asked for, and every block of it is checked. What is damaged is never answered from:
/// a run whose footer, fence or filter is damaged is left out at opening with all after it; where a
/// damaged block is met later, that is an error, the file is removed, and the next opening leaves
/// it out. Clones share the runs, so a clone is a snapshot, and stays one when runs are merged.
#[derive(Clone, Debug)]
pub struct KeyIndex {
    folder: Option<PathBuf>,
    archive: ArchiveId,
    runs: Vec<Arc<Run>>,
    complete_to: u64,
    left_out: Vec<LeftOut>,
}

impl KeyIndex {
    /// Opens the index in `folder`; what is missing or damaged there is left out, and so is all
    /// that came after it.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the folder cannot be made or listed.
    pub fn open(folder: &Path, archive: ArchiveId) -> Result<Self, IndexError> {
        let runs = folder::open_runs(folder, archive)?;
        let complete_to = runs.last().map_or(0, |run| run.shape().through);
        // After the runs: what is left out of one is remembered before it is there.
        let left_out = left_out::read_all(folder)?;
        Ok(Self { folder: Some(folder.to_owned()), archive, runs, complete_to, left_out })
    }

    /// Opens the index in `folder` to look at it: nothing in the folder is made or removed, and what
    /// is added stays in memory.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the folder is there and cannot be listed.
    pub fn peek(folder: &Path, archive: ArchiveId) -> Result<Self, IndexError> {
        let runs = folder::peek_runs(folder, archive)?;
        let complete_to = runs.last().map_or(0, |run| run.shape().through);
        let left_out = left_out::read_all(folder)?;
        Ok(Self { folder: None, archive, runs, complete_to, left_out })
    }

    /// Starts an empty index that is kept in memory only, with 160 bytes for each version.
    pub fn in_memory(archive: ArchiveId) -> Self {
        Self { folder: None, archive, runs: Vec::new(), complete_to: 0, left_out: Vec::new() }
    }

    /// Returns the last commit that the index has taken in, 0 for none.
    pub fn complete_to(&self) -> u64 {
        self.complete_to
    }

    /// Returns what could not be read when it was to be taken in, by commit. As long as there is
    /// any, a key that is not found may be known to the archive all the same.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Counts the versions in the index.
    pub fn len(&self) -> usize {
        let versions = self.runs.iter().map(|run| run.shape().versions).sum::<u64>();
        usize::try_from(versions).unwrap_or(usize::MAX)
    }

    /// Tells whether the index has no versions.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Counts the runs, which is how many places a key may have to be looked for in.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Returns a version of the newest commit that added any.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the index cannot be read.
    pub fn newest(&self) -> Result<Option<IndexedVersion>, IndexError> {
        self.runs.last().map(|run| run.newest()).transpose()
    }

    /// Returns the newest version of a key.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the index cannot be read.
    pub fn lookup(&self, key: Sha256Digest) -> Result<Option<IndexedVersion>, IndexError> {
        Ok(self.versions(key)?.first().copied())
    }

    /// Returns every version of a key, the newest first.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the index cannot be read.
    pub fn versions(&self, key: Sha256Digest) -> Result<Vec<IndexedVersion>, IndexError> {
        let mut versions = Vec::new();
        for run in self.runs.iter().rev() {
            run.versions_of_key(key, &mut versions)?;
        }
        versions.sort_by_key(|version| std::cmp::Reverse((version.commit, version.number)));
        Ok(versions)
    }

    /// Returns every indexed version of a document, in no order.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the index cannot be read.
    pub fn versions_of(&self, document: DocumentId) -> Result<Vec<IndexedVersion>, IndexError> {
        let first = first_of(document.as_bytes());
        let mut versions = Vec::new();
        for run in self.runs.iter().rev() {
            run.scan_documents(first..=first, &mut |version| {
                if version.document == document {
                    versions.push(version);
                }
                true
            })?;
        }
        Ok(versions)
    }

    /// Returns the documents whose id begins with `prefix`, in lower-case hex, at most `count_max`.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the index cannot be read.
    pub fn documents_with_prefix(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<DocumentId>, IndexError> {
        let mut found = Vec::new();
        let Some(range) = ids_with_prefix(prefix) else { return Ok(found) };
        for run in &self.runs {
            if found.len() >= count_max {
                break;
            }
            run.scan_documents(range.clone(), &mut |version| {
                let id = version.document;
                if id.to_string().starts_with(prefix) && !found.contains(&id) {
                    found.push(id);
                }
                found.len() < count_max
            })?;
        }
        Ok(found)
    }

    /// Calls `take` with every version that a commit added, in no order.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the index cannot be read.
    pub fn versions_of_commit(
        &self,
        commit: u64,
        take: &mut dyn FnMut(IndexedVersion),
    ) -> Result<(), IndexError> {
        let holding = self.runs.iter().filter(|run| {
            let shape = run.shape();
            shape.after < commit && commit <= shape.through
        });
        for run in holding {
            run.scan_all(&mut |version| {
                if version.commit == commit {
                    take(version);
                }
            })?;
        }
        Ok(())
    }

    /// Remembers, before the commit is added, which documents of it are left out. Where there is a
    /// folder, it stays known until the index is cleared or another takes its place.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if it could not be made durable; then nothing is written to the folder any
    /// more, and the index in memory goes on.
    pub fn leave_out(&mut self, commit: u64, left_out: Vec<LeftOut>) -> Result<(), IndexError> {
        let known = self.left_out.iter().filter(|it| it.commit == commit);
        if left_out.is_empty() || known.eq(&left_out) {
            return Ok(());
        }
        let written =
            self.folder.as_deref().map_or(Ok(()), |it| left_out::write(it, commit, &left_out));
        if written.is_err() {
            self.folder = None;
        }
        self.left_out.retain(|it| it.commit != commit);
        self.left_out.extend(left_out);
        written
    }

    /// Puts this index in the place of the one in `folder`, which is as it was until then.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if this one could not be written whole, or the files could not be moved.
    pub fn take_place_of(self, folder: &Path) -> Result<Self, IndexError> {
        let Some(made) = self.folder.filter(|_| self.runs.iter().all(|run| run.path().is_some()))
        else {
            let unwritten = io::Error::other("a part of it is in memory only");
            return Err(failed(folder, "making it anew")(unwritten));
        };
        drop(self.runs);
        folder::replace_all(&made, folder)?;
        Self::open(folder, self.archive)
    }

    /// Takes in what the commits after the last one up to `through` added. Where that is nothing,
    /// nothing is written either. Merges runs where that is due.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if runs could not be written or merged; the index in memory is complete all
    /// the same.
    pub fn add(&mut self, through: u64, versions: Vec<IndexedVersion>) -> Result<(), IndexError> {
        self.complete_to = through;
        if versions.is_empty() {
            return Ok(());
        }
        let encoded = version::encode(&versions);
        drop(versions);
        let shape = Shape {
            archive: self.archive,
            after: self.runs.last().map_or(0, |run| run.shape().through),
            through,
            versions: encoded.versions.len() as u64,
            packs: encoded.packs.len() as u64,
        };
        let Some(folder) = self.folder.clone() else {
            self.runs.push(Arc::new(run_in_memory(shape, &encoded)?));
            return self.merge_in_memory();
        };
        let written = folder::write_run(&folder, shape, &|writer| {
            if shape.versions > RUN_VERSIONS_MAX {
                let large = io::Error::from(io::ErrorKind::FileTooLarge);
                return Err(failed(&folder, "writing a run")(large));
            }
            writer.write(&encoded).map_err(failed(&folder, "writing a run"))
        });
        match written {
            Ok(run) => {
                self.runs.push(Arc::new(run));
                self.merge(&folder)
            }
            Err(error) => {
                self.runs.push(Arc::new(run_in_memory(shape, &encoded)?));
                Err(error)
            }
        }
    }

    /// Forgets everything, in memory and in the folder.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if a file could not be removed.
    pub fn clear(&mut self) -> Result<(), IndexError> {
        self.runs.clear();
        self.left_out.clear();
        self.complete_to = 0;
        self.folder.as_deref().map_or(Ok(()), folder::remove_all)
    }

    /// Makes one run of the newest ones if that is due and no other process is merging. The new
    /// file is whole before the old ones go, and takes their place at any opening.
    fn merge(&mut self, folder: &Path) -> Result<(), IndexError> {
        if self.merge_begin().is_none() {
            return Ok(());
        }
        let Some(_lock) = MergingLock::try_take(folder)? else { return Ok(()) };
        if !folder::are_all_there(&self.runs) {
            self.adopt(folder)?;
        }
        let Some(begin) = self.merge_begin() else { return Ok(()) };
        let runs = &self.runs[begin..];
        let Some(shape) = merged_shape(runs) else { return Ok(()) };
        if !folder::are_all_there(runs) || folder::is_crossed(folder, &shape)? {
            return Ok(());
        }
        let merged = folder::write_run(folder, shape, &|writer| merge(runs, writer, folder))?;
        folder::remove_files(runs);
        self.runs.truncate(begin);
        self.runs.push(Arc::new(merged));
        Ok(())
    }

    fn merge_in_memory(&mut self) -> Result<(), IndexError> {
        let Some(begin) = self.merge_begin() else { return Ok(()) };
        let runs = &self.runs[begin..];
        let Some(shape) = merged_shape(runs) else { return Ok(()) };
        let memory = Path::new("memory");
        let mut writer = RunWriter::new(shape, None);
        merge(runs, &mut writer, memory)?;
        let merged = writer.finish().map_err(failed(memory, "merging runs"))?;
        self.runs.truncate(begin);
        self.runs.push(Arc::new(merged));
        Ok(())
    }

    fn merge_begin(&self) -> Option<usize> {
        let sizes: Vec<_> = self.runs.iter().map(|run| run.shape().versions).collect();
        merge_from(&sizes)
    }

    /// Takes over the runs that another process made of the same commits.
    fn adopt(&mut self, folder: &Path) -> Result<(), IndexError> {
        let theirs = folder::open_runs(folder, self.archive)?;
        // They could not read what this one has.
        if left_out::read_all(folder)?.iter().any(|it| !self.left_out.contains(it)) {
            return Ok(());
        }
        let ends_in =
            |runs: &[Arc<Run>], through| runs.iter().position(|run| run.shape().through == through);
        for (at, run) in self.runs.iter().enumerate().rev() {
            if let Some(end) = ends_in(&theirs, run.shape().through) {
                self.runs.splice(..=at, theirs.into_iter().take(end + 1));
                break;
            }
        }
        Ok(())
    }
}

fn run_in_memory(shape: Shape, encoded: &Encoded) -> Result<Run, IndexError> {
    let mut writer = RunWriter::new(shape, None);
    let written = writer.write(encoded).and_then(|()| writer.finish());
    written.map_err(failed(Path::new("memory"), "making a run"))
}

/// Returns what the first eight bytes of an id can be if it begins with `prefix` in hex.
fn ids_with_prefix(prefix: &str) -> Option<RangeInclusive<u64>> {
    let is_hex = prefix.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex || prefix.len() > 2 * DocumentId::LENGTH_BYTES {
        return None;
    }
    let digits = &prefix[..prefix.len().min(16)];
    let least = u64::from_str_radix(&format!("{digits:0<16}"), 16).ok()?;
    let most = u64::from_str_radix(&format!("{digits:f<16}"), 16).ok()?;
    Some(least..=most)
}

#[cfg(test)]
mod tests {
    use sigillo_model::{Blake3Digest, VersionId};

    use super::*;
    use crate::RecordPlace;

    const ARCHIVE: ArchiveId = ArchiveId::from_bytes([1; 16]);

    fn version(key: u32, content: u8) -> IndexedVersion {
        IndexedVersion {
            key: Sha256Digest::of(&key.to_be_bytes()),
            sameness: Sha256Digest::of(&[content]),
            version: VersionId::from_bytes([content; 32]),
            document: DocumentId::from_bytes([content; 16]),
            number: content.into(),
            commit: u64::from(content) + 2,
            leaf: key,
            record: RecordPlace {
                pack: Blake3Digest::of(&[content]),
                offset: u64::from(key) << 20,
                size_bytes: key,
            },
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
            let versions = |key| index.versions(version(key, 0).key).unwrap();
            assert_eq!(versions(7), [version(7, 2), version(7, 1)]);
            assert_eq!(versions(999), [version(999, 1)]);
            assert_eq!(versions(1000), []);
            assert_eq!(index.lookup(version(7, 0).key).unwrap(), Some(version(7, 2)));
        }
        let found = opened.documents_with_prefix("0202", 2).unwrap();
        assert_eq!(found, [DocumentId::from_bytes([2; 16])]);
    }

    /// Makes an index of three runs with a byte of the second one changed, `from_end` before its
    /// end if that is given, else in its first block.
    fn with_second_run_damaged(from_end: Option<usize>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        for commit in 1..=3_u8 {
            index.add(commit.into(), vec![version(commit.into(), commit)]).unwrap();
        }
        let mut files: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut bytes = std::fs::read(&files[1]).unwrap();
        let at = from_end.map_or(70, |from_end| bytes.len() - from_end);
        bytes[at] ^= 1;
        std::fs::write(&files[1], bytes).unwrap();
        folder
    }

    #[test]
    fn a_run_without_its_end_is_left_out_with_all_that_came_after_it() {
        for from_end in [1, 100, 150, 200] {
            let folder = with_second_run_damaged(Some(from_end));
            let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
            assert_eq!((opened.complete_to(), opened.len()), (1, 1));
        }
    }

    #[test]
    fn a_damaged_block_is_an_error_once_and_then_its_run_is_left_out() {
        let folder = with_second_run_damaged(None);
        let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        assert_eq!((opened.complete_to(), opened.len()), (3, 3));
        assert_eq!(opened.lookup(version(1, 0).key).unwrap(), Some(version(1, 1)));
        let error = opened.lookup(version(2, 0).key).unwrap_err();
        assert!(error.to_string().ends_with("now removed: it is made again"), "{error}");
        assert_eq!(error.kind(), sigillo_model::ErrorKind::Transient);
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
