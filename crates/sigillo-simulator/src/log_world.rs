//! A log without documents: a new archive, its keys, and any number of writers.

use std::{
    fs, io,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use tempfile::TempDir;

use sigillo_authorities::KeyFolder;
use sigillo_evidence_log::{Archive, LogError, LogWriter};
use sigillo_store::Store;
use sigillo_testkit::{ManualClock, SeededEntropy, VolatileBackend};

use crate::{
    SimulationError,
    making::{ENTITY, START, copy_private_folder, folder, lengthen, log_keys, new_archive},
    parking::Parking,
};

/// A new archive with one commit; worlds are copies of it.
#[derive(Debug)]
pub struct LogTemplate {
    backend: VolatileBackend,
    keys: TempDir,
}

/// One archive of which only the log matters.
#[derive(Debug)]
pub struct LogWorld {
    backend: VolatileBackend,
    keys: TempDir,
    clock: ManualClock,
}

impl LogTemplate {
    /// Makes the archive, with a log of at least `log_size` entries.
    ///
    /// # Errors
    ///
    /// [`SimulationError`] if that fails.
    pub fn make(log_size: u64) -> Result<Self, SimulationError> {
        let world = LogWorld::empty()?;
        run_to_end(world.init(world.backend.store(), 0))?;
        let keys = world.keys()?;
        let mut log = run_to_end(world.writer(world.backend.store(), &keys, 0))?;
        run_to_end(lengthen(&mut log, log_size))?;
        Ok(Self { backend: world.backend, keys: world.keys })
    }

    /// Returns a world of its own that begins where this ends.
    ///
    /// # Errors
    ///
    /// If the key folder could not be copied.
    pub fn world(&self) -> io::Result<LogWorld> {
        let keys = folder()?;
        copy_private_folder(&self.keys.path().join("keys"), &keys.path().join("keys"))?;
        let (backend, clock) = (self.backend.fork(), ManualClock::starting(START));
        Ok(LogWorld { backend, keys, clock })
    }
}

impl LogWorld {
    /// Returns a world in which nothing was made yet, not even keys.
    ///
    /// # Errors
    ///
    /// If the folder of the keys could not be made.
    pub fn empty() -> io::Result<Self> {
        let clock = ManualClock::starting(START);
        Ok(Self { backend: VolatileBackend::with_fsync(), keys: folder()?, clock })
    }

    /// Makes keys, archive and first commit, or completes what was begun.
    ///
    /// # Errors
    ///
    /// [`SimulationError`]; the same call may be repeated.
    pub async fn init(&self, store: Store, seed: u64) -> Result<(), SimulationError> {
        let (clock, entropy) = (self.clock.clone(), SeededEntropy::new(seed));
        let keys = KeyFolder::create(&self.key_path(), ENTITY, &clock, &entropy)?;
        let archive = new_archive(&keys, store, &clock, &entropy).await?;
        LogWriter::open(archive, log_keys(&keys), Arc::new(clock), &entropy, 0).await?;
        Ok(())
    }

    /// Returns the clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Returns the store behind every wrapper.
    pub fn backend(&self) -> &VolatileBackend {
        &self.backend
    }

    /// Opens the key folder as a process of its own would.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Keys`] if it cannot be opened.
    pub fn keys(&self) -> Result<KeyFolder, SimulationError> {
        Ok(KeyFolder::open(&self.key_path())?)
    }

    /// Returns what the key folder remembers, byte for byte.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn memory(&self) -> io::Result<Vec<u8>> {
        fs::read(self.key_path().join("last-signed.json"))
    }

    /// Opens the log as a writer with these keys, over `store`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if it cannot be opened.
    pub async fn writer(
        &self,
        store: Store,
        keys: &KeyFolder,
        seed: u64,
    ) -> Result<LogWriter, LogError> {
        let archive = Archive::open(store).await?;
        let (clock, entropy) = (Arc::new(self.clock.clone()), SeededEntropy::new(seed));
        LogWriter::open(archive, log_keys(keys), clock, &entropy, 0).await
    }

    fn key_path(&self) -> PathBuf {
        self.keys.path().join("keys")
    }
}

/// Runs a future that waits for nothing but threads of its own: a store in memory always answers.
pub fn run_to_end<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let parking = Parking::new("a future");
    let waker = parking.waker();
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        parking.wait();
    }
}
