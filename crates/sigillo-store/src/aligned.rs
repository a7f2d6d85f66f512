//! Memory that the disk can read from and write to without a copy.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// Start and length of what goes past the page cache are multiples of this.
pub const ALIGNMENT_BYTES: usize = 4096;

/// A buffer of fixed length whose first byte lies at a multiple of [`ALIGNMENT_BYTES`].
pub struct AlignedBuffer {
    storage: Vec<u8>,
    start: usize,
    length_bytes: usize,
}

impl AlignedBuffer {
    /// Returns a buffer of `length_bytes` zeros.
    pub fn zeroed(length_bytes: usize) -> Self {
        let storage = vec![0; length_bytes + ALIGNMENT_BYTES];
        // In a spare of one whole alignment there always is such a place.
        let start = storage.as_ptr().align_offset(ALIGNMENT_BYTES).min(ALIGNMENT_BYTES);
        Self { storage, start, length_bytes }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.length_bytes]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.length_bytes]
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuffer")
            .field("length_bytes", &self.length_bytes)
            .finish_non_exhaustive()
    }
}

/// Tells whether `bytes` starts where the disk can take it from.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().align_offset(ALIGNMENT_BYTES) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buffer_is_aligned_and_stays_so_when_moved() {
        for length_bytes in [0, 1, 4096, 5000, 4 << 20] {
            let buffer = Box::new(AlignedBuffer::zeroed(length_bytes));
            assert_eq!(buffer.len(), length_bytes);
            let moved = *buffer;
            assert!(is_aligned(&moved));
        }
    }
}
