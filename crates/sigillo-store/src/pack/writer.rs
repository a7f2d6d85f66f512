//! Writing a pack of many documents, from segments that ingest has laid out.

use std::fmt;

use super::{
    ClosedPack, ENTRY_NAME_BYTES_MAX, EntryName, PACK_DIRECTORY_BYTES_MAX, PACK_ENTRIES_MAX,
    PackError, SpeltName,
    layout::{CentralRecord, LOCAL_FIXED_BYTES, NONCE_BYTES, PackEnd},
    local_header_bytes,
    name::EntryOrder,
    output::PackOutput,
    write_local_header,
};
use crate::{PackSink, convert::size_of_len};

/// One entry of a segment: its local header and, right behind it, its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SegmentEntry {
    /// Its name, as [`entry_name`](super::entry_name) or [`record_name`](super::record_name)
    /// spells it.
    pub name: SpeltName,
    /// The CRC-32 of its bytes.
    pub crc32: u32,
    /// Their number.
    pub size_bytes: u64,
    /// Where its local header begins, from the start of the segment.
    pub header_offset_in_segment: u64,
}

/// Writes one pack, on a thread of its own: every call may block.
///
/// Dropping it unfinished leaves nothing behind.
pub struct PackWriter {
    output: PackOutput,
    /// The central directory so far, encoded.
    directory: Vec<u8>,
    entries: u64,
    nonce: [u8; NONCE_BYTES],
    /// The order of entries that come in pieces, and how many bytes of the last are to come.
    order: EntryOrder,
    entry_bytes_left: u64,
}

impl PackWriter {
    /// Begins a pack of about `size_hint_bytes` bytes, if that is known. `nonce` is fresh for each
    /// attempt, so that no two packs ever have the same name.
    ///
    /// # Errors
    ///
    /// [`PackError::Store`] if `sink` cannot begin a pack.
    pub fn begin(
        sink: &dyn PackSink,
        nonce: [u8; 16],
        size_hint_bytes: Option<u64>,
    ) -> Result<Self, PackError> {
        let output = PackOutput::begin(sink, size_hint_bytes)?;
        let (directory, order) = (Vec::new(), EntryOrder::default());
        Ok(Self { output, directory, entries: 0, nonce, order, entry_bytes_left: 0 })
    }

    /// Adds a segment: one document or several, each with its files by position, then its record,
    /// each of these a local header with its bytes behind it, without gaps.
    ///
    /// # Errors
    ///
    /// [`PackError::Refused`] if `entries` do not describe `segment` exactly, and then nothing was
    /// added; [`PackError::Store`] if it cannot be written, and then the pack is lost.
    pub fn add_segment(
        &mut self,
        segment: &[u8],
        entries: &[SegmentEntry],
    ) -> Result<(), PackError> {
        check_segment(segment, entries).map_err(|what| PackError::Refused { what })?;
        self.check_between_documents()?;
        let entry_count = size_of_len(entries.len());
        if PACK_ENTRIES_MAX < self.entries + entry_count {
            return Err(PackError::Refused { what: "it has more entries than a pack can have" });
        }
        let segment_offset = self.output.size_bytes();
        for entry in entries {
            let record = CentralRecord {
                name: &entry.name,
                crc32: entry.crc32,
                size_bytes: entry.size_bytes,
                header_offset: segment_offset + entry.header_offset_in_segment,
            };
            record.encode(&mut self.directory);
        }
        self.entries += entry_count;
        self.output.append(segment)
    }

    /// Begins an entry whose bytes come in pieces, for documents that are too large for a segment.
    ///
    /// # Errors
    ///
    /// [`PackError::Refused`] if the name is misspelt or out of order, or bytes of the entry before
    /// are missing; [`PackError::Store`] if it cannot be written, and then the pack is lost.
    pub fn begin_entry(
        &mut self,
        name: &str,
        crc32: u32,
        size_bytes: u64,
    ) -> Result<(), PackError> {
        let refused = |what| PackError::Refused { what };
        if self.entry_bytes_left > 0 {
            return Err(refused("bytes of the entry before are missing"));
        }
        if PACK_ENTRIES_MAX <= self.entries {
            return Err(refused("it has more entries than a pack can have"));
        }
        let parsed = EntryName::parse(name).ok_or(refused("the name of an entry is misspelt"))?;
        self.order.accept(&parsed).map_err(refused)?;
        let header_offset = self.output.size_bytes();
        CentralRecord { name, crc32, size_bytes, header_offset }.encode(&mut self.directory);
        self.entries += 1;
        self.entry_bytes_left = size_bytes;
        let mut header = vec![0; local_header_bytes(name.len(), size_bytes)];
        write_local_header(&mut header, name, crc32, size_bytes);
        self.output.append(&header)
    }

    /// Adds the next bytes of the entry begun last.
    ///
    /// # Errors
    ///
    /// [`PackError::Refused`] if there are more than was said; [`PackError::Store`] if they cannot
    /// be written, and then the pack is lost.
    pub fn append_to_entry(&mut self, data: &[u8]) -> Result<(), PackError> {
        let left = self.entry_bytes_left.checked_sub(size_of_len(data.len()));
        self.entry_bytes_left =
            left.ok_or(PackError::Refused { what: "an entry is longer than was said" })?;
        self.output.append(data)
    }

    /// Returns where in the pack the next segment or entry begins.
    pub fn next_offset(&self) -> u64 {
        self.output.size_bytes()
    }

    fn check_between_documents(&self) -> Result<(), PackError> {
        if self.entry_bytes_left > 0 || !self.order.is_complete() {
            return Err(PackError::Refused { what: "its last document is not complete" });
        }
        Ok(())
    }

    /// Returns the size that the pack would have if it were finished now, but for its end of about
    /// a hundred bytes.
    pub fn size_bytes(&self) -> u64 {
        self.output.size_bytes() + size_of_len(self.directory.len())
    }

    /// Ends the pack and makes it durable under its name.
    ///
    /// # Errors
    ///
    /// [`PackError::Refused`] if nothing was added, [`PackError::Store`] if it is not durable.
    pub fn finish(self) -> Result<ClosedPack, PackError> {
        if self.entries == 0 {
            return Err(PackError::Refused { what: "it has no entries" });
        }
        self.check_between_documents()?;
        end_pack(self.output, &[], &self.directory, self.entries, self.nonce)
    }
}

impl fmt::Debug for PackWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, size_bytes) = (self.entries, self.size_bytes());
        f.debug_struct("PackWriter")
            .field("entries", &entries)
            .field("size_bytes", &size_bytes)
            .finish_non_exhaustive()
    }
}

/// Writes directory and end behind the entries, and finishes the pack.
pub(super) fn end_pack(
    mut output: PackOutput,
    header: &[u8],
    directory: &[u8],
    entries: u64,
    nonce: [u8; NONCE_BYTES],
) -> Result<ClosedPack, PackError> {
    let directory_bytes = size_of_len(directory.len());
    if PACK_DIRECTORY_BYTES_MAX < directory_bytes {
        return Err(PackError::Refused { what: "its directory is too long" });
    }
    let end = PackEnd { entries, directory_offset: output.size_bytes(), directory_bytes, nonce };
    output.append(directory)?;
    output.append(&end.encode())?;
    output.finish(header)
}

/// Says what is wrong with a segment, if anything: what is written once is checked before.
fn check_segment(segment: &[u8], entries: &[SegmentEntry]) -> Result<(), &'static str> {
    let mut order = EntryOrder::default();
    let mut at = 0;
    for entry in entries {
        order.accept(entry.name.name())?;
        if entry.header_offset_in_segment != size_of_len(at) {
            return Err("the entries of a segment leave a gap or overlap");
        }
        let header_end = at + local_header_bytes(entry.name.len(), entry.size_bytes);
        let header = segment.get(at..header_end).ok_or("a segment is shorter than its entries")?;
        let mut expected = [0; LOCAL_FIXED_BYTES + ENTRY_NAME_BYTES_MAX + 20];
        let expected = &mut expected[..header.len()];
        write_local_header(expected, &entry.name, entry.crc32, entry.size_bytes);
        if header != expected {
            return Err("a local header does not describe its entry");
        }
        at = usize::try_from(entry.size_bytes)
            .ok()
            .and_then(|size| header_end.checked_add(size))
            .filter(|&end| end <= segment.len())
            .ok_or("a segment is shorter than its entries")?;
    }
    if !order.is_complete() {
        return Err("a segment ends before the record of its last version");
    }
    if at != segment.len() {
        return Err("a segment is longer than its entries");
    }
    Ok(())
}
