//! What tests of other crates need and production must not have: a clock, randomness and keys that
//! repeat, stores that fail on command, a server that speaks like S3, and the contract that every
//! store is checked against.
//!
//! Usable only from `tests/it`: a unit test would see the types of its own crate twice.

mod clock;
mod entropy;
mod signer;

mod fault;
mod faulty;
mod volatile;

mod moto;

pub mod contract;

pub use clock::ManualClock;
pub use entropy::SeededEntropy;
pub use fault::{Fault, FaultPlan, InjectedFault, StoreCall};
pub use faulty::{FaultyBackend, FaultyPackSink};
pub use moto::MotoServer;
pub use signer::MemorySigner;
pub use volatile::{Durability, VolatileBackend};
