//! Where the test inputs of other people lie.
#![expect(clippy::print_stderr, reason = "a test says loudly what it skips")]

use std::path::PathBuf;

/// Returns the folder of shared test inputs that has `path`, or says loudly that it is missing.
///
/// It is `SIGILLO_SHARED`, or `../shared` next to the workspace.
pub(crate) fn shared_folder(path: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let folder = std::env::var_os("SIGILLO_SHARED").map_or_else(beside, PathBuf::from).join(path);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", folder.display());
    eprintln!("SKIPPED: {} is missing, so its cases were not run", folder.display());
    None
}
