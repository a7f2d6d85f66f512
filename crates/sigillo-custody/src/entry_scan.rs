//! Hashing the entries of a pack while its bytes pass by, piece after piece.

use sigillo_ers::version_id;
use sigillo_model::{
    RECORD_BYTES_MAX, Record, Sha256Digest, Sha256Hasher, Sha512Digest, Sha512Hasher, VersionId,
};
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

/// A file that passed by.
struct FoundFile {
    position: u32,
    sha256: Sha256Digest,
    sha512: Option<Sha512Digest>,
    size: u64,
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
    /// SHA-512 of the file that passes by, if the record before stated second digests: those of a pack
    /// mostly all do, or none.
    sha512: Option<Sha512Hasher>,
    /// Whether that is to be expected.
    expects_second: bool,
    /// Whether it is computed of every file.
    always_second: bool,
    /// Documents whose second digests were not computed, though their record states them.
    pub(crate) unhashed: Vec<VersionId>,
    files: Vec<FoundFile>,
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
            sha512: None,
            expects_second: false,
            always_second: false,
            unhashed: Vec::new(),
            files: Vec::new(),
            crc32_good: true,
            bad: Vec::new(),
            good: 0,
            links: Vec::new(),
            more_links: 0,
        }
    }

    /// Computes the second digest of every file, whether its record states it or not.
    pub(crate) fn with_second(index: &'a PackIndex) -> Self {
        Self { expects_second: true, always_second: true, ..Self::new(index) }
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
            Part::File { .. } => {
                self.sha256.update(part);
                if self.expects_second {
                    self.sha512.get_or_insert_default().update(part);
                }
            }
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
                if self.expects_second {
                    // Also of a file without bytes.
                    self.sha512.get_or_insert_default();
                }
                let sha256 = std::mem::take(&mut self.sha256).finish();
                let sha512 = self.sha512.take().map(Sha512Hasher::finish);
                let size = entry.size_bytes;
                self.files.push(FoundFile { position, sha256, sha512, size });
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
                let own = record.files.iter().filter(|file| file.stored_in.is_none());
                let states = own.clone().any(|file| file.sha512.is_some());
                self.expects_second = self.always_second || states;
                let mut pairs = own.zip(&files).filter(|(file, _)| file.sha512.is_some());
                if bad.is_none() && pairs.any(|(_, found)| found.sha512.is_none()) {
                    self.unhashed.push(version);
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
fn judge(version: VersionId, record: &Record, bytes: &[u8], files: &[FoundFile]) -> Option<Bad> {
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
        let is_it = |found: &&FoundFile| {
            let second = file.sha512.zip(found.sha512);
            (found.position, found.sha256, found.size) == (position, file.sha256, file.size)
                && second.is_none_or(|(stated, found)| stated == found)
        };
        if !found.next().is_some_and(|found| is_it(&found)) {
            return Some(Bad::File { position });
        }
    }
    found.next().map(|found| Bad::File { position: found.position })
}
