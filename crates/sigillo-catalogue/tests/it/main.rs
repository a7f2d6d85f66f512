//! Tests of the index from outside: a model, damage to every byte, crashes, and other processes.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod shared;

mod model;

mod damage;
mod processes;
