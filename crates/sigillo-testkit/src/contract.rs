//! The contract that every store is checked against.
