//! The server under test: the real binary, killed, asked to stop, frozen and started again.

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use slipstream_protocol::{
    Timestamp, WireFormat,
    token::{Claims, Role},
};

use super::process::{self, Process, until};
use crate::{
    auth::Auth,
    relay::{Endpoint, connect::ConnectError},
};

/// Longest start, the journal's recovery included.
const START: Duration = Duration::from_secs(60);
/// What the server is given for its drain, and the most it may take until it is gone.
const DRAIN: Duration = Duration::from_secs(10);
/// As [`DRAIN`], with what ends after it.
const GONE: Duration = Duration::from_secs(20);
/// Life of the tokens, in seconds: a week.
const LIFE_S: i64 = 7 * 86_400;

/// The journal's files are small, so that many of them come and go.
pub(super) const SEGMENT_BYTES: u64 = 1 << 20;
/// What the journal keeps beyond what everyone has passed.
pub(super) const RETAIN_BYTES: u64 = 16 << 20;

/// The server and how to start it again.
pub(super) struct Server {
    binary: PathBuf,
    pub(super) data: PathBuf,
    log: PathBuf,
    clock: PathBuf,
    port: u16,
    settings: Vec<(&'static str, String)>,
    auth: Auth,
    now: Timestamp,
    process: Option<Process>,
    /// How often it was killed so far.
    pub(super) crashes: Arc<AtomicU64>,
    /// By how much its clock is set back, milliseconds.
    behind_ms: i64,
}

impl Server {
    pub(super) fn new(binary: &Path, folder: &Path, data: PathBuf, secret: &str, now: Timestamp) -> Result<Self> {
        let port = process::free_port()?;
        let clock = folder.join("clock-offset-ms");
        let settings = vec![
            ("PORT", port.to_string()),
            ("SLIPSTREAM_BIND", "127.0.0.1".to_owned()),
            ("DATA_DIR", data.display().to_string()),
            ("JWT_SECRET", secret.to_owned()),
            ("LOG_LEVEL", "info".to_owned()),
            ("SLIPSTREAM_JOURNAL_SEGMENT_BYTES", SEGMENT_BYTES.to_string()),
            ("SLIPSTREAM_JOURNAL_RETAIN_BYTES", RETAIN_BYTES.to_string()),
            // History reaches over every pause that faults make.
            ("SLIPSTREAM_HISTORY_TELEMETRY_LEN", "20000".to_owned()),
            ("SLIPSTREAM_HISTORY_TELEMETRY_AGE", "30m".to_owned()),
            ("SLIPSTREAM_DRAIN_TIMEOUT", format!("{}s", DRAIN.as_secs())),
            (crate::app::CLOCK_OFFSET_FILE, clock.display().to_string()),
        ];
        process::replace(&clock, "0")?;
        Ok(Self {
            binary: binary.to_owned(),
            data,
            log: folder.join("server.log"),
            clock,
            port,
            settings,
            auth: Auth::new(secret.as_bytes()),
            now,
            process: None,
            crashes: Arc::default(),
            behind_ms: 0,
        })
    }

    /// Gives the server one more setting, from the next start on.
    pub(super) fn set(&mut self, name: &'static str, value: String) {
        self.settings.push((name, value));
    }

    /// `host:port`
    pub(super) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `http://host:port<path>`
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority())
    }

    /// A token of `role` for a week.
    pub(super) fn token(&self, role: Role) -> Result<String> {
        let now_s = self.now.millis() / 1_000;
        // The server's clock may be set back: issued well before.
        let claims = Claims { sub: "soak".into(), exp: now_s + LIFE_S, iat: Some(now_s - 86_400), role, channels: None, publish: None };
        Ok(self.auth.mint(&claims)?)
    }

    /// Where subscribers connect when they go by `host:port`.
    pub(super) fn endpoint(&self, authority: &str, format: WireFormat) -> Result<Endpoint> {
        let token = self.token(Role::Viewer)?;
        Endpoint::new(authority, Some(token), format).map_err(|e: ConnectError| e.into())
    }

    /// Starts it and waits until it takes connections.
    pub(super) async fn start(&mut self) -> Result<()> {
        let mut command = process::command(&self.binary, &self.data, &self.log)?;
        command.arg("serve");
        for (name, value) in &self.settings {
            command.env(name, value);
        }
        let mut process = Process::start(&mut command)?;
        let (authority, log) = (self.authority(), &self.log);
        until("the server's start", START, async || {
            if let Some(status) = process.ended() {
                ensure!(false, "the server does not start ({status}); its log ends with:\n{}", process::tail(log, 15));
            }
            Ok(tokio::net::TcpStream::connect(&authority).await.is_ok())
        })
        .await?;
        self.process = Some(process);
        Ok(())
    }

    /// Its process, while it runs.
    pub(super) const fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// How it ended by itself, where it did.
    pub(super) fn died(&mut self) -> Option<String> {
        let status = self.process.as_mut()?.ended()?;
        Some(format!("the server ended by itself ({status}); its log ends with:\n{}", process::tail(&self.log, 15)))
    }

    /// `kill -9`
    pub(super) async fn kill(&mut self) {
        // Before: a subscriber may see the consequence at once.
        self.crashes.fetch_add(1, Ordering::SeqCst);
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    /// SIGTERM. An error where it does not drain in time, or not without a fault.
    pub(super) async fn terminate(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal("TERM").await;
        let status: Option<ExitStatus> = process.wait(GONE).await;
        if status.is_none() {
            self.crashes.fetch_add(1, Ordering::SeqCst);
            process.kill().await;
        }
        let log = || process::tail(&self.log, 15);
        ensure!(status.is_some(), "SIGTERM: still there after {} s; its log ends with:\n{}", GONE.as_secs(), log());
        ensure!(status.is_some_and(|s| s.success()), "SIGTERM: ended with {status:?}; its log ends with:\n{}", log());
        Ok(())
    }

    /// Stops (`STOP`) or goes on (`CONT`).
    pub(super) async fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            process.signal(name).await;
        }
    }

    /// Sets the server's clock back by so much more.
    pub(super) fn step_back(&mut self, by: Duration) -> Result<()> {
        self.behind_ms += by.as_millis() as i64;
        process::replace(&self.clock, &format!("{}", -self.behind_ms))
    }

    /// What it logged of panics.
    pub(super) fn panics(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| line.contains("panicked")).take(5).map(str::to_owned).collect()
    }

    /// Regular files under the data folder.
    pub(super) fn files(&self) -> u64 {
        count_files(&self.data)
    }
}

fn count_files(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.file_type().is_ok_and(|t| t.is_dir()) { count_files(&entry.path()) } else { 1 }).sum()
}
