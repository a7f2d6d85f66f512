//! The `sigillo` command.

fn main() {}
