//! What producers state, read from the outside.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed")]

mod example;
mod groups;
mod laws;
mod scale;
mod sidecar;
mod table;
mod trusted_lists;
