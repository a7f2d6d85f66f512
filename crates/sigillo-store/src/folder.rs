//! A folder of the file system that a store lives in, and how its entries become durable.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::StoreError;

/// The folder of packs, below the folder of a store.
pub(crate) const PACKS: &str = "packs";

/// An existing folder, by its canonical path.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    identity: String,
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
        Ok(Self { path: canonical, identity })
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

    /// Makes the 256 folders that packs are spread over, durably.
    pub(crate) fn make_pack_folders(&self) -> io::Result<()> {
        let packs = self.path.join(PACKS);
        for first_byte in 0..=u8::MAX {
            fs::create_dir_all(packs.join(format!("{first_byte:02x}")))?;
        }
        sync_folder(&packs)?;
        sync_folder(&self.path)
    }

    /// Removes a file of the probe, and the folders of the probe once they are empty.
    pub(crate) fn remove_probe(&self, key: &str) -> io::Result<()> {
        let path = self.path.join(key);
        fs::remove_file(&path)?;
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.path) {
            // Not empty yet, or in use by another probe: it stays.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn make_durable(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    fs::create_dir_all(path)?;
    for made in missing {
        sync_folder(made)?;
        let above = made.parent().filter(|p| !p.as_os_str().is_empty());
        sync_folder(above.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}
