//! Packs as single objects of a backend, spooled in memory until they are whole.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;

use sigillo_model::{Blake3Digest, ObjectKey};

use crate::{
    BackendError, CreateOutcome, ObjectBackend, PackSink, PackSource, StagedPack, StoreError,
    convert::size_of_len, create::create_compared, sink::chunk_fault,
};

/// A spooled pack has at most this many bytes.
pub const SPOOL_BYTES_MAX: u64 = 256 << 20;

/// Packs as objects: spooled in memory, then created in one call.
#[derive(Debug)]
pub struct ObjectPackSink {
    objects: Arc<dyn ObjectBackend>,
    runtime: tokio::runtime::Handle,
}

impl ObjectPackSink {
    /// Keeps packs as objects of `objects`, whose calls `runtime` drives.
    pub fn new(objects: Arc<dyn ObjectBackend>, runtime: tokio::runtime::Handle) -> Self {
        Self { objects, runtime }
    }
}

impl PackSink for ObjectPackSink {
    fn begin(&self, size_hint_bytes: Option<u64>) -> Result<Box<dyn StagedPack>, BackendError> {
        let size_bytes = size_hint_bytes.unwrap_or(0);
        if SPOOL_BYTES_MAX < size_bytes {
            return Err(BackendError::TooLarge { size_bytes, bytes_max: SPOOL_BYTES_MAX });
        }
        Ok(Box::new(SpooledPack {
            objects: Arc::clone(&self.objects),
            runtime: self.runtime.clone(),
            chunks: BTreeMap::new(),
            written_bytes: 0,
        }))
    }

    fn open(&self, name: &Blake3Digest) -> Result<Box<dyn PackSource>, BackendError> {
        let key = ObjectKey::pack(*name);
        let size_bytes = self.runtime.block_on(self.objects.size(&key))?;
        Ok(Box::new(ObjectPackSource {
            objects: Arc::clone(&self.objects),
            runtime: self.runtime.clone(),
            key,
            size_bytes,
        }))
    }
}

struct SpooledPack {
    objects: Arc<dyn ObjectBackend>,
    runtime: tokio::runtime::Handle,
    chunks: BTreeMap<u64, Vec<u8>>,
    written_bytes: u64,
}

impl StagedPack for SpooledPack {
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), BackendError> {
        if let Some(fault) = chunk_fault(offset, chunk) {
            return Err(BackendError::failed(fault));
        }
        let size_bytes = self.written_bytes + size_of_len(chunk.len());
        if SPOOL_BYTES_MAX < size_bytes {
            return Err(BackendError::TooLarge { size_bytes, bytes_max: SPOOL_BYTES_MAX });
        }
        if self.chunks.insert(offset, chunk.to_vec()).is_some() {
            return Err(BackendError::failed("a chunk was written twice"));
        }
        self.written_bytes = size_bytes;
        Ok(())
    }

    fn finish(self: Box<Self>, name: &Blake3Digest, size_bytes: u64) -> Result<(), BackendError> {
        if self.written_bytes != size_bytes {
            return Err(BackendError::failed("the chunks do not add up to the pack"));
        }
        let mut whole = Vec::new();
        for (offset, chunk) in self.chunks {
            if offset != size_of_len(whole.len()) {
                return Err(BackendError::failed("the chunks leave a gap in the pack"));
            }
            whole.extend_from_slice(&chunk);
        }
        let key = ObjectKey::pack(*name);
        let created = create_compared(&*self.objects, &key, Bytes::from(whole));
        match self.runtime.block_on(created) {
            Ok(CreateOutcome::Created | CreateOutcome::AlreadyEqual) => Ok(()),
            Ok(CreateOutcome::Taken(_)) => Err(BackendError::failed(
                "other bytes lie under the name of the pack, which is their digest",
            )),
            Err(StoreError::WriteFailed { source, .. }) => Err(source),
            Err(error) => Err(BackendError::outcome_unknown(error)),
        }
    }
}

struct ObjectPackSource {
    objects: Arc<dyn ObjectBackend>,
    runtime: tokio::runtime::Handle,
    key: ObjectKey,
    size_bytes: u64,
}

impl PackSource for ObjectPackSource {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let end = offset
            .checked_add(size_of_len(buf.len()))
            .ok_or_else(|| BackendError::failed("a read beyond any pack"))?;
        let bytes = self.runtime.block_on(self.objects.read_range(&self.key, offset..end))?;
        if bytes.len() != buf.len() {
            return Err(BackendError::failed("the store returned another number of bytes"));
        }
        buf.copy_from_slice(&bytes);
        Ok(())
    }
}

impl fmt::Debug for SpooledPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledPack")
            .field("written_bytes", &self.written_bytes)
            .finish_non_exhaustive()
    }
}
