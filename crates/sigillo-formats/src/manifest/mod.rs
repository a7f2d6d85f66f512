//! What producers say of their documents: one CSV for a whole source, or a JSON beside a file.

mod column;
mod error;
mod meant;
mod rows;
mod value;

mod assemble;
mod sidecar;
mod table;

use std::collections::BTreeSet;

use sigillo_model::{Description, DocumentKey, Operation};

pub use error::{
    METADATA_BYTES_MAX, METADATA_MEMORY_BYTES_MAX, METADATA_ROWS_MAX, MetadataError, MisspeltColumn,
};
pub use sidecar::{SIDECAR_BYTES_MAX, read_sidecar};
pub use table::read_metadata_csv;

/// What a whole CSV says: the documents that can be taken in, and what stands in the way of others.
///
/// Every row with something in it is part of a document or has a problem, never both.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Manifest {
    /// The documents, in the order of their first rows.
    pub documents: Vec<StatedDocument>,
    /// The problems, in the order of their lines.
    pub problems: Vec<MetadataProblem>,
    /// Number of documents that the rows with problems describe.
    pub refused_documents: u64,
    /// The aggregations that the rows with problems name, as far as they can be read, each with
    /// the structure that the row states.
    pub refused_aggregations: BTreeSet<(Option<String>, String)>,
    /// Whether some of these rows may name others.
    pub is_refused_unreadable: bool,
    /// The columns that are kept as the producer's own, in the order of the header.
    pub own_columns: Vec<String>,
}

/// One document as its producer describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatedDocument {
    /// The line of the CSV on which its first row begins, from 1; 0 for a sidecar.
    pub line: u64,
    /// Its files: the main file, then attachments in the order of their rows. None for an operation
    /// that corrects metadata; attachments alone for one that adds files.
    pub files: Vec<StatedFile>,
    /// A file that its first row names, but that is not to be read.
    pub unread: Option<String>,
    /// What the producer calls it.
    pub key: StatedKey,
    /// The structure (AOO) of its register; nothing when it has no register key.
    pub structure: Option<String>,
    /// What the producer says of it.
    pub description: Description,
    /// How the version is to come to be, where stated.
    pub operation: Option<Operation>,
    /// Its aggregations, which were closed, are to be open again.
    pub reopens: bool,
}

/// One file of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatedFile {
    /// The line of the CSV on which its row begins, from 1; 0 in a sidecar.
    pub line: u64,
    /// Its path within the source as the producer wrote it: relative, `/` between names, none of
    /// them empty, `.` or `..`. For an attachment that a sidecar names, the name alone: it lies in
    /// the folder of the main file.
    pub path: String,
    /// `main` or `attachment`.
    pub role: String,
}

/// What a producer calls a document.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum StatedKey {
    /// A document of a register; the key is complete.
    Register(DocumentKey),
    /// A document known by the path of its main file within the source, not yet spelt as
    /// `encode_name` does. The caller knows the name of the source.
    Path(String),
}

/// Why a row, or the whole document it is part of, cannot be taken in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetadataProblem {
    /// The line of the CSV on which the row begins, from 1; 0 for a sidecar.
    pub line: u64,
    /// The column, or the member of a sidecar, where it is about one.
    pub column: Option<String>,
    /// The path that the row or the sidecar is about, as written, where it has one.
    pub path: Option<String>,
    /// Why, in words.
    pub reason: String,
    /// What to do about it, in words.
    pub remedy: String,
}

/// The role of the file that is the document itself.
const MAIN: &str = "main";

/// The role of every other file.
const ATTACHMENT: &str = "attachment";
