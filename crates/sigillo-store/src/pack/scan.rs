//! Reading a whole pack in order, hashing it on the way.

use sigillo_model::Blake3Digest;

use super::{PackError, blocks::BlockHasher};
use crate::{AlignedBuffer, PACK_CHUNK_BYTES, PackSource, convert::size_of_len};

/// What the bytes of a pack hash to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PackScan {
    /// The BLAKE3 of the bytes: the name that the pack should have.
    pub name_found: Blake3Digest,
    /// The values of its blocks; none if it is one block or less.
    pub blocks: Vec<[u8; 32]>,
}

/// Reads a pack from its first byte to its last and hashes it; `sink` is handed every piece with
/// its offset, in order.
///
/// # Errors
///
/// [`PackError::Store`] if the pack cannot be read.
pub fn scan_pack(
    source: &dyn PackSource,
    sink: &mut impl FnMut(u64, &[u8]),
) -> Result<PackScan, PackError> {
    let size_bytes = source.size_bytes();
    let mut buffer = AlignedBuffer::zeroed(PACK_CHUNK_BYTES);
    let mut hasher = BlockHasher::default();
    let mut offset = 0;
    while offset < size_bytes {
        let length = usize::try_from(size_bytes - offset).unwrap_or(PACK_CHUNK_BYTES);
        let piece = &mut buffer[..length.min(PACK_CHUNK_BYTES)];
        source.read_exact_at(offset, piece).map_err(PackError::store("reading it"))?;
        hasher.update(piece);
        sink(offset, piece);
        offset += size_of_len(piece.len());
    }
    let (name_found, blocks) = hasher.finish();
    Ok(PackScan { name_found, blocks })
}
