//! What the index could not take in: one file for each commit, so that nobody takes it for complete.
//!
//! Such a file is durable before any run that covers its commit, and stays until the index is made
//! anew. One that cannot be read says that something is left out, and no more.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{IndexError, error::failed};

const SUFFIX: &str = "left-out";

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Documents of a commit that are not in the index, because an object could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// The commit.
    pub commit: u64,
    /// How many they are, 0 if that is not known.
    pub documents: u64,
    /// The object that could not be read, empty if that is not known.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
}

/// A line of a file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    documents: u64,
    object: String,
    what: String,
}

/// Writes durably what is left out of a commit, over what was known of it.
pub(crate) fn write(folder: &Path, commit: u64, left_out: &[LeftOut]) -> Result<(), IndexError> {
    let path = folder.join(format!("{commit:020}.{SUFFIX}"));
    let lines = left_out.iter().map(|it| Line {
        documents: it.documents,
        object: it.object.clone(),
        what: it.what.clone(),
    });
    let write = || {
        let bytes = serde_json::to_vec(&lines.collect::<Vec<_>>())?;
        fs::create_dir_all(folder)?;
        let mut file = File::create(&path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        sync(folder)
    };
    write().map_err(failed(folder, "remembering what is left out"))
}

/// Reads everything that is left out, by commit.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<LeftOut>, IndexError> {
    let mut all = Vec::new();
    for (commit, path) in list(folder)? {
        all.extend(read(commit, &path).unwrap_or_else(|| {
            let what = "it cannot be told: the file that says so cannot be read".to_owned();
            vec![LeftOut { commit, documents: 0, object: String::new(), what }]
        }));
    }
    Ok(all)
}

fn read(commit: u64, path: &Path) -> Option<Vec<LeftOut>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let lines: Vec<Line> = serde_json::from_slice(&bytes).ok()?;
    let left_out = lines.into_iter().map(|line| LeftOut {
        commit,
        documents: line.documents,
        object: line.object,
        what: line.what,
    });
    Some(left_out.collect::<Vec<_>>()).filter(|left_out| !left_out.is_empty())
}

/// Returns the files that say what is left out, by commit; none where there is no folder.
pub(crate) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, IndexError> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed(folder, "listing it"))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed(folder, "listing it"))?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX)
            && let Some(commit) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            files.push((commit, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Makes the entries of a folder durable.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
