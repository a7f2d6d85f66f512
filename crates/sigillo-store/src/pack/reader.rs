//! Reading the index of a pack from outside: strict, bounded, and without its local headers.

use sigillo_model::VersionId;

use super::{
    EntryName, PackError, Part,
    layout::{
        CENTRAL_BYTES_MAX, CENTRAL_FIXED_BYTES, COMMENT_PREFIX, CentralRecord, END_BYTES,
        END64_BYTES, MARK_16, MARK_32, NONCE_BYTES, PackEnd, data_offset, fits_32,
    },
    name::{ENTRY_NAME_BYTES_MAX, EntryOrder},
};
use crate::{PackSource, convert::size_of_len};

/// A pack has at most this many entries.
pub const PACK_ENTRIES_MAX: u64 = 2_000_000;

/// The central directory of a pack has at most this many bytes.
pub const PACK_DIRECTORY_BYTES_MAX: u64 = 512 << 20;

/// The directory is read in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Everything a pack says about its contents.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PackIndex {
    /// Its entries, in the order in which they lie.
    pub entries: Vec<PackEntry>,
    /// The random bytes of its comment, fresh for each attempt to write a pack.
    pub nonce: [u8; 16],
}

/// One entry of a pack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PackEntry {
    /// The version of a document that it belongs to.
    pub version: VersionId,
    /// Which part of it it is.
    pub part: Part,
    /// The CRC-32 of its bytes, as the pack states it.
    pub crc32: u32,
    /// Their number.
    pub size_bytes: u64,
    /// Where its local header begins.
    pub header_offset: u64,
    /// Where its bytes begin.
    pub data_offset: u64,
}

impl PackEntry {
    /// Returns the name of the entry.
    pub fn name(&self) -> EntryName {
        EntryName { version: self.version, part: self.part }
    }
}

/// Reads the index of a pack, and refuses everything that is not exactly as we write it.
///
/// The entries fill the pack from its first byte to the directory, so what they say leaves no
/// byte unaccounted for. Their bytes and local headers are not read: that they are the ones meant
/// is proven by the name of the pack.
///
/// # Errors
///
/// [`PackError::Malformed`] says what is wrong and where, [`PackError::Store`] if the pack cannot
/// be read.
pub fn read_pack_index(source: &dyn PackSource) -> Result<PackIndex, PackError> {
    let end = read_end(source)?;
    // Bounded by what was checked: the directory is long enough for as many.
    let capacity = usize::try_from(end.entries).unwrap_or(0);
    let mut entries = Vec::with_capacity(capacity);
    let mut directory = Directory::of(source, &end);
    let mut order = EntryOrder::default();
    let mut header_offset = 0;
    for _ in 0..end.entries {
        let at = directory.position();
        let malformed = |what| PackError::Malformed { offset: at, what };
        let entry = directory.next_entry(header_offset)?;
        order.accept(&entry.name()).map_err(malformed)?;
        header_offset = entry
            .data_offset
            .checked_add(entry.size_bytes)
            .filter(|&next| next <= end.directory_offset)
            .ok_or(malformed("an entry reaches into the directory"))?;
        entries.push(entry);
    }
    let malformed = |what| PackError::Malformed { offset: end.directory_offset, what };
    if header_offset != end.directory_offset {
        return Err(malformed("a gap between the last entry and the directory"));
    }
    if directory.position() != end.directory_offset + end.directory_bytes {
        return Err(malformed("a directory longer than its entries"));
    }
    if !order.is_complete() {
        return Err(malformed("a last version without its record"));
    }
    if has_duplicate(&entries) {
        return Err(malformed("a version that occurs twice"));
    }
    Ok(PackIndex { entries, nonce: end.nonce })
}

/// Reads what stands after the directory, and checks it against the size of the pack.
fn read_end(source: &dyn PackSource) -> Result<PackEnd, PackError> {
    let size_bytes = source.size_bytes();
    let malformed = |what| PackError::Malformed { offset: size_bytes, what };
    let tail_bytes = usize::try_from(size_bytes).unwrap_or(usize::MAX).min(END64_BYTES + END_BYTES);
    let mut tail = vec![0; tail_bytes];
    let tail_offset = size_bytes - size_of_len(tail_bytes);
    source.read_exact_at(tail_offset, &mut tail).map_err(PackError::store("reading its end"))?;

    let plain = tail.len().checked_sub(END_BYTES).ok_or(malformed("too short to have an end"))?;
    let end = decode_end(&tail[..plain], &tail[plain..])
        .ok_or(malformed("an end that is not one of ours"))?;
    let encoded = end.encode();
    let directory_end = end.directory_offset.checked_add(end.directory_bytes);
    if directory_end.and_then(|at| at.checked_add(size_of_len(encoded.len()))) != Some(size_bytes) {
        return Err(malformed("a directory that does not lie right before the end"));
    }
    // Whatever was not decoded must be as we write it, too.
    if !tail.ends_with(&encoded) {
        return Err(malformed("an end that is not as we write it"));
    }
    if PACK_ENTRIES_MAX < end.entries || PACK_DIRECTORY_BYTES_MAX < end.directory_bytes {
        return Err(malformed("more entries than a pack can have"));
    }
    if end.entries == 0 || end.directory_bytes / size_of_len(CENTRAL_FIXED_BYTES) < end.entries {
        return Err(malformed("a directory that cannot hold its entries"));
    }
    Ok(end)
}

/// Takes the numbers out of the end record and, where they do not fit, of the ZIP64 one.
fn decode_end(before: &[u8], end: &[u8]) -> Option<PackEnd> {
    let entries = u16_at(end, 10)?;
    let directory_bytes = u32_at(end, 12)?;
    let directory_offset = u32_at(end, 16)?;
    let nonce_text = end.get(22..)?.strip_prefix(COMMENT_PREFIX)?;
    let mut nonce = [0; NONCE_BYTES];
    hex::decode_to_slice(nonce_text, &mut nonce).ok()?;
    let marked = entries == MARK_16 || directory_bytes == MARK_32 || directory_offset == MARK_32;
    if !marked {
        return Some(PackEnd {
            entries: entries.into(),
            directory_bytes: directory_bytes.into(),
            directory_offset: directory_offset.into(),
            nonce,
        });
    }
    let record = before.get(before.len().checked_sub(END64_BYTES)?..)?;
    Some(PackEnd {
        entries: u64_at(record, 32)?,
        directory_bytes: u64_at(record, 40)?,
        directory_offset: u64_at(record, 48)?,
        nonce,
    })
}

/// The central directory, read piece by piece, never beyond its end.
struct Directory<'a> {
    source: &'a dyn PackSource,
    piece: Vec<u8>,
    /// How much of `piece` is used up.
    used: usize,
    /// Where the bytes after `piece` begin.
    next: u64,
    end: u64,
}

impl<'a> Directory<'a> {
    fn of(source: &'a dyn PackSource, end: &PackEnd) -> Self {
        let next = end.directory_offset;
        Self { source, piece: Vec::new(), used: 0, next, end: next + end.directory_bytes }
    }

    /// Returns where the next record begins.
    fn position(&self) -> u64 {
        self.next - size_of_len(self.piece.len() - self.used)
    }

    /// Reads the record of the entry whose local header begins at `header_offset`.
    fn next_entry(&mut self, header_offset: u64) -> Result<PackEntry, PackError> {
        self.refill()?;
        let offset = self.position();
        let record = &self.piece[self.used..];
        let (entry, length) = decode_entry(record, header_offset)
            .map_err(|what| PackError::Malformed { offset, what })?;
        self.used += length;
        Ok(entry)
    }

    /// Sees to it that the longest possible record is at hand, if the directory has as much left.
    fn refill(&mut self) -> Result<(), PackError> {
        if CENTRAL_BYTES_MAX <= self.piece.len() - self.used || self.next == self.end {
            return Ok(());
        }
        self.piece.drain(..self.used);
        self.used = 0;
        let kept = self.piece.len();
        let more = usize::try_from(self.end - self.next).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        self.piece.resize(kept + more, 0);
        self.source
            .read_exact_at(self.next, &mut self.piece[kept..])
            .map_err(PackError::store("reading its directory"))?;
        self.next += size_of_len(more);
        Ok(())
    }
}

/// Reads one record from the start of `bytes` and returns it with its length.
///
/// Only what varies is taken out; then the record is encoded again and compared, so that every
/// other byte is as we write it, and the entry lies where the one before it ends.
fn decode_entry(bytes: &[u8], header_offset: u64) -> Result<(PackEntry, usize), &'static str> {
    const CUT_OFF: &str = "a directory that breaks off";
    let crc32 = u32_at(bytes, 16).ok_or(CUT_OFF)?;
    let size_32 = u32_at(bytes, 24).ok_or(CUT_OFF)?;
    let name_length = usize::from(u16_at(bytes, 28).ok_or(CUT_OFF)?);
    if ENTRY_NAME_BYTES_MAX < name_length {
        return Err("an entry with too long a name");
    }
    let name_end = CENTRAL_FIXED_BYTES + name_length;
    let name = bytes.get(CENTRAL_FIXED_BYTES..name_end).ok_or(CUT_OFF)?;
    let name = std::str::from_utf8(name).map_err(|_| "an entry with a misspelt name")?;
    let parsed = EntryName::parse(name).ok_or("an entry with a misspelt name")?;
    let size_bytes = match size_32 {
        // Behind the tag and the length of the extra field.
        MARK_32 => u64_at(bytes, name_end + 4).ok_or(CUT_OFF)?,
        size => size.into(),
    };
    if size_32 == MARK_32 && fits_32(size_bytes) {
        return Err("an entry with a needless ZIP64 field");
    }
    let mut expected = Vec::with_capacity(CENTRAL_BYTES_MAX);
    CentralRecord { name, crc32, size_bytes, header_offset }.encode(&mut expected);
    if !bytes.starts_with(&expected) {
        return Err("an entry that is not as we write it, or not where the last one ends");
    }
    let data_offset = data_offset(header_offset, name_length, size_bytes)
        .ok_or("an entry that lies beyond any pack")?;
    let EntryName { version, part } = parsed;
    let entry = PackEntry { version, part, crc32, size_bytes, header_offset, data_offset };
    Ok((entry, expected.len()))
}

fn has_duplicate(entries: &[PackEntry]) -> bool {
    let records = entries.iter().filter(|entry| entry.part == Part::Record);
    let mut versions: Vec<VersionId> = records.map(|entry| entry.version).collect();
    versions.sort_unstable();
    versions.windows(2).any(|pair| pair[0] == pair[1])
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
