//! [`ObjectBackend`] over a service: every request bounded in time, repeated when that is safe, and
//! honest about what is not known.

use std::{
    fmt,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    multipart::MultipartStore, path::Path,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use sigillo_model::ObjectKey;

use super::{
    fault::{Fault, Subject},
    spool::{remove_spool_leftovers, spool_leftovers},
    wire::{Answer, Call},
};
use crate::{
    BackendError, CreateAnswer, ListedObject, ObjectBackend, StagingSweep, SweepPermit,
    backend::is_removable, convert::size_of_len, url::ServicePlace,
};

/// At most this often one request is made.
const ATTEMPTS_MAX: u32 = 6;

/// No request is made again after this time.
const ATTEMPTS_LIMIT: Duration = Duration::from_mins(2);

/// The pause before the second attempt; each later one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// One request, without its bytes, takes at most this long.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// A request is given one second more for this many bytes.
const BYTES_PER_SECOND_MIN: u64 = 512 << 10;

/// At most this many requests are under way at once.
const REQUESTS_AT_ONCE_MAX: usize = 64;

/// No object is larger, in any service.
const OBJECT_BYTES_MAX: u64 = 1 << 46;

/// A service, or a part of a bucket of it.
pub(crate) struct ServiceBackend {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) parts: Arc<dyn MultipartStore>,
    pub(super) place: ServicePlace,
    /// The place, and the endpoint at which it is.
    pub(super) identity: String,
    pub(super) requests: Semaphore,
    /// Where large packs wait for their upload.
    pub(super) spool_folder: Option<PathBuf>,
}

/// How often something was tried, and how long that may go on.
#[derive(Debug)]
pub(super) struct Attempts {
    made: u32,
    begun: tokio::time::Instant,
}

impl ServiceBackend {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        parts: Arc<dyn MultipartStore>,
        place: ServicePlace,
        identity: String,
        spool_folder: Option<PathBuf>,
    ) -> Self {
        let requests = Semaphore::new(REQUESTS_AT_ONCE_MAX);
        Self { store, parts, place, identity, requests, spool_folder }
    }

    /// Spells a key as a path in the bucket; keys are our own ASCII, so nothing is escaped.
    pub(super) fn path(&self, key: &ObjectKey) -> Result<Path, BackendError> {
        self.path_of(key.as_str())
    }

    fn path_of(&self, key: &str) -> Result<Path, BackendError> {
        let prefix = &self.place.prefix;
        let path = match (prefix.is_empty(), key.is_empty()) {
            (true, _) => Path::parse(key),
            (false, true) => Path::parse(prefix),
            (false, false) => Path::parse(format!("{prefix}/{key}")),
        };
        path.map_err(BackendError::failed)
    }

    /// Makes one request, which carries `bytes` bytes one way or the other.
    pub(super) async fn request<T>(
        &self,
        call: Call,
        bytes: u64,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Fault> {
        let _turn: SemaphorePermit<'_> =
            self.requests.acquire().await.map_err(|closed| Fault::NotDone(closed.to_string()))?;
        let limit = REQUEST_LIMIT + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
        let Ok((result, answer)) = tokio::time::timeout(limit, call.run(request)).await else {
            return Err(Fault::Unclear(format!("no answer within {} s", limit.as_secs())));
        };
        result.map_err(|error| self.fault(&error, answer))
    }

    fn fault(&self, error: &object_store::Error, answer: Option<Answer>) -> Fault {
        let subject = Subject { kind: self.place.kind, bucket: &self.place.bucket };
        Fault::of(&subject, error, answer)
    }

    /// Makes a request that may be made again without harm, until it is answered.
    pub(super) async fn repeated<T, F>(
        &self,
        bytes: u64,
        mut request: impl FnMut() -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut attempts = Attempts::begin();
        loop {
            match self.request(Call::default(), bytes, request()).await {
                Err(fault) if fault.may_pass() && attempts.pause(&fault).await => {}
                answered => return answered,
            }
        }
    }

    /// Creates an object by requests that `call` begins, each with the same bytes.
    ///
    /// What was answered "already exists" after an unclear answer may be our own.
    pub(super) async fn create_by(
        &self,
        path: &Path,
        payload: &PutPayload,
        bytes: u64,
        call: impl Fn() -> Call,
    ) -> Result<CreateAnswer, BackendError> {
        let mut unclear = None;
        let mut attempts = Attempts::begin();
        loop {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let put = self.store.put_opts(path, payload.clone(), options);
            let Err(fault) = self.request(call(), bytes, put).await else {
                return Ok(CreateAnswer::Created);
            };
            let again = fault.may_pass() && attempts.pause(&fault).await;
            match fault {
                Fault::Exists => {
                    return match unclear {
                        None => Ok(CreateAnswer::AlreadyExists),
                        Some(what) => Err(BackendError::outcome_unknown(what)),
                    };
                }
                Fault::Refused(what) => return Err(BackendError::Refused { what }),
                Fault::NotFound | Fault::Outside => {
                    let what = "it says of a new object that it is not found: the bucket or \
                                container may be missing";
                    return Err(BackendError::Refused { what: what.to_owned() });
                }
                Fault::Unclear(what) => unclear = Some(what),
                // Whoever asks next finds out: a key is not given up for a service out of reach.
                Fault::NotDone(what) if !again => return Err(BackendError::outcome_unknown(what)),
                Fault::NotDone(_) => {}
            }
            if !again {
                let what = unclear.unwrap_or_default();
                return Err(BackendError::outcome_unknown(what));
            }
        }
    }

    async fn get(&self, path: &Path, range: Option<GetRange>) -> object_store::Result<GotObject> {
        let options = GetOptions { range, ..GetOptions::default() };
        let found = self.store.get_opts(path, options).await?;
        Ok(GotObject { size_bytes: found.meta.size, range: found.range.clone(), found })
    }
}

/// An answer to a read, whose bytes are still to come.
struct GotObject {
    size_bytes: u64,
    range: Range<u64>,
    found: object_store::GetResult,
}

#[async_trait]
impl ObjectBackend for ServiceBackend {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError> {
        let length = size_of_len(bytes.len());
        self.create_by(&self.path(key)?, &bytes.into(), length, Call::default).await
    }

    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError> {
        let (path, length) = (self.path(key)?, size_of_len(bytes.len()));
        let payload = PutPayload::from(bytes);
        let put = || self.store.put_opts(&path, payload.clone(), PutOptions::default());
        self.repeated(length, put).await.map(|_| ()).map_err(Fault::of_reading)
    }

    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        let path = self.path(key)?;
        let read = || async {
            let got = self.get(&path, None).await?;
            if bytes_max < got.size_bytes {
                return Ok(Err(got.size_bytes));
            }
            got.found.bytes().await.map(Ok)
        };
        match self.repeated(bytes_max.min(1 << 30), read).await.map_err(Fault::of_reading)? {
            Ok(bytes) => Ok(bytes),
            Err(size_bytes) => Err(BackendError::TooLarge { size_bytes, bytes_max }),
        }
    }

    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        if range.is_empty() || OBJECT_BYTES_MAX < range.end {
            let size_bytes = self.size(key).await?;
            let inside = range.start <= range.end && range.end <= size_bytes;
            return if inside {
                Ok(Bytes::new())
            } else {
                Err(BackendError::outside(&range, size_bytes))
            };
        }
        let path = self.path(key)?;
        let length = range.end - range.start;
        let read = || async {
            let got = self.get(&path, Some(GetRange::Bounded(range.clone()))).await?;
            // A range that begins inside but leaves the object is cut off, not refused.
            if got.range != range {
                return Ok(Err(got.size_bytes));
            }
            got.found.bytes().await.map(Ok)
        };
        match self.repeated(length, read).await.map_err(Fault::of_reading)? {
            Ok(bytes) if size_of_len(bytes.len()) == length => Ok(bytes),
            Ok(_) => Err(BackendError::failed("the service returned another number of bytes")),
            Err(size_bytes) => Err(BackendError::outside(&range, size_bytes)),
        }
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError> {
        let path = self.path(key)?;
        let found = self.repeated(0, || self.store.head(&path)).await;
        Ok(found.map_err(Fault::of_reading)?.size)
    }

    async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BackendError> {
        let path = self.path_of(prefix)?;
        let folder = &self.place.prefix;
        let list = || async {
            let found = self.store.list(Some(&path)).take(count_max);
            found
                .try_filter_map(|object| async move {
                    let key = object.location.as_ref();
                    let below = if folder.is_empty() {
                        Some(key)
                    } else {
                        key.strip_prefix(folder.as_str()).and_then(|it| it.strip_prefix('/'))
                    };
                    Ok(below.map(|key| ListedObject {
                        key: ObjectKey::listed(key.to_owned()),
                        size_bytes: object.size,
                    }))
                })
                .try_collect()
                .await
        };
        // A listing of many thousands of objects is many requests.
        self.repeated(size_of_len(count_max).min(1 << 24) * 1024, list)
            .await
            .map_err(Fault::of_reading)
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError> {
        // What a service shows, it has made durable.
        self.size(key).await.map(|_| ())
    }

    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError> {
        if !is_removable(key) {
            return Err(BackendError::Unsupported { what: "remove an object of an archive" });
        }
        let path = self.path(key)?;
        self.repeated(0, || self.store.delete(&path)).await.map_err(Fault::of_reading)
    }

    async fn remove_unnamed(
        &self,
        key: &ObjectKey,
        _permit: &SweepPermit,
    ) -> Result<(), BackendError> {
        let path = self.path(key)?;
        self.repeated(0, || self.store.delete(&path)).await.map_err(Fault::of_reading)
    }

    async fn list_staging(&self, count_max: usize) -> Result<Vec<ListedObject>, BackendError> {
        let Some(folder) = &self.spool_folder else { return Ok(Vec::new()) };
        spool_leftovers(folder, count_max).map_err(BackendError::failed)
    }

    async fn sweep_staging(
        &self,
        count_max: usize,
        _permit: &SweepPermit,
    ) -> Result<StagingSweep, BackendError> {
        let Some(folder) = &self.spool_folder else { return Ok(StagingSweep::default()) };
        let removed = remove_spool_leftovers(folder, count_max).map_err(BackendError::failed)?;
        Ok(StagingSweep { removed, in_use: false })
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }
}

impl fmt::Debug for ServiceBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBackend").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Attempts {
    pub(super) fn begin() -> Self {
        Self { made: 1, begun: tokio::time::Instant::now() }
    }

    /// Waits before the next attempt; tells whether there may be one.
    pub(super) async fn pause(&mut self, fault: &Fault) -> bool {
        if ATTEMPTS_MAX <= self.made || ATTEMPTS_LIMIT < self.begun.elapsed() {
            return false;
        }
        tracing::debug!(attempt = self.made, ?fault, "a request is made again");
        tokio::time::sleep(pause_after(self.made)).await;
        self.made += 1;
        true
    }
}

/// Returns the pause after so many attempts: doubled each time, and cut by up to a half, so that
/// many who failed at once do not come back at once.
fn pause_after(attempts: u32) -> Duration {
    static PAUSES: AtomicU64 = AtomicU64::new(0);
    let number = PAUSES.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    let whole = PAUSE_FIRST * 2_u32.saturating_pow(attempts.saturating_sub(1)).min(64);
    let cut = u32::try_from(number).unwrap_or(0);
    whole * (512 - cut.min(256)) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempts in 1..=ATTEMPTS_MAX {
            let pause = pause_after(attempts);
            let whole = PAUSE_FIRST * 2_u32.pow(attempts - 1);
            assert!(whole / 2 <= pause && pause <= whole, "{attempts}: {pause:?}");
        }
        assert!(pause_after(u32::MAX) <= PAUSE_FIRST * 64);
    }
}
