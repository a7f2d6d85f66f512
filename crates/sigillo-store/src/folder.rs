//! A folder of the file system that a store lives in: how its entries are read and become durable.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use crate::{BackendError, StoreError, backend::PROBE, writing::Writing};

/// The folder of packs, below the folder of a store.
pub(crate) const PACKS: &str = "packs";

/// A listing looks into at most this many folders.
const LISTED_FOLDERS_MAX: usize = 1_000_000;

/// The files of an archive that lie in no folder of it.
const FILES: [&str; 2] = ["README.txt", "archive.json"];

/// At most so many entries of a folder are looked at for what no archive put there.
const STRANGERS_COMPARED_MAX: usize = 10_000;

/// At most so many folders are remembered as durable; then the memory begins anew.
const DURABLE_FOLDERS_MAX: usize = 10_000;

/// An existing folder, by its canonical path.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    identity: String,
    /// Held by whoever writes here.
    pub(crate) writing: Arc<Writing>,
    /// The folders below that this process has made durable, or found so.
    durable: Arc<Mutex<HashSet<String>>>,
}

impl Folder {
    /// Opens a folder that exists.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let unusable = |doing| {
            move |source| StoreError::Folder { folder: path.display().to_string(), doing, source }
        };
        let canonical = path.canonicalize().map_err(unusable("opening it"))?;
        let metadata = canonical.metadata().map_err(unusable("opening it"))?;
        if !metadata.is_dir() {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(unusable("opening it")(source));
        }
        let (device, inode) = (metadata.dev(), metadata.ino());
        let identity = format!("file:{} device {device} inode {inode}", canonical.display());
        let writing = Arc::new(Writing::new(&canonical));
        Ok(Self { path: canonical, identity, writing, durable: Arc::default() })
    }

    /// Makes a folder and those above it, durably. One that exists is left as it is.
    pub(crate) fn make(path: &Path) -> Result<(), StoreError> {
        make_durable(path).map_err(|source| StoreError::Folder {
            folder: path.display().to_string(),
            doing: "making it",
            source,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Reads a whole file of at most `bytes_max` bytes.
    pub(crate) fn read(&self, key: &str, bytes_max: u64) -> Result<Vec<u8>, BackendError> {
        let (file, size_bytes) = open_regular(&self.path.join(key)).map_err(read_error)?;
        if bytes_max < size_bytes {
            return Err(BackendError::TooLarge { size_bytes, bytes_max });
        }
        read_inside(&file, 0..size_bytes)
    }

    /// Reads exactly the bytes of `range`.
    pub(crate) fn read_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, BackendError> {
        let (file, size_bytes) = open_regular(&self.path.join(key)).map_err(read_error)?;
        if range.end < range.start || size_bytes < range.end {
            return Err(BackendError::outside(&range, size_bytes));
        }
        read_inside(&file, range)
    }

    /// Returns the size of a file, in bytes.
    pub(crate) fn size(&self, key: &str) -> Result<u64, BackendError> {
        open_regular(&self.path.join(key)).map(|(_, size_bytes)| size_bytes).map_err(read_error)
    }

    /// Lists at most `count_max` files below `prefix` with their sizes, in no order.
    ///
    /// Links are not followed, and neither staging files nor names that no object of ours can have
    /// are listed: whatever else lies in the folder must not hide what is ours.
    pub(crate) fn list(&self, prefix: &str, count_max: usize) -> io::Result<Vec<(String, u64)>> {
        self.walk(prefix, count_max, |folder, name, _| {
            let is_ours = is_object_name(name);
            if !is_ours {
                tracing::debug!(folder, name, "a strange name is not listed");
            }
            is_ours
        })
    }

    /// Lists at most `count_max` files below `prefix` with their sizes, in no order: those that are
    /// wanted, in folders that are. Told are the folder, the name in it, and whether it is a folder.
    fn walk(
        &self,
        prefix: &str,
        count_max: usize,
        is_wanted: impl Fn(&str, &str, bool) -> bool,
    ) -> io::Result<Vec<(String, u64)>> {
        let (mut folders, mut listed) = (vec![prefix.to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(self.path.join(&folder)) {
                Err(error) if is_absence(&error) => continue,
                entries => entries?,
            };
            for entry in entries {
                if listed.len() == count_max {
                    return Ok(listed);
                }
                let entry = entry?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                let kind = match entry.file_type() {
                    // Gone meanwhile, as objects of a probe and staging files are.
                    Err(error) if is_absence(&error) => continue,
                    kind => kind?,
                };
                if !is_wanted(&folder, name, kind.is_dir()) {
                    continue;
                }
                let key =
                    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                if kind.is_dir() {
                    folders.push(key);
                } else if kind.is_file() {
                    match entry.metadata() {
                        Err(error) if is_absence(&error) => {}
                        metadata => listed.push((key, metadata?.len())),
                    }
                }
            }
            if LISTED_FOLDERS_MAX < folders.len() {
                return Err(io::Error::other("more folders than any store has"));
            }
        }
        Ok(listed)
    }

    /// Makes the file at `key` durable, and the entries that lead to it from this folder.
    pub(crate) fn settle(&self, key: &str) -> io::Result<()> {
        let path = self.path.join(key);
        File::open(&path)?.sync_all()?;
        for folder in path.ancestors().skip(1) {
            sync_folder(folder)?;
            if folder == self.path {
                break;
            }
        }
        Ok(())
    }

    /// Makes the folders that the file at `key` lies in, and sees to it that the entries that lead
    /// to them are durable: whoever made them may not have got that far.
    pub(crate) fn make_folders_of(&self, key: &str) -> io::Result<()> {
        // Held throughout, so that nobody relies on an fsync that is still to come.
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let mut above = self.path.clone();
        for (end, _) in key.match_indices('/') {
            let folder = self.path.join(&key[..end]);
            if !durable.contains(&key[..end]) {
                fs::create_dir_all(&folder)?;
                sync_folder(&above)?;
                if durable.len() == DURABLE_FOLDERS_MAX {
                    durable.clear();
                }
                durable.insert(key[..end].to_owned());
            }
            above = folder;
        }
        Ok(())
    }

    /// Makes the 256 folders that packs are spread over, durably.
    pub(crate) fn make_pack_folders(&self) -> io::Result<()> {
        let packs = self.path.join(PACKS);
        for first_byte in 0..=u8::MAX {
            fs::create_dir_all(packs.join(format!("{first_byte:02x}")))?;
        }
        sync_folder(&packs)?;
        sync_folder(&self.path)
    }

    /// Lists at most `count_max` files that somebody was writing, below the roots of an archive.
    pub(crate) fn list_staging(&self, count_max: usize) -> io::Result<Vec<(String, u64)>> {
        self.walk("", count_max, |folder, name, is_folder| {
            if is_folder {
                !folder.is_empty() || is_root(name)
            } else {
                is_staging(name) && is_ours(folder, name)
            }
        })
    }

    /// Removes what [`list_staging`](Self::list_staging) lists, durably, if nobody else writes here;
    /// returns nothing if somebody does or may.
    pub(crate) fn sweep_staging(&self, count_max: usize) -> io::Result<Option<Vec<(String, u64)>>> {
        self.writing.alone(|| {
            let listed = self.list_staging(count_max)?;
            for (key, _) in &listed {
                match self.remove(key) {
                    Err(error) if !is_absence(&error) => return Err(error),
                    _ => {}
                }
            }
            Ok(listed)
        })
    }

    /// Removes a file durably; one that is gone may have gone without its folder knowing for good.
    pub(crate) fn remove(&self, key: &str) -> io::Result<()> {
        let path = self.path.join(key);
        let removed = fs::remove_file(&path);
        match &removed {
            Err(error) if !is_absence(error) => return removed,
            _ => {}
        }
        match sync_folder(folder_above(&path).unwrap_or(&self.path)) {
            Err(error) if is_absence(&error) => removed,
            synced => synced.and(removed),
        }
    }

    /// Removes a file of the probe or of the catalogue, and the folders of a probe once they are
    /// empty.
    pub(crate) fn remove_derived(&self, key: &str) -> io::Result<()> {
        let path = self.path.join(key);
        fs::remove_file(&path)?;
        if !key.starts_with(PROBE) {
            // The folders stay: others may be about to write to them.
            return path.parent().map_or(Ok(()), sync_folder);
        }
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.path) {
            // Not empty yet, or in use by somebody else: it stays.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Opens a file and returns its size. Only a regular file is one: a pipe would never answer, a
/// device never end.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        // A socket, a device that nobody serves, a link that leads to itself.
        Err(Errno::NXIO | Errno::LOOP) => return Err(io::Error::other(NotRegular)),
        opened => File::from(opened?),
    };
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(io::Error::other(NotRegular)) }
}

/// What lies under a path is no regular file.
#[derive(Debug, thiserror::Error)]
#[error("it is not a regular file")]
struct NotRegular;

/// Sorts an error of opening or reading a file.
pub(crate) fn read_error(error: io::Error) -> BackendError {
    if is_absence(&error) {
        BackendError::NotFound
    } else if is_not_regular(&error) {
        BackendError::NotAnObject
    } else {
        BackendError::failed(error)
    }
}

/// Tells whether what was opened is no regular file.
fn is_not_regular(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<NotRegular>()).is_some()
}

/// Reads a range that lies inside the file.
fn read_inside(file: &File, range: Range<u64>) -> Result<Vec<u8>, BackendError> {
    let length = usize::try_from(range.end - range.start).map_err(BackendError::failed)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start).map_err(read_error)?;
    Ok(bytes)
}

/// Tells whether there is nothing under a path: not even the folder, perhaps.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Tells whether a part of a key can have this name; those of files being written end in `#` and
/// digits.
fn is_object_name(name: &str) -> bool {
    !is_staging(name) && name.bytes().all(|b| b.is_ascii_graphic())
}

/// Tells whether a file of this name is one that somebody is writing, or was.
fn is_staging(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Tells whether a folder of the store holds objects of an archive.
fn is_root(name: &str) -> bool {
    const ROOTS: [&str; 11] = [
        "acts",
        "batches",
        "catalogue",
        "log",
        "packs",
        "policies",
        "probe",
        "renewals",
        "rewrites",
        "sealings",
        "submissions",
    ];
    ROOTS.contains(&name) || name.starts_with("log-")
}

/// Returns something in a folder that no archive put there, the first by name: it is not to become
/// an archive's folder. Nothing where there is no folder.
///
/// What an archive is made of may be there in part: whoever made one may have died.
///
/// # Errors
///
/// Whatever keeps the folder from being read.
pub fn stranger_in(folder: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut first: Option<String> = None;
    for entry in entries.take(STRANGERS_COMPARED_MAX) {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let name = name.to_string_lossy().into_owned();
        let is_known = if kind.is_dir() {
            // The root of a disk has a folder of its own.
            is_root(&name) || name == "lost+found"
        } else {
            kind.is_file() && (FILES.contains(&&*name) || is_staging(&name) && is_ours("", &name))
        };
        if !is_known && first.as_ref().is_none_or(|first| name < *first) {
            first = Some(name);
        }
    }
    Ok(first)
}

/// Tells whether the file of this path below the folder of a store is one that a write left
/// unfinished, or that is being written: what a sweep of unfinished files removes.
pub fn is_unfinished(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let root = folder.split('/').next().unwrap_or_default();
    is_staging(name) && is_ours(folder, name) && (folder.is_empty() || is_root(root))
}

/// Tells whether an unfinished file is of an archive: next to its folders may lie anything.
fn is_ours(folder: &str, name: &str) -> bool {
    !folder.is_empty() || FILES.iter().any(|file| name.starts_with(&format!("{file}#")))
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and those above it, from the top, each durable before the next: so a process that
/// dies leaves at most one, the lowest, whose entry is not durable yet.
fn make_durable(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    if let Some(lowest) = path.ancestors().nth(missing.len())
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
    fs::create_dir_all(path)
}

/// Returns the folder that holds the entry of another one; the topmost has none.
fn folder_above(folder: &Path) -> Option<&Path> {
    let above = folder.parent()?;
    Some(if above.as_os_str().is_empty() { Path::new(".") } else { above })
}

/// Takes a folder that exists for one that was made.
pub(crate) fn unless_exists(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}
