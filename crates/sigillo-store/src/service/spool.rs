//! A pack on its way to a service: in memory while it is small, then in a file without a name.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};

use sigillo_model::{ObjectKey, Sha256Hasher};

use crate::{ListedObject, PACK_CHUNK_BYTES, convert::size_of_len, folder::is_absence};

/// A spool keeps at most this many bytes in memory.
pub(crate) const SPOOL_MEMORY_BYTES_MAX: u64 = 32 << 20;

/// At most this many taken names are stepped over where files always have one.
const NAME_ATTEMPTS_MAX: u32 = 100;

/// Spool files of this process, told apart.
static SPOOLS: AtomicU64 = AtomicU64::new(0);

/// The chunks of a pack, in any order, then the whole of it.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: Option<PathBuf>,
    /// The length of each chunk by its offset.
    lengths: BTreeMap<u64, usize>,
    size_bytes: u64,
    chunks: Chunks,
}

#[derive(Debug)]
enum Chunks {
    Memory(BTreeMap<u64, Bytes>),
    File(File),
}

impl Spool {
    /// Begins a spool; what does not fit into memory goes into `folder`.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let chunks = Chunks::Memory(BTreeMap::new());
        Self { folder, lengths: BTreeMap::new(), size_bytes: 0, chunks }
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Keeps a chunk. Each offset is a multiple of the chunk size and written once.
    pub(crate) fn write_at(&mut self, offset: u64, chunk: &[u8]) -> io::Result<()> {
        if self.lengths.contains_key(&offset) {
            return Err(io::Error::other("a chunk was written twice"));
        }
        let size_bytes = self.size_bytes + size_of_len(chunk.len());
        if SPOOL_MEMORY_BYTES_MAX < size_bytes {
            self.leave_memory()?;
        }
        match &mut self.chunks {
            Chunks::Memory(chunks) => {
                chunks.insert(offset, Bytes::copy_from_slice(chunk));
            }
            Chunks::File(file) => file.write_all_at(chunk, offset)?,
        }
        self.lengths.insert(offset, chunk.len());
        self.size_bytes = size_bytes;
        Ok(())
    }

    /// Tells whether the chunks fill the pack from its first byte to its last.
    pub(crate) fn is_whole(&self) -> bool {
        let mut at = 0;
        self.lengths.iter().all(|(offset, length)| {
            let fits = *offset == at;
            at += size_of_len(*length);
            fits
        })
    }

    /// Returns the whole pack, if it is in memory.
    pub(crate) fn in_memory(&self) -> Option<Vec<Bytes>> {
        match &self.chunks {
            Chunks::Memory(chunks) => Some(chunks.values().cloned().collect()),
            Chunks::File(_) => None,
        }
    }

    /// Reads a part of a whole spool, which lies inside it.
    pub(crate) fn read_at(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut part = vec![0; length];
        match &self.chunks {
            Chunks::File(file) => file.read_exact_at(&mut part, offset)?,
            Chunks::Memory(chunks) => {
                let mut done = 0;
                while done < length {
                    let at = offset + size_of_len(done);
                    let found = chunks.range(..=at).next_back().and_then(|(start, chunk)| {
                        chunk.get(usize::try_from(at - start).ok()?..).filter(|it| !it.is_empty())
                    });
                    let found = found.ok_or(io::ErrorKind::UnexpectedEof)?;
                    let now = found.len().min(length - done);
                    part[done..done + now].copy_from_slice(&found[..now]);
                    done += now;
                }
            }
        }
        Ok(Bytes::from(part))
    }

    /// Returns the SHA-256 of a whole spool.
    pub(crate) fn sha256(&self) -> io::Result<[u8; 32]> {
        let mut hasher = Sha256Hasher::default();
        let mut at = 0;
        while at < self.size_bytes {
            let now = size_of_len(PACK_CHUNK_BYTES).min(self.size_bytes - at);
            hasher.update(&self.read_at(at, now)?);
            at += now;
        }
        Ok(*hasher.finish().as_bytes())
    }

    fn leave_memory(&mut self) -> io::Result<()> {
        let Chunks::Memory(chunks) = &mut self.chunks else { return Ok(()) };
        let folder = self.folder.as_deref().ok_or_else(|| {
            io::Error::other("a pack too large for memory, and no folder to keep it in")
        })?;
        let file = nameless_file(folder)?;
        while let Some((offset, chunk)) = chunks.pop_first() {
            file.write_all_at(&chunk, offset)?;
        }
        self.chunks = Chunks::File(file);
        Ok(())
    }
}

/// Lists at most `count_max` files of spools whose process died before it took their name away.
pub(crate) fn spool_leftovers(folder: &Path, count_max: usize) -> io::Result<Vec<ListedObject>> {
    let mut listed = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if is_absence(&error) => return Ok(listed),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_spool_name(name)) else { continue };
        let key = ObjectKey::listed(format!("spool/{name}"));
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() && listed.len() < count_max => {
                listed.push(ListedObject { key, size_bytes: metadata.len() });
            }
            _ => {}
        }
    }
    Ok(listed)
}

/// Removes what [`spool_leftovers`] lists: a spool in use lives on without its name.
pub(crate) fn remove_spool_leftovers(
    folder: &Path,
    count_max: usize,
) -> io::Result<Vec<ListedObject>> {
    let listed = spool_leftovers(folder, count_max)?;
    for object in &listed {
        let name = object.key.as_str().trim_start_matches("spool/");
        match fs::remove_file(folder.join(name)) {
            Err(error) if !is_absence(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(listed)
}

fn is_spool_name(name: &str) -> bool {
    let numbers = name.strip_suffix(".spool").and_then(|stem| stem.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Makes a file that goes when it is closed, whatever ends the process.
fn nameless_file(folder: &Path) -> io::Result<File> {
    fs::DirBuilder::new().recursive(true).create(folder)?;
    let mode = Mode::RUSR | Mode::WUSR;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(folder, flags, mode) {
        return Ok(file.into());
    }
    // Not every file system has files without a name: there, the name goes at once.
    let process = std::process::id();
    for _ in 0..NAME_ATTEMPTS_MAX {
        let number = SPOOLS.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{process}-{number}.spool"));
        match File::options().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            // A sweep may have taken the name already, which is all the same.
            Ok(file) => {
                return match fs::remove_file(&path) {
                    Err(error) if !is_absence(&error) => Err(error),
                    _ => Ok(file),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many spool files left by other processes"))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// Spools `count` chunks and a short one, the first of them last.
    fn spooled(folder: Option<PathBuf>, count: usize) -> io::Result<(Spool, Vec<u8>)> {
        let length = count * PACK_CHUNK_BYTES + 77;
        let whole: Vec<u8> = (0..length).map(|at| (at / 1000 % 251).try_into().unwrap()).collect();
        let mut spool = Spool::new(folder);
        for index in (1..=count).chain([0]) {
            let chunk = whole.chunks(PACK_CHUNK_BYTES).nth(index).unwrap();
            spool.write_at(size_of_len(index * PACK_CHUNK_BYTES), chunk)?;
            assert_eq!(spool.is_whole(), index == 0);
        }
        Ok((spool, whole))
    }

    #[test]
    fn a_spool_gives_back_what_it_was_given_from_memory_and_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for (count, in_memory) in [(2, true), (9, false)] {
            let (spool, whole) = spooled(Some(folder.path().join("deep/er")), count).unwrap();
            assert_eq!(spool.size_bytes(), size_of_len(whole.len()));
            assert_eq!(
                spool.in_memory().map(|chunks| chunks.concat() == whole),
                in_memory.then_some(true)
            );
            assert_eq!(spool.sha256().unwrap(), <[u8; 32]>::from(Sha256::digest(&whole)));
            for (start, length) in
                [(0, 1), (PACK_CHUNK_BYTES - 1, 2), (100, 5_000_000), (whole.len(), 0)]
            {
                let part = spool.read_at(size_of_len(start), size_of_len(length)).unwrap();
                assert!(part[..] == whole[start..start + length], "{start}, {length}");
            }
            assert!(spool.read_at(spool.size_bytes(), 1).is_err());
        }
        assert_eq!(fs::read_dir(folder.path().join("deep/er")).unwrap().count(), 0);
    }

    #[test]
    fn only_spools_that_kept_their_name_are_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(spool_leftovers(&folder.path().join("none"), 9).unwrap(), []);
        for name in ["12-3.spool", "a-3.spool", "12-3", "letter.txt"] {
            fs::write(folder.path().join(name), b"1234").unwrap();
        }
        let gone = remove_spool_leftovers(folder.path(), 9).unwrap();
        assert_eq!(gone.len(), 1);
        assert_eq!((gone[0].key.as_str(), gone[0].size_bytes), ("spool/12-3.spool", 4));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(spool_leftovers(folder.path(), 9).unwrap(), []);
    }

    #[test]
    fn without_a_folder_a_spool_stays_small() {
        assert!(spooled(None, 7).is_ok());
        assert!(spooled(None, 9).is_err());
    }
}
