#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| slipstream_protocol::fuzz::json_frames(data));
