//! The target `log_keys`, run by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sigillo_fuzz::log_keys(bytes));
