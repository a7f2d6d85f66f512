//! The folder that documents are given back into: what is created in it stays in it.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags},
    io::Errno,
};

/// A folder, held open. Links that lie in it are never followed.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    root: OwnedFd,
    path: PathBuf,
    was_empty: bool,
}

impl OutputFolder {
    /// Opens a folder that exists; a link given here is followed.
    ///
    /// # Errors
    ///
    /// What stood in the way.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let was_empty = path.read_dir()?.next().is_none();
        Ok(Self { root, path: path.to_owned(), was_empty })
    }

    /// Returns the path of a place in the folder, for people.
    pub(crate) fn path_of(&self, place: &Path) -> PathBuf {
        self.path.join(place)
    }

    /// Tells whether there was nothing in the folder when it was opened.
    pub(crate) fn was_empty(&self) -> bool {
        self.was_empty
    }

    /// Creates a file that is not there yet, with the folders above it.
    ///
    /// # Errors
    ///
    /// What stood in the way; a link on the way is an error, wherever it leads.
    pub(crate) fn create(&self, place: &Path) -> io::Result<File> {
        let created = match self.open_new(place) {
            Err(Errno::NOENT) => {
                self.make_folders(place)?;
                self.open_new(place)
            }
            created => created,
        };
        Ok(File::from(created?))
    }

    /// Removes a file that was created here.
    ///
    /// # Errors
    ///
    /// What stood in the way.
    pub(crate) fn remove(&self, place: &Path) -> io::Result<()> {
        let name = place.file_name().ok_or(Errno::ISDIR)?;
        let removed = match place.parent().filter(|it| !it.as_os_str().is_empty()) {
            Some(folder) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let folder = self.open_beneath(folder, flags, Mode::empty())?;
                rustix::fs::unlinkat(&folder, name, AtFlags::empty())
            }
            None => rustix::fs::unlinkat(&self.root, name, AtFlags::empty()),
        };
        Ok(removed?)
    }

    fn open_new(&self, place: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        self.open_beneath(place, flags, Mode::from_raw_mode(0o666))
    }

    fn open_beneath(&self, place: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&self.root, place, flags, mode, resolve) {
            // A kernel without openat2: name by name.
            Err(Errno::NOSYS | Errno::PERM) => {
                let above = place.parent().unwrap_or(Path::new(""));
                let folder = self.descend(above, &|_, _| Ok(()))?;
                let folder = folder.as_ref().map_or(self.root.as_fd(), |it| it.as_fd());
                rustix::fs::openat(folder, place.file_name().ok_or(Errno::ISDIR)?, flags, mode)
            }
            opened => opened,
        }
    }

    fn make_folders(&self, place: &Path) -> Result<(), Errno> {
        let make = |folder: BorrowedFd<'_>, name: &OsStr| match rustix::fs::mkdirat(
            folder,
            name,
            Mode::from_raw_mode(0o777),
        ) {
            Err(Errno::EXIST) => Ok(()),
            made => made,
        };
        self.descend(place.parent().unwrap_or(Path::new("")), &make).map(drop)
    }

    /// Opens folder after folder, with `before` called on each name before it is opened.
    fn descend(
        &self,
        folders: &Path,
        before: &dyn Fn(BorrowedFd<'_>, &OsStr) -> Result<(), Errno>,
    ) -> Result<Option<OwnedFd>, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at: Option<OwnedFd> = None;
        for component in folders.components() {
            let Component::Normal(name) = component else { return Err(Errno::XDEV) };
            let folder = at.as_ref().map_or(self.root.as_fd(), |it| it.as_fd());
            before(folder, name)?;
            at = Some(rustix::fs::openat(folder, name, flags, Mode::empty())?);
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn what_is_created_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (out, victim) = (folder.path().join("out"), folder.path().join("victim"));
        fs::create_dir(&out).unwrap();
        fs::create_dir(&victim).unwrap();
        let target = OutputFolder::open(&out).unwrap();
        assert!(target.was_empty());
        target.create(Path::new("a/b/c")).unwrap().write_all(b"c").unwrap();
        target.create(Path::new("a/b/d")).unwrap();
        assert_eq!(fs::read(out.join("a/b/c")).unwrap(), b"c");
        symlink(&victim, out.join("s")).unwrap();
        symlink("b", out.join("a/l")).unwrap();
        for place in ["s/x", "s/y/x", "a/l/x", "a/b/c", "a/b/c/x", "a/b", "../victim/x"] {
            assert!(target.create(Path::new(place)).is_err(), "{place}");
        }
        assert!(target.remove(Path::new("s/x")).is_err());
        target.remove(Path::new("a/b/d")).unwrap();
        assert!(!out.join("a/b/d").exists() && !OutputFolder::open(&out).unwrap().was_empty());
        assert!(victim.read_dir().unwrap().next().is_none());
    }
}
