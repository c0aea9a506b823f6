//! A server under measurement.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cpu;

/// How long a server may take to answer.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A running server: stopped and reaped on drop.
pub struct Server {
    /// The loopback port it listens on.
    pub port: u16,
    child: Child,
    log: PathBuf,
    /// Data folder; removed after the process is gone.
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts `command`, its output in a file in `folder`, and waits until `port` accepts connections.
    ///
    /// # Errors
    /// Where it does not start, ends, or does not listen within a minute; with what it printed.
    pub fn start(mut command: Command, folder: tempfile::TempDir, port: u16) -> Result<Self> {
        let log = folder.path().join("bench.log");
        let out = File::create(&log)?;
        let err = out.try_clone()?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().with_context(|| format!("{command:?} does not start"))?;
        let mut server = Self { port, child, log, _folder: folder };
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
    #[must_use]
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Processor seconds (user and system) used so far by all its threads.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        cpu::seconds(self.child.id())
    }

    /// Resident memory, bytes.
    pub fn resident_bytes(&self) -> u64 {
        cpu::resident_bytes(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, not asked: a graceful end would store what nobody reads while the next row is measured.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
