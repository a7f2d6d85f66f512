//! The target `tlog_proof`, run by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sigillo_fuzz::tlog_proof(bytes));
