//! How far an ingest is.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far an ingest is; it only counts up.
#[derive(Debug, Default)]
pub struct Progress {
    found: AtomicU64,
    done: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// Returns how many documents were found so far, how many are dealt with, and the bytes read.
    pub fn counts(&self) -> (u64, u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.found), load(&self.done), load(&self.bytes))
    }

    pub(crate) fn found(&self, count: u64) {
        self.found.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn read_bytes(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}
