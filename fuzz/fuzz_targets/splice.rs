#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgkeep_fuzz::run("splice", bytes));
