//! A wrapper around a store that sees what a process tries to write, whatever becomes of it.

use std::{
    collections::BTreeSet,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use sigillo_model::{Blake3Digest, ObjectKey};
use sigillo_store::{
    BackendError, CreateAnswer, ListedObject, ObjectBackend, PackSink, PackSource, StagedPack,
    StagingSweep, Store, SweepPermit,
};

/// What processes tried to write.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Every call that writes, in order: the method and the key.
    pub writes: Vec<(&'static str, String)>,
    /// Every checkpoint that was to be published.
    pub checkpoints: BTreeSet<String>,
}

/// Records the writes of the stores that it wraps. Clones share the recording.
///
/// It stands before any fault: a checkpoint whose publication was lost was signed all the same,
/// and somebody may have seen it.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    recording: Arc<Mutex<Recording>>,
}

impl Recorder {
    /// Wraps `store`. The result remembers no failed keys of it, as a process just started.
    pub fn wrap(&self, store: &Store) -> Store {
        let (objects, packs) = store.parts();
        Store::from_parts(
            Arc::new(RecordedBackend { inner: objects, recorder: self.clone() }),
            Arc::new(RecordedPacks { inner: packs, recorder: self.clone() }),
        )
    }

    /// Returns what was recorded so far.
    pub fn recording(&self) -> Recording {
        self.lock().clone()
    }

    fn write(&self, operation: &'static str, key: impl fmt::Display) {
        self.lock().writes.push((operation, key.to_string()));
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct RecordedBackend {
    inner: Arc<dyn ObjectBackend>,
    recorder: Recorder,
}

#[async_trait]
impl ObjectBackend for RecordedBackend {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError> {
        self.recorder.write("create", key);
        self.inner.create(key, bytes).await
    }

    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError> {
        self.recorder.write("replace", key);
        if *key == ObjectKey::checkpoint() {
            let note = String::from_utf8_lossy(&bytes).into_owned();
            self.recorder.lock().checkpoints.insert(note);
        }
        self.inner.replace(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.inner.read(key, bytes_max).await
    }

    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.inner.read_range(key, range).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError> {
        self.inner.size(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BackendError> {
        self.inner.list(prefix, count_max).await
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.inner.settle(key).await
    }

    async fn prepare(&self) -> Result<(), BackendError> {
        self.inner.prepare().await
    }

    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.recorder.write("remove", key);
        self.inner.remove_derived(key).await
    }

    async fn remove_unnamed(
        &self,
        key: &ObjectKey,
        permit: &SweepPermit,
    ) -> Result<(), BackendError> {
        self.recorder.write("remove", key);
        self.inner.remove_unnamed(key, permit).await
    }

    async fn list_staging(&self, count_max: usize) -> Result<Vec<ListedObject>, BackendError> {
        self.inner.list_staging(count_max).await
    }

    async fn sweep_staging(
        &self,
        count_max: usize,
        permit: &SweepPermit,
    ) -> Result<StagingSweep, BackendError> {
        self.inner.sweep_staging(count_max, permit).await
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }
}

#[derive(Debug)]
struct RecordedPacks {
    inner: Arc<dyn PackSink>,
    recorder: Recorder,
}

impl PackSink for RecordedPacks {
    fn begin(&self, size_hint_bytes: Option<u64>) -> Result<Box<dyn StagedPack>, BackendError> {
        self.recorder.write("begin pack", "");
        let inner = self.inner.begin(size_hint_bytes)?;
        Ok(Box::new(RecordedPack { inner, recorder: self.recorder.clone() }))
    }

    fn open(&self, name: &Blake3Digest) -> Result<Box<dyn PackSource>, BackendError> {
        self.inner.open(name)
    }
}

struct RecordedPack {
    inner: Box<dyn StagedPack>,
    recorder: Recorder,
}

impl StagedPack for RecordedPack {
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), BackendError> {
        self.recorder.write("write pack", "");
        self.inner.write_at(offset, chunk)
    }

    fn finish(self: Box<Self>, name: &Blake3Digest, size_bytes: u64) -> Result<(), BackendError> {
        self.recorder.write("finish pack", ObjectKey::pack(*name));
        self.inner.finish(name, size_bytes)
    }
}

impl fmt::Debug for RecordedPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedPack").finish_non_exhaustive()
    }
}
