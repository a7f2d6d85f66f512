//! Waiting for a future without a runtime: the thread sleeps until it is woken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

/// So often it is looked whether anybody woke.
const LOOKS_MAX: u32 = 600;

/// How long one look lasts at most.
const LOOK: Duration = Duration::from_millis(100);

/// What wakes this thread.
#[derive(Debug)]
pub(crate) struct Parking {
    who: &'static str,
    unpark: Arc<Unpark>,
}

#[derive(Debug)]
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Parking {
    /// Makes what wakes the thread that calls this, on behalf of `who`.
    pub(crate) fn new(who: &'static str) -> Self {
        let unpark = Unpark { thread: thread::current(), woken: AtomicBool::new(false) };
        Self { who, unpark: Arc::new(unpark) }
    }

    /// Returns the waker to poll with.
    pub(crate) fn waker(&self) -> Waker {
        Arc::clone(&self.unpark).into()
    }

    /// Sleeps until somebody wakes.
    ///
    /// # Panics
    ///
    /// If nobody does within a minute: then nobody will.
    pub(crate) fn wait(&self) {
        for _ in 0..LOOKS_MAX {
            if self.unpark.woken.swap(false, Ordering::SeqCst) {
                return;
            }
            thread::park_timeout(LOOK);
        }
        panic!("{} waits for something that never comes", self.who);
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}
