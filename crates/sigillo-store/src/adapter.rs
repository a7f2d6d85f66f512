//! [`ObjectBackend`] over the `object_store` crate: memory, and a folder with fsync.

use std::{
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, local,
    memory::InMemory, path::Path,
};

use sigillo_model::ObjectKey;

use crate::{
    BackendError, CreateAnswer, ListedObject, ObjectBackend, StagingSweep, StoreError, SweepPermit,
    backend::{PROBE, is_removable},
    folder::{Folder, read_error},
};

/// Memory stores are told apart by the order in which they were made.
static MEMORY_STORES: AtomicU64 = AtomicU64::new(1);

/// A backend over an `object_store` implementation.
#[derive(Debug)]
pub(crate) struct Adapter {
    store: Arc<dyn ObjectStore>,
    identity: String,
    /// Where files lie, if they do: then visible does not yet mean durable.
    files: Option<Files>,
}

#[derive(Debug)]
struct Files {
    folder: Folder,
    runtime: tokio::runtime::Handle,
}

impl Adapter {
    pub(crate) fn in_memory() -> Self {
        let number = MEMORY_STORES.fetch_add(1, Ordering::Relaxed);
        Self { store: Arc::new(InMemory::new()), identity: format!("memory:{number}"), files: None }
    }

    pub(crate) fn in_folder(
        folder: Folder,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StoreError> {
        let store = local::LocalFileSystem::new_with_prefix(folder.path())
            .map_err(|source| StoreError::Folder {
                folder: folder.path().display().to_string(),
                doing: "opening it",
                source: io::Error::other(source),
            })?
            // Without it, acknowledged objects are lost at a power cut.
            .with_fsync(true);
        let identity = folder.identity().to_owned();
        Ok(Self { store: Arc::new(store), identity, files: Some(Files { folder, runtime }) })
    }

    /// Makes the way to a file durable, which `object_store` does only for folders that it made.
    async fn make_folders_of(&self, key: &ObjectKey) -> Result<(), BackendError> {
        if let Some(files) = &self.files
            && !files.folder.writing.is_begun()
        {
            let begin = |folder: &Folder| {
                folder.writing.begin();
                Ok(())
            };
            files.run(begin).await?;
        }
        match &self.files {
            // Objects of a probe come and go with their folders, and need not last.
            Some(files) if !key.as_str().starts_with(PROBE) => {
                let make = |folder: &Folder, path: &str| folder.make_folders_of(path);
                files.at(key, move |at, path| make(at, path).map_err(BackendError::failed)).await
            }
            _ => Ok(()),
        }
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> object_store::Result<()> {
        let options = PutOptions { mode, ..PutOptions::default() };
        self.store.put_opts(&object_path(key)?, bytes.into(), options).await.map(|_| ())
    }

    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<GetRange>,
    ) -> Result<object_store::GetResult, BackendError> {
        let path = object_path(key).map_err(backend_error)?;
        let options = GetOptions { range, ..GetOptions::default() };
        self.store.get_opts(&path, options).await.map_err(backend_error)
    }
}

#[async_trait]
impl ObjectBackend for Adapter {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError> {
        self.make_folders_of(key).await?;
        match self.put(key, bytes, PutMode::Create).await {
            Ok(()) => Ok(CreateAnswer::Created),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(CreateAnswer::AlreadyExists),
            Err(error) => Err(backend_error(error)),
        }
    }

    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError> {
        self.make_folders_of(key).await?;
        self.put(key, bytes, PutMode::Overwrite).await.map_err(backend_error)
    }

    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        if let Some(files) = &self.files {
            let read = files.at(key, move |folder, path| folder.read(path, bytes_max)).await;
            return read.map(Bytes::from);
        }
        let found = self.get(key, None).await?;
        let size_bytes = found.meta.size;
        if bytes_max < size_bytes {
            return Err(BackendError::TooLarge { size_bytes, bytes_max });
        }
        found.bytes().await.map_err(backend_error)
    }

    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        if let Some(files) = &self.files {
            let read = files.at(key, move |folder, path| folder.read_range(path, range)).await;
            return read.map(Bytes::from);
        }
        if range.is_empty() {
            let size_bytes = self.size(key).await?;
            let inside = range.start <= range.end && range.end <= size_bytes;
            return if inside {
                Ok(Bytes::new())
            } else {
                Err(BackendError::outside(&range, size_bytes))
            };
        }
        let found = self.get(key, Some(GetRange::Bounded(range.clone()))).await?;
        // A range that begins inside but leaves the object is cut off, not refused.
        if found.range != range {
            return Err(BackendError::outside(&range, found.meta.size));
        }
        let bytes = found.bytes().await.map_err(backend_error)?;
        if crate::convert::size_of_len(bytes.len()) == range.end - range.start {
            Ok(bytes)
        } else {
            Err(BackendError::failed("the object became shorter while it was read"))
        }
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError> {
        if let Some(files) = &self.files {
            return files.at(key, Folder::size).await;
        }
        let path = object_path(key).map_err(backend_error)?;
        Ok(self.store.head(&path).await.map_err(backend_error)?.size)
    }

    async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BackendError> {
        let prefix = Path::parse(prefix).map_err(|error| backend_error(error.into()))?;
        if let Some(files) = &self.files {
            let list = move |folder: &Folder| {
                folder.list(prefix.as_ref(), count_max).map_err(BackendError::failed)
            };
            return Ok(files.run(list).await?.into_iter().map(listed).collect());
        }
        self.store
            .list(Some(&prefix))
            .take(count_max)
            .map_ok(|object| ListedObject {
                key: ObjectKey::listed(object.location.into()),
                size_bytes: object.size,
            })
            .try_collect()
            .await
            .map_err(backend_error)
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError> {
        let Some(files) = &self.files else {
            return self.size(key).await.map(|_| ());
        };
        files.at(key, |folder, path| folder.settle(path).map_err(read_error)).await
    }

    async fn prepare(&self) -> Result<(), BackendError> {
        match &self.files {
            Some(files) => {
                files.run(|folder| folder.make_pack_folders().map_err(BackendError::failed)).await
            }
            None => Ok(()),
        }
    }

    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError> {
        if !is_removable(key) {
            return Err(BackendError::Unsupported { what: "remove an object of an archive" });
        }
        if let Some(files) = &self.files {
            return files
                .at(key, |folder, path| folder.remove_derived(path).map_err(read_error))
                .await;
        }
        let path = object_path(key).map_err(backend_error)?;
        self.store.delete(&path).await.map_err(backend_error)
    }

    async fn remove_unnamed(
        &self,
        key: &ObjectKey,
        _permit: &SweepPermit,
    ) -> Result<(), BackendError> {
        if let Some(files) = &self.files {
            return files.at(key, |folder, path| folder.remove(path).map_err(read_error)).await;
        }
        // Memory does not say whether anything was there.
        self.size(key).await?;
        let path = object_path(key).map_err(backend_error)?;
        self.store.delete(&path).await.map_err(backend_error)
    }

    async fn list_staging(&self, count_max: usize) -> Result<Vec<ListedObject>, BackendError> {
        let Some(files) = &self.files else { return Ok(Vec::new()) };
        let list =
            move |folder: &Folder| folder.list_staging(count_max).map_err(BackendError::failed);
        Ok(files.run(list).await?.into_iter().map(listed).collect())
    }

    async fn sweep_staging(
        &self,
        count_max: usize,
        _permit: &SweepPermit,
    ) -> Result<StagingSweep, BackendError> {
        let Some(files) = &self.files else { return Ok(StagingSweep::default()) };
        let sweep =
            move |folder: &Folder| folder.sweep_staging(count_max).map_err(BackendError::failed);
        Ok(match files.run(sweep).await? {
            None => StagingSweep { removed: Vec::new(), in_use: true },
            Some(gone) => {
                StagingSweep { removed: gone.into_iter().map(listed).collect(), in_use: false }
            }
        })
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }
}

impl Files {
    /// Runs a call about the file of `key`.
    async fn at<T: Send + 'static>(
        &self,
        key: &ObjectKey,
        call: impl FnOnce(&Folder, &str) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let path = object_path(key).map_err(backend_error)?;
        self.run(move |folder| call(folder, path.as_ref())).await
    }

    /// Runs a call that sleeps in the kernel where it does not hold up the runtime.
    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Folder) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let folder = self.folder.clone();
        let done = self.runtime.spawn_blocking(move || call(&folder)).await;
        done.unwrap_or_else(|lost| Err(BackendError::outcome_unknown(lost)))
    }
}

fn listed((path, size_bytes): (String, u64)) -> ListedObject {
    ListedObject { key: ObjectKey::listed(path), size_bytes }
}

/// Spells a key as a path; keys are our own ASCII, so nothing is escaped or normalised.
fn object_path(key: &ObjectKey) -> object_store::Result<Path> {
    Ok(Path::parse(key.as_str())?)
}

/// Sorts an error by what it says about the outcome. Memory and local files answer for certain:
/// what they report as failed did not happen, or must not be trusted, as after an fsync error.
fn backend_error(error: object_store::Error) -> BackendError {
    match error {
        object_store::Error::NotFound { .. } => BackendError::NotFound,
        object_store::Error::JoinError { source } => BackendError::outcome_unknown(source),
        object_store::Error::Generic { source, .. } => BackendError::Failed { source },
        error => BackendError::failed(error),
    }
}
