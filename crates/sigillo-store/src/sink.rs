//! The seam to where packs are written and read: blocking, in large pieces.

use std::fmt;

use sigillo_model::Blake3Digest;

use crate::BackendError;

/// Packs are written in pieces of this many bytes; only the last may be shorter.
pub const PACK_CHUNK_BYTES: usize = 4 << 20;

/// Where packs are kept.
///
/// # Contract
///
/// Every call may block: they are for threads of our own, never for async ones. A pack is visible
/// under its name only once it is complete and durable. Not trusted: whoever reads a pack checks
/// its bytes against its name or its blocks.
pub trait PackSink: fmt::Debug + Send + Sync {
    /// Begins a pack, of about `size_hint_bytes` bytes if that is known.
    fn begin(&self, size_hint_bytes: Option<u64>) -> Result<Box<dyn StagedPack>, BackendError>;

    /// Opens the pack of this name.
    fn open(&self, name: &Blake3Digest) -> Result<Box<dyn PackSource>, BackendError>;
}

/// A pack being written, which nobody else sees. Dropping it unfinished removes what it left.
pub trait StagedPack: Send {
    /// Writes one chunk.
    ///
    /// `offset` is a multiple of [`PACK_CHUNK_BYTES`]. Every chunk is written once, in any order,
    /// all but the last full, from a buffer that is aligned as
    /// [`AlignedBuffer`](crate::AlignedBuffer) is. An error spoils the pack.
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), BackendError>;

    /// Makes the pack durable and visible under its name, never replacing another.
    ///
    /// `size_bytes` is the sum of all chunks. A pack of that name and size that is there already
    /// is made durable, and that is success.
    fn finish(self: Box<Self>, name: &Blake3Digest, size_bytes: u64) -> Result<(), BackendError>;
}

/// A pack open for reading.
pub trait PackSource: Send + Sync {
    /// Returns the size of the pack, in bytes.
    fn size_bytes(&self) -> u64;

    /// Fills `buf` with the bytes from `offset` on, all of which lie inside the pack.
    ///
    /// Large aligned reads into aligned buffers go past the page cache where that is possible.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError>;
}

/// Says why a chunk breaks the contract of [`StagedPack::write_at`], if it does.
pub(crate) fn chunk_fault(offset: u64, chunk: &[u8]) -> Option<&'static str> {
    if !offset.is_multiple_of(PACK_CHUNK_BYTES as u64) {
        Some("a chunk does not start at a multiple of the chunk size")
    } else if chunk.len() > PACK_CHUNK_BYTES {
        Some("a chunk is larger than the chunk size")
    } else {
        None
    }
}
