//! What the servers have in common: finding the program, a child that dies with us.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a server may take to answer; generous, because test machines are small and shared.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Where `program` is, looking in `first` folders and then in `PATH`.
///
/// # Panics
/// Where it is missing and `SLIPSTREAM_REQUIRE_SERVERS=1`.
pub(super) fn find(program: &str, package: &str, first: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = first.iter().cloned().chain(std::env::split_paths(&path)).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        let told = format!("'{program}' is not installed (Debian package {package})");
        assert!(std::env::var("SLIPSTREAM_REQUIRE_SERVERS").as_deref() != Ok("1"), "{told}, and SLIPSTREAM_REQUIRE_SERVERS=1");
        eprintln!("skipped: {told}");
    }
    found
}

/// A running server: killed and reaped on drop.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `log`.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub(super) fn start(command: &mut Command, log: PathBuf) -> Self {
        let out = File::create(&log).expect("the server's own folder takes a log file");
        let err = out.try_clone().expect("an open file can be cloned");
        let child =
            command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
        Self { child, log }
    }

    /// Waits until `ready` says so.
    ///
    /// # Panics
    /// Where the server ends or stays silent, with what it printed.
    pub(super) fn wait_until(&mut self, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + START_DEADLINE;
        while !ready() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended with {status}:\n{}", self.printed());
            }
            assert!(Instant::now() < deadline, "the server does not answer within {START_DEADLINE:?}:\n{}", self.printed());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends `signal` (`STOP`, `CONT` ...) to it and its children.
    pub(super) fn signal_all(&self, signal: &str) {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for pid in std::iter::once(pid.to_string()).chain(children.split_whitespace().map(ToOwned::to_owned)) {
            // A child may be gone by now.
            let _ = Command::new("kill").args([&format!("-{signal}"), &pid]).stderr(Stdio::null()).status();
        }
    }

    /// Asks it to stop with `signal` (`TERM`, `INT` ...) and waits; kills it after ten seconds.
    pub(super) fn stop(&mut self, signal: &str) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args([&format!("-{signal}"), &pid]).status().is_ok_and(|s| s.success());
        let deadline = Instant::now() + Duration::from_secs(10);
        while asked && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether an HTTP GET of `path` on a loopback port is answered with a 2xx status.
pub(super) fn http_ok(port: u16, path: &str) -> bool {
    http(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
}

/// Whether a form posted to `path` on a loopback port is answered with a 2xx status.
pub(super) fn http_post(port: u16, path: &str, form: &str) -> bool {
    let length = form.len();
    http(
        port,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ),
    )
}

fn http(port: u16, request: &str) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    let timeout = Some(Duration::from_secs(5));
    if stream.set_read_timeout(timeout).is_err() || stream.set_write_timeout(timeout).is_err() {
        return false;
    }
    let mut answer = [0_u8; 12];
    stream.write_all(request.as_bytes()).is_ok() && stream.read_exact(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 2")
}

/// A fresh folder that others may enter, for servers that run under another user.
pub(super) fn folder(label: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix(&format!("slipstream-{label}-")).tempdir().expect("the temporary folder takes a folder")
}

/// The folders named like `pattern/<version>/bin`, newest version first.
pub(super) fn version_bins(parent: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, bin)| bin).collect()
}
