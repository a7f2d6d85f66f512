//! What a producer sends in a simulated world, and what must become of it.

use std::{fs, io};

use tempfile::TempDir;

use sigillo_formats::{Manifest, read_metadata_csv};
use sigillo_model::{DocumentKey, Sha256Digest, encode_name};

use crate::making::folder;

/// What the producer calls the folder.
pub(crate) const SOURCE: &str = "protocollo";

/// A folder of files, and a table that describes them if there is one.
#[derive(Debug)]
pub struct Sending {
    pub(crate) folder: TempDir,
    table: Option<String>,
    pub(crate) expected: Vec<Expected>,
}

/// A version that a sending must lead to.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The key of the document.
    pub key: DocumentKey,
    /// The number of the version.
    pub number: u32,
    /// SHA-256 of the first file that its record lists.
    pub sha256: Sha256Digest,
}

impl Sending {
    /// Makes a folder of `files`, by name, each of them a new document known by its path.
    ///
    /// # Errors
    ///
    /// The operating system's, if the folder cannot be made.
    pub fn of_files(files: &[(&str, Vec<u8>)]) -> io::Result<Self> {
        let expected = files.iter().map(|(name, bytes)| {
            let path = encode_name(name.as_bytes());
            let key = DocumentKey::Path { path, source: SOURCE.to_owned() };
            Expected { key, number: 1, sha256: Sha256Digest::of(bytes) }
        });
        Ok(Self { folder: folder_of(files)?, table: None, expected: expected.collect() })
    }

    /// Makes a folder of `files`, by name, that the CSV `table` describes: one document for each of
    /// `expected`.
    ///
    /// # Errors
    ///
    /// As [`of_files`](Self::of_files).
    pub fn described(
        files: &[(&str, Vec<u8>)],
        table: &str,
        expected: Vec<Expected>,
    ) -> io::Result<Self> {
        Ok(Self { folder: folder_of(files)?, table: Some(table.to_owned()), expected })
    }

    pub(crate) fn manifest(&self) -> Option<Manifest> {
        let table = self.table.as_ref()?;
        Some(read_metadata_csv(table.as_bytes()).expect("the tests' tables can be read"))
    }
}

fn folder_of(files: &[(&str, Vec<u8>)]) -> io::Result<TempDir> {
    let folder = folder()?;
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes)?;
    }
    Ok(folder)
}
