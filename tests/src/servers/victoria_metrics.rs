//! `VictoriaMetrics`: speaks the write API of `InfluxDB` 2.

use std::process::Command;

use super::process::{self, Process};
use crate::port;

/// A single-node `VictoriaMetrics`.
#[derive(Debug)]
pub struct VictoriaMetrics {
    process: Process,
    port: u16,
    _folder: tempfile::TempDir,
}

impl VictoriaMetrics {
    /// Starts one that keeps a hundred years, or tells why not and gives `None`.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start() -> Option<Self> {
        let program = process::find("victoria-metrics", "victoria-metrics", &[])?;
        let folder = process::folder("victoria-metrics");
        let port = port::free();
        let mut command = Command::new(program);
        command
            .arg(format!("-storageDataPath={}", folder.path().join("data").display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg("-retentionPeriod=100y");
        let mut process = Process::start(&mut command, folder.path().join("log"));
        process.wait_until(|| process::http_ok(port, "/health"));
        Some(Self { process, port, _folder: folder })
    }

    /// Its address, `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stops it now; its address stays and nothing answers there.
    pub fn stop(&mut self) {
        self.process.stop("TERM");
    }
}
