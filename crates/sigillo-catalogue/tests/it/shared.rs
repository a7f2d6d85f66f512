//! What the tests share: made-up versions, and the files of a folder.

use std::{collections::BTreeMap, fs, path::Path};

use sigillo_catalogue::{IndexedVersion, KeyIndex, RecordPlace};
use sigillo_model::{ArchiveId, Blake3Digest, DocumentId, Sha256Digest, VersionId};

pub(crate) const ARCHIVE: ArchiveId = ArchiveId::from_bytes([1; 16]);

/// Returns a key; every eighth has one of seven beginnings, so that many begin alike.
pub(crate) fn key(number: u32) -> Sha256Digest {
    let mut bytes = *Sha256Digest::of(&number.to_be_bytes()).as_bytes();
    if number % 8 == 1 {
        bytes[..8].fill(u8::try_from(number % 7).unwrap() * 40);
    }
    Sha256Digest::from_bytes(bytes)
}

/// Returns the document of a key; every twentieth begins like others.
pub(crate) fn document(number: u32) -> DocumentId {
    let mut bytes = [0xab; 16];
    bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    if number.is_multiple_of(20) {
        bytes[..8].fill(0x55);
    }
    DocumentId::from_bytes(bytes)
}

pub(crate) fn version(number: u32, commit: u64, leaf: u32) -> IndexedVersion {
    let digest = Sha256Digest::of_parts([&commit.to_be_bytes()[..], &leaf.to_be_bytes()]);
    IndexedVersion {
        key: key(number),
        sameness: digest,
        version: VersionId::from_bytes(*digest.as_bytes()),
        document: document(number),
        number: u32::try_from(commit).unwrap() * 10_000 + leaf,
        commit,
        leaf,
        record: RecordPlace {
            pack: Blake3Digest::of(format!("{commit} {}", leaf / 100).as_bytes()),
            offset: u64::from(leaf) << 33,
            size_bytes: leaf,
        },
    }
}

/// What an index must answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    versions: BTreeMap<Sha256Digest, Vec<IndexedVersion>>,
    documents: BTreeMap<DocumentId, Vec<IndexedVersion>>,
    newest_commit: Option<u64>,
    len: usize,
}

impl Model {
    pub(crate) fn add(&mut self, versions: &[IndexedVersion]) {
        for version in versions {
            self.versions.entry(version.key).or_default().insert(0, *version);
            self.documents.entry(version.document).or_default().push(*version);
            self.newest_commit = self.newest_commit.max(Some(version.commit));
        }
        self.len += versions.len();
    }

    /// Checks everything the index answers about these keys and about 20 it does not have.
    #[track_caller]
    pub(crate) fn check(&self, index: &KeyIndex) {
        assert_eq!((index.len(), index.is_empty()), (self.len, self.len == 0));
        assert_eq!(index.newest().unwrap().map(|it| it.commit), self.newest_commit);
        for (key, expected) in &self.versions {
            assert_eq!(index.versions(*key).unwrap(), *expected);
            assert_eq!(index.lookup(*key).unwrap(), expected.first().copied());
        }
        for number in 1_000_000..1_000_020 {
            assert_eq!(index.versions(key(number)).unwrap(), []);
            assert_eq!(index.versions_of(document(number)).unwrap(), []);
        }
        for (document, expected) in &self.documents {
            let mut versions = index.versions_of(*document).unwrap();
            versions.sort_by_key(|version| (version.commit, version.number));
            assert_eq!(versions, *expected);
        }
        for prefix in ["", "5", "55555", "5555555555555555", "55555555555555550", "no", "A"] {
            let expected = self.documents.keys().filter(|id| id.to_string().starts_with(prefix));
            let expected: Vec<_> = expected.copied().collect();
            let mut found = index.documents_with_prefix(prefix, usize::MAX).unwrap();
            found.sort_unstable();
            assert_eq!(found, expected, "documents with prefix {prefix:?}");
            let some = index.documents_with_prefix(prefix, 2).unwrap();
            assert_eq!(some.len(), expected.len().min(2));
            assert!(some.iter().all(|id| expected.contains(id)));
        }
    }
}

/// Files by their name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Returns the files of a folder, without the lock.
pub(crate) fn files(folder: &Path) -> Files {
    let mut files = Files::new();
    for entry in folder.read_dir().unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name != "merging.lock" {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

/// Makes a folder with the given files and nothing else.
pub(crate) fn folder_of<'a>(
    files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>,
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}
