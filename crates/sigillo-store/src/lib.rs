//! The object-store seam of Sigillo: create-only objects, packs, the probe a store must pass, and
//! the pools through which blocking work leaves tokio.
//!
//! The only crate that names `object_store`; none of its types shows here.

mod backend;
mod create;
mod error;
mod probe;
mod store;
mod sweep;
mod url;

mod access;
mod adapter;
mod folder;
mod service;
mod writing;

mod aligned;
mod direct;
mod sink;
mod spool;

pub mod pack;

mod pool;

mod convert;

pub use access::ServiceAccess;
pub use aligned::{ALIGNMENT_BYTES, AlignedBuffer};
pub use backend::{BackendError, CreateAnswer, ListedObject, ObjectBackend};
pub use create::CREATE_ATTEMPTS_MAX;
pub use direct::DirectPackSink;
pub use error::StoreError;
pub use folder::{is_unfinished, stranger_in};
pub use pool::{CpuPool, CpuTaskPanicked, PoolUnavailable, READ_THREADS, ReadPool};
pub use probe::ProbeReport;
pub use sink::{PACK_CHUNK_BYTES, PackSink, PackSource, StagedPack};
pub use spool::{ObjectPackSink, SPOOL_BYTES_MAX};
pub use store::{CreateOutcome, Store};
pub use sweep::{RemoveOutcome, StagingSweep, SweepPermit};
pub use url::{StoreUrl, StoreUrlError};
