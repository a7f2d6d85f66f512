//! A place with an archive, its keys, state and settings, and the documents that go into it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The large document goes past this size, so it gets a pack of its own.
const LARGE_BYTES: usize = 9 << 20;

/// A site below one folder.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    root: PathBuf,
    documents: PathBuf,
    skipped: Vec<PathBuf>,
}

/// The size and root that a checkpoint states, and where it was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SeenCheckpoint {
    pub(crate) place: &'static str,
    pub(crate) size: u64,
    /// In hex.
    pub(crate) root: String,
}

impl SeenCheckpoint {
    /// A file that should state a checkpoint and does not: no log agrees with it.
    fn damaged(place: &'static str) -> Self {
        Self { place, size: u64::MAX, root: "nothing".to_owned() }
    }
}

/// What an outsider could have copied from a site.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The commits, by file name.
    pub(crate) commits: BTreeMap<String, Vec<u8>>,
    pub(crate) checkpoints: Vec<SeenCheckpoint>,
}

/// The files below a folder with what changes when somebody writes them.
pub(crate) type Listing = BTreeMap<PathBuf, (u64, u64, i64, i64)>;

/// Makes the documents: three small ones and one large one.
pub(crate) fn make_documents(folder: &Path) {
    fs::create_dir_all(folder.join("protocollo")).unwrap();
    fs::write(folder.join("delibera.txt"), "delibera n. 1\n").unwrap();
    fs::write(folder.join("protocollo/lettera.txt"), "lettera\n".repeat(1_000)).unwrap();
    fs::write(folder.join("protocollo/vuoto.txt"), "").unwrap();
    let mut state = 0x9E37_79B9_u32;
    let large: Vec<u8> = (0..LARGE_BYTES)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    fs::write(folder.join("video.mp4"), large).unwrap();
}

/// Documents that [`make_documents`] makes.
pub(crate) const DOCUMENTS: usize = 4;

/// Packs that they go into: the small ones together, the large one alone.
pub(crate) const PACKS: usize = 2;

impl Site {
    /// A site that is to be made below `root`, for the documents of another folder.
    pub(crate) fn new(root: &Path, documents: &Path) -> Self {
        let root = root.canonicalize().expect("the folder of a site exists");
        Self { skipped: Vec::new(), documents: documents.to_owned(), root }
    }

    /// Lets calls below this path of the archive not count.
    pub(crate) fn skip(mut self, path: &str) -> Self {
        self.skipped.push(self.archive().join(path));
        self
    }

    /// Nothing that the program writes lies outside.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }

    /// Keys, state and settings are below it.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(crate) fn documents(&self) -> &Path {
        &self.documents
    }

    pub(crate) fn list(&self) -> PathBuf {
        self.root.join("points")
    }

    pub(crate) fn export(&self) -> PathBuf {
        self.root.join("export")
    }

    pub(crate) fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// Copies the commits and all checkpoints that lie about.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut commits = BTreeMap::new();
        for path in files(&self.archive().join("log/seq")) {
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            // Files being written have a `#` in their name; they are no commits.
            if !name.contains('#') {
                commits.insert(name, fs::read(&path).unwrap());
            }
        }
        let checkpoints =
            self.published().into_iter().chain(self.last_signed()).chain(self.seen()).collect();
        Snapshot { commits, checkpoints }
    }

    /// Reads the checkpoint that the archive publishes.
    pub(crate) fn published(&self) -> Option<SeenCheckpoint> {
        let text = fs::read_to_string(self.archive().join("log/checkpoint")).ok()?;
        checkpoint_of_note("log/checkpoint", &text)
    }

    fn last_signed(&self) -> Vec<SeenCheckpoint> {
        let mut found = Vec::new();
        for path in files(&self.home().join(".local/share/sigillo")) {
            if path.ends_with("last-signed.json") {
                let text = fs::read_to_string(&path).unwrap();
                let value: Value = serde_json::from_str(&text).unwrap_or_default();
                let place = "last-signed.json";
                let (size, root) = (value["last"]["size"].as_u64(), value["last"]["root"].as_str());
                if let (Some(size), Some(root)) = (size, root) {
                    found.push(SeenCheckpoint { place, size, root: root.to_owned() });
                } else if value["format"] != 1 {
                    found.push(SeenCheckpoint::damaged(place));
                }
            }
        }
        found
    }

    fn seen(&self) -> Vec<SeenCheckpoint> {
        let mut found = Vec::new();
        for path in files(&self.home().join(".local/state/sigillo")) {
            let name = path.file_name().expect("a file has a name").to_string_lossy();
            // Files being written have an extension.
            if name.starts_with("seen") && !name.contains('.') {
                let text = fs::read_to_string(&path).unwrap();
                // Size and root, then when it was seen.
                let (size, rest) = text.trim().split_once(' ').unwrap_or_default();
                let root = rest.split(' ').next().unwrap_or_default();
                found.push(match size.parse() {
                    Ok(size) => SeenCheckpoint { place: "seen", size, root: root.to_owned() },
                    Err(_) => SeenCheckpoint::damaged("seen"),
                });
            }
        }
        found
    }

    /// Lists packs and batches, which a repeated ingest must leave alone.
    pub(crate) fn content(&self) -> Listing {
        let mut listing = Listing::new();
        for folder in ["packs", "batches"] {
            for path in files(&self.archive().join(folder)) {
                let metadata = fs::symlink_metadata(&path).unwrap();
                let changed = (metadata.ctime(), metadata.ctime_nsec());
                listing.insert(path, (metadata.ino(), metadata.len(), changed.0, changed.1));
            }
        }
        listing
    }
}

/// Reads what a signed checkpoint says, or nothing if it is no checkpoint.
pub(crate) fn checkpoint_of_note(place: &'static str, note: &str) -> Option<SeenCheckpoint> {
    let mut lines = note.lines().skip(1);
    let size = lines.next()?.parse().ok()?;
    let root = sigillo_merkle::TreeHash::from_base64(lines.next()?).ok()?.to_string();
    Some(SeenCheckpoint { place, size, root })
}

/// Returns every file below a folder, sorted; none if there is no such folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
