//! Large files: streamed, each into a pack of its own.

use std::sync::{Condvar, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use sigillo_formats::HEAD_BYTES_MAX;
use sigillo_model::Sha256Digest;
use sigillo_store::{
    PackSink,
    pack::{ClosedPack, LargePackWriter, PackError, entry_name, record_name},
};

use crate::{
    Refusal,
    document::{Decided, FRESH_BYTES, Shared, decide, extension_of},
    read::OpenFile,
    segment::PlacedDocument,
};

/// Files of more bytes are streamed.
pub(crate) const LARGE_BYTES: u64 = 8 << 20;

/// At most this many are streamed at once.
const LARGE_IN_FLIGHT_MAX: usize = 2;

/// A large file is read in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// What became of a large file.
pub(crate) enum Streamed {
    Packed(ClosedPack, PlacedDocument),
    Already,
    Refused(Refusal),
    /// The work downstream failed, so this is given up.
    Aborted,
}

/// Reads a file piece by piece into a pack of its own.
///
/// # Errors
///
/// [`PackError`] if the pack could not be written.
pub(crate) fn stream_file(
    shared: &Shared,
    sink: &dyn PackSink,
    file: &OpenFile<'_>,
    path: &[u8],
    (nonce, fresh): ([u8; 16], &[u8; FRESH_BYTES]),
) -> Result<Streamed, PackError> {
    let extension = extension_of(path);
    let name_length = 65 + 1 + extension.map_or(0, |ext| 1 + ext.as_str().len());
    let mut pack = LargePackWriter::begin(sink, nonce, name_length, file.size_bytes)?;
    let (mut sha256, mut crc32) = (Sha256::new(), crc32fast::Hasher::new());
    let mut head = Vec::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut offset = 0;
    while offset < file.size_bytes {
        let left = usize::try_from(file.size_bytes - offset).unwrap_or(PIECE_BYTES);
        let piece = &mut buffer[..left.min(PIECE_BYTES)];
        if let Err(refusal) = file.read_at(offset, piece) {
            return Ok(Streamed::Refused(refusal));
        }
        if offset == 0 {
            head = piece[..piece.len().min(HEAD_BYTES_MAX)].to_vec();
        }
        sha256.update(&*piece);
        crc32.update(piece);
        pack.append(piece)?;
        offset += piece.len() as u64;
        shared.progress.read_bytes(piece.len());
        if shared.aborted.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(Streamed::Aborted);
        }
    }
    if let Err(refusal) = file.check_unchanged() {
        return Ok(Streamed::Refused(refusal));
    }
    let sha256 = Sha256Digest::from_bytes(sha256.finalize().into());
    let document = match decide(shared, path, (sha256, file.size_bytes), &head, fresh) {
        Decided::New(document) => document,
        Decided::Already => return Ok(Streamed::Already),
        Decided::Refused(refusal) => return Ok(Streamed::Refused(refusal)),
    };
    let file_name = entry_name(document.version, 1, extension.as_ref());
    let record_name = record_name(document.version);
    let closed = pack.finish(&file_name, crc32.finalize(), &record_name, &document.record)?;
    let placed = PlacedDocument { indexed: document.indexed, path: path.to_vec() };
    Ok(Streamed::Packed(closed, placed))
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
