//! Reading one file so that what is kept is what was there: the same size, times and inode before
//! and after.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use rustix::fs::{FileType, Stat};

use sigillo_model::encode_name;

use crate::{FolderSource, Refusal, RefusalCode, journaled::facts_of};

/// A file that is open, with what the operating system said of it.
#[derive(Debug)]
pub(crate) struct OpenFile<'a> {
    pub(crate) file: File,
    path: &'a [u8],
    before: Stat,
    pub(crate) size_bytes: u64,
}

impl<'a> OpenFile<'a> {
    /// Opens a file of the source and checks that it is one, and not too large.
    pub(crate) fn open(source: &FolderSource, path: &'a [u8]) -> Result<Self, Refusal> {
        let file = source.open_file(path)?;
        let refuse = |code| Refusal::new(code, encode_name(path));
        let before = rustix::fs::fstat(&file)
            .map_err(|error| refuse(RefusalCode::Unreadable).because(io::Error::from(error)))?;
        if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
            return Err(refuse(RefusalCode::NotAFile));
        }
        let size_bytes = u64::try_from(before.st_size).unwrap_or(0);
        if size_bytes > source.file_bytes_max {
            let detail = format!("{size_bytes} bytes, the limit is {}", source.file_bytes_max);
            return Err(refuse(RefusalCode::TooLarge).because(detail));
        }
        Ok(Self { file, path, before, size_bytes })
    }

    /// Reads the bytes from `offset` on until `buffer` is full; a file that ends first changed.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Refusal> {
        self.file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.refuse(RefusalCode::Changed),
            _ => self.refuse(RefusalCode::Unreadable).because(error),
        })
    }

    /// Sees to it that the file did not change since it was opened.
    pub(crate) fn check_unchanged(&self) -> Result<(), Refusal> {
        // The kernel's own files say that they have no bytes, whatever they hold.
        if self.size_bytes == 0 && !matches!(self.file.read_at(&mut [0], 0), Ok(0)) {
            return Err(self.refuse(RefusalCode::Changed).because("it has bytes beyond its size"));
        }
        let after = rustix::fs::fstat(&self.file).map_err(|error| {
            self.refuse(RefusalCode::Unreadable).because(io::Error::from(error))
        })?;
        let facts = |stat: &Stat| {
            let times = (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
            (stat.st_size, times, stat.st_ino, stat.st_dev)
        };
        if facts(&self.before) == facts(&after) {
            Ok(())
        } else {
            Err(self.refuse(RefusalCode::Changed))
        }
    }

    /// Returns a digest of what the operating system said of the file when it was opened.
    pub(crate) fn facts(&self) -> [u8; 16] {
        facts_of(&self.before)
    }

    /// Returns when the file changed last, in seconds since 1970, by its file system.
    pub(crate) fn changed_at_seconds(&self) -> i64 {
        self.before.st_ctime
    }

    fn refuse(&self, code: RefusalCode) -> Refusal {
        Refusal::new(code, encode_name(self.path))
    }
}
