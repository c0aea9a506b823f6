//! `PostgreSQL`.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use super::process::{self, Process};
use crate::port;

/// A `PostgreSQL` server with one superuser, `postgres`, trusted on loopback.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    command: Command,
    is_ready: std::path::PathBuf,
    log: std::path::PathBuf,
    port: u16,
    // After the process: fields drop in order, and the folder must outlive the server.
    _folder: tempfile::TempDir,
}

impl Postgres {
    /// Starts one, or tells why not and gives `None`.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start() -> Option<Self> {
        // fsync off: the data lives as long as the test.
        Self::start_with(&["-F"], |_| {})
    }

    /// Starts one that takes connections over TLS alone, with this certificate and key in PEM; the user `ann` needs a password.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        Self::start_with(&["-F", "-c", "ssl=on"], |data| {
            for (name, content) in [("server.crt", certificate), ("server.key", key)] {
                let file = data.join(name);
                std::fs::write(&file, content).expect("our own folder takes a file");
                std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("our own file takes permissions");
                give_away(&file);
            }
            let rules = "hostssl all ann 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 trust\nlocal all all trust\n";
            std::fs::write(data.join("pg_hba.conf"), rules).expect("our own folder takes a file");
        })
    }

    /// As [`Self::start`], with every commit synced to disk, as in production; for benchmarks.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start_durable() -> Option<Self> {
        Self::start_with(&["-c", "fsync=on", "-c", "synchronous_commit=on"], |_| {})
    }

    fn start_with(durability: &[&str], prepare: impl FnOnce(&Path)) -> Option<Self> {
        let bins = process::version_bins(Path::new("/usr/lib/postgresql"));
        let initdb = process::find("initdb", "postgresql", &bins)?;
        let postgres = process::find("postgres", "postgresql", &bins)?;
        let is_ready = process::find("pg_isready", "postgresql", &bins)?;
        let folder = process::folder("postgres");
        let data = folder.path().join("data");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("our own folder takes permissions");
        std::fs::create_dir(&data).expect("our own folder takes a folder");
        give_away(&data);
        std::fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).expect("our own folder takes permissions");

        let mut init = unprivileged(&initdb);
        init.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D"]).arg(&data);
        let made = init.stdin(Stdio::null()).output().expect("initdb was found above");
        assert!(made.status.success(), "initdb fails:\n{}", String::from_utf8_lossy(&made.stderr));
        prepare(&data);

        let port = port::free();
        let mut command = unprivileged(&postgres);
        command.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"]).arg(&data).args(durability);
        let log = folder.path().join("log");
        let process = Process::start(&mut command, log.clone());
        let mut server = Self { process, command, is_ready, log, port, _folder: folder };
        server.wait_until_ready();
        Some(server)
    }

    fn wait_until_ready(&mut self) {
        let (is_ready, port) = (&self.is_ready, self.port.to_string());
        self.process.wait_until(|| {
            let mut asked = Command::new(is_ready);
            asked.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().is_ok_and(|s| s.success())
        });
    }

    /// Holds it: it takes connections and answers nothing.
    pub fn pause(&self) {
        self.process.signal_all("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal_all("CONT");
    }

    /// Stops it now; nothing answers at its address.
    pub fn stop(&mut self) {
        self.process.stop("INT");
    }

    /// Starts it again, once stopped, on the same data and address.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        self.process = Process::start(&mut self.command, self.log.clone());
        self.wait_until_ready();
    }

    /// The address of its database `postgres`, for `DATABASE_URL`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Its process, whose children serve the connections.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The port it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A fast shutdown, so that it takes its shared memory and its children along.
        self.process.stop("INT");
    }
}

/// Gives a file or folder to the user that the server runs as.
fn give_away(path: &Path) {
    if is_root() {
        let owned = Command::new("chown").arg("postgres").arg(path).status();
        assert!(owned.is_ok_and(|s| s.success()), "{} can be given to the user postgres", path.display());
    }
}

/// Whether this runs as root.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n")
}

/// `PostgreSQL` refuses to run as root: there it runs as the user its package made. `setpriv`
/// replaces itself with the server, so that signals reach it.
pub(super) fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program).current_dir("/");
    command
}
