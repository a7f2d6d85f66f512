//! What is inside files, as far as their first bytes tell: bytes in, values out, limits on
//! everything.

mod signature;

pub use signature::{HEAD_BYTES_MAX, MediaType, identify};
