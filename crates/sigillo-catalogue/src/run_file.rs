//! Sorted runs of the index as files: a header, versions of 112 bytes, a SHA-256 over both.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use sigillo_model::{ArchiveId, DocumentId, Sha256Digest, VersionId};

use crate::{IndexError, IndexedVersion};

/// No run has more versions than a commit can add.
pub const RUN_VERSIONS_MAX: usize = 4_000_000;

const MAGIC: &[u8; 16] = b"sigillo index 1\n";
const HEADER_BYTES: usize = MAGIC.len() + ArchiveId::LENGTH_BYTES + 8 + 8;
const VERSION_BYTES: usize = 32 + 32 + 32 + 16;
const SUFFIX: &str = ".run";

/// What some commits added, sorted by key.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Run {
    pub(crate) after: u64,
    pub(crate) through: u64,
    pub(crate) versions: Vec<IndexedVersion>,
}

impl Run {
    /// Sorts versions by key; of one key the last given is found first.
    pub(crate) fn new(after: u64, through: u64, mut versions: Vec<IndexedVersion>) -> Self {
        versions.reverse();
        versions.sort_by_key(|version| version.key);
        Self { after, through, versions }
    }

    pub(crate) fn lookup(&self, key: Sha256Digest) -> Option<IndexedVersion> {
        let at = self.versions.partition_point(|version| version.key < key);
        self.versions.get(at).copied().filter(|version| version.key == key)
    }

    fn encode(&self, archive: ArchiveId) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.versions.len() * VERSION_BYTES + 32);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(archive.as_bytes());
        bytes.extend_from_slice(&self.after.to_be_bytes());
        bytes.extend_from_slice(&self.through.to_be_bytes());
        for version in &self.versions {
            bytes.extend_from_slice(version.key.as_bytes());
            bytes.extend_from_slice(version.sameness.as_bytes());
            bytes.extend_from_slice(version.version.as_bytes());
            bytes.extend_from_slice(version.document.as_bytes());
        }
        let sum = Sha256Digest::of(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8], archive: ArchiveId) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<32>()?;
        let (header, versions) = content.split_at_checked(HEADER_BYTES)?;
        let rest = header.strip_prefix(MAGIC)?.strip_prefix(archive.as_bytes())?;
        let (after, through) = rest.split_first_chunk::<8>()?;
        let (versions, []) = versions.as_chunks::<VERSION_BYTES>() else { return None };
        let known =
            versions.len() <= RUN_VERSIONS_MAX && Sha256Digest::of(content).as_bytes() == sum;
        known.then_some(Self {
            after: u64::from_be_bytes(*after),
            through: u64::from_be_bytes(through.try_into().ok()?),
            versions: versions.iter().map(decode_version).collect(),
        })
    }
}

fn decode_version(bytes: &[u8; VERSION_BYTES]) -> IndexedVersion {
    fn part<const N: usize>(bytes: &[u8; VERSION_BYTES], at: usize) -> [u8; N] {
        let mut part = [0; N];
        part.copy_from_slice(&bytes[at..at + N]);
        part
    }
    IndexedVersion {
        key: Sha256Digest::from_bytes(part(bytes, 0)),
        sameness: Sha256Digest::from_bytes(part(bytes, 32)),
        version: VersionId::from_bytes(part(bytes, 64)),
        document: DocumentId::from_bytes(part(bytes, 96)),
    }
}

/// Reads the runs that follow each other from the first commit on.
pub(crate) fn read_runs(folder: &Path, archive: ArchiveId) -> Result<Vec<Run>, IndexError> {
    fs::create_dir_all(folder).map_err(failed(folder, "making it"))?;
    let mut names = Vec::new();
    for entry in folder.read_dir().map_err(failed(folder, "listing it"))? {
        let path = entry.map_err(failed(folder, "listing it"))?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            names.push(path);
        }
    }
    // Names begin with the last commit in 20 digits, so their order is that of the log.
    names.sort();
    let mut runs: Vec<Run> = Vec::new();
    for path in names {
        let Ok(bytes) = fs::read(&path) else { break };
        let Some(run) = Run::decode(&bytes, archive) else { break };
        if run.after != runs.last().map_or(0, |last| last.through) || run.through <= run.after {
            break;
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Writes one run whole; losing it at a power cut loses nothing.
pub(crate) fn write_run(folder: &Path, archive: ArchiveId, run: &Run) -> Result<(), IndexError> {
    let path = folder.join(format!("{:020}{SUFFIX}", run.through));
    let staged = path.with_extension("part");
    let write = || -> io::Result<()> {
        let mut file = File::create(&staged)?;
        file.write_all(&run.encode(archive))?;
        fs::rename(&staged, &path)
    };
    write().map_err(failed(folder, "writing a run"))
}

/// Removes every run.
pub(crate) fn remove_runs(folder: &Path) -> Result<(), IndexError> {
    for entry in folder.read_dir().map_err(failed(folder, "listing it"))? {
        let path = entry.map_err(failed(folder, "listing it"))?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            fs::remove_file(&path).map_err(failed(folder, "removing a run"))?;
        }
    }
    Ok(())
}

fn failed(folder: &Path, doing: &'static str) -> impl Fn(io::Error) -> IndexError {
    move |source| IndexError { folder: folder.display().to_string(), doing, source }
}
