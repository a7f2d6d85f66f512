//! Ingest: a folder becomes batches of packs, committed to the evidence log one after the other.
//!
//! Files are read and hashed by the same threads; one thread writes packs; commits go on beside
//! both. Nothing is acknowledged before its batch is in the log.

mod refusal;
mod source;
mod unit;

mod missing;
mod receive;
mod sidecar;
mod stated;
mod turns;
mod walk;

mod difference;
mod document;
mod journaled;
mod large;
mod previous;
mod read;
mod reader;
mod segment;
mod shared;

mod aggregations;
mod batch;
mod completing;
mod pack_thread;
mod report;
mod submission;

mod ingest;
mod progress;

mod error;

pub use error::IngestError;
pub use ingest::{IngestOptions, IngestOutcome, Ingester, Submission, Target, Watch};
pub use progress::Progress;
pub use refusal::{Note, NoteCode, Refusal, RefusalCode};
pub use source::{FILE_BYTES_MAX, FolderSource, SourceError};
