//! A server under measurement: its processor time and its memory, as the kernel counts them.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take to answer.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Ticks per second in `/proc/<pid>/stat`: 100 on every Linux that people run.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server: stopped and reaped on drop.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Data folder; removed after the process is gone.
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts `command`, its output in a file in `folder`, and waits until `port` accepts connections.
    pub(crate) fn start(mut command: Command, folder: tempfile::TempDir, port: u16) -> Result<Self> {
        let log = folder.path().join("bench.log");
        let out = File::create(&log)?;
        let err = out.try_clone()?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().with_context(|| format!("{command:?} does not start"))?;
        let mut server = Self { child, log, _folder: folder };
        let deadline = Instant::now() + START_DEADLINE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended with {status}:\n{}", server.printed());
            }
            ensure!(Instant::now() < deadline, "{command:?} does not listen:\n{}", server.printed());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// What it printed so far.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Processor seconds (user and system) used so far by all its threads.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_of(self.child.id()).map_or(0.0, |times| times.own)
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        resident_bytes(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, not asked: a graceful end would store what nobody reads while the next row is measured.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of process `pid` (or `self`), bytes.
pub(crate) fn resident_bytes(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

/// Processor seconds of process `pid` and of all its children, those already gone included.
pub(crate) fn cpu_seconds_of_tree(pid: u32) -> f64 {
    let own = cpu_of(pid).map_or(0.0, |t| t.own + t.reaped);
    let children = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = children.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    own + pids.filter_map(cpu_of).filter(|t| t.parent == pid).map(|t| t.own).sum::<f64>()
}

struct Times {
    parent: u32,
    /// Seconds of the process itself.
    own: f64,
    /// Seconds of its children that ended.
    reaped: f64,
}

fn cpu_of(pid: u32) -> Option<Times> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces; what follows it is regular, starting with the state.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).map(|t| t / TICKS_PER_SECOND);
    Some(Times { parent: fields.get(1)?.parse().ok()?, own: ticks(11)? + ticks(12)?, reaped: ticks(13)? + ticks(14)? })
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
