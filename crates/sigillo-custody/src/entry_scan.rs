//! Hashing the entries of a pack while its bytes pass by, piece after piece.

use sigillo_ers::version_id;
use sigillo_model::{RECORD_BYTES_MAX, Record, Sha256Digest, Sha256Hasher, VersionId};
use sigillo_store::pack::{PackEntry, PackIndex, Part};

use crate::links::{LINKS_MAX, Link, links_of};

/// A document that is not what its version id commits to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BadDocument {
    pub(crate) version: VersionId,
    /// What the producer calls it, if its record can be read.
    pub(crate) key: Option<String>,
    pub(crate) what: Bad,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bad {
    /// A file has another digest than the record states.
    File { position: u32 },
    /// The record cannot be read, or does not give the version id.
    Record,
    /// The CRC-32 in the directory is not that of the bytes, so `unzip` would complain.
    Crc32,
}

/// Follows the entries of a pack through its bytes.
pub(crate) struct EntryScan<'a> {
    index: &'a PackIndex,
    /// The entry whose bytes come next, or are passing by.
    current: usize,
    passed: u64,
    sha256: Sha256Hasher,
    crc32: crc32fast::Hasher,
    record: Vec<u8>,
    files: Vec<(u32, Sha256Digest, u64)>,
    crc32_good: bool,
    pub(crate) bad: Vec<BadDocument>,
    pub(crate) good: u64,
    /// What sound records say of earlier versions, at most [`LINKS_MAX`].
    pub(crate) links: Vec<Link>,
    /// What they say beyond that.
    pub(crate) more_links: u64,
}

impl<'a> EntryScan<'a> {
    pub(crate) fn new(index: &'a PackIndex) -> Self {
        Self {
            index,
            current: 0,
            passed: 0,
            sha256: Sha256Hasher::default(),
            crc32: crc32fast::Hasher::new(),
            record: Vec::new(),
            files: Vec::new(),
            crc32_good: true,
            bad: Vec::new(),
            good: 0,
            links: Vec::new(),
            more_links: 0,
        }
    }

    /// Takes the bytes of the pack from `offset` on.
    pub(crate) fn take(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        while let Some(entry) = self.index.entries.get(self.current) {
            let wanted = entry.data_offset + self.passed;
            let entry_end = entry.data_offset + entry.size_bytes;
            if entry.size_bytes > 0 && wanted >= end {
                return;
            }
            if entry.size_bytes == 0 && entry.data_offset > end {
                return;
            }
            let until = entry_end.min(end);
            let from = usize::try_from(wanted - offset).unwrap_or(bytes.len());
            let to = usize::try_from(until.max(wanted) - offset).unwrap_or(bytes.len());
            let part = &bytes[from.min(bytes.len())..to.min(bytes.len())];
            self.pass(entry, part);
            if until < entry_end {
                return;
            }
            self.finish(entry);
        }
    }

    fn pass(&mut self, entry: &PackEntry, part: &[u8]) {
        self.passed += part.len() as u64;
        self.crc32.update(part);
        match entry.part {
            Part::File { .. } => self.sha256.update(part),
            Part::Record if entry.size_bytes <= RECORD_BYTES_MAX => {
                self.record.extend_from_slice(part);
            }
            Part::Record => {}
        }
    }

    fn finish(&mut self, entry: &PackEntry) {
        self.current += 1;
        self.passed = 0;
        let crc32 = std::mem::take(&mut self.crc32).finalize();
        self.crc32_good &= crc32 == entry.crc32;
        match entry.part {
            Part::File { position, .. } => {
                let digest = std::mem::take(&mut self.sha256).finish();
                self.files.push((position, digest, entry.size_bytes));
            }
            Part::Record => self.finish_document(entry.version),
        }
    }

    fn finish_document(&mut self, version: VersionId) {
        let files = std::mem::take(&mut self.files);
        let bytes = std::mem::take(&mut self.record);
        let crc32_good = std::mem::replace(&mut self.crc32_good, true);
        let record = Record::parse(&bytes);
        let key = record.as_ref().ok().map(|record| record.key.to_string());
        let what = match record {
            Ok(record) => {
                let bad = judge(version, &record, &bytes, &files);
                if bad != Some(Bad::Record) {
                    self.link(version, &record);
                }
                match bad {
                    None if crc32_good => {
                        self.good += 1;
                        return;
                    }
                    None => Bad::Crc32,
                    Some(bad) => bad,
                }
            }
            Err(_) => Bad::Record,
        };
        self.bad.push(BadDocument { version, key, what });
    }

    fn link(&mut self, version: VersionId, record: &Record) {
        for link in links_of(version, record) {
            if self.links.len() < LINKS_MAX {
                self.links.push(link);
            } else {
                self.more_links += 1;
            }
        }
    }
}

/// Says what is wrong with a document, if anything.
fn judge(
    version: VersionId,
    record: &Record,
    bytes: &[u8],
    files: &[(u32, Sha256Digest, u64)],
) -> Option<Bad> {
    let stated: Vec<_> = record.files.iter().map(|file| file.sha256).collect();
    if version_id(Sha256Digest::of(bytes), &stated) != version {
        return Some(Bad::Record);
    }
    // The record is the one meant: now the files must be the ones it states.
    let mut found = files.iter();
    for (position, file) in (1..).zip(&record.files) {
        if file.stored_in.is_some() {
            continue;
        }
        if found.next() != Some(&(position, file.sha256, file.size)) {
            return Some(Bad::File { position });
        }
    }
    found.next().map(|(position, ..)| Bad::File { position: *position })
}
