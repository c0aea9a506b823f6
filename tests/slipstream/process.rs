//! The real binary as processes of their own: a server on a port of its own, and commands against it.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use slipstream_gateway::journal;

use crate::cli::binary;

/// Longest wait for anything a test expects of a process.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks for `what` until it is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process; killed when the test is over.
pub(crate) struct Process {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// SIGKILL, and waits for it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for its end. Yields how it ended and what it wrote to standard output and error.
    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
        let status = wait_for("the end of a process", || self.child.try_wait().unwrap());
        (status, self.said(), self.complained())
    }

    /// What it wrote to standard output so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn complained(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already in the good case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A place for one server and what talks to it: a folder and a port.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    port: u16,
    started: std::cell::Cell<u32>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let port = slipstream_tests::port::free();
        Self { dir: tempfile::tempdir().unwrap(), port, started: 0.into() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Starts a command of the binary, in this place.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        let number = self.started.get() + 1;
        self.started.set(number);
        let (out, err) = (self.path(&format!("{number}.out")), self.path(&format!("{number}.err")));
        let child = Command::new(binary())
            .args(arguments)
            .env_clear()
            .env("JWT_SECRET", "a secret of the tests")
            .env("DATA_DIR", self.path("data"))
            .env("PORT", self.port.to_string())
            .env("LOG_LEVEL", "info")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Process { child, out, err }
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn serve(&self) -> Process {
        let mut server = self.start(&["serve", "--bind", "127.0.0.1"]);
        wait_for("the server", || {
            assert!(!server.has_ended(), "{}{}", server.said(), server.complained());
            self.get("/health").map(drop)
        });
        server
    }

    /// `GET path` with a token that may hear everything; `None` where nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<serde_json::Value> {
        self.ask("GET", path, "")
    }

    /// A request with a token that may do nearly everything; its answer must be JSON.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> serde_json::Value {
        self.ask(method, path, body).unwrap()
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<serde_json::Value> {
        let token = slipstream_gateway::auth::Auth::new(b"a secret of the tests")
            .mint(&slipstream_protocol::token::Claims {
                sub: "tester".into(),
                exp: slipstream_tests::gateway::now_s() + 3_600,
                iat: None,
                role: slipstream_protocol::token::Role::Engineer,
                channels: None,
                publish: None,
            })
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answer = reqwest::Client::new()
                .request(method.parse().unwrap(), self.url(path))
                .bearer_auth(token)
                .body(body.to_owned())
                .send()
                .await
                .ok()?;
            serde_json::from_str(&answer.text().await.ok()?).ok()
        })
    }

    /// What the server's journal holds, in order: publisher, vehicle and the signal `n`.
    pub(crate) fn journalled(&self) -> Vec<(String, String, u64)> {
        let dir = self.path("data/journal");
        if !dir.is_dir() {
            return Vec::new();
        }
        let records = journal::dump(&dir, 1, usize::MAX).unwrap();
        let mut samples = Vec::new();
        for (_, batch) in records {
            let publisher = batch.publisher.map(|p| p.to_string()).unwrap_or_default();
            for sample in batch.samples {
                let n = sample.signals.iter().find(|s| &*s.name == "n").and_then(|s| s.value.as_number()).unwrap();
                samples.push((publisher.clone(), sample.vehicle.to_string(), n as u64));
            }
        }
        samples
    }
}

/// The numbers of each vehicle, in the order they came.
pub(crate) fn by_vehicle(samples: &[(String, String, u64)]) -> BTreeMap<String, Vec<u64>> {
    let mut by_vehicle = BTreeMap::<String, Vec<u64>>::new();
    for (_, vehicle, n) in samples {
        by_vehicle.entry(vehicle.clone()).or_default().push(*n);
    }
    by_vehicle
}

/// Bytes of the disk that files under `dir` take.
pub(crate) fn bytes_under(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let bytes = |path: PathBuf| if path.is_dir() { bytes_under(&path) } else { path.metadata().map_or(0, |m| m.blocks() * 512) };
    entries.map(|entry| bytes(entry.unwrap().path())).sum()
}
