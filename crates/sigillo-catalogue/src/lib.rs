//! What is known of an archive's documents apart from the truth, and can always be rebuilt from it.

mod error;
mod journal;
mod key_index;
pub mod tables;

mod folder;
mod left_out;
mod merge;

mod run;
mod writer;

mod block;
mod filter;
mod shape;
mod version;

pub use error::IndexError;
pub use journal::{JOURNAL_FILES_MAX, Journal, JournalEntry, JournalWriter};
pub use key_index::KeyIndex;
pub use left_out::LeftOut;
pub use shape::RUN_VERSIONS_MAX;
pub use version::{IndexedVersion, RecordPlace};
