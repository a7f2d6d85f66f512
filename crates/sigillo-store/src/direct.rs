//! Packs as files, written past the page cache: one durable write per pack.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::{
    fs::{AtFlags, CWD, FallocateFlags, OFlags, RenameFlags},
    io::Errno,
};

use sigillo_model::Blake3Digest;

use crate::{
    ALIGNMENT_BYTES, AlignedBuffer, BackendError, PackSink, PackSource, StagedPack,
    aligned::is_aligned,
    convert::size_of_len,
    folder::{Folder, PACKS, open_regular, read_error, sync_folder, unless_exists},
    sink::chunk_fault,
    writing::Writing,
};

/// At most this many taken staging names are stepped over, left by crashed processes.
const STAGING_ATTEMPTS_MAX: u32 = 10_000;

/// Reads shorter than this go through the page cache.
const DIRECT_READ_BYTES_MIN: usize = 256 << 10;

/// At most this part of what is free is set aside for a pack: the pack may become smaller than that,
/// while others need what is left.
const SET_ASIDE_DIVISOR: u64 = 8;

/// Staging names of this process, told apart.
static STAGED: AtomicU64 = AtomicU64::new(0);

/// Packs as files `packs/<2 hex>/<name>.zip` below a folder.
///
/// Where the file system refuses to bypass the page cache, packs go through it, as durably.
#[derive(Debug)]
pub struct DirectPackSink {
    folder: Arc<PackFolder>,
}

impl DirectPackSink {
    /// Keeps packs below `folder`, which exists.
    pub fn new(folder: &Path) -> Self {
        Self::writing_to(folder, Arc::new(Writing::new(folder)))
    }

    /// Keeps packs in the folder of a store.
    pub(crate) fn in_folder(folder: &Folder) -> Self {
        Self::writing_to(folder.path(), Arc::clone(&folder.writing))
    }

    fn writing_to(folder: &Path, writing: Arc<Writing>) -> Self {
        Self {
            folder: Arc::new(PackFolder {
                root: folder.to_owned(),
                packs: folder.join(PACKS),
                writing,
                durable: Mutex::default(),
            }),
        }
    }
}

impl PackSink for DirectPackSink {
    fn begin(&self, size_hint_bytes: Option<u64>) -> Result<Box<dyn StagedPack>, BackendError> {
        let (file, path) = self.folder.stage().map_err(BackendError::failed)?;
        let direct = set_direct(&file, true).is_ok();
        if let Some(length_bytes @ 1..) = size_hint_bytes {
            set_aside(&file, length_bytes);
        }
        let folder = Arc::clone(&self.folder);
        let (renamed, written_bytes) = (false, 0);
        Ok(Box::new(DirectStagedPack { folder, file, path, renamed, direct, written_bytes }))
    }

    fn open(&self, name: &Blake3Digest) -> Result<Box<dyn PackSource>, BackendError> {
        let path = self.folder.pack_path(name);
        let (file, size_bytes) = open_regular(&path).map_err(read_error)?;
        Ok(Box::new(DirectPackSource { file, path, size_bytes, direct: OnceLock::new() }))
    }
}

/// Sets space aside for a pack, if there is plenty. It may be that less is written, so a disk that is
/// nearly full, or does not know how to do it, is no error.
fn set_aside(file: &File, length_bytes: u64) {
    let set_aside = rustix::fs::fstatvfs(file).and_then(|disk| {
        let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        if length_bytes > free_bytes / SET_ASIDE_DIVISOR {
            return Err(Errno::NOSPC);
        }
        rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length_bytes)
    });
    if let Err(error) = set_aside {
        tracing::debug!(length_bytes, %error, "no space set aside for a pack");
    }
}

#[derive(Debug)]
struct PackFolder {
    root: PathBuf,
    packs: PathBuf,
    writing: Arc<Writing>,
    /// The folders below `packs` that this process has made durable, or found so.
    durable: Mutex<HashSet<u8>>,
}

impl PackFolder {
    /// Makes a file that listings hide and nobody else has.
    fn stage(&self) -> io::Result<(File, PathBuf)> {
        self.writing.begin();
        let process = std::process::id();
        let number = STAGED.fetch_add(1, Ordering::Relaxed);
        for attempt in 1..=STAGING_ATTEMPTS_MAX {
            let path = self.packs.join(format!("{process:08x}{number:024x}#{attempt}"));
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt == 1 => {
                    // Made durable together with the first folder below it.
                    fs::create_dir(&self.packs).or_else(unless_exists)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many staging files left by other processes"))
    }

    fn pack_path(&self, name: &Blake3Digest) -> PathBuf {
        let name = name.to_string();
        self.packs.join(&name[..2]).join(format!("{name}.zip"))
    }

    /// Makes the folder of a pack, and sees to it that the entries that lead to it are durable:
    /// whoever made them may not have got that far.
    fn make_folder_of(&self, name: &Blake3Digest) -> io::Result<()> {
        let first_byte = name.as_bytes()[0];
        // Held throughout, so that nobody relies on an fsync that is still to come.
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if !durable.contains(&first_byte) {
            fs::create_dir(self.packs.join(format!("{first_byte:02x}"))).or_else(unless_exists)?;
            sync_folder(&self.packs)?;
            if durable.is_empty() {
                sync_folder(&self.root)?;
            }
            durable.insert(first_byte);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct DirectStagedPack {
    folder: Arc<PackFolder>,
    file: File,
    path: PathBuf,
    /// The file has left its staging name, which may be somebody else's by now.
    renamed: bool,
    direct: bool,
    written_bytes: u64,
}

impl StagedPack for DirectStagedPack {
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), BackendError> {
        if let Some(fault) = chunk_fault(offset, chunk) {
            return Err(BackendError::failed(fault));
        }
        self.write_chunk(offset, chunk).map_err(BackendError::failed)?;
        self.written_bytes += size_of_len(chunk.len());
        Ok(())
    }

    fn finish(
        mut self: Box<Self>,
        name: &Blake3Digest,
        size_bytes: u64,
    ) -> Result<(), BackendError> {
        if self.written_bytes != size_bytes {
            return Err(BackendError::failed("the chunks do not add up to the pack"));
        }
        self.publish(name, size_bytes).map_err(BackendError::failed)
    }
}

impl DirectStagedPack {
    fn write_chunk(&mut self, offset: u64, chunk: &[u8]) -> io::Result<()> {
        if self.direct {
            match write_direct(&self.file, offset, chunk) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                    tracing::debug!(path = %self.path.display(), "pack goes through the page cache");
                    set_direct(&self.file, false)?;
                    self.direct = false;
                }
                written => return written,
            }
        }
        self.file.write_all_at(chunk, offset)
    }

    fn publish(&mut self, name: &Blake3Digest, size_bytes: u64) -> io::Result<()> {
        // Cuts off the padding of the last piece and the space that was set aside.
        self.file.set_len(size_bytes)?;
        rustix::fs::fdatasync(&self.file)?;
        self.folder.make_folder_of(name)?;
        let target = self.folder.pack_path(name);
        match rename_unless_exists(&self.path, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let (existing, existing_bytes) = open_regular(&target)?;
                if existing_bytes != size_bytes {
                    return Err(io::Error::other("a pack of this name has another size"));
                }
                existing.sync_all()?;
            }
            renamed => self.renamed = renamed?,
        }
        let folder = target.parent().expect("the path of a pack has three parts at least");
        sync_folder(folder)
    }
}

impl Drop for DirectStagedPack {
    fn drop(&mut self) {
        if !self.renamed
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a staging file stays");
        }
    }
}

#[derive(Debug)]
struct DirectPackSource {
    file: File,
    path: PathBuf,
    size_bytes: u64,
    /// The same file open past the page cache, from the first read that can use it.
    direct: OnceLock<Option<File>>,
}

impl PackSource for DirectPackSource {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let done = self.read_direct(offset, buf);
        let (offset, buf) = (offset + size_of_len(done), &mut buf[done..]);
        self.file.read_exact_at(buf, offset).map_err(read_error)
    }
}

impl DirectPackSource {
    /// Reads what it can past the page cache and returns how many bytes that were. Whatever goes
    /// wrong is left to the ordinary read, which will say so.
    fn read_direct(&self, offset: u64, buf: &mut [u8]) -> usize {
        let whole = buf.len() - buf.len() % ALIGNMENT_BYTES;
        let fits = is_aligned(buf) && offset.is_multiple_of(ALIGNMENT_BYTES as u64);
        if !fits || whole < DIRECT_READ_BYTES_MIN {
            return 0;
        }
        let direct = self.direct.get_or_init(|| {
            let (file, size_bytes) = open_regular(&self.path).ok()?;
            let usable = size_bytes == self.size_bytes && set_direct(&file, true).is_ok();
            usable.then_some(file)
        });
        match direct {
            Some(file) if file.read_exact_at(&mut buf[..whole], offset).is_ok() => whole,
            _ => 0,
        }
    }
}

/// Writes a chunk past the page cache, the end of the last one padded with zeros.
fn write_direct(file: &File, offset: u64, chunk: &[u8]) -> io::Result<()> {
    let (whole, rest) = chunk.split_at(chunk.len() - chunk.len() % ALIGNMENT_BYTES);
    file.write_all_at(whole, offset)?;
    if !rest.is_empty() {
        let mut padded = AlignedBuffer::zeroed(ALIGNMENT_BYTES);
        padded[..rest.len()].copy_from_slice(rest);
        file.write_all_at(&padded, offset + size_of_len(whole.len()))?;
    }
    Ok(())
}

/// Turns the bypass of the page cache on or off; set on an open file, because an open that is
/// refused for it may have made the file nevertheless.
fn set_direct(file: &File, direct: bool) -> io::Result<()> {
    let mut flags = rustix::fs::fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, direct);
    Ok(rustix::fs::fcntl_setfl(file, flags)?)
}

/// Gives a file its final name unless that is taken; tells whether the old name is gone.
fn rename_unless_exists(from: &Path, to: &Path) -> io::Result<bool> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag; a link never replaces either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}
