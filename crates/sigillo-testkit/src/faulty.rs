//! A store that goes wrong by plan: wrappers around any backend and any pack sink.

use std::{fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use sigillo_model::{Blake3Digest, ObjectKey};
use sigillo_store::{
    BackendError, CreateAnswer, ListedObject, ObjectBackend, PackSink, PackSource, StagedPack,
    StagingSweep, Store, SweepPermit,
};

use crate::{FaultPlan, fault::Admitted};

impl FaultPlan {
    /// Wraps a store: the same objects and packs, with this plan between. The result remembers no
    /// failed keys of `store`, as a process that was just started.
    pub fn wrap(&self, store: &Store) -> Store {
        let (objects, packs) = store.parts();
        self.wrap_parts(objects, packs)
    }

    /// Wraps a backend and a pack sink into a store.
    pub fn wrap_parts(&self, objects: Arc<dyn ObjectBackend>, packs: Arc<dyn PackSink>) -> Store {
        Store::from_parts(
            Arc::new(FaultyBackend::new(objects, self.clone())),
            Arc::new(FaultyPackSink::new(packs, self.clone())),
        )
    }
}

/// A backend whose calls go wrong by plan.
#[derive(Debug)]
pub struct FaultyBackend {
    inner: Arc<dyn ObjectBackend>,
    plan: FaultPlan,
}

impl FaultyBackend {
    /// Puts `plan` before `inner`.
    pub fn new(inner: Arc<dyn ObjectBackend>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    fn begin(&self, operation: &'static str, key: &str) -> Result<Admitted, BackendError> {
        self.plan.begin(operation, key.to_owned())
    }
}

#[async_trait]
impl ObjectBackend for FaultyBackend {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError> {
        let admitted = self.begin("create", key.as_str())?;
        self.plan.end(admitted, self.inner.create(key, bytes).await)
    }

    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError> {
        let admitted = self.begin("replace", key.as_str())?;
        self.plan.end(admitted, self.inner.replace(key, bytes).await)
    }

    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        let admitted = self.begin("read", key.as_str())?;
        self.plan.end(admitted, self.inner.read(key, bytes_max).await)
    }

    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        let admitted = self.begin("read range", key.as_str())?;
        self.plan.end(admitted, self.inner.read_range(key, range).await)
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError> {
        let admitted = self.begin("size", key.as_str())?;
        self.plan.end(admitted, self.inner.size(key).await)
    }

    async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BackendError> {
        let admitted = self.begin("list", prefix)?;
        self.plan.end(admitted, self.inner.list(prefix, count_max).await)
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError> {
        let admitted = self.begin("settle", key.as_str())?;
        self.plan.end(admitted, self.inner.settle(key).await)
    }

    async fn prepare(&self) -> Result<(), BackendError> {
        let admitted = self.begin("prepare", "")?;
        self.plan.end(admitted, self.inner.prepare().await)
    }

    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError> {
        let admitted = self.begin("remove", key.as_str())?;
        self.plan.end(admitted, self.inner.remove_derived(key).await)
    }

    async fn remove_unnamed(
        &self,
        key: &ObjectKey,
        permit: &SweepPermit,
    ) -> Result<(), BackendError> {
        let admitted = self.begin("remove", key.as_str())?;
        self.plan.end(admitted, self.inner.remove_unnamed(key, permit).await)
    }

    async fn list_staging(&self, count_max: usize) -> Result<Vec<ListedObject>, BackendError> {
        let admitted = self.begin("list staging", "")?;
        self.plan.end(admitted, self.inner.list_staging(count_max).await)
    }

    async fn sweep_staging(
        &self,
        count_max: usize,
        permit: &SweepPermit,
    ) -> Result<StagingSweep, BackendError> {
        let admitted = self.begin("sweep staging", "")?;
        self.plan.end(admitted, self.inner.sweep_staging(count_max, permit).await)
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }
}

/// A pack sink whose calls go wrong by plan, as do those of its packs.
///
/// A pack being written when its process "crashes" is dropped like any other, so what a killed
/// process leaves under a staging name is not imitated here.
#[derive(Debug)]
pub struct FaultyPackSink {
    inner: Arc<dyn PackSink>,
    plan: FaultPlan,
}

impl FaultyPackSink {
    /// Puts `plan` before `inner`.
    pub fn new(inner: Arc<dyn PackSink>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

impl PackSink for FaultyPackSink {
    fn begin(&self, size_hint_bytes: Option<u64>) -> Result<Box<dyn StagedPack>, BackendError> {
        let admitted = self.plan.begin("pack begin", String::new())?;
        let inner = self.plan.end(admitted, self.inner.begin(size_hint_bytes))?;
        Ok(Box::new(FaultyStagedPack { inner, plan: self.plan.clone() }))
    }

    fn open(&self, name: &Blake3Digest) -> Result<Box<dyn PackSource>, BackendError> {
        let admitted = self.plan.begin("pack open", name.to_string())?;
        let inner = self.plan.end(admitted, self.inner.open(name))?;
        Ok(Box::new(FaultyPackSource { inner, plan: self.plan.clone(), name: *name }))
    }
}

struct FaultyStagedPack {
    inner: Box<dyn StagedPack>,
    plan: FaultPlan,
}

impl StagedPack for FaultyStagedPack {
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), BackendError> {
        let admitted = self.plan.begin("pack write", String::new())?;
        let written = self.inner.write_at(offset, chunk);
        self.plan.end(admitted, written)
    }

    fn finish(self: Box<Self>, name: &Blake3Digest, size_bytes: u64) -> Result<(), BackendError> {
        let Self { inner, plan } = *self;
        let admitted = plan.begin("pack finish", name.to_string())?;
        plan.end(admitted, inner.finish(name, size_bytes))
    }
}

impl fmt::Debug for FaultyStagedPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStagedPack").field("plan", &self.plan).finish_non_exhaustive()
    }
}

struct FaultyPackSource {
    inner: Box<dyn PackSource>,
    plan: FaultPlan,
    name: Blake3Digest,
}

impl PackSource for FaultyPackSource {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let admitted = self.plan.begin("pack read", self.name.to_string())?;
        self.plan.end(admitted, self.inner.read_exact_at(offset, buf))
    }
}

impl fmt::Debug for FaultyPackSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyPackSource").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sigillo_store::{CreateOutcome, StoreError};

    use super::*;
    use crate::{Fault, VolatileBackend};

    fn key(name: &str) -> ObjectKey {
        ObjectKey::listed(name.to_owned())
    }

    async fn create(store: &Store, name: &str) -> Result<CreateOutcome, StoreError> {
        store.create(&key(name), Bytes::from_static(b"bytes")).await
    }

    fn finish_pack(store: &Store) -> Result<(), BackendError> {
        let mut staged = store.packs().begin(None)?;
        staged.write_at(0, b"pack")?;
        staged.finish(&Blake3Digest::of(b"pack"), 4)
    }

    #[tokio::test]
    async fn one_count_runs_through_objects_and_packs() {
        let plan = FaultPlan::none();
        let store = plan.wrap(&VolatileBackend::with_fsync().store());
        create(&store, "a").await.unwrap();
        finish_pack(&store).unwrap();
        let pack = store.packs().open(&Blake3Digest::of(b"pack")).unwrap();
        pack.read_exact_at(1, &mut [0; 2]).unwrap();
        store.list("", 9).await.unwrap();
        let operations: Vec<_> = plan.trace().iter().map(|call| call.operation).collect();
        let expected =
            ["create", "pack begin", "pack write", "pack finish", "pack open", "pack read", "list"];
        assert_eq!(operations, expected);
        assert!(plan.trace().iter().map(|call| call.number).eq(1..=plan.calls()));
        assert!(!plan.struck());
    }

    #[tokio::test]
    async fn a_failed_call_does_nothing_and_the_next_passes() {
        let backend = VolatileBackend::with_fsync();
        let plan = FaultPlan::pair((1, Fault::Fails), (4, Fault::Fails));
        let store = plan.wrap(&backend.store());
        assert!(matches!(create(&store, "a").await, Err(StoreError::WriteFailed { .. })));
        assert!(plan.struck());
        assert!(backend.objects().is_empty());
        assert_eq!(create(&store, "b").await.unwrap(), CreateOutcome::Created);
        finish_pack(&store).unwrap_err();
        assert_eq!(backend.objects().len(), 1);
    }

    #[tokio::test]
    async fn a_lost_answer_is_of_a_call_that_was_made() {
        let backend = VolatileBackend::with_fsync();
        let plan = FaultPlan::at(3, Fault::LosesAnswer);
        let store = plan.wrap(&backend.store());
        let error = finish_pack(&store).unwrap_err();
        assert!(matches!(error, BackendError::OutcomeUnknown { .. }), "{error}");
        assert_eq!(backend.objects().len(), 1);
        finish_pack(&store).unwrap();
    }

    #[tokio::test]
    async fn nothing_happens_from_a_crash_on() {
        for (fault, objects) in [(Fault::Crashes, 1), (Fault::CrashesAfter, 2)] {
            let backend = VolatileBackend::with_fsync();
            let plan = FaultPlan::at(2, fault);
            let store = plan.wrap(&backend.store());
            create(&store, "a").await.unwrap();
            assert!(!plan.crashed());
            create(&store, "b").await.unwrap_err();
            assert!(plan.crashed());
            create(&store, "c").await.unwrap_err();
            finish_pack(&store).unwrap_err();
            store.read(&key("a"), 9).await.unwrap_err();
            assert_eq!(backend.objects().len(), objects, "{fault:?}");
            let restarted = FaultPlan::none().wrap(&backend.store());
            create(&restarted, "c").await.unwrap();
        }
    }
}
