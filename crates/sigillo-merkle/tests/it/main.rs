//! Tests of Merkle trees and notes from outside: published vectors, a log that other software
//! wrote, a naive oracle, and the sentences of the C2SP specifications.

mod oracle;
mod shared;

mod vectors;

mod foreign_log;
mod tiles;
mod trees;

mod notes;
mod witnesses;
