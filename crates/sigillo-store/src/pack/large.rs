//! Writing a pack of one large document, whose digests are known only when it has been read.

use std::fmt;

use super::{
    ClosedPack, EntryName, PackError,
    layout::{CentralRecord, NONCE_BYTES},
    local_header_bytes,
    name::{ENTRY_NAME_BYTES_MAX, EntryOrder},
    output::PackOutput,
    write_local_header,
    writer::end_pack,
};
use crate::{PACK_CHUNK_BYTES, PackSink, convert::size_of_len};

/// Room for record, directory and end in the space that is set aside for a large pack.
const ROOM_BEHIND_FILE_BYTES: u64 = 64 << 10;

/// Writes a pack of one document with one file, as the file comes in: every call may block.
///
/// The version's id, and with it the name of the entry, depends on the digest of the whole file.
/// So the first chunk, which begins with that name, is held back and written last. Dropping the
/// writer unfinished leaves nothing behind.
pub struct LargePackWriter {
    output: PackOutput,
    header_length: usize,
    name_length: usize,
    file_size_bytes: u64,
    appended_bytes: u64,
    nonce: [u8; NONCE_BYTES],
}

impl LargePackWriter {
    /// Begins a pack for a file of `file_size_bytes` under a name of `name_length` bytes. `nonce`
    /// is fresh for each attempt, so that no two packs ever have the same name.
    ///
    /// # Errors
    ///
    /// [`PackError::Store`] if `sink` cannot begin a pack, [`PackError::Refused`] if no entry can
    /// be so named or so large.
    pub fn begin(
        sink: &dyn PackSink,
        nonce: [u8; 16],
        name_length: usize,
        file_size_bytes: u64,
    ) -> Result<Self, PackError> {
        if ENTRY_NAME_BYTES_MAX < name_length {
            return Err(PackError::Refused { what: "the name of the file is too long" });
        }
        let size_hint_bytes = file_size_bytes
            .checked_add(ROOM_BEHIND_FILE_BYTES)
            .ok_or(PackError::Refused { what: "the file is too large" })?;
        let header_length = local_header_bytes(name_length, file_size_bytes);
        debug_assert!(header_length < PACK_CHUNK_BYTES, "the header lies in the first chunk");
        let output = PackOutput::begin_after_header(sink, Some(size_hint_bytes), header_length)?;
        Ok(Self { output, header_length, name_length, file_size_bytes, appended_bytes: 0, nonce })
    }

    /// Adds the next bytes of the file.
    ///
    /// # Errors
    ///
    /// [`PackError::Refused`] if the file is longer than was said, [`PackError::Store`] if it
    /// cannot be written, and then the pack is lost.
    pub fn append(&mut self, data: &[u8]) -> Result<(), PackError> {
        let appended_bytes = self.appended_bytes.saturating_add(size_of_len(data.len()));
        if self.file_size_bytes < appended_bytes {
            return Err(PackError::Refused { what: "the file is longer than was said" });
        }
        self.output.append(data)?;
        self.appended_bytes = appended_bytes;
        Ok(())
    }

    /// Names the file, adds the record, ends the pack and makes it durable under its name.
    ///
    /// # Errors
    ///
    /// [`PackError::Refused`] if the file is shorter than was said or the names do not fit,
    /// [`PackError::Store`] if the pack is not durable.
    pub fn finish(
        mut self,
        file_name: &str,
        file_crc32: u32,
        record_name: &str,
        record: &[u8],
    ) -> Result<ClosedPack, PackError> {
        self.check_end(file_name, record_name).map_err(|what| PackError::Refused { what })?;
        let mut header = vec![0; self.header_length];
        write_local_header(&mut header, file_name, file_crc32, self.file_size_bytes);

        let record_size_bytes = size_of_len(record.len());
        let record_crc32 = crc32fast::hash(record);
        let record_offset = self.output.size_bytes();
        let mut record_header = vec![0; local_header_bytes(record_name.len(), record_size_bytes)];
        write_local_header(&mut record_header, record_name, record_crc32, record_size_bytes);
        self.output.append(&record_header)?;
        self.output.append(record)?;

        let mut directory = Vec::new();
        let file = CentralRecord {
            name: file_name,
            crc32: file_crc32,
            size_bytes: self.file_size_bytes,
            header_offset: 0,
        };
        file.encode(&mut directory);
        let record = CentralRecord {
            name: record_name,
            crc32: record_crc32,
            size_bytes: record_size_bytes,
            header_offset: record_offset,
        };
        record.encode(&mut directory);
        end_pack(self.output, &header, &directory, 2, self.nonce)
    }

    fn check_end(&self, file_name: &str, record_name: &str) -> Result<(), &'static str> {
        if self.appended_bytes != self.file_size_bytes {
            return Err("the file is shorter than was said");
        }
        if file_name.len() != self.name_length {
            return Err("the name of the file has another length than was said");
        }
        let mut order = EntryOrder::default();
        for name in [file_name, record_name] {
            order.accept(&EntryName::parse(name).ok_or("the name of an entry is misspelt")?)?;
        }
        if order.is_complete() { Ok(()) } else { Err("the last entry is not the record") }
    }
}

impl fmt::Debug for LargePackWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LargePackWriter")
            .field("file_size_bytes", &self.file_size_bytes)
            .field("appended_bytes", &self.appended_bytes)
            .finish_non_exhaustive()
    }
}
