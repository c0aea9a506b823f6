#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| slipstream_gateway::fuzz::ws_frames(data));
