//! Whether anybody writes to a folder: a lock that every writer shares while it lives.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rustix::{fs::FlockOperation, io::Errno};

/// The lock of a folder, held by this process from its first write until it ends, however it ends.
///
/// It protects nothing but unfinished files: no object's safety rests on it, for it may be unknown
/// to other machines.
#[derive(Debug)]
pub(crate) struct Writing {
    folder: PathBuf,
    /// Nothing where the file system knows no such locks.
    held: OnceLock<Option<File>>,
}

impl Writing {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), held: OnceLock::new() }
    }

    /// Tells whether the lock is held, or cannot be.
    pub(crate) fn is_begun(&self) -> bool {
        self.held.get().is_some()
    }

    /// Holds the lock from now on, together with all other writers. Waits while somebody removes
    /// what dead writers left, which is short.
    pub(crate) fn begin(&self) {
        self.lock();
    }

    /// Runs `work` while no other process holds the lock; does not run it if one does, or if that
    /// cannot be told.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<Option<T>> {
        let Some(file) = self.lock() else { return Ok(None) };
        let locked = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
        let done = match locked {
            Ok(()) => work().map(Some),
            Err(Errno::WOULDBLOCK | Errno::BADF | Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        };
        // Refused or not, the request may have given up what was held.
        rustix::fs::flock(file, FlockOperation::LockShared)?;
        done
    }

    fn lock(&self) -> Option<&File> {
        let lock = || {
            let file = File::open(&self.folder).ok()?;
            match rustix::fs::flock(&file, FlockOperation::LockShared) {
                Ok(()) => Some(file),
                Err(error) => {
                    tracing::debug!(%error, "the file system knows no locks");
                    None
                }
            }
        };
        self.held.get_or_init(lock).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_alone_may_remove_what_others_left() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Writing::new(folder.path()), Writing::new(folder.path()));
        assert_eq!(one.alone(|| Ok(1)).unwrap(), Some(1));
        other.begin();
        assert_eq!(one.alone(|| Ok(2)).unwrap(), None);
        assert_eq!(other.alone(|| Ok(3)).unwrap(), None, "the first still holds it");
        drop(other);
        assert_eq!(one.alone(|| Ok(4)).unwrap(), Some(4));
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let writing = Writing::new(&folder.path().join("gone"));
        assert_eq!(writing.alone(|| Ok(())).unwrap(), None);
    }
}
