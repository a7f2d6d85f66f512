//! The target `hash_tree`, run by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sigillo_fuzz::hash_tree(bytes));
