#![no_main]

libfuzzer_sys::fuzz_target!(
    // The `parquet` crate panics on some damaged files, which the import takes for an error: the fuzzer's hook
    // would end the run there.
    init: drop(std::panic::take_hook()),
    |data: &[u8]| slipstream_gateway::fuzz::parquet_files(data)
);
