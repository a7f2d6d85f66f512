//! A pack in a service, open for reading: what is read in order is asked for ahead, in large parts.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::{runtime::Handle, task::JoinHandle};

use sigillo_model::ObjectKey;

use super::backend::ServiceBackend;
use crate::{BackendError, ObjectBackend as _, PackSource, convert::size_of_len};

/// Whoever reads in order is read ahead for, this many bytes at a time, twice at most.
const AHEAD_BYTES: u64 = 8 << 20;

/// A single read fetches at least as many, for what lies beside it is often wanted next.
const SINGLE_BYTES_MIN: u64 = 64 << 10;

/// A pack of a service. Calls block on requests that the runtime drives.
pub(crate) struct ServicePackSource {
    backend: Arc<ServiceBackend>,
    runtime: Handle,
    key: ObjectKey,
    size_bytes: u64,
    ahead: Mutex<Ahead>,
}

/// A part of the pack that is being read.
type Reading = (Range<u64>, JoinHandle<Result<Bytes, BackendError>>);

/// What was read, and what is being read.
#[derive(Default)]
struct Ahead {
    start: u64,
    window: Bytes,
    /// Where the last read ended: whoever goes on there reads in order.
    expected: Option<u64>,
    next: Option<Reading>,
}

impl ServicePackSource {
    pub(crate) fn new(
        backend: Arc<ServiceBackend>,
        runtime: Handle,
        key: ObjectKey,
        size_bytes: u64,
    ) -> Self {
        Self { backend, runtime, key, size_bytes, ahead: Mutex::default() }
    }

    fn fetch(&self, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.runtime.block_on(self.backend.read_range(&self.key, range))
    }

    /// Puts into the window a part of the pack that begins at `offset` or before it.
    fn move_window(
        &self,
        ahead: &mut Ahead,
        offset: u64,
        wanted: u64,
        in_order: bool,
    ) -> Result<(), BackendError> {
        (ahead.start, ahead.window) = match ahead.next.take() {
            Some((range, reading)) if range.contains(&offset) => {
                let read = self.runtime.block_on(reading).map_err(BackendError::failed)?;
                (range.start, read?)
            }
            other => {
                if let Some((_, reading)) = other {
                    reading.abort();
                }
                let range = self.range_for(offset, wanted, in_order);
                (range.start, self.fetch(range)?)
            }
        };
        let end = ahead.start + size_of_len(ahead.window.len());
        if in_order && end < self.size_bytes {
            let range = end..end.saturating_add(AHEAD_BYTES).min(self.size_bytes);
            let (backend, key, part) = (Arc::clone(&self.backend), self.key.clone(), range.clone());
            let reading = self.runtime.spawn(async move { backend.read_range(&key, part).await });
            ahead.next = Some((range, reading));
        }
        Ok(())
    }

    fn range_for(&self, offset: u64, wanted: u64, in_order: bool) -> Range<u64> {
        let length = if in_order { wanted.max(AHEAD_BYTES) } else { wanted.max(SINGLE_BYTES_MIN) };
        let end = offset.saturating_add(length).min(self.size_bytes);
        // The end of a pack is read first, and what lies before it next.
        let start = if in_order { offset } else { offset.min(end.saturating_sub(length)) };
        start..end
    }

    fn read(
        &self,
        ahead: &mut Ahead,
        mut offset: u64,
        mut buf: &mut [u8],
    ) -> Result<(), BackendError> {
        let in_order = ahead.expected == Some(offset);
        ahead.expected = Some(offset + size_of_len(buf.len()));
        while !buf.is_empty() {
            let found = offset
                .checked_sub(ahead.start)
                .and_then(|at| ahead.window.get(usize::try_from(at).ok()?..))
                .unwrap_or_default();
            if found.is_empty() {
                self.move_window(ahead, offset, size_of_len(buf.len()), in_order)?;
                continue;
            }
            let now = found.len().min(buf.len());
            buf[..now].copy_from_slice(&found[..now]);
            offset += size_of_len(now);
            buf = &mut buf[now..];
        }
        Ok(())
    }
}

impl PackSource for ServicePackSource {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let end = offset.saturating_add(size_of_len(buf.len()));
        if self.size_bytes < end {
            return Err(BackendError::outside(&(offset..end), self.size_bytes));
        }
        // Whoever reads beside another reads for himself.
        let Ok(mut ahead) = self.ahead.try_lock() else {
            if !buf.is_empty() {
                buf.copy_from_slice(&self.fetch(offset..end)?);
            }
            return Ok(());
        };
        let read = self.read(&mut ahead, offset, buf);
        if read.is_err() {
            *ahead = Ahead::default();
        }
        read
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some((_, reading)) = self.next.take() {
            reading.abort();
        }
    }
}

impl fmt::Debug for ServicePackSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServicePackSource")
            .field("key", &self.key)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}
