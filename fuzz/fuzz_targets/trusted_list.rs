//! The target `trusted_list`, run by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sigillo_fuzz::trusted_list(bytes));
