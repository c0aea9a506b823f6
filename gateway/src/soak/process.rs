//! Child processes: started, signalled, measured, killed on drop.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How often a condition that is waited for is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Settings that this process may have and a child must not inherit.
const OURS: [&str; 10] = [
    "PORT",
    "JWT_SECRET",
    "DATABASE_URL",
    "DATA_DIR",
    "LOG_LEVEL",
    "SLIPSTREAM_LOG_FORMAT",
    "SLIPSTREAM_URL",
    "SLIPSTREAM_TOKEN",
    "SLIPSTREAM_INFLUX1_URL",
    "SLIPSTREAM_INFLUX2_URL",
];

/// A command that inherits none of our settings, works in `folder` and appends its output to `log`.
pub(super) fn command(program: &Path, folder: &Path, log: &Path) -> Result<Command> {
    let out = OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    for name in OURS {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).kill_on_drop(true);
    Ok(command)
}

/// A running child.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pid: u32,
}

impl Process {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("{} does not start", command.as_std().get_program().display()))?;
        let pid = child.id().context("it has just been started")?;
        Ok(Self { child, pid })
    }

    pub(super) const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal by its name (`TERM`, `STOP`, ...).
    pub(super) async fn signal(&self, name: &str) {
        // `kill` is in every system's base; one that is gone already needs no signal.
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.pid.to_string()).stderr(Stdio::null()).status().await;
    }

    /// How it ended, where it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end; `None` where it takes longer than `most`.
    pub(super) async fn wait(&mut self, most: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(most, self.child.wait()).await.ok()?.ok()
    }

    /// `kill -9`, and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill().await;
    }

    /// Resident memory, bytes.
    pub(super) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1_024
    }

    /// Open files and sockets.
    pub(super) fn descriptors(&self) -> u64 {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, |entries| entries.count() as u64)
    }
}

/// Polls until `ready`; tells in the error what was waited for.
pub(super) async fn until(what: &str, most: Duration, mut ready: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + most;
    while !ready().await? {
        if Instant::now() >= deadline {
            bail!("{what} took longer than {} s", most.as_secs());
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// A loopback port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Whether this process may do what only the superuser may.
pub(super) fn is_root() -> bool {
    // The owner of a process' folder is its effective user.
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

/// Where `program` is, looking in `first` folders and then in `PATH`.
pub(super) fn find(program: &str, first: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    first.iter().cloned().chain(std::env::split_paths(&path)).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The last lines of a log.
pub(super) fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Makes a file of `content` as a whole: a reader sees the old or the new.
pub(super) fn replace(path: &Path, content: &str) -> Result<()> {
    use std::io::Write as _;
    let fresh = path.with_extension("new");
    File::create(&fresh)?.write_all(content.as_bytes())?;
    Ok(fs::rename(fresh, path)?)
}
