//! Where the files of a document go.

use std::{
    borrow::Cow,
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use sigillo_model::{
    DocumentKey, FileEntry, Record, RecordKind, VersionId, decode_name, encode_name,
};

use crate::{
    KnownVersions,
    path::{bytes_below, place_below},
    records_file::RecordsFile,
};

/// The folder of versions that are not the newest, below it one for each number.
const EARLIER: &str = "_versions";

/// The folder of aggregations.
const AGGREGATIONS: &str = "_aggregations";

/// The file of an export with the records of all documents, one a line.
pub const RECORDS: &str = "_records.jsonl";

/// Why a document is not given back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hindrance {
    /// In words.
    pub(crate) reason: String,
    /// Whether the archive is damaged.
    pub(crate) damage: bool,
}

impl Hindrance {
    pub(crate) fn damaged(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), damage: true }
    }

    pub(crate) fn other(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), damage: false }
    }

    /// A place cannot be written.
    pub(crate) fn not_written(place: &Path, error: &io::Error) -> Self {
        let place = place.display();
        Self::other(if error.kind() == io::ErrorKind::AlreadyExists {
            format!(
                "{place} is there already and is not overwritten; name another folder with -o, or \
                 move it away"
            )
        } else {
            format!("cannot write {place}: {error}")
        })
    }
}

/// Where files are written.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) folder: &'a Path,
    /// Documents lie by their key, the newest version apart from earlier ones; without, all files
    /// lie in the folder under their own names.
    pub(crate) by_key: Option<&'a KnownVersions>,
    /// Where the records go, if they are wanted.
    pub(crate) records: Option<&'a RecordsFile>,
}

impl Target<'_> {
    /// Returns the places of all files of a version, in their order.
    pub(crate) fn places(
        &self,
        record: &Record,
        version: VersionId,
    ) -> Result<Vec<PathBuf>, Hindrance> {
        let leaves = || Hindrance::other("its path would leave the folder");
        let Some(known) = self.by_key else {
            return named_below(self.folder, &record.files).ok_or_else(leaves);
        };
        let newest = known.newest(record.key.digest());
        let newest = newest.map_err(|error| Hindrance::other(error.to_string()))?;
        let mut root = self.folder.to_owned();
        if newest.is_some_and(|newest| newest != version) {
            root = root.join(EARLIER).join(record.version.to_string());
        }
        if record.kind == RecordKind::Aggregation {
            root.push(AGGREGATIONS);
        }
        let places = match &record.key {
            DocumentKey::Path { path, source } if record.files.len() == 1 => {
                place_below(&root, &unreserved(source), path).map(|place| vec![place])
            }
            key => folder_of(&root, key).and_then(|folder| named_below(&folder, &record.files)),
        };
        places.ok_or_else(leaves)
    }
}

/// Returns the places of files under their own names; of two with the same name, the later one
/// begins with its position.
fn named_below(folder: &Path, files: &[FileEntry]) -> Option<Vec<PathBuf>> {
    let mut taken = HashSet::new();
    let mut places = Vec::with_capacity(files.len());
    for (position, file) in (1_usize..).zip(files) {
        let mut name = decode_name(&file.name)?;
        while taken.contains(&name) {
            name = [format!("{position}-").as_bytes(), &name].concat();
        }
        places.push(bytes_below(folder, &name)?);
        taken.insert(name);
    }
    Some(places)
}

/// Returns the folder for the files of a document that has several, or a key without a path.
fn folder_of(root: &Path, key: &DocumentKey) -> Option<PathBuf> {
    match key {
        DocumentKey::Path { path, source } => place_below(root, &unreserved(source), path),
        DocumentKey::Aggregation { aggregation, structure } => {
            let structure = one_name(structure);
            let structure = bytes_below(root, unreserved(&structure).as_bytes())?;
            bytes_below(&structure, one_name(aggregation).as_bytes())
        }
        DocumentKey::Register { number, register, structure, year } => {
            let mut folder = bytes_below(root, unreserved(&one_name(structure)).as_bytes())?;
            for name in [register, year, number] {
                folder = bytes_below(&folder, one_name(name).as_bytes())?;
            }
            Some(folder)
        }
    }
}

/// Spells the name of a source or structure so that it is none of ours beside it.
fn unreserved(name: &str) -> Cow<'_, str> {
    match name {
        EARLIER | AGGREGATIONS | RECORDS => Cow::Owned(name.replacen('_', "%5F", 1)),
        name => Cow::Borrowed(name),
    }
}

/// Spells a text of a key as the name of one folder: two texts never give one name.
fn one_name(text: &str) -> String {
    match text {
        "." | ".." => text.replace('.', "%2E"),
        _ => encode_name(text.as_bytes()).replace('/', "%2F"),
    }
}

#[cfg(test)]
mod tests {
    use sigillo_model::Sha256Digest;

    use super::*;

    #[test]
    fn a_text_of_a_key_is_one_folder() {
        let names = ["12/bis", "12%2Fbis", ".", "..", "a\nb", "è"].map(one_name);
        assert_eq!(names, ["12%2Fbis", "12%252Fbis", "%2E", "%2E%2E", "a%0Ab", "è"]);
    }

    #[test]
    fn no_key_leads_to_a_name_of_ours() {
        let source = "_records.jsonl".to_owned();
        let key = DocumentKey::Path { path: "a".to_owned(), source };
        let folder = folder_of(Path::new("/out"), &key);
        assert_eq!(folder, Some(PathBuf::from("/out/%5Frecords.jsonl/a")));
        let [number, register, year] = ["1", "_versions", "2026"].map(str::to_owned);
        let structure = "_versions".to_owned();
        let key = DocumentKey::Register { number, register, structure, year };
        let folder = folder_of(Path::new("/out"), &key);
        assert_eq!(folder, Some(PathBuf::from("/out/%5Fversions/_versions/2026/1")));
    }

    #[test]
    fn files_of_one_name_are_told_apart_by_their_positions() {
        let file = |name: &&str| FileEntry {
            media_type: None,
            name: (*name).to_owned(),
            puid: None,
            role: "main".to_owned(),
            sha256: Sha256Digest::of(b""),
            size: 0,
            stored_in: None,
        };
        let named = |names: &[&str]| {
            let files: Vec<_> = names.iter().map(file).collect();
            let places = named_below(Path::new("/out"), &files)?;
            Some(
                places.iter().map(|place| place.to_string_lossy().into_owned()).collect::<Vec<_>>(),
            )
        };
        let wanted = ["/out/a", "/out/2-a", "/out/3-2-a", "/out/b", "/out/5-a"].map(str::to_owned);
        assert_eq!(named(&["a", "a", "2-a", "b", "a"]), Some(wanted.to_vec()));
        assert_eq!(named(&["a", ".."]), None);
    }
}
