//! Tests of receipts from outside: honest ones are proven, and nothing in one can be changed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod documents;
mod period_log;
mod world;

mod bounds;
mod bundles;
mod ended_periods;
mod evidence;
mod exposed;
mod families;
mod forgeries;
mod honest;
mod judged;
mod mutations;
mod periods;
mod rotations;
mod samples;
mod schema;
mod second;
mod second_records;
mod successions;
mod witnesses;
