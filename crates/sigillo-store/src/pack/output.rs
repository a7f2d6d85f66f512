//! The bytes of a pack on their way to a sink: collected into chunks, hashed, handed over.

use sigillo_model::Blake3Digest;

use super::{PackError, blocks::BlockHasher};
use crate::{AlignedBuffer, PACK_CHUNK_BYTES, PackSink, StagedPack, convert::size_of_len};

/// A pack that is durable under its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClosedPack {
    /// Its name, the BLAKE3 of its bytes.
    pub name: Blake3Digest,
    /// Its size.
    pub size_bytes: u64,
    /// The values of its blocks; none if it is one block or less.
    pub blocks: Vec<[u8; 32]>,
}

/// Collects bytes into chunks. The first can be held back, for a header known only at the end.
pub(crate) struct PackOutput {
    staged: Box<dyn StagedPack>,
    hasher: BlockHasher,
    chunk: AlignedBuffer,
    filled: usize,
    /// Where `chunk` begins.
    chunk_offset: u64,
    held_back: Option<HeldBack>,
}

enum HeldBack {
    /// The first chunk is to be held back, and is still being filled.
    Filling,
    /// The first chunk, full.
    Full(AlignedBuffer),
}

impl PackOutput {
    pub(crate) fn begin(
        sink: &dyn PackSink,
        size_hint_bytes: Option<u64>,
    ) -> Result<Self, PackError> {
        let staged = sink.begin(size_hint_bytes).map_err(PackError::store("beginning a pack"))?;
        Ok(Self {
            staged,
            hasher: BlockHasher::default(),
            chunk: AlignedBuffer::zeroed(PACK_CHUNK_BYTES),
            filled: 0,
            chunk_offset: 0,
            held_back: None,
        })
    }

    /// Begins a pack whose first `length` bytes are given only when it is finished.
    pub(crate) fn begin_after_header(
        sink: &dyn PackSink,
        size_hint_bytes: Option<u64>,
        length: usize,
    ) -> Result<Self, PackError> {
        let mut output = Self::begin(sink, size_hint_bytes)?;
        output.held_back = Some(HeldBack::Filling);
        output.filled = length;
        Ok(output)
    }

    /// Returns how many bytes there are so far.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.chunk_offset + size_of_len(self.filled)
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> Result<(), PackError> {
        while !bytes.is_empty() {
            let room = &mut self.chunk[self.filled..];
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == PACK_CHUNK_BYTES {
                self.hand_over_chunk()?;
            }
        }
        Ok(())
    }

    /// Ends the pack; `header` are the bytes that it was begun after.
    pub(crate) fn finish(mut self, header: &[u8]) -> Result<ClosedPack, PackError> {
        let size_bytes = self.size_bytes();
        match self.held_back.take() {
            None => self.hand_over_rest()?,
            Some(HeldBack::Filling) => {
                // The held-back chunk is the only one.
                self.chunk[..header.len()].copy_from_slice(header);
                self.hand_over_rest()?;
            }
            Some(HeldBack::Full(mut first)) => {
                self.hand_over_rest()?;
                first[..header.len()].copy_from_slice(header);
                self.hasher.fill_first(&first);
                self.staged.write_at(0, &first).map_err(PackError::store("writing a pack"))?;
            }
        }
        let (name, blocks) = self.hasher.finish();
        self.staged.finish(&name, size_bytes).map_err(PackError::store("finishing a pack"))?;
        Ok(ClosedPack { name, size_bytes, blocks })
    }

    fn hand_over_chunk(&mut self) -> Result<(), PackError> {
        if let Some(HeldBack::Filling) = self.held_back {
            let next = AlignedBuffer::zeroed(PACK_CHUNK_BYTES);
            self.held_back = Some(HeldBack::Full(std::mem::replace(&mut self.chunk, next)));
            self.hasher.skip_first(self.filled);
            self.chunk_offset += size_of_len(self.filled);
            self.filled = 0;
            return Ok(());
        }
        self.hand_over_rest()
    }

    fn hand_over_rest(&mut self) -> Result<(), PackError> {
        let chunk = &self.chunk[..self.filled];
        if chunk.is_empty() {
            return Ok(());
        }
        self.hasher.update(chunk);
        let written = self.staged.write_at(self.chunk_offset, chunk);
        written.map_err(PackError::store("writing a pack"))?;
        self.chunk_offset += size_of_len(self.filled);
        self.filled = 0;
        Ok(())
    }
}
