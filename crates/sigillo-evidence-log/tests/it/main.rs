//! Tests of the evidence log from outside: the worked examples of the stored format, writers side
//! by side, recovery, sealing, and what an audit says of every damaged object.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod world;

mod examples;
mod families_example;
mod format_examples;

mod gathering;
mod growing;
mod holds;
mod reading;
mod renewing;
mod renewing_left_out;
mod renewing_lost;
mod renewing_paths;
mod renewing_trees;
mod revocations_apart;
mod revoked_elsewhere;
mod revoked_renewals;
mod revoked_stamps;
mod rotating;
mod sealing;
mod standing;
mod writing;

mod forging;
mod later_programs;
mod misfortune;
mod stranger;
mod succeeding;
mod succeeding_example;
mod succeeding_exposed;
mod succeeding_forged;
mod summary;
mod tables;
mod tampering;
mod validation;
