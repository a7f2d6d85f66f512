//! Reading a whole pack: its name, its directory, every document, and where damage lies.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use sigillo_evidence_log::proven_record;
use sigillo_model::{Finding, FindingCode, ObjectKey, Place, RECORD_BYTES_MAX, VersionId};
use sigillo_store::{
    PackSink, PackSource,
    pack::{
        BLOCK_BYTES, PackError, PackIndex, PackScan, Part, damaged_blocks, read_pack_index,
        scan_pack,
    },
};

use crate::{
    VerifyProgress,
    batch_check::CheckedPack,
    entry_scan::{Bad, BadDocument, EntryScan},
    links::Link,
};

/// At most this many findings of one pack are told in words; the rest are counted.
const PLACES_MAX: usize = 1000;

/// One pack to be read.
pub(crate) struct PackTask {
    pub(crate) sink: Arc<dyn PackSink>,
    pub(crate) progress: Arc<VerifyProgress>,
    pub(crate) pack: CheckedPack,
}

/// What was met in a pack.
#[derive(Debug, Default)]
pub(crate) struct PackCheck {
    pub(crate) findings: Vec<Finding>,
    /// Findings beyond those.
    pub(crate) more_findings: u64,
    pub(crate) documents_good: u64,
    pub(crate) bytes_read: u64,
    /// What its sound records say of earlier versions.
    pub(crate) links: Vec<Link>,
    /// What they say beyond that, which is not checked.
    pub(crate) more_links: u64,
    /// Whether every byte and every document of it is as it was.
    pub(crate) sound: bool,
}

/// Reads a pack from its first byte to its last.
///
/// # Errors
///
/// [`PackError::Store`] if it cannot be read; damage is a finding.
pub(crate) fn check_pack(task: &PackTask) -> Result<PackCheck, PackError> {
    let PackTask { sink, progress, pack } = task;
    let name = pack.listed.name;
    let source =
        sink.open(&name).map_err(|source| PackError::Store { doing: "opening it", source })?;
    let index = match read_pack_index(&*source) {
        Ok(index) => Ok(index),
        Err(PackError::Malformed { offset, what }) => Err(format!("{what}, at byte {offset}")),
        Err(error) => return Err(error),
    };
    let mut entries = index.as_ref().ok().map(EntryScan::new);
    let scan = scan_pack(&*source, &mut |offset, bytes| {
        if let Some(entries) = &mut entries {
            entries.take(offset, bytes);
        }
        progress.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    })?;
    let mut check = PackCheck { bytes_read: source.size_bytes(), ..PackCheck::default() };
    if let (Some(entries), Ok(index)) = (&mut entries, &index) {
        hash_again(&*source, index, entries)?;
        check.links = std::mem::take(&mut entries.links);
        check.more_links = entries.more_links;
        check.sound = scan.name_found == name && entries.bad.is_empty();
    }
    if scan.name_found == name {
        check.sound_bytes(pack, &index, entries, &scan);
    } else {
        let bad: HashSet<VersionId> = match &entries {
            Some(entries) => entries.bad.iter().map(|document| document.version).collect(),
            None => HashSet::new(),
        };
        check.documents_good = entries.map_or(0, |entries| entries.good);
        check.damaged_bytes(pack, &*source, (index.ok().as_ref(), &bad), &scan);
    }
    progress.documents.fetch_add(u64::from(pack.listed.documents), Ordering::Relaxed);
    Ok(check)
}

/// Reads documents again whose second digests were not computed when they passed by: only their record,
/// which comes after the files, says that they have them.
fn hash_again(
    source: &dyn PackSource,
    index: &PackIndex,
    scan: &mut EntryScan<'_>,
) -> Result<(), PackError> {
    let unhashed: HashSet<VersionId> = scan.unhashed.drain(..).collect();
    if unhashed.is_empty() {
        return Ok(());
    }
    let entries = index.entries.iter().filter(|entry| unhashed.contains(&entry.version));
    let again = PackIndex { entries: entries.copied().collect(), nonce: index.nonce };
    let mut second = EntryScan::with_second(&again);
    read_entries(source, &again, &mut second)?;
    scan.good = scan.good.saturating_sub(second.bad.len() as u64);
    scan.bad.append(&mut second.bad);
    Ok(())
}

/// Reads the entries of an index one after the other.
fn read_entries(
    source: &dyn PackSource,
    index: &PackIndex,
    scan: &mut EntryScan<'_>,
) -> Result<(), PackError> {
    let mut buffer = vec![0; 1 << 20];
    for entry in &index.entries {
        let mut offset = entry.data_offset;
        let end = entry.data_offset + entry.size_bytes;
        while offset < end {
            let left = usize::try_from(end - offset).unwrap_or(buffer.len());
            let length = left.min(buffer.len());
            source
                .read_exact_at(offset, &mut buffer[..length])
                .map_err(|source| PackError::Store { doing: "reading a document", source })?;
            scan.take(offset, &buffer[..length]);
            offset += length as u64;
        }
        scan.take(end, &[]);
    }
    Ok(())
}

/// Reads one document of a pack and checks its record and every file against its version id.
///
/// # Errors
///
/// [`PackError`] if the pack cannot be read or its directory is damaged.
pub(crate) fn check_document(
    sink: &dyn PackSink,
    name: sigillo_model::Blake3Digest,
    version: VersionId,
) -> Result<PackCheck, PackError> {
    let source =
        sink.open(&name).map_err(|source| PackError::Store { doing: "opening it", source })?;
    let whole = read_pack_index(&*source)?;
    let entries = whole.entries.into_iter().filter(|entry| entry.version == version).collect();
    let index = PackIndex { entries, nonce: whole.nonce };
    let mut scan = EntryScan::with_second(&index);
    read_entries(&*source, &index, &mut scan)?;
    let bytes_read = index.entries.iter().map(|entry| entry.size_bytes).sum();
    let mut check = PackCheck { documents_good: scan.good, bytes_read, ..PackCheck::default() };
    check.links = scan.links;
    check.more_links = scan.more_links;
    check.bad_documents(&ObjectKey::pack(name), scan.bad);
    if check.documents_good == 0 && check.findings.is_empty() {
        let message = "the document is not in the pack";
        check.findings.push(
            Finding::new(FindingCode::PackDirectory, ObjectKey::pack(name), message)
                .at(Place { version: Some(version.to_string()), ..Place::default() }),
        );
    }
    Ok(check)
}

impl PackCheck {
    /// The bytes are those that were written: what they say must still be what the log says.
    fn sound_bytes(
        &mut self,
        pack: &CheckedPack,
        index: &Result<PackIndex, String>,
        entries: Option<EntryScan<'_>>,
        scan: &PackScan,
    ) {
        let key = ObjectKey::pack(pack.listed.name);
        if let Err(what) = index {
            let message = format!("its directory cannot be read: {what}");
            self.findings.push(Finding::new(FindingCode::PackDirectory, &key, message));
        }
        if let (Ok(index), Some(versions)) = (index, &pack.versions)
            && !versions_of(index).eq(versions.iter().copied())
        {
            let message = "its documents are not those that the batch lists";
            self.findings.push(Finding::new(FindingCode::PackDirectory, &key, message));
        }
        if pack.blocks.as_ref().is_some_and(|blocks| *blocks != scan.blocks) {
            let key = ObjectKey::blocks(pack.listed.name);
            let message = "the block values are not those of the pack";
            self.findings.push(Finding::new(FindingCode::BlocksDamaged, key, message));
        }
        let Some(entries) = entries else { return };
        self.documents_good = entries.good;
        self.bad_documents(&key, entries.bad);
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= PLACES_MAX
    }

    fn bad_documents(&mut self, key: &ObjectKey, bad: Vec<BadDocument>) {
        for bad in bad {
            if self.is_full() {
                self.more_findings += 1;
                continue;
            }
            let (code, message) = match bad.what {
                Bad::File { position } => (
                    FindingCode::FileDamaged,
                    format!("file {position} does not have the digest its record states"),
                ),
                Bad::Record => (
                    FindingCode::RecordDamaged,
                    "the record does not give the version id".to_owned(),
                ),
                Bad::Crc32 => (
                    FindingCode::PackDirectory,
                    "the CRC-32 in the directory is not that of the bytes".to_owned(),
                ),
            };
            let place = Place { version: Some(bad.version.to_string()), key: bad.key, bytes: None };
            self.findings.push(Finding::new(code, key, message).at(place));
        }
    }

    /// The bytes are not those that were written: say where, and whose they are.
    fn damaged_bytes(
        &mut self,
        pack: &CheckedPack,
        source: &dyn PackSource,
        (index, bad): (Option<&PackIndex>, &HashSet<VersionId>),
        scan: &PackScan,
    ) {
        let key = ObjectKey::pack(pack.listed.name);
        let size = source.size_bytes();
        let ranges = match &pack.blocks {
            Some(blocks) => ranges_of(&damaged_blocks(&scan.blocks, blocks), size),
            None => vec![(0, size)],
        };
        for (start, end) in ranges {
            // Neighbours in the same blocks whose digests are right are not accused.
            let mut touched =
                index.map_or_else(Vec::new, |index| versions_within(index, start, end));
            touched.retain(|version| bad.contains(version));
            if self.is_full() {
                self.more_findings += touched.len().max(1) as u64;
                continue;
            }
            let bytes = Some((start, end));
            let message = format!("bytes {start} to {end} are not as they were written");
            if touched.is_empty() {
                let place = Place { bytes, ..Place::default() };
                let finding = Finding::new(FindingCode::PackDamaged, &key, message).at(place);
                self.findings.push(finding);
                continue;
            }
            for version in touched {
                if self.is_full() {
                    self.more_findings += 1;
                    continue;
                }
                let place = Place {
                    version: Some(version.to_string()),
                    key: index.and_then(|index| key_of(source, index, version)),
                    bytes,
                };
                let message = message.clone();
                self.findings.push(Finding::new(FindingCode::PackDamaged, &key, message).at(place));
            }
        }
    }
}

fn versions_of(index: &PackIndex) -> impl Iterator<Item = VersionId> {
    let records = index.entries.iter().filter(|entry| entry.part == Part::Record);
    records.map(|entry| entry.version)
}

/// Joins damaged blocks that lie side by side into ranges of bytes.
fn ranges_of(blocks: &[u64], size: u64) -> Vec<(u64, u64)> {
    let block_bytes = BLOCK_BYTES as u64;
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for block in blocks {
        let (start, end) = (block * block_bytes, ((block + 1) * block_bytes).min(size));
        match ranges.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => ranges.push((start, end)),
        }
    }
    ranges
}

/// Returns the versions with bytes between `start` and `end`.
fn versions_within(index: &PackIndex, start: u64, end: u64) -> Vec<VersionId> {
    // Entries follow each other without gaps, as the reader of the directory makes sure.
    let first = index.entries.partition_point(|it| it.data_offset + it.size_bytes <= start);
    let within = index.entries[first..].iter().take_while(|entry| entry.header_offset < end);
    let mut versions: Vec<_> = within.map(|entry| entry.version).collect();
    versions.dedup();
    versions
}

/// Reads what the producer calls a document, if its record is sound.
fn key_of(source: &dyn PackSource, index: &PackIndex, version: VersionId) -> Option<String> {
    let mut entries = index.entries.iter();
    let entry = entries.find(|entry| entry.version == version && entry.part == Part::Record)?;
    if entry.size_bytes > RECORD_BYTES_MAX {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(entry.size_bytes).ok()?];
    source.read_exact_at(entry.data_offset, &mut bytes).ok()?;
    proven_record(version, &bytes).map(|record| record.key.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_in_words_is_counted() {
        let bad = |number: u64| BadDocument {
            version: VersionId::from_bytes(
                *sigillo_model::Sha256Digest::of(&number.to_be_bytes()).as_bytes(),
            ),
            key: None,
            what: Bad::Record,
        };
        let key = ObjectKey::pack(sigillo_model::Blake3Digest::of(b"pack"));
        let mut check = PackCheck::default();
        check.bad_documents(&key, (0..PLACES_MAX as u64).map(bad).collect());
        assert_eq!((check.findings.len(), check.more_findings), (PLACES_MAX, 0));
        check.bad_documents(&key, (0..7).map(bad).collect());
        assert_eq!((check.findings.len(), check.more_findings), (PLACES_MAX, 7));
    }
}
