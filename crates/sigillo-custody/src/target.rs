//! Where the files of a document go.

use std::{
    borrow::Cow,
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use sigillo_model::{
    DocumentKey, FileEntry, Record, RecordKind, VersionId, decode_name, encode_name,
};

use crate::{
    KnownVersions,
    output_folder::OutputFolder,
    path::{bytes_below, place_below},
    records_file::RecordsFile,
};

/// The folder of versions that are not the newest, below it one for each number.
const EARLIER: &str = "_versions";

/// The folder of aggregations.
const AGGREGATIONS: &str = "_aggregations";

/// The folder of documents that have no place of their own, below it one for each version.
pub const OTHERS: &str = "_others";

/// The file of an export with the records of all documents, one a line.
pub const RECORDS: &str = "_records.jsonl";

/// What lies beside sources and structures; each begins with `_`.
const RESERVED: [&str; 4] = [EARLIER, AGGREGATIONS, OTHERS, RECORDS];

/// No file system takes longer names, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// The longest extension, in bytes with its dot, that a shortened name keeps.
const EXTENSION_BYTES_MAX: usize = 32;

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
        } else if stands_in_the_way(error) {
            format!(
                "a link, or a file, stands in the way of {place}, and no link in the folder is \
                 followed; name an empty folder with -o"
            )
        } else {
            format!("cannot write {place}: {error}")
        })
    }
}

/// Tells whether what is there already keeps a file from being created.
pub(crate) fn stands_in_the_way(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::EXIST | Errno::ISDIR | Errno::LOOP | Errno::NOTDIR))
}

/// Where files are written.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) folder: &'a OutputFolder,
    /// Documents lie by their key, the newest version apart from earlier ones; without, all files
    /// lie in the folder under their own names.
    pub(crate) by_key: Option<&'a KnownVersions>,
    /// Where the records go, if they are wanted.
    pub(crate) records: Option<&'a RecordsFile>,
}

impl Target<'_> {
    /// Returns the places, below the folder, that its key and names give the files of a version, in
    /// their order; nothing if no file can lie there.
    pub(crate) fn natural(
        &self,
        record: &Record,
        version: VersionId,
    ) -> Result<Option<Vec<PathBuf>>, Hindrance> {
        let Some(known) = self.by_key else {
            let places = named_below(Path::new(""), &record.files).filter(|it| are_short(it));
            return Ok(places.filter(|places| !places.contains(&PathBuf::from(OTHERS))));
        };
        let newest = known.newest(record.key.digest());
        let newest = newest.map_err(|error| Hindrance::other(error.to_string()))?;
        let mut root = PathBuf::new();
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
        Ok(places.filter(|places| are_short(places)))
    }
}

/// Returns the places, below the folder, of a version that does not get those of its key: nothing
/// else ever lies there. Source: `docs/format.md`, "What an export holds".
pub(crate) fn others(record: &Record, version: VersionId) -> Vec<PathBuf> {
    let folder = Path::new(OTHERS).join(version.to_string());
    let mut taken = HashSet::new();
    let mut places = Vec::with_capacity(record.files.len());
    for (position, file) in (1_usize..).zip(&record.files) {
        let own = decode_name(&file.name).filter(|name| bytes_below(&folder, name).is_some());
        let mut name = match own {
            Some(name) if name.len() <= NAME_BYTES_MAX => name,
            Some(name) => shortened(position, &name),
            None => position.to_string().into_bytes(),
        };
        while !taken.insert(name.clone()) {
            name = shortened(position, &name);
        }
        places.extend(bytes_below(&folder, &name));
    }
    places
}

/// Puts its position in front of a name, and takes away what is too much before its extension.
fn shortened(position: usize, name: &[u8]) -> Vec<u8> {
    let mut name = [format!("{position}-").as_bytes(), name].concat();
    let excess = name.len().saturating_sub(NAME_BYTES_MAX);
    if excess > 0 {
        let dot = name.iter().rposition(|byte| *byte == b'.');
        let stem = dot.filter(|dot| name.len() - dot <= EXTENSION_BYTES_MAX).unwrap_or(name.len());
        let mut start = stem - excess;
        // No character is cut in two.
        while start > 0 && name[start] & 0xc0 == 0x80 {
            start -= 1;
        }
        name.drain(start..stem);
    }
    name
}

/// Tells whether a file system takes every name of these places.
fn are_short(places: &[PathBuf]) -> bool {
    let is_short = |place: &PathBuf| place.iter().all(|name| name.len() <= NAME_BYTES_MAX);
    places.iter().all(is_short)
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

/// Spells the name of a source or structure so that it is none of ours beside it, and two names
/// never give one: one that is spelt like a spelling of ours has its `%` spelt once more.
fn unreserved(name: &str) -> Cow<'_, str> {
    if RESERVED.contains(&name) {
        return Cow::Owned(name.replacen('_', "%5F", 1));
    }
    let spelt = name.strip_prefix('%').map(|rest| {
        let mut rest = rest;
        while let Some(shorter) = rest.strip_prefix("25") {
            rest = shorter;
        }
        rest
    });
    let meant = spelt.and_then(|rest| rest.strip_prefix("5F"));
    if meant.is_some_and(|rest| RESERVED.iter().any(|ours| ours[1..] == *rest)) {
        return Cow::Owned(name.replacen('%', "%25", 1));
    }
    Cow::Borrowed(name)
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
    fn no_two_names_are_spelt_alike() {
        let names = ["_versions", "%5Fversions", "%255Fversions", "_others", "%5Fothers"];
        let spelt = names.map(unreserved);
        let wanted =
            ["%5Fversions", "%255Fversions", "%25255Fversions", "%5Fothers", "%255Fothers"];
        assert_eq!(spelt, wanted);
        let ordinary = ["atti", "_atti", "%5Fatti", "100% a", "%25atti", "5Fversions", "%"];
        assert_eq!(ordinary.map(unreserved), ordinary);
    }

    #[test]
    fn what_has_no_place_of_its_own_lies_under_its_version_id() {
        let file = |name: &str| FileEntry {
            media_type: None,
            name: name.to_owned(),
            puid: None,
            role: "main".to_owned(),
            sha256: Sha256Digest::of(b""),
            size: 0,
            sha512: None,
            stored_in: None,
        };
        let long = format!("{}.pdf", "è".repeat(200));
        let names = ["a.txt", "a.txt", "..", "x/y", "%", &long, &long];
        let record = Record {
            description: sigillo_model::Description::default(),
            document: sigillo_model::DocumentId::from_bytes([1; 16]),
            files: names.map(file).to_vec(),
            format: 1,
            key: DocumentKey::Path { path: "a".to_owned(), source: "atti".to_owned() },
            kind: RecordKind::Document,
            operation: sigillo_model::Operation::New,
            received_at: sigillo_model::LogTime::new("2026-11-25T08:00:00Z".parse().unwrap()),
            salt: String::new(),
            supersedes: None,
            version: 1,
        };
        let version = VersionId::from_bytes([0xab; 32]);
        let places = others(&record, version);
        let folder = Path::new("_others").join("ab".repeat(32));
        assert_eq!(places.len(), names.len());
        assert!(places.iter().all(|place| place.parent() == Some(&folder)));
        assert!(are_short(&places));
        let distinct: HashSet<_> = places.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{places:?}");
        let names = places.iter().map(|it| it.file_name().unwrap().to_str().unwrap());
        let names: Vec<_> = names.collect();
        assert_eq!(names[..5], ["a.txt", "2-a.txt", "3", "4", "5"]);
        assert!(names[5].starts_with("6-è") && names[5].ends_with("è.pdf"), "{}", names[5]);
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
            sha512: None,
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
