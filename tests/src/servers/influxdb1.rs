//! `InfluxDB` 1.x.

use std::process::Command;

use super::process::{self, Process};
use crate::port;

/// An `InfluxDB` 1.x server without authentication.
#[derive(Debug)]
pub struct InfluxDb1 {
    process: Process,
    command: Command,
    log: std::path::PathBuf,
    port: u16,
    _folder: tempfile::TempDir,
}

impl InfluxDb1 {
    /// Starts one, or tells why not and gives `None`.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// Starts one that has an administrator `user` with `password` and refuses everyone else.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_with_user(user: &str, password: &str) -> Option<Self> {
        let server = Self::start_with("auth-enabled = true")?;
        // The first user may be made without a password: there is none to ask for yet.
        let statement = format!("q=CREATE%20USER%20{user}%20WITH%20PASSWORD%20'{password}'%20WITH%20ALL%20PRIVILEGES");
        assert!(process::http_post(server.port, "/query", &statement), "the first user can be made");
        Some(server)
    }

    fn start_with(http: &str) -> Option<Self> {
        let influxd = process::find("influxd", "influxdb", &[])?;
        let folder = process::folder("influxdb1");
        let (port, rpc) = (port::free(), port::free());
        let root = folder.path().display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n\
             [meta]\ndir = \"{root}/meta\"\n\
             [data]\ndir = \"{root}/data\"\nwal-dir = \"{root}/wal\"\nindex-version = \"inmem\"\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n{http}\n\
             [monitor]\nstore-enabled = false\n"
        );
        let file = folder.path().join("influxdb.conf");
        std::fs::write(&file, config).expect("our own folder takes a file");
        let mut command = Command::new(influxd);
        command.arg("-config").arg(&file);
        let log = folder.path().join("log");
        let mut process = Process::start(&mut command, log.clone());
        process.wait_until(|| process::http_ok(port, "/ping"));
        Some(Self { process, command, log, port, _folder: folder })
    }

    /// Its address, `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stops it now; its address stays and nothing answers there.
    pub fn stop(&mut self) {
        self.process.stop("TERM");
    }

    /// Holds it: it takes connections and answers nothing.
    pub fn pause(&self) {
        self.process.signal_all("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal_all("CONT");
    }

    /// Starts it again, once stopped, on the same data and address.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        self.process = Process::start(&mut self.command, self.log.clone());
        let port = self.port;
        self.process.wait_until(|| process::http_ok(port, "/ping"));
    }
}
