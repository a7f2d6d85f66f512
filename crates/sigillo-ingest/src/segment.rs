//! A segment: some documents laid out as they will lie in a pack.

use std::sync::{Mutex, PoisonError};

use sigillo_catalogue::IndexedVersion;
use sigillo_model::Sha256Digest;
use sigillo_store::pack::{
    SegmentEntry, entry_name, local_header_bytes, record_name, write_local_header,
};

use crate::{
    Refusal,
    document::{Decided, FRESH_BYTES, ReadDocument, Shared, decide, extension_of},
    read::OpenFile,
};

/// A segment is handed over once it has this many bytes.
pub(crate) const SEGMENT_BYTES: usize = 2 << 20;

/// Length of a version id in a name, with its slash.
const VERSION_AND_SLASH_BYTES: usize = 65;

/// A document that lies in a pack.
#[derive(Debug)]
pub(crate) struct PlacedDocument {
    pub(crate) indexed: IndexedVersion,
    pub(crate) path: Vec<u8>,
}

/// Documents laid out one behind the other, on their way to a pack.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    buffer: Vec<u8>,
    filled: usize,
    pub(crate) entries: Vec<SegmentEntry>,
    pub(crate) documents: Vec<PlacedDocument>,
}

impl Segment {
    /// Starts an empty segment in a used buffer: memory that was touched before is much faster.
    pub(crate) fn in_buffer(buffer: Vec<u8>) -> Self {
        Self { buffer, ..Self::default() }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.filled >= SEGMENT_BYTES
    }

    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Reads a file into the segment, hashes it while it is warm, and adds its record.
    ///
    /// Returns whether it was added: a document that the archive has already is not.
    pub(crate) fn add_file(
        &mut self,
        shared: &Shared,
        file: &OpenFile<'_>,
        path: &[u8],
        fresh: &[u8; FRESH_BYTES],
    ) -> Result<bool, Refusal> {
        let extension = extension_of(path);
        // The name has this length whatever the id, which is known only after the bytes are read.
        let name_length =
            VERSION_AND_SLASH_BYTES + 1 + extension.map_or(0, |ext| 1 + ext.as_str().len());
        let header_bytes = local_header_bytes(name_length, file.size_bytes);
        let size = usize::try_from(file.size_bytes).expect("only small files are laid out here");
        let (start, data) = (self.filled, self.filled + header_bytes);
        self.make_room(data + size);
        let content = &mut self.buffer[data..data + size];
        file.read_at(0, content)?;
        let content = &self.buffer[data..data + size];
        let (sha256, crc32) = (Sha256Digest::of(content), crc32fast::hash(content));
        file.check_unchanged()?;
        let document = match decide(shared, path, (sha256, file.size_bytes), content, fresh) {
            Decided::New(document) => document,
            Decided::Already => return Ok(false),
            Decided::Refused(refusal) => return Err(refusal),
        };
        let name = entry_name(document.version, 1, extension.as_ref());
        write_local_header(&mut self.buffer[start..data], &name, crc32, file.size_bytes);
        self.filled = data + size;
        let header_offset_in_segment = start as u64;
        let size_bytes = file.size_bytes;
        self.entries.push(SegmentEntry { name, crc32, size_bytes, header_offset_in_segment });
        self.add_record(document, path);
        Ok(true)
    }

    fn add_record(&mut self, document: ReadDocument, path: &[u8]) {
        let ReadDocument { version, record, indexed } = document;
        let name = record_name(version);
        let (size_bytes, crc32) = (record.len() as u64, crc32fast::hash(&record));
        let start = self.filled;
        let data = start + local_header_bytes(name.len(), size_bytes);
        self.make_room(data + record.len());
        write_local_header(&mut self.buffer[start..data], &name, crc32, size_bytes);
        self.buffer[data..data + record.len()].copy_from_slice(&record);
        self.filled = data + record.len();
        let header_offset_in_segment = start as u64;
        self.entries.push(SegmentEntry { name, crc32, size_bytes, header_offset_in_segment });
        self.documents.push(PlacedDocument { indexed, path: path.to_vec() });
    }

    fn make_room(&mut self, length: usize) {
        if self.buffer.len() < length {
            self.buffer.resize(length.next_multiple_of(256 << 10), 0);
        }
    }
}

/// Buffers that were used and can be used again.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// At most this many unused buffers are kept.
const BUFFERS_MAX: usize = 32;

/// Larger buffers are given back to the system.
const BUFFER_BYTES_MAX: usize = 4 << 20;

impl Buffers {
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < BUFFERS_MAX && buffer.len() <= BUFFER_BYTES_MAX {
            buffers.push(buffer);
        }
    }
}
