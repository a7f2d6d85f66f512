//! Readers of what producers send and of what is inside files: bytes in, values out, limits on
//! everything.

mod signature;

pub use signature::{HEAD_BYTES_MAX, MediaType, identify};
