//! The store of one archive: write-once objects, derived ones, and packs.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use sigillo_model::ObjectKey;

use crate::{
    BackendError, CREATE_ATTEMPTS_MAX, ListedObject, ObjectBackend, ObjectPackSink, PackSink,
    RemoveOutcome, StagingSweep, StoreError, StoreUrl, SweepPermit, adapter::Adapter,
    create::create_compared, direct::DirectPackSink, folder::Folder, service, sweep::is_content,
};

/// At most this many failed keys are remembered; beyond it the store refuses every create.
const POISONED_KEYS_MAX: usize = 10_000;

/// The objects and packs of one archive. Clones share everything.
///
/// # Contract
///
/// What [`create`](Self::create) reports as created or equal is durable and has the bytes given.
/// Nothing true is ever overwritten, and a key whose write failed is never written again by this
/// process: after an fsync error the cache may show bytes that the disk does not have.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    objects: Arc<dyn ObjectBackend>,
    packs: Arc<dyn PackSink>,
    poisoned: Mutex<HashSet<ObjectKey>>,
}

/// What became of a create whose every doubt was resolved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CreateOutcome {
    /// The object is there, durable, and by all appearances ours.
    Created,
    /// An object with the same bytes was there before; it is durable.
    AlreadyEqual,
    /// Another object is there: these are its bytes.
    Taken(Bytes),
}

impl Store {
    /// Opens the store at `url`, which must exist. Writes nothing.
    ///
    /// `runtime` runs the blocking calls of the file system and drives the requests to a service,
    /// which is not asked anything yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Folder`] if the folder does not exist or cannot be used,
    /// [`StoreError::Service`] if it is not said how the service is reached, or as whom.
    pub fn open(url: &StoreUrl, runtime: tokio::runtime::Handle) -> Result<Self, StoreError> {
        if let Some((place, access)) = url.service() {
            let (objects, packs) = service::open(place, access, runtime)?;
            return Ok(Self::from_parts(objects, Arc::new(packs)));
        }
        match url.folder() {
            None => Ok(Self::memory(runtime)),
            Some(path) => {
                let folder = Folder::open(path)?;
                let packs = DirectPackSink::in_folder(&folder);
                Ok(Self::from_parts(
                    Arc::new(Adapter::in_folder(folder, runtime)?),
                    Arc::new(packs),
                ))
            }
        }
    }

    /// Opens the store at `url` and makes its folder first, durably, if there is none. A bucket or
    /// container is not made: whoever owns it decides how.
    ///
    /// # Errors
    ///
    /// [`StoreError::Folder`] if the folder cannot be made or used.
    pub fn open_or_make(
        url: &StoreUrl,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StoreError> {
        if let Some(path) = url.folder() {
            Folder::make(path)?;
        }
        Self::open(url, runtime)
    }

    /// Returns an empty store that lives as long as its clones do.
    pub fn memory(runtime: tokio::runtime::Handle) -> Self {
        let objects: Arc<dyn ObjectBackend> = Arc::new(Adapter::in_memory());
        let packs = ObjectPackSink::new(Arc::clone(&objects), runtime);
        Self::from_parts(objects, Arc::new(packs))
    }

    /// Joins a backend and a pack sink, for wrappers and tests.
    pub fn from_parts(objects: Arc<dyn ObjectBackend>, packs: Arc<dyn PackSink>) -> Self {
        Self { shared: Arc::new(Shared { objects, packs, poisoned: Mutex::default() }) }
    }

    /// Returns the backend and the pack sink, for wrappers and tests: the reverse of
    /// [`from_parts`](Self::from_parts). Failed keys are not remembered by whatever is made of them.
    pub fn parts(&self) -> (Arc<dyn ObjectBackend>, Arc<dyn PackSink>) {
        (Arc::clone(&self.shared.objects), Arc::clone(&self.shared.packs))
    }

    /// Makes what a new archive needs before its first object: in a folder, the folders of the
    /// packs, durably. Idempotent.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store did not do it.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.shared.objects.prepare().await.map_err(|source| {
            let key = ObjectKey::listed("packs".to_owned());
            StoreError::Unavailable { key, doing: "preparing the folders of", source }
        })
    }

    /// Creates an object that is written once, durably, and resolves every doubt about it.
    ///
    /// An object that is there already is compared and, if equal, made durable before it counts.
    /// After a lost answer an equal object is reported as created: it is ours, or cannot be told
    /// from ours.
    ///
    /// # Errors
    ///
    /// [`StoreError::WriteFailed`] poisons the key: every later create of it by this process is
    /// [`StoreError::Poisoned`]. [`StoreError::Undecided`] and [`StoreError::Unavailable`] leave
    /// open whether the object is there; the same create may be tried again.
    pub async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateOutcome, StoreError> {
        if self.refuses(key) {
            return Err(StoreError::Poisoned { key: key.clone() });
        }
        let outcome = create_compared(&*self.shared.objects, key, bytes).await;
        if let Err(StoreError::WriteFailed { .. }) = &outcome {
            self.poison(key);
        }
        outcome
    }

    /// Stores a derived object, replacing the one that is there.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotDerived`] for any other key, [`StoreError::Unavailable`] if the store did
    /// not do it or its answers stayed lost.
    pub async fn replace_derived(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        if !is_derived(key) {
            return Err(StoreError::NotDerived { key: key.clone() });
        }
        let mut attempt = 1;
        loop {
            match self.shared.objects.replace(key, bytes.clone()).await {
                Ok(()) => return Ok(()),
                // The same bytes again do no harm.
                Err(BackendError::OutcomeUnknown { .. }) if attempt < CREATE_ATTEMPTS_MAX => {
                    attempt += 1;
                }
                Err(source) => {
                    let key = key.clone();
                    return Err(StoreError::Unavailable { key, doing: "replacing", source });
                }
            }
        }
    }

    /// Removes an object of the catalogue, which can be made again. One that is not there is no
    /// error.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotDerived`] for any other key, [`StoreError::Unavailable`] if the store did
    /// not do it or its answer was lost.
    pub async fn remove_derived(&self, key: &ObjectKey) -> Result<(), StoreError> {
        if !key.as_str().starts_with("catalogue/") {
            return Err(StoreError::NotDerived { key: key.clone() });
        }
        match self.shared.objects.remove_derived(key).await {
            Ok(()) | Err(BackendError::NotFound) => Ok(()),
            Err(source) => {
                Err(StoreError::Unavailable { key: key.clone(), doing: "removing", source })
            }
        }
    }

    /// Reads a whole object of at most `bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::TooLarge`] or [`StoreError::Unavailable`].
    pub async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, StoreError> {
        let read = self.shared.objects.read(key, bytes_max).await;
        read.map_err(|source| StoreError::reading(key, "reading", source))
    }

    /// Reads a whole object of at most `bytes_max` bytes, or nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] or [`StoreError::Unavailable`].
    pub async fn read_optional(
        &self,
        key: &ObjectKey,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        match self.read(key, bytes_max).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads exactly the bytes of `range`, which must lie inside the object.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] or [`StoreError::Unavailable`].
    pub async fn read_range(
        &self,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<Bytes, StoreError> {
        let read = self.shared.objects.read_range(key, range).await;
        read.map_err(|source| StoreError::reading(key, "reading a part of", source))
    }

    /// Makes an object durable that is visible: its writer may have died before its last fsync.
    ///
    /// # Errors
    ///
    /// [`StoreError::WriteFailed`], after which it must not be relied on.
    pub async fn settle(&self, key: &ObjectKey) -> Result<(), StoreError> {
        let settled = self.shared.objects.settle(key).await;
        settled.map_err(|source| StoreError::WriteFailed { key: key.clone(), source })
    }

    /// Returns the size of an object, in bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] or [`StoreError::Unavailable`].
    pub async fn size(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        let size = self.shared.objects.size(key).await;
        size.map_err(|source| StoreError::reading(key, "asking for the size of", source))
    }

    /// Lists at most `count_max` objects below the folder `prefix`, in no order; `""` is the root.
    ///
    /// Never a ground for a decision: it may be late or incomplete.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store did not answer.
    pub async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, StoreError> {
        self.shared.objects.list(prefix, count_max).await.map_err(|source| {
            let key = ObjectKey::listed(prefix.to_owned());
            StoreError::Unavailable { key, doing: "listing what is below", source }
        })
    }

    /// Removes an object of content that no commit names, durably; one that is gone already is no
    /// failure.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotContent`] for any key but those of packs, bodies of acts and submissions;
    /// [`StoreError::Unavailable`] if the store did not do it or its answers stayed lost.
    pub async fn remove_unnamed(
        &self,
        key: &ObjectKey,
        permit: &SweepPermit,
    ) -> Result<RemoveOutcome, StoreError> {
        if !is_content(key) {
            return Err(StoreError::NotContent { key: key.clone() });
        }
        let mut attempt = 1;
        loop {
            match self.shared.objects.remove_unnamed(key, permit).await {
                Err(BackendError::NotFound) if attempt == 1 => return Ok(RemoveOutcome::WasGone),
                // After a lost answer, that it is gone is the answer.
                Ok(()) | Err(BackendError::NotFound) => return Ok(RemoveOutcome::Removed),
                Err(BackendError::OutcomeUnknown { .. }) if attempt < CREATE_ATTEMPTS_MAX => {
                    attempt += 1;
                }
                Err(source) => {
                    let key = key.clone();
                    return Err(StoreError::Unavailable { key, doing: "removing", source });
                }
            }
        }
    }

    /// Lists at most `count_max` files that writers have not finished, dead or alive.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store did not answer.
    pub async fn list_staging(&self, count_max: usize) -> Result<Vec<ListedObject>, StoreError> {
        let listed = self.shared.objects.list_staging(count_max).await;
        listed.map_err(|source| staging_error("listing", source))
    }

    /// Removes at most `count_max` files that dead writers left unfinished, durably. They stay if
    /// another process writes now, or if that cannot be told.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store did not do it.
    pub async fn sweep_staging(
        &self,
        count_max: usize,
        permit: &SweepPermit,
    ) -> Result<StagingSweep, StoreError> {
        let swept = self.shared.objects.sweep_staging(count_max, permit).await;
        swept.map_err(|source| staging_error("removing", source))
    }

    /// Returns the packs. Their calls block: they are for threads of our own, never async ones.
    pub fn packs(&self) -> &Arc<dyn PackSink> {
        &self.shared.packs
    }

    /// Names the store, so that the result of a probe can be remembered for it: for a folder, its
    /// canonical path, device and inode; for a service, the place in it and where it is reached.
    pub fn identity(&self) -> String {
        self.shared.objects.identity()
    }

    /// Returns the backend, for the probe.
    pub(crate) fn objects(&self) -> &dyn ObjectBackend {
        &*self.shared.objects
    }

    fn refuses(&self, key: &ObjectKey) -> bool {
        let poisoned = self.poisoned();
        poisoned.len() >= POISONED_KEYS_MAX || poisoned.contains(key)
    }

    fn poison(&self, key: &ObjectKey) {
        let mut poisoned = self.poisoned();
        if poisoned.len() < POISONED_KEYS_MAX {
            poisoned.insert(key.clone());
        }
    }

    fn poisoned(&self) -> MutexGuard<'_, HashSet<ObjectKey>> {
        // A set of keys is whole between any two instructions of its users.
        self.shared.poisoned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn staging_error(doing: &'static str, source: BackendError) -> StoreError {
    let key = ObjectKey::listed("of unfinished files".to_owned());
    StoreError::Unavailable { key, doing, source }
}

/// Tells whether `key` belongs to what can be rebuilt: the published log, the catalogue and the
/// block values of packs.
fn is_derived(key: &ObjectKey) -> bool {
    let Some((root, rest)) = key.as_str().split_once('/') else { return false };
    let published_log = match root.strip_prefix("log") {
        Some("") => true,
        Some(successor) => successor.strip_prefix('-').is_some_and(|generation| {
            !generation.is_empty() && generation.bytes().all(|b| b.is_ascii_digit())
        }),
        None => false,
    };
    let block_values = root == "packs" && rest.ends_with(".blocks");
    root == "catalogue"
        || block_values
        || (published_log && (rest == "checkpoint" || rest.starts_with("tile/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_rebuilt_counts_as_derived() {
        for key in [
            "log/checkpoint",
            "log/tile/0/000",
            "log-2/checkpoint",
            "catalogue/documents/x",
            "packs/ab/cd.blocks",
        ] {
            assert!(is_derived(&ObjectKey::listed(key.to_owned())), "{key}");
        }
        for key in
            ["log/seq/1", "archive.json", "log", "logs/tile/0", "log-x/checkpoint", "log-/tile/0"]
        {
            assert!(!is_derived(&ObjectKey::listed(key.to_owned())), "{key}");
        }
    }
}
