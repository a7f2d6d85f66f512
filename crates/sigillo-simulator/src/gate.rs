//! A store whose calls wait for their turn, so that a scheduler decides whose comes next.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use bytes::Bytes;

use sigillo_model::ObjectKey;
use sigillo_store::{BackendError, CreateAnswer, ListedObject, ObjectBackend, Store, SweepPermit};

/// The gate of one actor: its calls that matter pass one by one, when they are let through.
///
/// Of the listings of a sweep only the first waits, for nothing happens between them that could not
/// happen before or after.
///
/// Calls that do not matter pass at once: tiles and entry bundles are named for what they hold, and
/// nobody else writes what an actor writes under names of its own.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    shared: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    closed: bool,
    next: u64,
    queue: VecDeque<(u64, String, Waker)>,
    granted: BTreeSet<u64>,
}

impl Gate {
    /// Wraps the objects of `store`; its packs are not touched.
    pub fn wrap(&self, store: &Store) -> Store {
        let (inner, packs) = store.parts();
        Store::from_parts(Arc::new(GatedBackend { inner, gate: self.clone() }), packs)
    }

    /// From now on calls wait.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Returns the call that waits first, if any.
    pub fn first_waiting(&self) -> Option<String> {
        self.lock().queue.front().map(|(_, call, _)| call.clone())
    }

    /// Lets the first waiting call through.
    pub fn let_one_through(&self) {
        let first = {
            let mut waiting = self.lock();
            let first = waiting.queue.pop_front();
            waiting.granted.extend(first.as_ref().map(|(id, _, _)| *id));
            first
        };
        if let Some((_, _, waker)) = first {
            waker.wake();
        }
    }

    async fn pass(&self, operation: &str, key: &ObjectKey) {
        let text = key.as_str();
        let matters = text.starts_with("log/seq/")
            || *key == ObjectKey::checkpoint()
            || operation == "remove";
        if matters && self.lock().closed {
            Turn { gate: self, call: format!("{operation} {key}"), id: None }.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until its call is let through.
struct Turn<'a> {
    gate: &'a Gate,
    call: String,
    id: Option<u64>,
}

impl Future for Turn<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.gate.lock();
        let id = self.id.unwrap_or(waiting.next);
        if waiting.granted.remove(&id) {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        if let Some(queued) = waiting.queue.iter_mut().find(|(queued, _, _)| *queued == id) {
            queued.2 = waker;
        } else {
            waiting.next += 1;
            waiting.queue.push_back((id, self.call.clone(), waker));
        }
        drop(waiting);
        self.id = Some(id);
        Poll::Pending
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("call", &self.call).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct GatedBackend {
    inner: Arc<dyn ObjectBackend>,
    gate: Gate,
}

#[async_trait]
impl ObjectBackend for GatedBackend {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError> {
        self.gate.pass("create", key).await;
        self.inner.create(key, bytes).await
    }

    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError> {
        self.gate.pass("replace", key).await;
        self.inner.replace(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.gate.pass("read", key).await;
        self.inner.read(key, bytes_max).await
    }

    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.gate.pass("read range", key).await;
        self.inner.read_range(key, range).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError> {
        self.gate.pass("size", key).await;
        self.inner.size(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BackendError> {
        if prefix == "packs/00" && self.gate.lock().closed {
            Turn { gate: &self.gate, call: format!("list {prefix}"), id: None }.await;
        }
        self.inner.list(prefix, count_max).await
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.gate.pass("settle", key).await;
        self.inner.settle(key).await
    }

    async fn prepare(&self) -> Result<(), BackendError> {
        self.inner.prepare().await
    }

    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.inner.remove_derived(key).await
    }

    async fn remove_unnamed(
        &self,
        key: &ObjectKey,
        permit: &SweepPermit,
    ) -> Result<(), BackendError> {
        self.gate.pass("remove", key).await;
        self.inner.remove_unnamed(key, permit).await
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }
}
