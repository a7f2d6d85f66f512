//! A segment: some documents laid out as they will lie in a pack.

use std::sync::{Mutex, PoisonError};

use sigillo_catalogue::{IndexedVersion, JournalEntry, tables::RowDraft};
use sigillo_formats::HEAD_BYTES_MAX;
use sigillo_model::{Sha256Digest, Sha512Digest};
use sigillo_store::pack::{
    SegmentEntry, entry_name, local_header_bytes, record_name, write_local_header,
};

use crate::{
    document::{
        Decided, Drafted, FRESH_BYTES, Hindrance, Identity, Prepared, extension_of, file_entry,
    },
    journaled::{entry_of, recognise},
    large::LARGE_BYTES,
    read::OpenFile,
    shared::Shared,
    unit::Unit,
};

/// A segment is handed over once it has this many bytes.
pub(crate) const SEGMENT_BYTES: usize = 2 << 20;

/// Length of a version id in a name, with its slash.
const VERSION_AND_SLASH_BYTES: usize = 65;

/// A document that lies in a pack.
#[derive(Debug)]
pub(crate) struct PlacedDocument {
    pub(crate) version: sigillo_model::VersionId,
    pub(crate) identity: Identity,
    /// Where the bytes of its record begin, from the start of the segment or of its own pack.
    pub(crate) record_offset: u64,
    pub(crate) record_bytes: u32,
    pub(crate) source: Source,
    /// What the catalogue keeps of it.
    pub(crate) row: RowDraft,
}

/// Where a document comes from, should it have to be made anew.
#[derive(Debug)]
pub(crate) enum Source {
    /// The files of a unit.
    Unit(Unit),
    /// An aggregation, made from its members.
    Aggregation,
}

/// Documents laid out one behind the other, on their way to a pack.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    buffer: Vec<u8>,
    filled: usize,
    pub(crate) entries: Vec<SegmentEntry>,
    pub(crate) documents: Vec<PlacedDocument>,
    /// What the journal is to remember of their files.
    pub(crate) journal: Vec<JournalEntry>,
}

/// What became of a unit that was to be laid out.
#[derive(Debug)]
pub(crate) enum LaidOut {
    Placed,
    /// The archive has it already: the unit is given back, with what the journal is to remember.
    Already(Unit, Box<IndexedVersion>, Vec<JournalEntry>),
    /// It is too large to be laid out in memory.
    TooLarge(Unit, Box<Prepared>),
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

    /// Reads the files of a unit into the segment, hashes them while they are warm, and adds the
    /// record, unless the archive has the document already.
    pub(crate) fn add_unit(
        &mut self,
        shared: &Shared,
        unit: Unit,
        prepared: Prepared,
        fresh: &[u8; FRESH_BYTES],
    ) -> Result<LaidOut, Hindrance> {
        if let Some(known) = recognise(shared, &unit, &prepared)? {
            return Ok(LaidOut::Already(unit, Box::new(known), Vec::new()));
        }
        let start = self.filled;
        let mut end = start;
        let (mut files, mut journal) = (Vec::new(), Vec::new());
        let mut laid: Vec<(usize, usize, u32)> = Vec::new();
        let mut is_too_large = false;
        for (position, (path, role)) in (prepared.first_position()..).zip(unit.files()) {
            let file = OpenFile::open(&shared.source, path)?;
            let name_length = name_length(path, position);
            let data = end + local_header_bytes(name_length, file.size_bytes);
            if (data - start) as u64 + file.size_bytes > LARGE_BYTES {
                is_too_large = true;
                break;
            }
            let size = usize::try_from(file.size_bytes).expect("only small files are laid out");
            self.make_room(data + size);
            file.read_at(0, &mut self.buffer[data..data + size])?;
            let content = &self.buffer[data..data + size];
            let (sha256, crc32) = (Sha256Digest::of(content), crc32fast::hash(content));
            let sha512 = shared.options.second_digest.then(|| Sha512Digest::of(content));
            file.check_unchanged()?;
            shared.progress.read_bytes(size);
            journal.extend(entry_of(&file, path, sha256, shared.received_at));
            let head = &content[..size.min(HEAD_BYTES_MAX)];
            files.push(file_entry(path, role, (sha256, sha512, file.size_bytes), head));
            laid.push((end, data, crc32));
            end = data + size;
        }
        if is_too_large {
            return Ok(LaidOut::TooLarge(unit, Box::new(prepared)));
        }
        let first = prepared.first_position();
        match prepared.decide(shared, &unit, files, fresh)? {
            Decided::Already(known) => Ok(LaidOut::Already(unit, Box::new(known), journal)),
            Decided::New(drafted) => {
                let ends = laid.iter().skip(1).map(|next| next.0).chain([end]);
                let files = unit.files().zip(laid.iter().zip(ends));
                for (position, ((path, _), (&(header, data, crc32), end))) in (first..).zip(files) {
                    let extension = extension_of(path);
                    let name = entry_name(drafted.version, position, extension.as_ref());
                    let size_bytes = (end - data) as u64;
                    write_local_header(&mut self.buffer[header..data], &name, crc32, size_bytes);
                    let header_offset_in_segment = header as u64;
                    let entry = SegmentEntry { name, crc32, size_bytes, header_offset_in_segment };
                    self.entries.push(entry);
                }
                self.filled = end;
                self.journal.append(&mut journal);
                self.add_record(*drafted, Source::Unit(unit));
                Ok(LaidOut::Placed)
            }
        }
    }

    /// Adds a document of one file whose bytes are in memory.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8], extension: &str, drafted: Drafted) {
        let extension = sigillo_store::pack::Extension::parse(extension);
        let name = entry_name(drafted.version, 1, extension.as_ref());
        let (start, size_bytes) = (self.filled, bytes.len() as u64);
        let data = start + local_header_bytes(name.len(), size_bytes);
        self.make_room(data + bytes.len());
        let crc32 = crc32fast::hash(bytes);
        write_local_header(&mut self.buffer[start..data], &name, crc32, size_bytes);
        self.buffer[data..data + bytes.len()].copy_from_slice(bytes);
        self.filled = data + bytes.len();
        let header_offset_in_segment = start as u64;
        self.entries.push(SegmentEntry { name, crc32, size_bytes, header_offset_in_segment });
        self.add_record(drafted, Source::Aggregation);
    }

    fn add_record(&mut self, drafted: Drafted, source: Source) {
        let Drafted { version, record, identity, row } = drafted;
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
        self.documents.push(PlacedDocument {
            version,
            identity,
            record_offset: data as u64,
            record_bytes: u32::try_from(record.len()).expect("a record is far below 4 GiB"),
            source,
            row,
        });
    }

    fn make_room(&mut self, length: usize) {
        if self.buffer.len() < length {
            self.buffer.resize(length.next_multiple_of(256 << 10), 0);
        }
    }
}

/// Returns the length of the name of a file in its pack, which does not depend on the version.
pub(crate) fn name_length(path: &[u8], position: u32) -> usize {
    let extension = extension_of(path).map_or(0, |ext| 1 + ext.as_str().len());
    VERSION_AND_SLASH_BYTES + decimal_digits(position) + extension
}

fn decimal_digits(number: u32) -> usize {
    number.checked_ilog10().map_or(1, |digits| digits as usize + 1)
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
