//! A folder, or a single file, as the source of a submission.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use sigillo_model::{ErrorKind, encode_name};

use crate::{Refusal, RefusalCode};

/// The largest file accepted unless told otherwise: 1 TiB.
pub const FILE_BYTES_MAX: u64 = 1 << 40;

/// Where documents come from: a folder with all below it, or one file.
#[derive(Debug)]
pub struct FolderSource {
    pub(crate) root: OwnedFd,
    pub(crate) path: PathBuf,
    /// The one file of the folder that is meant, if not all.
    pub(crate) single: Option<Vec<u8>>,
    pub(crate) name: String,
    pub(crate) file_bytes_max: u64,
    /// The table that describes the documents, if it lies within the folder: no document itself.
    pub(crate) table: Option<Vec<u8>>,
}

impl FolderSource {
    /// Opens a folder or file; `name` is what the producer calls the source. A link given here is
    /// followed, links below never are.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it does not exist, cannot be read, or is neither.
    pub fn open(path: &Path, name: &str) -> Result<Self, SourceError> {
        let refused = |source: io::Error| SourceError::Unreadable {
            path: encode_name(path.as_os_str().as_bytes()),
            source,
        };
        // It is also the name of a folder, once documents are given back.
        let is_bad = matches!(name, "" | "." | "..") || name.contains('/');
        if is_bad || name.chars().any(char::is_control) {
            return Err(SourceError::BadName { name: encode_name(name.as_bytes()) });
        }
        let path = path.canonicalize().map_err(refused)?;
        let metadata = path.metadata().map_err(refused)?;
        let (folder, single) = match (path.parent(), path.file_name()) {
            _ if metadata.is_dir() => (path.as_path(), None),
            (Some(parent), Some(file)) => (parent, Some(file.as_bytes().to_vec())),
            _ => return Err(refused(io::ErrorKind::NotADirectory.into())),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, folder, flags, Mode::empty());
        Ok(Self {
            root: root.map_err(|error| refused(error.into()))?,
            path: folder.to_owned(),
            single,
            name: name.to_owned(),
            file_bytes_max: FILE_BYTES_MAX,
            table: None,
        })
    }

    /// Sets another limit for the size of one file.
    #[must_use]
    pub fn with_file_bytes_max(mut self, file_bytes_max: u64) -> Self {
        self.file_bytes_max = file_bytes_max;
        self
    }

    /// Leaves the file at `place`, a canonical path, out of the documents: it describes them.
    #[must_use]
    pub fn with_table(mut self, place: &Path) -> Self {
        let within = place.strip_prefix(&self.path).ok();
        self.table = within.map(|path| path.as_os_str().as_bytes().to_vec());
        self
    }

    /// Tells whether `place`, a canonical path, would be taken in with the source.
    pub fn contains(&self, place: &Path) -> bool {
        self.single.is_none() && place.starts_with(&self.path)
    }

    /// Returns the folder, by its canonical path.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Opens a file below the folder without following links or waiting for pipes.
    pub(crate) fn open_file(&self, path: &[u8]) -> Result<File, Refusal> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let name = OsStr::from_bytes(path);
        let opened = rustix::fs::openat2(&self.root, name, flags, Mode::empty(), resolve);
        let opened = match opened {
            // A kernel without openat2: the last name at least is not followed.
            Err(Errno::NOSYS | Errno::PERM) => {
                rustix::fs::openat(&self.root, name, flags, Mode::empty())
            }
            opened => opened,
        };
        let path = || encode_name(path);
        opened.map(File::from).map_err(|errno| match errno {
            Errno::NOENT => Refusal::new(RefusalCode::FileMissing, path()),
            Errno::LOOP => Refusal::new(RefusalCode::SymbolicLink, path()),
            Errno::NAMETOOLONG => Refusal::new(RefusalCode::PathTooLong, path()),
            // What opening a socket, or a pipe or device that nobody serves, answers.
            Errno::NXIO | Errno::NODEV => Refusal::new(RefusalCode::NotAFile, path()),
            errno => Refusal::new(RefusalCode::Unreadable, path()).because(io::Error::from(errno)),
        })
    }
}

/// Why a source cannot be ingested at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The name of the source is empty, `.` or `..`, or has a slash or control characters.
    #[error(
        "{name:?} cannot name a source: it must not be empty, . or .., nor have slashes or control \
         characters"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// It cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Its path.
        path: String,
        /// What stood in the way.
        source: io::Error,
    },
}

impl SourceError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_folder_can_have_names_no_source() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "a/b", "a\nb"] {
            let opened = FolderSource::open(folder.path(), name);
            assert!(matches!(opened, Err(SourceError::BadName { .. })), "{name:?}");
        }
        for name in ["...", "100%", "a%41", "è"] {
            assert!(FolderSource::open(folder.path(), name).is_ok(), "{name:?}");
        }
    }
}
