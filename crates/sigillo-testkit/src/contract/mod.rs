//! The contract that every store is checked against, sentence by sentence.
//!
//! Each check panics at the first sentence that the store breaks. They write under `contract/`,
//! `packs/`, `probe/`, `log/` and `catalogue/` and need a store in which nothing lies there yet.

mod objects;
mod outcomes;
mod packs;

use bytes::Bytes;

use sigillo_model::ObjectKey;
use sigillo_store::{CpuPool, Store};

pub use objects::check_objects;
pub use outcomes::check_outcomes;
pub use packs::check_packs;

/// As many creates race for one key.
const RACERS: usize = 16;

/// As many races are run: one may be decided by chance.
const RACES: usize = 8;

/// More bytes than any object of the checks has.
const BYTES_MAX: u64 = 1 << 20;

/// Checks everything that the contracts of `ObjectBackend`, `PackSink` and `Store` promise, but for
/// what only a power cut would show.
///
/// # Panics
///
/// If the store breaks a sentence of its contract.
pub async fn check_store(store: &Store) {
    check_objects(store).await;
    check_outcomes(store).await;
    check_packs(store).await;
}

fn key(path: &str) -> ObjectKey {
    ObjectKey::listed(format!("contract/{path}"))
}

/// Returns `length` bytes that differ from place to place and from `seed` to `seed`.
fn bytes(seed: u64, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    Bytes::from(bytes)
}

/// Runs what may block on a thread of its own.
async fn blocking<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    let pool = CpuPool::start(1).expect("there is a thread to be had");
    pool.run(task).await.expect("the contract is kept")
}
