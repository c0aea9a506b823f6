#![no_main]

use std::{path::PathBuf, sync::LazyLock};

/// In memory where the system has such a folder: the target is about bytes, not about disks.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    parent.join(format!("slipstream-fuzz-{}", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| slipstream_gateway::fuzz::journal_files(data, &FOLDER));
