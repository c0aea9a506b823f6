//! The gateway's one clock.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use slipstream_ports::Clock;
use slipstream_protocol::Timestamp;

/// The environment variable that names a file with a number of milliseconds by which the clock is
/// ahead of the system's (behind where negative). For tests of a clock that is set while the server
/// runs: the file is read again and again.
pub const CLOCK_OFFSET_FILE: &str = "SLIPSTREAM_CLOCK_OFFSET_FILE";

/// How often the file is read.
const PERIOD: Duration = Duration::from_millis(50);

/// Added to the system's time, microseconds. The process has one clock, so this is one number.
static OFFSET_US: AtomicI64 = AtomicI64::new(0);

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(since.as_micros() as i64 + OFFSET_US.load(Ordering::Relaxed))
    }
}

/// Follows the file that [`CLOCK_OFFSET_FILE`] names, from before this call returns; does nothing where
/// the variable is not set.
pub fn follow_clock_offset() {
    let Some(path) = std::env::var_os(CLOCK_OFFSET_FILE).map(PathBuf::from) else { return };
    read_offset(&path);
    tracing::warn!(file = %path.display(), "the clock is set by a file; this is for tests");
    let following = std::thread::Builder::new().name("clock-offset".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(PERIOD);
            read_offset(&path);
        }
    });
    if let Err(error) = following {
        tracing::error!(%error, "the clock's file cannot be followed");
    }
}

/// A file that is missing or says no number changes nothing.
fn read_offset(path: &std::path::Path) {
    let millis = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<i64>().ok());
    if let Some(millis) = millis {
        OFFSET_US.store(millis.saturating_mul(1_000), Ordering::Relaxed);
    }
}
