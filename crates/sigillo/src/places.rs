//! Where things lie that are not the archive: keys, state, settings and trust.

use std::{
    env,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use sigillo_model::{ARCHIVE_BYTES_MAX, ArchiveId, Blake3Digest, ErrorKind};
use sigillo_store::StoreUrl;

use crate::{cli::GlobalArgs, error::CommandError};

/// The folders of one user.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    keys: Option<PathBuf>,
    keys_root: PathBuf,
    state_root: PathBuf,
    config: PathBuf,
}

impl Places {
    /// Finds the folders from the options, else from the environment as XDG lays them out.
    pub(crate) fn find(global: &GlobalArgs) -> Result<Self, CommandError> {
        let base = |variable: &str, below_home: &str| {
            let from_variable =
                env::var_os(variable).filter(|it| !it.is_empty()).map(PathBuf::from);
            let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home));
            from_variable.filter(|it| it.is_absolute()).or_else(home)
        };
        let needed = |given: Option<PathBuf>, variable, below_home, option: &str| {
            let found = given.or_else(|| base(variable, below_home).map(|it| it.join("sigillo")));
            found.ok_or_else(|| {
                CommandError::new(ErrorKind::Invalid, "your home folder is not known")
                    .hint(format!("set HOME, or give the folder with {option}"))
            })
        };
        Ok(Self {
            keys: global.keys.clone(),
            keys_root: needed(None, "XDG_DATA_HOME", ".local/share", "--keys")?.join("keys"),
            state_root: needed(global.state.clone(), "XDG_STATE_HOME", ".local/state", "--state")?,
            config: needed(global.config.clone(), "XDG_CONFIG_HOME", ".config", "--config")?,
        })
    }

    /// Returns the folder of the keys of the archive at `url`, whether or not it exists.
    pub(crate) fn keys_of(&self, url: &StoreUrl) -> PathBuf {
        if let Some(keys) = &self.keys {
            return keys.clone();
        }
        let place = place_of(url);
        let digest = Blake3Digest::of(place.as_os_str().as_encoded_bytes()).to_string();
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned());
        let name: String = name
            .unwrap_or_default()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
            .take(40)
            .collect();
        self.keys_root.join(format!("{name}-{}", &digest[..16]))
    }

    /// Returns the folders in which the keys of a new archive at `url` may be made, in the order in
    /// which to try them.
    pub(crate) fn new_keys_of(&self, url: &StoreUrl) -> Vec<PathBuf> {
        const GENERATIONS_MAX: u32 = 1000;
        let first = self.keys_of(url);
        if self.keys.is_some() {
            return vec![first];
        }
        let later = (2..=GENERATIONS_MAX).map(|number| {
            let mut name = first.file_name().unwrap_or_default().to_owned();
            name.push(format!("-{number}"));
            first.with_file_name(name)
        });
        std::iter::once(first.clone()).chain(later).collect()
    }

    /// Lists the key folders of this user, for an archive that was moved.
    pub(crate) fn all_keys(&self) -> Vec<PathBuf> {
        const KEY_FOLDERS_MAX: usize = 1000;
        if self.keys.is_some() {
            return Vec::new();
        }
        let Ok(entries) = self.keys_root.read_dir() else { return Vec::new() };
        entries.flatten().map(|entry| entry.path()).take(KEY_FOLDERS_MAX).collect()
    }

    /// Returns the state folder of an archive.
    pub(crate) fn state_of(&self, archive: ArchiveId) -> PathBuf {
        self.state_root.join(archive.to_string())
    }

    /// Returns the folder of all states.
    pub(crate) fn state(&self) -> &Path {
        &self.state_root
    }

    /// Returns the folder in which large packs wait for their upload to a service.
    pub(crate) fn spool(&self) -> PathBuf {
        self.state_root.join("spool")
    }

    /// Returns the folder of the witness: with the keys, for what it remembers cannot be rebuilt.
    pub(crate) fn witness(&self) -> PathBuf {
        match &self.keys {
            Some(keys) => keys.join("witness"),
            None => self.keys_root.with_file_name("witness"),
        }
    }

    /// Returns the file of settings.
    pub(crate) fn settings(&self) -> PathBuf {
        self.config.join("settings.toml")
    }

    /// Returns the folder of the trust store.
    pub(crate) fn trust(&self) -> PathBuf {
        self.config.join("trust")
    }
}

/// Returns the one name of the place of a store, however it was written.
pub(crate) fn place_of(url: &StoreUrl) -> PathBuf {
    match url.folder() {
        Some(folder) => folder.canonicalize().unwrap_or(folder.to_owned()),
        // A bucket is named for its last part, as a folder is.
        None => PathBuf::from(url.to_string()),
    }
}

/// Returns the archive that a path is, or lies in, whether or not the path exists: nothing is
/// written there but by the commands for archives, and nothing in it is a document.
pub(crate) fn archive_around(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find_map(|it| it.canonicalize().ok())?;
    existing.ancestors().find(|folder| is_archive(folder)).map(Path::to_owned)
}

/// Tells whether a folder has a description of ours, or a log beside one that cannot be read.
fn is_archive(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct Described {
        #[serde(rename = "archive")]
        _archive: ArchiveId,
        #[serde(rename = "origin")]
        _origin: String,
    }
    let description = folder.join("archive.json");
    let Ok(metadata) = description.metadata() else { return false };
    if !metadata.is_file() {
        return false;
    }
    let is_ours = || {
        let bytes = std::fs::read(&description).ok()?;
        serde_json::from_slice::<Described>(&bytes).ok()
    };
    folder.join("log/seq").is_dir() || metadata.len() <= ARCHIVE_BYTES_MAX && is_ours().is_some()
}

/// Writes a small file of ours whole, or leaves the old one.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let written = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Two processes may write the same file at once: each stages its own.
        let staged = path.with_extension(format!("{}.part", std::process::id()));
        std::fs::write(&staged, bytes)?;
        std::fs::File::open(&staged)?.sync_all()?;
        std::fs::rename(&staged, path)?;
        // Without it a power cut may undo the rename.
        match path.parent() {
            Some(folder) => std::fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    written().map_err(|error| CommandError::file("writing", path, &error))
}

/// Returns at most `files_max` files of a folder that end in `.json`, by name; none if there is no folder.
///
/// # Errors
///
/// [`CommandError`] if something of such a name is not a file: who reads a pipe may wait for ever.
pub(crate) fn json_files(folder: &Path, files_max: usize) -> Result<Vec<PathBuf>, CommandError> {
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CommandError::file("listing", folder, &error)),
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let paths = paths.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let mut paths: Vec<_> = paths.take(files_max).collect();
    paths.sort();
    paths.iter().try_for_each(|path| refuse_no_file(path))?;
    Ok(paths)
}

/// Refuses to read what is not a file, nor a link to one.
pub(crate) fn refuse_no_file(path: &Path) -> Result<(), CommandError> {
    let found = path.metadata().map_err(|error| CommandError::file("reading", path, &error))?;
    if found.is_file() {
        return Ok(());
    }
    let words = format!("{} is not a file, and is not read", path.display());
    Err(CommandError::new(ErrorKind::Invalid, words)
        .hint("take it out of the folder, or give it another name"))
}

/// Refuses to write where something is already.
pub(crate) fn refuse_taken(path: &Path) -> Result<(), CommandError> {
    if path.exists() { Err(taken(path)) } else { Ok(()) }
}

fn taken(path: &Path) -> CommandError {
    CommandError::new(ErrorKind::Invalid, format!("{} is there already", path.display()))
        .hint("choose another name")
}

/// Writes a file that must not be there yet; what could not be written whole is removed.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => CommandError::file("writing", path, &error),
    };
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        drop(std::fs::remove_file(path));
    }
    written.map_err(failed)
}

/// Reads a file, one byte more than `bytes_max` at most: its parser refuses it then.
pub(crate) fn read_beginning(path: &Path, bytes_max: u64) -> Result<Vec<u8>, CommandError> {
    let failed = |error| CommandError::file("reading", path, &error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
