//! Large documents: streamed, each into a pack of its own.

use std::sync::{Condvar, Mutex, PoisonError};

use sigillo_catalogue::{IndexError, IndexedVersion, JournalEntry};
use sigillo_formats::HEAD_BYTES_MAX;
use sigillo_model::{FileEntry, Sha256Hasher, Sha512Hasher};
use sigillo_store::{
    PackSink,
    pack::{
        ClosedPack, LargePackWriter, PackError, PackWriter, entry_name, local_header_bytes,
        record_name,
    },
};

use crate::{
    Refusal, RefusalCode,
    document::{Decided, Drafted, FRESH_BYTES, Hindrance, Prepared, extension_of, file_entry},
    journaled::entry_of,
    read::OpenFile,
    segment::{PlacedDocument, Source, name_length},
    shared::Shared,
    unit::Unit,
};

/// Documents of more bytes are streamed.
pub(crate) const LARGE_BYTES: u64 = 8 << 20;

/// At most this many are streamed at once.
const LARGE_IN_FLIGHT_MAX: usize = 2;

/// A large file is read in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// What became of a large document.
pub(crate) enum Streamed {
    Packed(ClosedPack, Box<PlacedDocument>, Vec<JournalEntry>),
    Already(Unit, IndexedVersion, Vec<JournalEntry>),
}

/// Why a large document goes no further.
pub(crate) enum Broken {
    /// It is refused.
    Refused(Refusal),
    /// The index failed.
    Index(IndexError),
    /// The pack could not be written.
    Pack(PackError),
    /// The work downstream failed, so this is given up.
    Aborted,
}

impl From<Refusal> for Broken {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<PackError> for Broken {
    fn from(error: PackError) -> Self {
        Self::Pack(error)
    }
}

impl From<Hindrance> for Broken {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::Refused(refusal) => Self::Refused(refusal),
            Hindrance::Index(error) => Self::Index(error),
        }
    }
}

/// Reads a document piece by piece into a pack of its own.
pub(crate) fn stream_unit(
    shared: &Shared,
    sink: &dyn PackSink,
    unit: Unit,
    prepared: Prepared,
    (nonce, fresh): ([u8; 16], &[u8; FRESH_BYTES]),
) -> Result<Streamed, Broken> {
    let position = prepared.first_position();
    let only = {
        let mut files = unit.files();
        let only = files.next().filter(|_| files.next().is_none());
        only.map(|(path, role)| (path.to_vec(), role.to_owned()))
    };
    if let Some((path, role)) = &only {
        let file = OpenFile::open(&shared.source, path)?;
        let name_length = name_length(path, position);
        let mut pack = LargePackWriter::begin(sink, nonce, name_length, file.size_bytes)?;
        let read = read_through(shared, &file, (path, role), &mut |piece| pack.append(piece))?;
        let (entry, crc32) = read;
        let journal = Vec::from_iter(entry_of(&file, path, entry.sha256, shared.received_at));
        let drafted = match prepared.decide(shared, &unit, vec![entry], fresh)? {
            Decided::New(drafted) => drafted,
            Decided::Already(known) => return Ok(Streamed::Already(unit, known, journal)),
        };
        let extension = extension_of(path);
        let file_name = entry_name(drafted.version, position, extension.as_ref());
        let record_name = record_name(drafted.version);
        let closed = pack.finish(&file_name, crc32, &record_name, &drafted.record)?;
        let before = local_header_bytes(name_length, file.size_bytes) as u64 + file.size_bytes;
        return Ok(placed(closed, *drafted, before, (unit, journal)));
    }
    stream_several(shared, sink, unit, prepared, (nonce, fresh))
}

/// Reads a document of several files: once to know its version, and once more into the pack.
fn stream_several(
    shared: &Shared,
    sink: &dyn PackSink,
    unit: Unit,
    prepared: Prepared,
    (nonce, fresh): ([u8; 16], &[u8; FRESH_BYTES]),
) -> Result<Streamed, Broken> {
    let first = prepared.first_position();
    let mut files: Vec<(FileEntry, u32)> = Vec::new();
    let mut journal = Vec::new();
    for path in unit.files() {
        let file = OpenFile::open(&shared.source, path.0)?;
        let read = read_through(shared, &file, path, &mut |_| Ok(()))?;
        journal.extend(entry_of(&file, path.0, read.0.sha256, shared.received_at));
        files.push(read);
    }
    let entries = files.iter().map(|(entry, _)| entry.clone()).collect();
    let drafted = match prepared.decide(shared, &unit, entries, fresh)? {
        Decided::New(drafted) => drafted,
        Decided::Already(known) => return Ok(Streamed::Already(unit, known, journal)),
    };
    let size = files.iter().map(|(entry, _)| entry.size).sum();
    let mut pack = PackWriter::begin(sink, nonce, Some(size))?;
    for ((position, path), (entry, crc32)) in (first..).zip(unit.files()).zip(&files) {
        let extension = extension_of(path.0);
        let name = entry_name(drafted.version, position, extension.as_ref());
        pack.begin_entry(&name, *crc32, entry.size)?;
        let file = OpenFile::open(&shared.source, path.0)?;
        let changed = || Refusal::new(RefusalCode::Changed, unit.name());
        if file.size_bytes != entry.size {
            return Err(changed().into());
        }
        let again = read_through(shared, &file, path, &mut |piece| pack.append_to_entry(piece))?;
        if again.0.sha256 != entry.sha256 {
            return Err(changed().into());
        }
    }
    let before = pack.next_offset();
    let (name, record) = (record_name(drafted.version), &drafted.record);
    pack.begin_entry(&name, crc32fast::hash(record), record.len() as u64)?;
    pack.append_to_entry(record)?;
    let closed = pack.finish()?;
    Ok(placed(closed, *drafted, before, (unit, journal)))
}

fn placed(
    closed: ClosedPack,
    drafted: Drafted,
    before: u64,
    (unit, journal): (Unit, Vec<JournalEntry>),
) -> Streamed {
    let name_length = record_name(drafted.version).len();
    let header_bytes = local_header_bytes(name_length, drafted.record.len() as u64);
    let document = PlacedDocument {
        version: drafted.version,
        identity: drafted.identity,
        record_offset: before + header_bytes as u64,
        record_bytes: u32::try_from(drafted.record.len()).expect("a record is far below 4 GiB"),
        source: Source::Unit(unit),
        row: drafted.row,
    };
    Streamed::Packed(closed, Box::new(document), journal)
}

/// Reads a file from its first byte to its last, hashes it and hands every piece on.
fn read_through(
    shared: &Shared,
    file: &OpenFile<'_>,
    (path, role): (&[u8], &str),
    hand_on: &mut dyn FnMut(&[u8]) -> Result<(), PackError>,
) -> Result<(FileEntry, u32), Broken> {
    let (mut sha256, mut crc32) = (Sha256Hasher::default(), crc32fast::Hasher::new());
    let mut sha512 = shared.options.second_digest.then(Sha512Hasher::default);
    let mut head = Vec::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut offset = 0;
    while offset < file.size_bytes {
        let left = usize::try_from(file.size_bytes - offset).unwrap_or(PIECE_BYTES);
        let piece = &mut buffer[..left.min(PIECE_BYTES)];
        file.read_at(offset, piece)?;
        if offset == 0 {
            head = piece[..piece.len().min(HEAD_BYTES_MAX)].to_vec();
        }
        sha256.update(&*piece);
        crc32.update(piece);
        if let Some(sha512) = &mut sha512 {
            sha512.update(piece);
        }
        hand_on(piece)?;
        offset += piece.len() as u64;
        shared.progress.read_bytes(piece.len());
        if shared.is_aborted() {
            return Err(Broken::Aborted);
        }
    }
    file.check_unchanged()?;
    let digests = (sha256.finish(), sha512.map(Sha512Hasher::finish), file.size_bytes);
    Ok((file_entry(path, role, digests, &head), crc32.finalize()))
}

/// Lets only so many large files through at once: each holds several chunks in memory.
#[derive(Debug, Default)]
pub(crate) struct LargeGate {
    inside: Mutex<usize>,
    left: Condvar,
}

impl LargeGate {
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        while *inside >= LARGE_IN_FLIGHT_MAX {
            inside = self.left.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        *inside += 1;
        drop(inside);
        let result = work();
        *self.inside.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.left.notify_one();
        result
    }
}
