//! Processor time and memory as the kernel counts them.

use std::fs;

use anyhow::{Context as _, Result};

/// Ticks per second in `/proc/<pid>/stat`: 100 on every Linux that people run.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds (user and system) of process `pid` so far, all its threads together; 0 once it is gone.
#[must_use]
pub fn seconds(pid: u32) -> f64 {
    times(&pid.to_string()).map_or(0.0, |t| t.own)
}

/// Processor seconds of process `pid` and of all its children, those already gone included.
#[must_use]
pub fn seconds_of_tree(pid: u32) -> f64 {
    let own = times(&pid.to_string()).map_or(0.0, |t| t.own + t.reaped);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    // Processes alone: `self` is there under its number as well.
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all = pids.filter_map(|pid| times(&pid.to_string()));
    own + all.filter(|t| t.parent == pid).map(|t| t.own).sum::<f64>()
}

/// Processor seconds of this process's children that ended, and of theirs.
///
/// # Errors
/// Where the kernel does not tell.
pub fn seconds_of_ended_children() -> Result<f64> {
    Ok(times("self").context("Linux tells a process's times")?.reaped)
}

/// Processor seconds of this thread, to the nanosecond.
///
/// # Errors
/// Where the kernel does not tell.
pub fn seconds_of_this_thread() -> Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("Linux tells a thread's processor time there")?;
    let nanoseconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds * 1e-9)
}

/// Resident memory of process `pid` (or `self`), bytes; 0 once it is gone.
#[must_use]
pub fn resident_bytes(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

struct Times {
    parent: u32,
    /// Seconds of the process itself.
    own: f64,
    /// Seconds of its children that ended.
    reaped: f64,
}

fn times(pid: &str) -> Option<Times> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces; what follows it is regular, starting with the state.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).map(|t| t / TICKS_PER_SECOND);
    Some(Times { parent: fields.get(1)?.parse().ok()?, own: ticks(11)? + ticks(12)?, reaped: ticks(13)? + ticks(14)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let me = std::process::id();
        // It counts when it looks, which may be after a while.
        while seconds_of_this_thread().unwrap() == 0.0 {
            std::hint::spin_loop();
        }
        assert!(seconds_of_tree(me) >= seconds(me));
        assert!(resident_bytes("self") > 100_000);
        assert_eq!((seconds(0), resident_bytes("no process")), (0.0, 0));
    }
}
