//! The bytes of a pack around its files: local headers, central directory, end.
//!
//! Of what ZIP allows, exactly one form: stored, no data descriptors, a fixed time, ZIP64 fields
//! only where a number does not fit. Readers encode again what they read and compare, so nothing
//! else is accepted.

use super::ENTRY_NAME_BYTES_MAX;
use crate::convert::size_of_len;

/// Length of a local header without name and extra field.
pub(crate) const LOCAL_FIXED_BYTES: usize = 30;

/// Length of a central record without name and extra field.
pub(crate) const CENTRAL_FIXED_BYTES: usize = 46;

/// No central record is longer: one extra field of three 64-bit numbers.
pub(crate) const CENTRAL_BYTES_MAX: usize = CENTRAL_FIXED_BYTES + ENTRY_NAME_BYTES_MAX + 28;

/// Length of the end record with its comment.
pub(crate) const END_BYTES: usize = 22 + COMMENT_BYTES;

/// Length of the ZIP64 end record and its locator, together.
pub(crate) const END64_BYTES: usize = 56 + 20;

/// Stands for a number that is in a ZIP64 field instead.
pub(crate) const MARK_16: u16 = u16::MAX;

/// Stands for a number that is in a ZIP64 field instead.
pub(crate) const MARK_32: u32 = u32::MAX;

/// Every comment begins with the name and the version of the format.
pub(crate) const COMMENT_PREFIX: &[u8; 10] = b"sigillo 1 ";

const COMMENT_BYTES: usize = COMMENT_PREFIX.len() + 2 * NONCE_BYTES;
pub(crate) const NONCE_BYTES: usize = 16;

const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const LOCATOR64_SIGNATURE: u32 = 0x0706_4b50;
const END_SIGNATURE: u32 = 0x0605_4b50;

/// Unix, by the rules of ZIP 4.5.
const MADE_BY: u16 = 0x032d;
const NEEDED: u16 = 20;
const NEEDED_ZIP64: u16 = 45;

/// 1 January 1980, the first day ZIP knows, at midnight: times are in the records.
const DOS_TIME: u16 = 0;
const DOS_DATE: u16 = 0x0021;

/// A regular file that anybody may read and nobody write.
const EXTERNAL_ATTRIBUTES: u32 = 0o100_444 << 16;

const ZIP64_TAG: u16 = 1;
const ZIP64_LOCAL_EXTRA_BYTES: usize = 20;

/// Returns the length of the local header of a file of `size_bytes` under a name of
/// `name_length` bytes.
pub fn local_header_bytes(name_length: usize, size_bytes: u64) -> usize {
    let extra = if fits_32(size_bytes) { 0 } else { ZIP64_LOCAL_EXTRA_BYTES };
    LOCAL_FIXED_BYTES + name_length + extra
}

/// Writes a local header into `out`, whose length is that of [`local_header_bytes`].
///
/// # Panics
///
/// If `out` has another length, or `name` more than [`ENTRY_NAME_BYTES_MAX`] bytes.
pub fn write_local_header(out: &mut [u8], name: &str, crc32: u32, size_bytes: u64) {
    assert!(name.len() <= ENTRY_NAME_BYTES_MAX, "no name of an entry is that long");
    let large = !fits_32(size_bytes);
    let mut fields = Fields { out, at: 0 };
    fields.u32(LOCAL_SIGNATURE);
    fields.u16(if large { NEEDED_ZIP64 } else { NEEDED });
    fields.u16(0); // flags
    fields.u16(0); // method: stored
    fields.u16(DOS_TIME);
    fields.u16(DOS_DATE);
    fields.u32(crc32);
    fields.u32(low_32(size_bytes)); // compressed
    fields.u32(low_32(size_bytes));
    fields.u16(length_16(name.len()));
    fields.u16(if large { length_16(ZIP64_LOCAL_EXTRA_BYTES) } else { 0 });
    fields.bytes(name.as_bytes());
    if large {
        fields.u16(ZIP64_TAG);
        fields.u16(16);
        fields.u64(size_bytes);
        fields.u64(size_bytes); // compressed
    }
    assert_eq!(fields.at, fields.out.len(), "the buffer has the length of the header");
}

/// One entry as the central directory describes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CentralRecord<'a> {
    pub(crate) name: &'a str,
    pub(crate) crc32: u32,
    pub(crate) size_bytes: u64,
    pub(crate) header_offset: u64,
}

impl CentralRecord<'_> {
    /// Appends the record to a directory.
    pub(crate) fn encode(&self, directory: &mut Vec<u8>) {
        let (size_fits, offset_fits) = (fits_32(self.size_bytes), fits_32(self.header_offset));
        let extra_body: u16 = if size_fits { 0 } else { 16 } + if offset_fits { 0 } else { 8 };
        let mut record = [0; CENTRAL_BYTES_MAX];
        let mut fields = Fields { out: &mut record, at: 0 };
        fields.u32(CENTRAL_SIGNATURE);
        fields.u16(MADE_BY);
        fields.u16(if extra_body == 0 { NEEDED } else { NEEDED_ZIP64 });
        fields.u16(0); // flags
        fields.u16(0); // method: stored
        fields.u16(DOS_TIME);
        fields.u16(DOS_DATE);
        fields.u32(self.crc32);
        fields.u32(low_32(self.size_bytes)); // compressed
        fields.u32(low_32(self.size_bytes));
        fields.u16(length_16(self.name.len()));
        fields.u16(if extra_body == 0 { 0 } else { 4 + extra_body });
        fields.u16(0); // comment
        fields.u16(0); // disk
        fields.u16(0); // internal attributes
        fields.u32(EXTERNAL_ATTRIBUTES);
        fields.u32(low_32(self.header_offset));
        fields.bytes(self.name.as_bytes());
        if extra_body != 0 {
            fields.u16(ZIP64_TAG);
            fields.u16(extra_body);
        }
        if !size_fits {
            fields.u64(self.size_bytes);
            fields.u64(self.size_bytes); // compressed
        }
        if !offset_fits {
            fields.u64(self.header_offset);
        }
        let length = fields.at;
        directory.extend_from_slice(&record[..length]);
    }
}

/// What stands after the central directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PackEnd {
    pub(crate) entries: u64,
    pub(crate) directory_offset: u64,
    pub(crate) directory_bytes: u64,
    pub(crate) nonce: [u8; NONCE_BYTES],
}

impl PackEnd {
    /// Tells whether a number does not fit into the plain end record.
    pub(crate) fn needs_zip64(&self) -> bool {
        !(self.entries < u64::from(MARK_16)
            && fits_32(self.directory_bytes)
            && fits_32(self.directory_offset))
    }

    /// Returns the bytes that end the pack.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut end = [0; END64_BYTES + END_BYTES];
        let mut fields = Fields { out: &mut end, at: 0 };
        if self.needs_zip64() {
            self.encode_zip64(&mut fields);
        }
        let entries = u16::try_from(self.entries).unwrap_or(MARK_16);
        fields.u32(END_SIGNATURE);
        fields.u16(0); // this disk
        fields.u16(0); // disk of the directory
        fields.u16(entries); // on this disk
        fields.u16(entries);
        fields.u32(low_32(self.directory_bytes));
        fields.u32(low_32(self.directory_offset));
        fields.u16(length_16(COMMENT_BYTES));
        fields.bytes(COMMENT_PREFIX);
        let mut nonce = [0; 2 * NONCE_BYTES];
        hex::encode_to_slice(self.nonce, &mut nonce).expect("the buffer has twice the length");
        fields.bytes(&nonce);
        let length = fields.at;
        end[..length].to_vec()
    }

    fn encode_zip64(&self, fields: &mut Fields<'_>) {
        fields.u32(END64_SIGNATURE);
        fields.u64(56 - 12); // what follows of the record
        fields.u16(MADE_BY);
        fields.u16(NEEDED_ZIP64);
        fields.u32(0); // this disk
        fields.u32(0); // disk of the directory
        fields.u64(self.entries); // on this disk
        fields.u64(self.entries);
        fields.u64(self.directory_bytes);
        fields.u64(self.directory_offset);
        fields.u32(LOCATOR64_SIGNATURE);
        fields.u32(0); // disk of the record
        fields.u64(self.directory_offset.saturating_add(self.directory_bytes));
        fields.u32(1); // disks
    }
}

/// Little-endian fields, one after the other.
struct Fields<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Fields<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }
}

/// Tells whether a number is written in 32 bits; the largest of those is the mark.
pub(crate) fn fits_32(value: u64) -> bool {
    value < u64::from(MARK_32)
}

fn low_32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(MARK_32)
}

fn length_16(length: usize) -> u16 {
    u16::try_from(length).expect("names, extra fields and comments are far below 64 KiB")
}

/// Returns where the data of an entry begin, or nothing beyond 2⁶⁴.
pub(crate) fn data_offset(header_offset: u64, name_length: usize, size_bytes: u64) -> Option<u64> {
    header_offset.checked_add(size_of_len(local_header_bytes(name_length, size_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_local_header_is_written_byte_for_byte() {
        let mut header = vec![0; local_header_bytes(3, 5)];
        write_local_header(&mut header, "a/1", 0x1234_5678, 5);
        let expected = [
            0x50, 0x4b, 3, 4, 20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0, 0x78, 0x56, 0x34, 0x12, 5, 0, 0, 0,
            5, 0, 0, 0, 3, 0, 0, 0, b'a', b'/', b'1',
        ];
        assert_eq!(header, expected);
    }

    #[test]
    fn the_mark_itself_needs_zip64() {
        assert_eq!(local_header_bytes(3, 0xffff_fffe), 33);
        assert_eq!(local_header_bytes(3, 0xffff_ffff), 53);
        let end = |entries| PackEnd {
            entries,
            directory_offset: 9,
            directory_bytes: 9,
            nonce: [0; NONCE_BYTES],
        };
        assert!(!end(0xfffe).needs_zip64());
        assert!(end(0xffff).needs_zip64());
        assert_eq!(end(0xfffe).encode().len(), END_BYTES);
        assert_eq!(end(0xffff).encode().len(), END64_BYTES + END_BYTES);
    }

    #[test]
    fn the_comment_names_the_format_and_the_attempt() {
        let end = PackEnd {
            entries: 1,
            directory_offset: 0,
            directory_bytes: 0,
            nonce: [0x0a; NONCE_BYTES],
        };
        assert!(end.encode().ends_with(b"sigillo 1 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"));
    }
}
