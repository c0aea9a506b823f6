//! Relay agents: the real binary, fed line by line on standard input.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use slipstream_protocol::{WireFormat, server::AckLevel};
use tokio::{io::AsyncWriteExt as _, process::ChildStdin, task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use super::{
    identity::Stream,
    process::{self, Process},
};

/// How often lines are handed over.
const TICK: Duration = Duration::from_millis(20);

/// How one agent sends.
pub(super) struct Sending {
    pub(super) format: WireFormat,
    pub(super) ack: AckLevel,
    /// Samples a second.
    pub(super) rate: f64,
}

/// A running relay agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) stream: Stream,
    process: Process,
    log: PathBuf,
    fed: Arc<AtomicU64>,
    stop: CancellationToken,
    feeding: Option<JoinHandle<std::io::Result<()>>>,
}

/// How an agent ended.
pub(super) struct Ended {
    /// Everything it was given is acknowledged.
    pub(super) complete: bool,
    pub(super) reconnects: u64,
    pub(super) resent: u64,
    /// The end of what it printed.
    pub(super) said: String,
}

impl Agent {
    /// Starts one that connects to `authority`.
    pub(super) fn start(binary: &Path, folder: &Path, authority: &str, token: &str, stream: Stream, sending: &Sending) -> Result<Self> {
        let home = folder.join(&stream.name);
        std::fs::create_dir_all(&home)?;
        let log = folder.join(format!("{}.log", stream.name));
        let mut command = process::command(binary, &home, &log)?;
        command.args(["relay", "-", "--format", "jsonl", "--flat-out", "--quiet", "--first-seq", "1", "--batch", "64"]);
        command.args(["--publisher", &stream.name, "--ack", sending.ack.as_str(), "--url", &format!("http://{authority}")]);
        command.arg(if sending.format == WireFormat::Json { "--json" } else { "--rkyv" });
        command.env("SLIPSTREAM_TOKEN", token).env("DATA_DIR", &home).stdin(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let input = process.child().stdin.take().context("standard input is piped")?;
        let (fed, stop) = (Arc::<AtomicU64>::default(), CancellationToken::new());
        let feeding = tokio::spawn(feed(input, stream.clone(), sending.rate, fed.clone(), stop.clone()));
        Ok(Self { stream, process, log, fed, stop, feeding: Some(feeding) })
    }

    /// Number of the last sample handed over.
    pub(super) fn last(&self) -> u64 {
        self.fed.load(Ordering::SeqCst)
    }

    /// Hands over nothing more and closes the input.
    pub(super) async fn close(&mut self, most: Duration) {
        self.stop.cancel();
        if let Some(mut feeding) = self.feeding.take()
            && time::timeout(most, &mut feeding).await.is_err()
        {
            feeding.abort();
        }
    }

    /// Waits until everything is acknowledged.
    pub(super) async fn finish(&mut self, most: Duration) -> Ended {
        let status = self.process.wait(most).await;
        if status.is_none() {
            self.process.kill().await;
        }
        Ended::read(status, &self.log, most)
    }
}

impl Ended {
    /// What the log of an agent says that ended so within `most`; `None`: it did not.
    pub(super) fn read(status: Option<ExitStatus>, log: &Path, most: Duration) -> Self {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let after = |mark: &str| text.rsplit_once(mark).map(|(_, rest)| rest.trim_start());
        let number = |rest: Option<&str>| {
            rest.and_then(|r| r.split(|c: char| !c.is_ascii_digit()).next()).and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        let resent = text.rsplit_once(" sent again").and_then(|(before, _)| before.rsplit_once(' ')).and_then(|(_, n)| n.parse().ok());
        let said = status.map_or_else(|| format!("still running after {} s", most.as_secs()), |s| format!("{s}"));
        Self {
            complete: status.is_some_and(|s| s.success()),
            reconnects: number(after("reconnects ")),
            resent: resent.unwrap_or(0),
            said: format!("{said}\n{}", process::tail(log, 12)),
        }
    }
}

/// Writes lines at `rate`; where the agent takes no more, they wait.
async fn feed(mut input: ChildStdin, stream: Stream, rate: f64, fed: Arc<AtomicU64>, stop: CancellationToken) -> std::io::Result<()> {
    let mut ticks = time::interval(TICK);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let (mut n, mut due) = (0, 0.0);
    let mut lines = String::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return input.shutdown().await,
        }
        due += rate * TICK.as_secs_f64();
        lines.clear();
        while due >= 1.0 {
            n += 1;
            due -= 1.0;
            lines.push_str(&stream.line(n));
            lines.push('\n');
        }
        input.write_all(lines.as_bytes()).await?;
        fed.store(n, Ordering::SeqCst);
    }
}
