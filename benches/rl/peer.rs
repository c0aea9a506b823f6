//! The peer's side: a Python process that answers one line of JSON for each request.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use slipstream_engine::rl::learners::DqnConfig;

use super::{Marks, Plan, Timed};

/// Python with numpy and PyTorch.
pub(crate) struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it; where Python or its packages are missing that is said, and there is none.
    pub(crate) fn start() -> Option<Self> {
        let python = std::env::var("SLIPSTREAM_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        match Self::spawn(&python) {
            Ok((peer, version)) => {
                println!("peer: {version}, one thread\n");
                Some(peer)
            }
            Err(error) => {
                println!("skipped: the peer ({python} with numpy and torch; SLIPSTREAM_BENCH_PYTHON names another): {error:#}\n");
                None
            }
        }
    }

    fn spawn(python: &str) -> Result<(Self, String)> {
        let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/rl/main.py");
        let mut process = Command::new(python)
            .arg(main)
            .env("OMP_NUM_THREADS", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let requests = process.stdin.take().context("its standard input is a pipe")?;
        let answers = BufReader::new(process.stdout.take().context("its standard output is a pipe")?);
        let mut peer = Self { process, requests, answers };
        let version: Value = peer.ask(&json!({"task": "version"}))?;
        Ok((peer, version["version"].as_str().unwrap_or_default().to_owned()))
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T> {
        writeln!(self.requests, "{request}")?;
        self.requests.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "it ended without an answer");
        Ok(serde_json::from_str(&line)?)
    }

    pub(crate) fn environment(&mut self, steps: u64) -> Result<Timed> {
        self.ask(&json!({"task": "environment", "steps": steps}))
    }

    pub(crate) fn inference(&mut self, steps: u64, hidden: &[usize], count: usize) -> Result<Timed> {
        self.ask(&json!({"task": "inference", "steps": steps, "hidden": hidden, "environments": count}))
    }

    pub(crate) fn train(&mut self, config: &DqnConfig, seed: u64, plan: &Plan) -> Result<Marks> {
        self.ask(&json!({
            "task": "train", "config": config, "seed": seed, "max_steps": plan.max_training_steps,
            "look_every": plan.look_every, "episodes": plan.episodes,
        }))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
