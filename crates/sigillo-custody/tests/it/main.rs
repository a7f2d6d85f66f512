//! Tests of custody from outside: what is given back, and what is not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod cosignatures;
mod export;
mod receipts;
mod receipts_lost;
