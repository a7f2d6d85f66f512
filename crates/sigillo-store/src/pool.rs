//! The bridges from tokio to threads that may compute or block.

use std::{fmt, sync::Arc};

use tokio::sync::oneshot;

/// Source files are read, and hashed, by this many threads: more than cores, for they wait.
pub const READ_THREADS: usize = 16;

/// Threads for reads that others wait for, which must not queue behind those of a whole source.
const ASIDE_THREADS: usize = 2;

/// Threads for work that computes: one per core. Clones share the pool.
///
/// The queue in front of the threads has no bound of its own: callers bound how many tasks they
/// have under way.
#[derive(Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
}

impl CpuPool {
    /// Starts a pool of `threads` threads; 0 means one per core.
    ///
    /// # Errors
    ///
    /// [`PoolUnavailable`] if the operating system gives no threads.
    pub fn start(threads: usize) -> Result<Self, PoolUnavailable> {
        Ok(Self { pool: Arc::new(start_pool("cpu", threads)?) })
    }

    /// Runs `task` on the pool. A task not yet started is skipped if the future is dropped.
    ///
    /// # Errors
    ///
    /// [`CpuTaskPanicked`] if the task panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CpuTaskPanicked> {
        run_on(&self.pool, task).await
    }
}

impl fmt::Debug for CpuPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuPool").field("threads", &self.pool.current_num_threads()).finish()
    }
}

/// Threads for reading source files and hashing them while they are warm. Clones share the pool.
///
/// The queue in front of the threads has no bound of its own: callers bound how many tasks they
/// have under way.
#[derive(Clone)]
pub struct ReadPool {
    pool: Arc<rayon::ThreadPool>,
    aside: Arc<rayon::ThreadPool>,
}

impl ReadPool {
    /// Starts a pool of [`READ_THREADS`] threads, and a few for [`aside`](Self::aside).
    ///
    /// # Errors
    ///
    /// [`PoolUnavailable`] if the operating system gives no threads.
    pub fn start() -> Result<Self, PoolUnavailable> {
        let pool = Arc::new(start_pool("read", READ_THREADS)?);
        Ok(Self { pool, aside: Arc::new(start_pool("aside", ASIDE_THREADS)?) })
    }

    /// Returns the pool for reads without which the others do not go on: its threads are never
    /// taken by them.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self { pool: Arc::clone(&self.aside), aside: Arc::clone(&self.aside) }
    }

    /// Runs `task` on the pool. A task not yet started is skipped if the future is dropped.
    ///
    /// # Errors
    ///
    /// [`CpuTaskPanicked`] if the task panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CpuTaskPanicked> {
        run_on(&self.pool, task).await
    }
}

impl fmt::Debug for ReadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.pool.current_num_threads();
        f.debug_struct("ReadPool").field("threads", &threads).finish_non_exhaustive()
    }
}

/// A task of a pool panicked: its answer will never come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a task of a thread pool panicked")]
pub struct CpuTaskPanicked;

/// A pool could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the {pool} pool could not start its threads")]
pub struct PoolUnavailable {
    /// Which pool.
    pub pool: &'static str,
    /// What stood in the way.
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn start_pool(pool: &'static str, threads: usize) -> Result<rayon::ThreadPool, PoolUnavailable> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |index| format!("{pool}-{index}"))
        // Without a handler a panic in a spawned task ends the process; here it drops the sender,
        // and whoever waits learns of it.
        .panic_handler(|_| {})
        .build()
        .map_err(|source| PoolUnavailable { pool, source: source.into() })
}

async fn run_on<T: Send + 'static>(
    pool: &rayon::ThreadPool,
    task: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CpuTaskPanicked> {
    let (sender, receiver) = oneshot::channel();
    pool.spawn(move || {
        if !sender.is_closed() {
            // A receiver dropped meanwhile no longer wants the answer.
            drop(sender.send(task()));
        }
    });
    receiver.await.map_err(|_| CpuTaskPanicked)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    };

    use super::*;

    #[tokio::test]
    async fn a_task_answers() {
        assert_eq!(CpuPool::start(2).unwrap().run(|| 6 * 7).await, Ok(42));
        assert_eq!(ReadPool::start().unwrap().run(|| "read").await, Ok("read"));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_pool_lives_on() {
        let pool = CpuPool::start(1).unwrap();
        assert_eq!(pool.run(|| panic!("on purpose")).await, Err::<(), _>(CpuTaskPanicked));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_task_nobody_waits_for_is_skipped() {
        let pool = CpuPool::start(1).unwrap();
        let (release, blocked) = mpsc::sync_channel::<()>(0);
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || blocked.recv().unwrap()).await }
        });
        tokio::task::yield_now().await;
        let ran = Arc::new(AtomicBool::new(false));
        let second = pool.run({
            let ran = Arc::clone(&ran);
            move || ran.store(true, Ordering::SeqCst)
        });
        // Polled once, so that it is queued, and dropped before its turn.
        assert!(futures::FutureExt::now_or_never(second).is_none());
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        pool.run(|| ()).await.unwrap();
        assert!(!ran.load(Ordering::SeqCst));
    }
}
