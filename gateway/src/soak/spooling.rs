//! A relay agent with a spool, killed again and again: it reads a file at its pace, and goes on where it was.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Result;

use super::{
    agents::Ended,
    identity::Stream,
    process::{self, Process},
};

/// The agent and how to start it again.
#[derive(Debug)]
pub(super) struct SpoolingAgent {
    pub(super) stream: Stream,
    /// Number of the last sample in the file.
    pub(super) last: u64,
    binary: PathBuf,
    folder: PathBuf,
    authority: String,
    token: String,
    /// Samples a second.
    rate: f64,
    process: Option<Process>,
}

impl SpoolingAgent {
    /// Writes a file that lasts for `length` at `rate` samples a second, and starts the agent on it.
    pub(super) fn start(
        binary: &Path,
        folder: &Path,
        authority: &str,
        token: &str,
        stream: Stream,
        rate: f64,
        length: Duration,
    ) -> Result<Self> {
        let last = (rate * length.as_secs_f64()).ceil().max(1.0) as u64;
        let home = folder.join(&stream.name);
        std::fs::create_dir_all(&home)?;
        let mut lines = String::new();
        for n in 1..=last {
            // Writing to a String does not fail.
            let _ = writeln!(lines, "{}", stream.line(n));
        }
        std::fs::write(home.join("samples.jsonl"), lines)?;
        let mut agent = Self {
            stream,
            last,
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            authority: authority.to_owned(),
            token: token.to_owned(),
            rate,
            process: None,
        };
        agent.run()?;
        Ok(agent)
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.stream.name))
    }

    /// Starts it where it was.
    fn run(&mut self) -> Result<()> {
        let home = self.folder.join(&self.stream.name);
        let mut command = process::command(&self.binary, &home, &self.log())?;
        command.args(["relay", "samples.jsonl", "--spool", "spool", "--quiet", "--batch", "64"]);
        command.args(["--publisher", &self.stream.name, "--url", &format!("http://{}", self.authority)]);
        // The file's samples are a millisecond apart.
        command.args(["--speed", &format!("{}", self.rate / 1_000.0)]);
        command.env("SLIPSTREAM_TOKEN", &self.token).env("DATA_DIR", &home).stdin(Stdio::null());
        self.process = Some(Process::start(&mut command)?);
        Ok(())
    }

    /// `kill -9`, and a start after `away`. Tells whether it was still at work.
    pub(super) async fn kill(&mut self, away: Duration) -> Result<bool> {
        let Some(process) = &mut self.process else { return Ok(false) };
        if process.ended().is_some() {
            return Ok(false);
        }
        process.kill().await;
        tokio::time::sleep(away).await;
        self.run()?;
        Ok(true)
    }

    /// Waits until it has sent the file to its end and all is acknowledged; where `early`, has it stop where it
    /// is. Tells how it ended, where it sent all.
    pub(super) async fn finish(&mut self, early: bool, most: Duration) -> Option<Ended> {
        let process = self.process.as_mut()?;
        if early && process.ended().is_none() {
            process.signal("TERM").await;
            // What it has read and not sent stays in its spool.
            process.wait(most).await;
            return None;
        }
        let status = process.wait(most).await;
        Some(Ended::read(status, &self.log(), most))
    }
}
