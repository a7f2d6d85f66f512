//! What is known of an archive's documents apart from the truth, and can always be rebuilt from it.

mod key_index;
mod run_file;

pub use key_index::{IndexError, IndexedVersion, KeyIndex};
pub use run_file::RUN_VERSIONS_MAX;
