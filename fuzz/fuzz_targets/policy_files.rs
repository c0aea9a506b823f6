#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| slipstream_gateway::fuzz::policy_files(data));
