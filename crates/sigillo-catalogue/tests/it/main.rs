//! Tests from outside. Of the index: a model, damage to every byte, crashes, other processes. Of
//! the open tables: what is written is read, by us and by the programs of others.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]
#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

mod shared;

mod left_out;
mod model;

mod damage;
mod processes;

mod samples;
mod table_readers;
mod tables;
