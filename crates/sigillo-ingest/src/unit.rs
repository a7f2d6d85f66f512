//! A unit: one document as it comes in, with what its producer says of it.

use std::sync::Arc;

use jiff::civil::Date;
use sigillo_model::{Description, DocumentKey, Operation, encode_name};

/// No document has more files.
pub(crate) const UNIT_FILES_MAX: usize = 10_000;

/// The role of the file that is the document itself.
pub(crate) const MAIN: &str = "main";

/// One document as it comes in.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// The path of its main file within the source; what messages call it.
    pub(crate) path: Vec<u8>,
    /// The other files to be read, each with its role.
    pub(crate) others: Vec<UnitFile>,
    /// What its producer says of it; without, it is known by its path and is new.
    pub(crate) stated: Option<Arc<Stated>>,
}

/// One file of a unit beside its main file.
#[derive(Clone, Debug)]
pub(crate) struct UnitFile {
    pub(crate) path: Vec<u8>,
    pub(crate) role: String,
}

/// What a producer says of a document.
#[derive(Clone, Debug)]
pub(crate) struct Stated {
    pub(crate) key: DocumentKey,
    pub(crate) description: Description,
    pub(crate) operation: Option<Operation>,
    /// The structure or source that names its aggregations.
    pub(crate) structure: String,
    /// What it says of the closing of its aggregations.
    pub(crate) closing: Option<Closing>,
    /// Whether the main file is to be read, and under which role.
    pub(crate) main: MainFile,
}

/// What a document says of the closing of its aggregations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Closing {
    /// They were closed on this day.
    On(Date),
    /// They were closed, and are open again.
    Open,
}

impl Stated {
    /// Estimates the memory that this needs, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let Description {
            aggregations,
            class,
            document_type,
            metadata,
            series,
            stated_retention,
            subject,
            ..
        } = &self.description;
        let texts = [class, document_type, series, stated_retention, subject];
        let texts = texts.into_iter().flatten().chain(aggregations);
        let own = metadata.iter().flat_map(|(name, text)| [name, text]);
        texts.chain(own).map(|text| 48 + text.len()).sum()
    }

    /// Returns the keys of the aggregations that the document names.
    pub(crate) fn aggregations(&self) -> impl Iterator<Item = DocumentKey> {
        self.description.aggregations.iter().map(|name| DocumentKey::Aggregation {
            aggregation: name.clone(),
            structure: self.structure.clone(),
        })
    }
}

/// What the main path of a unit stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum MainFile {
    /// A file to be read.
    Read {
        /// Its role.
        role: String,
    },
    /// Nothing: the path only says which document is meant.
    NotRead,
}

impl Unit {
    /// A file that is a document by itself.
    pub(crate) fn of_path(path: Vec<u8>) -> Self {
        Self { path, others: Vec::new(), stated: None }
    }

    /// Returns the files to be read, each with its role, in the order of the record.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&[u8], &str)> {
        let main = match self.stated.as_deref() {
            None => Some(MAIN),
            Some(Stated { main: MainFile::Read { role }, .. }) => Some(role.as_str()),
            Some(Stated { main: MainFile::NotRead, .. }) => None,
        };
        let others = self.others.iter().map(|file| (file.path.as_slice(), file.role.as_str()));
        main.map(|role| (self.path.as_slice(), role)).into_iter().chain(others)
    }

    /// Returns the key of the document, which a source called `source` brings.
    pub(crate) fn key(&self, source: &str) -> DocumentKey {
        match &self.stated {
            Some(stated) => stated.key.clone(),
            None => DocumentKey::Path { path: encode_name(&self.path), source: source.to_owned() },
        }
    }

    /// Returns the keys of the aggregations that it names.
    pub(crate) fn aggregations(&self) -> impl Iterator<Item = DocumentKey> {
        self.stated.iter().flat_map(|stated| stated.aggregations())
    }

    /// Returns what people call the unit: the path of its main file.
    pub(crate) fn name(&self) -> String {
        encode_name(&self.path)
    }
}

/// Returns the last name of a path.
pub(crate) fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}
