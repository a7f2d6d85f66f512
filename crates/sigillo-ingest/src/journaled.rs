//! Files that were read before: recognised by what the operating system says of them, not read
//! again.

use rustix::fs::Stat;

use sigillo_catalogue::{IndexedVersion, JournalEntry};
use sigillo_model::{Blake3Digest, LogTime, Sha256Digest};

use crate::{
    Refusal,
    document::{Prepared, file_entry},
    read::OpenFile,
    shared::Shared,
    unit::Unit,
};

/// A file that changed so short a time before an ingest is not remembered: it could change once
/// more without its times showing it.
const SETTLED_SECONDS: i64 = 2;

/// Returns the version that the archive has of a unit none of whose files changed since they were
/// read, if it is the same.
pub(crate) fn recognise(
    shared: &Shared,
    unit: &Unit,
    prepared: &Prepared,
) -> Result<Option<IndexedVersion>, Refusal> {
    if shared.journal.is_empty() || !prepared.can_be_the_same() {
        return Ok(None);
    }
    let mut files = Vec::new();
    for (path, role) in unit.files() {
        let file = OpenFile::open(&shared.source, path)?;
        let Some(sha256) = shared.journal.lookup(&name_digest(path), &file.facts()) else {
            return Ok(None);
        };
        files.push(file_entry(path, role, (sha256, None, file.size_bytes), &[]));
    }
    Ok(prepared.same_as(unit, files))
}

/// Returns what the journal is to remember of a file that was read, unless it changed just before.
pub(crate) fn entry_of(
    file: &OpenFile<'_>,
    path: &[u8],
    sha256: Sha256Digest,
    received_at: LogTime,
) -> Option<JournalEntry> {
    let is_settled =
        file.changed_at_seconds() + SETTLED_SECONDS <= received_at.timestamp().as_second();
    is_settled.then(|| JournalEntry { file: name_digest(path), facts: file.facts(), sha256 })
}

/// Digests what the operating system says of a file: it changes whenever the file does.
pub(crate) fn facts_of(stat: &Stat) -> [u8; 16] {
    let numbers = [
        i128::from(stat.st_size),
        i128::from(stat.st_mtime),
        i128::from(stat.st_mtime_nsec),
        i128::from(stat.st_ctime),
        i128::from(stat.st_ctime_nsec),
        i128::from(stat.st_ino),
        i128::from(stat.st_dev),
    ];
    cut_short(numbers.map(i128::to_be_bytes).as_flattened())
}

fn name_digest(path: &[u8]) -> [u8; 16] {
    cut_short(path)
}

fn cut_short(bytes: &[u8]) -> [u8; 16] {
    let digest = Blake3Digest::of(bytes);
    let (short, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
    *short
}
