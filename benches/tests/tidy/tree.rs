//! What the rules read: the files of the project, with their paths from its root.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::scan::code_of;

/// The folders in which Rust code of ours lies.
const CODE_FOLDERS: [&str; 3] = ["crates", "benches", "fuzz"];

/// The folders in which pages lie, besides the root.
const PAGE_FOLDERS: [&str; 6] = ["docs", "testdata", "policies", "crates", "benches", "fuzz"];

/// A text file of the project.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    /// Path from the root of the project, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A Rust file: its text, and the same with comments and the insides of literals blanked.
#[derive(Clone, Debug)]
pub(crate) struct RustFile {
    pub(crate) path: String,
    pub(crate) text: String,
    /// As long as `text`, line for line.
    pub(crate) code: String,
}

impl RustFile {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: code_of(text) }
    }
}

/// Returns the root of the project.
pub(crate) fn root() -> PathBuf {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    benches.parent().expect("the package lies in a folder of the workspace").to_owned()
}

/// Returns every Rust file of ours.
pub(crate) fn rust_files() -> Vec<RustFile> {
    let mut files = Vec::new();
    for folder in CODE_FOLDERS {
        collect(&root().join(folder), "rs", &mut files);
    }
    assert!(files.len() > CODE_FOLDERS.len(), "the walk found no code");
    files.iter().map(|file| RustFile::new(&file.path, &file.text)).collect()
}

/// Returns the manifests of all packages of the workspace, by folder.
pub(crate) fn manifests() -> Vec<TextFile> {
    let mut files = Vec::new();
    for folder in CODE_FOLDERS {
        collect(&root().join(folder), "toml", &mut files);
    }
    files.retain(|file| file.path.ends_with("/Cargo.toml"));
    assert!(files.len() > CODE_FOLDERS.len(), "the walk found no manifests");
    files
}

/// Returns every page: Markdown in the root and in the folders that hold pages.
pub(crate) fn pages() -> Vec<TextFile> {
    let mut files = Vec::new();
    for entry in entries(&root()) {
        if entry.extension().is_some_and(|extension| extension == "md") {
            files.push(read(&entry));
        }
    }
    for folder in PAGE_FOLDERS {
        if root().join(folder).is_dir() {
            collect(&root().join(folder), "md", &mut files);
        }
    }
    assert!(files.iter().any(|file| file.path == "README.md"), "the walk found no README");
    files
}

/// Reads one file of the project by its path from the root.
pub(crate) fn file(path: &str) -> TextFile {
    read(&root().join(path))
}

fn collect(folder: &Path, extension: &str, files: &mut Vec<TextFile>) {
    for entry in entries(folder) {
        if entry.is_dir() {
            if !entry.ends_with("target") {
                collect(&entry, extension, files);
            }
        } else if entry.extension().is_some_and(|found| found == extension) {
            files.push(read(&entry));
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).unwrap_or_else(|error| panic_on(folder, &error));
    let mut paths: Vec<_> =
        listed.map(|entry| entry.unwrap_or_else(|error| panic_on(folder, &error)).path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> TextFile {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic_on(path, &error));
    let path = path.strip_prefix(root()).expect("the walk started at the root");
    TextFile { path: path.to_string_lossy().into_owned(), text }
}

#[expect(clippy::panic, reason = "a test that cannot read the project has failed")]
fn panic_on(path: &Path, error: &dyn std::error::Error) -> ! {
    panic!("{}: {error}", path.display())
}
