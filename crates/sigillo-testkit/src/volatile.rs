//! A store in memory that forgets at a power cut what was not durable.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;

use sigillo_model::{Blake3Digest, ObjectKey};
use sigillo_store::{
    BackendError, CreateAnswer, ListedObject, ObjectBackend, PACK_CHUNK_BYTES, PackSink,
    PackSource, StagedPack, Store, SweepPermit,
};

/// Backends are told apart by the order in which they were made.
static BACKENDS: AtomicU64 = AtomicU64::new(1);

/// When what was written survives a power cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Once the write is answered, as the contract demands.
    OnAnswer,
    /// Not before somebody settles the object or flushes the store: fsync is off, which breaks the
    /// contract. A test that passes on such a store proves nothing about durability.
    OnFlush,
}

/// Objects and packs in memory, of which a power cut takes what is not durable. Clones share
/// everything.
#[derive(Clone, Debug)]
pub struct VolatileBackend {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    number: u64,
    durability: Durability,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// What readers see.
    visible: BTreeMap<String, Bytes>,
    /// What a power cut leaves.
    durable: BTreeMap<String, Bytes>,
    /// How often the power was cut: packs begun before the last time are gone.
    power_cuts: u64,
}

impl VolatileBackend {
    /// Starts empty.
    pub fn new(durability: Durability) -> Self {
        Self::holding(durability, State::default())
    }

    /// Starts empty; what was written is durable once it is answered.
    pub fn with_fsync() -> Self {
        Self::new(Durability::OnAnswer)
    }

    /// Starts empty; what was written is durable only once it is settled or flushed.
    pub fn without_fsync() -> Self {
        Self::new(Durability::OnFlush)
    }

    /// Joins objects and packs into a store.
    pub fn store(&self) -> Store {
        Store::from_parts(Arc::new(self.clone()), Arc::new(self.clone()))
    }

    /// Returns another store that starts with what this one holds, durable or not.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::holding(self.shared.durability, self.state().clone())
    }

    /// Takes away everything that is not durable, packs under way included.
    pub fn power_cut(&self) {
        let mut state = self.state();
        state.visible = state.durable.clone();
        state.power_cuts += 1;
    }

    /// Makes everything durable.
    pub fn flush(&self) {
        let mut state = self.state();
        state.durable = state.visible.clone();
    }

    /// Returns everything that readers see, by key; packs are among it, under their keys.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.state().visible.clone()
    }

    fn holding(durability: Durability, state: State) -> Self {
        let number = BACKENDS.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::new(Shared { number, durability, state: Mutex::new(state) }) }
    }

    fn write(&self, state: &mut State, key: &ObjectKey, bytes: Bytes) {
        if self.shared.durability == Durability::OnAnswer {
            state.durable.insert(key.as_str().to_owned(), bytes.clone());
        }
        state.visible.insert(key.as_str().to_owned(), bytes);
    }

    fn get(&self, key: &ObjectKey) -> Result<Bytes, BackendError> {
        self.state().visible.get(key.as_str()).cloned().ok_or(BackendError::NotFound)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ObjectBackend for VolatileBackend {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError> {
        let mut state = self.state();
        if state.visible.contains_key(key.as_str()) {
            return Ok(CreateAnswer::AlreadyExists);
        }
        self.write(&mut state, key, bytes);
        Ok(CreateAnswer::Created)
    }

    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError> {
        self.write(&mut self.state(), key, bytes);
        Ok(())
    }

    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        let bytes = self.get(key)?;
        let size_bytes = bytes.len() as u64;
        if bytes_max < size_bytes {
            return Err(BackendError::TooLarge { size_bytes, bytes_max });
        }
        Ok(bytes)
    }

    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        slice(&self.get(key)?, range)
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError> {
        Ok(self.get(key)?.len() as u64)
    }

    async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BackendError> {
        let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let state = self.state();
        let below = state.visible.iter().filter(|(key, _)| key.starts_with(&folder));
        let listed = below.map(|(key, bytes)| ListedObject {
            key: ObjectKey::listed(key.clone()),
            size_bytes: bytes.len() as u64,
        });
        Ok(listed.take(count_max).collect())
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError> {
        let mut state = self.state();
        let bytes = state.visible.get(key.as_str()).cloned().ok_or(BackendError::NotFound)?;
        state.durable.insert(key.as_str().to_owned(), bytes);
        Ok(())
    }

    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError> {
        if !["probe/", "catalogue/"].iter().any(|root| key.as_str().starts_with(root)) {
            return Err(BackendError::Unsupported { what: "remove an object of an archive" });
        }
        let mut state = self.state();
        state.durable.remove(key.as_str());
        state.visible.remove(key.as_str()).map(drop).ok_or(BackendError::NotFound)
    }

    async fn remove_unnamed(
        &self,
        key: &ObjectKey,
        _permit: &SweepPermit,
    ) -> Result<(), BackendError> {
        let mut state = self.state();
        if self.shared.durability == Durability::OnAnswer {
            state.durable.remove(key.as_str());
        }
        state.visible.remove(key.as_str()).map(drop).ok_or(BackendError::NotFound)
    }

    fn identity(&self) -> String {
        format!("volatile:{}", self.shared.number)
    }
}

impl PackSink for VolatileBackend {
    fn begin(&self, _size_hint_bytes: Option<u64>) -> Result<Box<dyn StagedPack>, BackendError> {
        let power_cuts = self.state().power_cuts;
        Ok(Box::new(VolatileStagedPack { backend: self.clone(), power_cuts, bytes: Vec::new() }))
    }

    fn open(&self, name: &Blake3Digest) -> Result<Box<dyn PackSource>, BackendError> {
        Ok(Box::new(VolatilePackSource { bytes: self.get(&ObjectKey::pack(*name))? }))
    }
}

struct VolatileStagedPack {
    backend: VolatileBackend,
    power_cuts: u64,
    bytes: Vec<u8>,
}

impl StagedPack for VolatileStagedPack {
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), BackendError> {
        if !offset.is_multiple_of(PACK_CHUNK_BYTES as u64) || PACK_CHUNK_BYTES < chunk.len() {
            return Err(BackendError::failed("a chunk that breaks the contract"));
        }
        let start = usize::try_from(offset).map_err(BackendError::failed)?;
        let end = start + chunk.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(chunk);
        Ok(())
    }

    fn finish(self: Box<Self>, name: &Blake3Digest, size_bytes: u64) -> Result<(), BackendError> {
        if self.bytes.len() as u64 != size_bytes {
            return Err(BackendError::failed("the chunks do not add up to the pack"));
        }
        let key = ObjectKey::pack(*name);
        let mut state = self.backend.state();
        if state.power_cuts != self.power_cuts {
            return Err(BackendError::failed("the power was cut while the pack was written"));
        }
        match state.visible.get(key.as_str()).map(|existing| existing.len() as u64) {
            None => self.backend.write(&mut state, &key, Bytes::from(self.bytes)),
            Some(existing) if existing == size_bytes => {
                let existing = state.visible[key.as_str()].clone();
                self.backend.write(&mut state, &key, existing);
            }
            Some(_) => return Err(BackendError::failed("a pack of that name has another size")),
        }
        Ok(())
    }
}

impl fmt::Debug for VolatileStagedPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.len();
        f.debug_struct("VolatileStagedPack").field("bytes", &bytes).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct VolatilePackSource {
    bytes: Bytes,
}

impl PackSource for VolatilePackSource {
    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let end = offset.saturating_add(buf.len() as u64);
        buf.copy_from_slice(&slice(&self.bytes, offset..end)?);
        Ok(())
    }
}

fn slice(bytes: &Bytes, range: Range<u64>) -> Result<Bytes, BackendError> {
    if range.start > range.end || range.end > bytes.len() as u64 {
        return Err(BackendError::failed("a range that leaves the object"));
    }
    let start = usize::try_from(range.start).map_err(BackendError::failed)?;
    let end = usize::try_from(range.end).map_err(BackendError::failed)?;
    Ok(bytes.slice(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_keeps_the_contract_of_a_store() {
        contract::check_store(&VolatileBackend::with_fsync().store()).await;
        contract::check_store(&VolatileBackend::without_fsync().store()).await;
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::listed(name.to_owned())
    }

    fn finish_pack(backend: &VolatileBackend, bytes: &'static [u8]) -> ObjectKey {
        let name = Blake3Digest::of(bytes);
        let mut staged = backend.begin(None).unwrap();
        staged.write_at(0, bytes).unwrap();
        staged.finish(&name, bytes.len() as u64).unwrap();
        ObjectKey::pack(name)
    }

    #[tokio::test]
    async fn with_fsync_a_power_cut_takes_nothing_that_was_answered() {
        let backend = VolatileBackend::with_fsync();
        backend.create(&key("a"), Bytes::from_static(b"1")).await.unwrap();
        backend.replace(&key("b"), Bytes::from_static(b"2")).await.unwrap();
        let pack = finish_pack(&backend, b"pack");
        backend.power_cut();
        assert_eq!(backend.objects().len(), 3);
        assert_eq!(backend.size(&pack).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn without_fsync_a_power_cut_takes_what_nobody_settled() {
        let backend = VolatileBackend::without_fsync();
        for name in ["a", "b"] {
            backend.create(&key(name), Bytes::from_static(b"1")).await.unwrap();
        }
        finish_pack(&backend, b"pack");
        backend.settle(&key("a")).await.unwrap();
        backend.replace(&key("a"), Bytes::from_static(b"2")).await.unwrap();
        assert_eq!(backend.objects().len(), 3);
        backend.power_cut();
        assert_eq!(backend.objects(), BTreeMap::from([("a".into(), Bytes::from_static(b"1"))]));
        finish_pack(&backend, b"pack");
        backend.flush();
        backend.power_cut();
        assert_eq!(backend.objects().len(), 2);
    }

    #[test]
    fn a_pack_begun_before_a_power_cut_is_gone() {
        let backend = VolatileBackend::with_fsync();
        let mut staged = backend.begin(None).unwrap();
        staged.write_at(0, b"pack").unwrap();
        backend.power_cut();
        assert!(staged.finish(&Blake3Digest::of(b"pack"), 4).is_err());
        assert!(backend.objects().is_empty());
    }
}
