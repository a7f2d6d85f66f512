//! Files of the key folder: private, bounded, and durable before anybody relies on them.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::KeyError;

/// The longest file of a key folder that is read, in bytes: a certificate with its chain.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Permission bits of the folder: its owner alone.
const FOLDER_MODE: u32 = 0o700;

/// Permission bits of every file in it.
const FILE_MODE: u32 = 0o600;

/// Permission bits that a key folder and its files must not have.
const OTHERS: u32 = 0o077;

/// The file whose lock serialises writers; it is always empty.
const LOCK: &str = "lock";

/// What a file is called before it is complete. One name is enough: writers hold the lock.
const STAGING_SUFFIX: &str = ".new";

/// A folder whose files only its owner can read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PrivateFolder {
    path: PathBuf,
}

/// Others wait until it is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl PrivateFolder {
    /// Makes the folder if it is missing, durably, and opens it.
    pub(crate) fn create(path: &Path) -> Result<Self, KeyError> {
        make_folder(path).map_err(|source| io_error("making", path, source))?;
        let folder = Self::open(path)?;
        // Another process may have made it a moment ago and died before its last fsync.
        folder.sync()?;
        if let Some(above) = folder_above(path) {
            sync_folder(above).map_err(|source| io_error("writing", above, source))?;
        }
        Ok(folder)
    }

    /// Opens a folder that exists and that nobody else can enter.
    pub(crate) fn open(path: &Path) -> Result<Self, KeyError> {
        let metadata = fs::metadata(path).map_err(|source| io_error("opening", path, source))?;
        if !metadata.is_dir() {
            return Err(io_error("opening", path, io::ErrorKind::NotADirectory.into()));
        }
        refuse_exposed(path, &metadata, "700")?;
        Ok(Self { path: path.to_owned() })
    }

    /// Returns the path of a file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Waits until no other process or thread holds the lock, and takes it.
    pub(crate) fn lock(&self) -> Result<FolderLock, KeyError> {
        let path = self.file(LOCK);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|source| io_error("opening", &path, source))?;
        loop {
            match rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive) {
                Ok(()) => return Ok(FolderLock { _file: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(io_error("locking", &path, errno.into())),
            }
        }
    }

    /// Reads a file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`KeyError::Exposed`] for one that others can read, [`KeyError::Damaged`] for one that is
    /// longer than [`FILE_BYTES_MAX`] or not UTF-8.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, KeyError> {
        let path = self.file(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io_error("opening", &path, source)),
        };
        let metadata = file.metadata().map_err(|source| io_error("reading", &path, source))?;
        refuse_exposed(&path, &metadata, "600")?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| io_error("reading", &path, source))?;
        let damaged = |reason: String| KeyError::Damaged { path: path.clone(), reason };
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
            return Err(damaged(format!("it is longer than {FILE_BYTES_MAX} bytes")));
        }
        String::from_utf8(bytes).map(Some).map_err(|_| damaged("it is not text".to_owned()))
    }

    /// Reads a file that must exist.
    pub(crate) fn read_existing(&self, name: &str) -> Result<String, KeyError> {
        self.read(name)?.ok_or_else(|| KeyError::Missing { path: self.file(name) })
    }

    /// Writes a file whole and durably, in place of one that may be there.
    ///
    /// After a crash at any point the file is as before or as after. `_lock` proves that no other
    /// writer is at work.
    pub(crate) fn write(&self, name: &str, text: &str, _lock: &FolderLock) -> Result<(), KeyError> {
        let path = self.file(name);
        let staging = self.file(&format!("{name}{STAGING_SUFFIX}"));
        write_new(&staging, text.as_bytes())
            .map_err(|source| io_error("writing", &staging, source))?;
        fs::rename(&staging, &path).map_err(|source| io_error("writing", &path, source))?;
        self.sync()
    }

    /// Makes the names in the folder durable.
    fn sync(&self) -> Result<(), KeyError> {
        sync_folder(&self.path).map_err(|source| io_error("writing", &self.path, source))
    }
}

/// Writes a new file, durable but for its name.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        // Left by a crash; the lock says that nobody is writing it.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a folder that only its owner can enter, and the ordinary folders above it, from the top,
/// each durable before the next: so a process that dies leaves at most one, the lowest, whose entry
/// is not durable yet.
fn make_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().skip(1).take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    if let Some(lowest) = path.ancestors().skip(1).nth(missing.len())
        && let Some(above) = folder_above(lowest)
    {
        match sync_folder(above) {
            // Where we may not even read, it was not a process like this one that made folders.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder).or_else(unless_exists)?;
        folder_above(folder).map_or(Ok(()), sync_folder)?;
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    DirBuilder::new().mode(FOLDER_MODE).create(path).or_else(unless_exists)
}

/// Returns the folder that holds the entry of another one; the topmost has none.
fn folder_above(folder: &Path) -> Option<&Path> {
    let above = folder.parent()?;
    Some(if above.as_os_str().is_empty() { Path::new(".") } else { above })
}

fn unless_exists(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn refuse_exposed(
    path: &Path,
    metadata: &fs::Metadata,
    remedy: &'static str,
) -> Result<(), KeyError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(KeyError::Exposed { path: path.to_owned(), mode, remedy })
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> KeyError {
    if source.kind() == io::ErrorKind::NotFound {
        return KeyError::Missing { path: path.to_owned() };
    }
    KeyError::Io { doing, path: path.to_owned(), source }
}
