//! Packs in a service: spooled until they are whole, then sent in one request.

use std::{fmt, path::PathBuf, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{PutPayload, multipart::PartId, path::Path};
use tokio::runtime::Handle;

use sigillo_model::{Blake3Digest, ObjectKey};

use super::{
    backend::{Attempts, ServiceBackend},
    fault::Fault,
    source::ServicePackSource,
    spool::Spool,
    wire::{Call, Upload},
};
use crate::{
    BackendError, CREATE_ATTEMPTS_MAX, CreateAnswer, ObjectBackend as _, PackSink, PackSource,
    StagedPack, convert::size_of_len, sink::chunk_fault, url::ServiceKind,
};

/// A pack of more bytes is sent in several parts, unless the caller says otherwise: services take
/// 5 GiB at most in one request.
pub(crate) const PUT_BYTES_MAX: u64 = 4 << 30;

/// A part of a pack that is sent in several has at least this many bytes, but for the last.
const PART_BYTES_MIN: u64 = 16 << 20;

/// Services take at most this many parts.
const PARTS_MAX: u64 = 10_000;

/// Parts that are in memory at once have at most this many bytes together, or are one.
const PARTS_MEMORY_BYTES_MAX: u64 = 64 << 20;

/// A pack that is compared is read in pieces of this many bytes.
const COMPARED_BYTES: u64 = 8 << 20;

/// Packs as objects of a service.
#[derive(Debug)]
pub(crate) struct ServicePackSink {
    service: Arc<PackService>,
    spool_folder: Option<PathBuf>,
}

#[derive(Debug)]
struct PackService {
    backend: Arc<ServiceBackend>,
    runtime: Handle,
    put_bytes_max: u64,
}

impl ServicePackSink {
    pub(crate) fn new(
        backend: Arc<ServiceBackend>,
        runtime: Handle,
        spool_folder: Option<PathBuf>,
        put_bytes_max: u64,
    ) -> Self {
        let service = Arc::new(PackService { backend, runtime, put_bytes_max });
        Self { service, spool_folder }
    }
}

impl PackSink for ServicePackSink {
    fn begin(&self, _size_hint_bytes: Option<u64>) -> Result<Box<dyn StagedPack>, BackendError> {
        let spool = Spool::new(self.spool_folder.clone());
        Ok(Box::new(SpooledPack { service: Arc::clone(&self.service), spool }))
    }

    fn open(&self, name: &Blake3Digest) -> Result<Box<dyn PackSource>, BackendError> {
        let PackService { backend, runtime, .. } = &*self.service;
        let key = ObjectKey::pack(*name);
        let size_bytes = runtime.block_on(backend.size(&key))?;
        let (backend, runtime) = (Arc::clone(backend), runtime.clone());
        Ok(Box::new(ServicePackSource::new(backend, runtime, key, size_bytes)))
    }
}

struct SpooledPack {
    service: Arc<PackService>,
    spool: Spool,
}

impl StagedPack for SpooledPack {
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), BackendError> {
        if let Some(fault) = chunk_fault(offset, chunk) {
            return Err(BackendError::failed(fault));
        }
        self.spool.write_at(offset, chunk).map_err(BackendError::failed)
    }

    fn finish(self: Box<Self>, name: &Blake3Digest, size_bytes: u64) -> Result<(), BackendError> {
        let Self { service, spool } = *self;
        if spool.size_bytes() != size_bytes {
            return Err(BackendError::failed("the chunks do not add up to the pack"));
        }
        if !spool.is_whole() {
            return Err(BackendError::failed("the chunks leave a gap in the pack"));
        }
        // Only Amazon's way of signing asks for it, and only where the body is not in memory.
        let signed = service.backend.place.kind == ServiceKind::S3 && spool.in_memory().is_none();
        let sha256 = if signed { spool.sha256().map_err(BackendError::failed)? } else { [0; 32] };
        let runtime = service.runtime.clone();
        let pack = WholePack { service, spool: Arc::new(spool), sha256, name: *name, size_bytes };
        runtime.block_on(pack.send())
    }
}

/// A pack that is whole, on its way.
struct WholePack {
    service: Arc<PackService>,
    spool: Arc<Spool>,
    sha256: [u8; 32],
    name: Blake3Digest,
    size_bytes: u64,
}

impl WholePack {
    /// Sends the pack and resolves every doubt about it by reading back what is there.
    async fn send(&self) -> Result<(), BackendError> {
        let key = ObjectKey::pack(self.name);
        let path = self.service.backend.path(&key)?;
        for _ in 0..CREATE_ATTEMPTS_MAX {
            let sent = if self.service.put_bytes_max < self.size_bytes {
                self.send_in_parts(&key, &path).await
            } else {
                self.send_at_once(&path).await
            };
            match sent {
                Ok(CreateAnswer::Created) => return self.confirm(&key).await,
                Ok(CreateAnswer::AlreadyExists) => {}
                Err(BackendError::OutcomeUnknown { source }) => {
                    tracing::warn!(%key, error = %source, "the answer to a create was lost");
                }
                Err(error) => return Err(error),
            }
            match self.is_there(&key).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    let what = "other bytes lie under the name of the pack, which is their digest";
                    return Err(BackendError::failed(what));
                }
                Err(BackendError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Err(BackendError::outcome_unknown("the pack is neither there nor creatable"))
    }

    async fn send_at_once(&self, path: &Path) -> Result<CreateAnswer, BackendError> {
        let backend = &self.service.backend;
        if let Some(chunks) = self.spool.in_memory() {
            let payload = PutPayload::from_iter(chunks);
            return backend.create_by(path, &payload, self.size_bytes, Call::default).await;
        }
        let upload = || Upload {
            spool: Arc::clone(&self.spool),
            sha256: self.sha256,
            runtime: self.service.runtime.clone(),
        };
        let payload = PutPayload::new();
        backend.create_by(path, &payload, self.size_bytes, || Call::sending(upload())).await
    }

    /// Sends the pack in several parts, which takes no condition: what is there already is looked
    /// for first, and whatever comes between has the same bytes, for the name is their digest.
    async fn send_in_parts(
        &self,
        key: &ObjectKey,
        path: &Path,
    ) -> Result<CreateAnswer, BackendError> {
        let backend = &self.service.backend;
        match backend.size(key).await {
            Ok(_) => return Ok(CreateAnswer::AlreadyExists),
            Err(BackendError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let begun = backend.repeated(0, || backend.parts.create_multipart(path)).await;
        let id = begun.map_err(not_begun)?;
        let sent = match self.send_parts(path, &id).await {
            Ok(parts) => self.complete(key, path, &id, parts).await,
            Err(fault) => Err(fault.of_reading()),
        };
        if let Err(error) = &sent {
            tracing::debug!(%key, %error, "an upload in parts is given up");
            let given_up = backend.repeated(0, || backend.parts.abort_multipart(path, &id)).await;
            if let Err(fault) = given_up {
                tracing::warn!(%key, ?fault, "parts of a pack may stay in the service");
            }
        }
        sent
    }

    async fn send_parts(&self, path: &Path, id: &String) -> Result<Vec<PartId>, Fault> {
        let part_bytes = part_bytes(self.size_bytes);
        let at_once = usize::try_from(PARTS_MEMORY_BYTES_MAX / part_bytes).unwrap_or(1).max(1);
        let backend = &self.service.backend;
        let parts = (0..self.size_bytes.div_ceil(part_bytes)).map(|number| async move {
            let at = number * part_bytes;
            let length = part_bytes.min(self.size_bytes - at);
            let spool = Arc::clone(&self.spool);
            let read = self.service.runtime.spawn_blocking(move || spool.read_at(at, length));
            let refused = |error: std::io::Error| Fault::Refused(error.to_string());
            let part = read.await.map_err(|error| refused(error.into()))?.map_err(refused)?;
            let index =
                usize::try_from(number).map_err(|error| Fault::Refused(error.to_string()))?;
            let payload = PutPayload::from(part);
            let put = || backend.parts.put_part(path, id, index, payload.clone());
            backend.repeated(length, put).await
        });
        futures::stream::iter(parts).buffered(at_once).try_collect().await
    }

    async fn complete(
        &self,
        key: &ObjectKey,
        path: &Path,
        id: &String,
        parts: Vec<PartId>,
    ) -> Result<CreateAnswer, BackendError> {
        let backend = &self.service.backend;
        let mut attempts = Attempts::begin();
        loop {
            let complete = backend.parts.complete_multipart(path, id, parts.clone());
            let completed = backend.request(Call::default(), self.size_bytes, complete).await;
            let Err(fault) = completed else { return Ok(CreateAnswer::Created) };
            let again = fault.may_pass() && attempts.pause(&fault).await;
            match (backend.size(key).await, again) {
                // Its answer was lost, not it.
                (Ok(_), _) => return Ok(CreateAnswer::AlreadyExists),
                (Err(BackendError::NotFound), true) => {}
                (Err(BackendError::NotFound), false) => return Err(fault.of_reading()),
                (Err(error), _) => return Err(error),
            }
        }
    }

    /// Sees that the service shows what it acknowledged.
    async fn confirm(&self, key: &ObjectKey) -> Result<(), BackendError> {
        match self.service.backend.size(key).await? {
            found if found == self.size_bytes => Ok(()),
            found => Err(BackendError::failed(format!(
                "{found} bytes are there of the {} that were sent",
                self.size_bytes
            ))),
        }
    }

    /// Tells whether what lies under the name of the pack is the pack, by its digest.
    async fn is_there(&self, key: &ObjectKey) -> Result<bool, BackendError> {
        let backend = &self.service.backend;
        if backend.size(key).await? != self.size_bytes {
            return Ok(false);
        }
        let mut hasher = blake3::Hasher::new();
        let mut at = 0;
        while at < self.size_bytes {
            let end = self.size_bytes.min(at + COMPARED_BYTES);
            let piece = backend.read_range(key, at..end).await?;
            hasher.update(&piece);
            at += size_of_len(piece.len());
        }
        Ok(hasher.finalize().as_bytes() == self.name.as_bytes())
    }
}

impl fmt::Debug for SpooledPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledPack")
            .field("written_bytes", &self.spool.size_bytes())
            .finish_non_exhaustive()
    }
}

/// Returns how many bytes each part has, in whole MiB, so that there are not too many.
fn part_bytes(size_bytes: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    size_bytes.div_ceil(PARTS_MAX).div_ceil(MIB).saturating_mul(MIB).max(PART_BYTES_MIN)
}

fn not_begun(fault: Fault) -> BackendError {
    match fault {
        Fault::NotFound => BackendError::Refused {
            what: "it says of a new object that it is not found: the bucket or container may be \
                   missing"
                .to_owned(),
        },
        fault => fault.of_reading(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pack_has_too_many_parts() {
        for size_bytes in [1, PUT_BYTES_MAX, 160 << 30, (160 << 30) + 1, 5 << 40] {
            let part_bytes = part_bytes(size_bytes);
            assert!(size_bytes.div_ceil(part_bytes) <= PARTS_MAX, "{size_bytes}");
            assert!(PART_BYTES_MIN <= part_bytes, "{size_bytes}");
        }
        assert_eq!(part_bytes(PUT_BYTES_MAX), PART_BYTES_MIN);
    }
}
