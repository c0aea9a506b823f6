//! The binary as a process of its own: what it holds, and how it ends.

use std::{
    fs::{self, File},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use slipstream_gateway::{auth::Auth, config::SETTINGS};
use slipstream_protocol::token::{Claims, Role};
use slipstream_tests::gateway::{PATIENCE, now_s};

const SECRET: &str = "a secret of the tests";

/// `slipstream serve` with its own data folder; killed when a test fails.
pub(super) struct Process {
    child: Child,
    port: u16,
    settings: Vec<String>,
    data: tempfile::TempDir,
}

impl Process {
    /// Starts one with `settings`, each `key=value`.
    pub(super) async fn start(settings: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let (child, port) = run(&data, &settings);
        let process = Self { child, port, settings, data };
        process.until_ready().await;
        process
    }

    async fn until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while reqwest::get(self.url("/health")).await.is_err() {
            assert!(Instant::now() < deadline, "it does not answer:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn ws_url(&self, query: &str) -> String {
        format!("ws://127.0.0.1:{}/ws?{query}", self.port)
    }

    pub(super) fn addr(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// A token for an hour.
    pub(super) fn token(subject: &str, role: Role) -> String {
        let claims = Claims { sub: subject.into(), exp: now_s() + 3_600, iat: None, role, channels: None, publish: None };
        Auth::new(SECRET.as_bytes()).mint(&claims).unwrap()
    }

    /// The value of a metric, with its labels as they are printed; 0 where it is not there yet.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let asked = reqwest::Client::new().get(self.url("/metrics")).bearer_auth(Self::token("prometheus", Role::Viewer)).send().await;
        let metrics = asked.unwrap().text().await.unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(ToOwned::to_owned));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a metric has this value.
    pub(super) async fn until_metric(&self, name: &str, value: f64) {
        let deadline = Instant::now() + 6 * PATIENCE;
        loop {
            let is = self.metric(name).await;
            if is == value {
                return;
            }
            assert!(Instant::now() < deadline, "{name} is {is}, not {value}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A figure of `/proc/<pid>/status` in bytes: `VmRSS` is what it holds, `VmHWM` the most it ever held.
    pub(super) fn memory(&self, figure: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// SIGTERM.
    pub(super) fn signal(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }

    /// SIGTERM. Returns how it ended and after how long.
    pub(super) async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, asked.elapsed());
            }
            assert!(asked.elapsed() < Duration::from_secs(60), "it never ends:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts again on the same data folder.
    pub(super) async fn start_again(&mut self) {
        (self.child, self.port) = run(&self.data, &self.settings);
        self.until_ready().await;
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(data: &tempfile::TempDir, settings: &[String]) -> (Child, u16) {
    let port = slipstream_tests::port::free();
    let mut command = Command::new(crate::cli::binary());
    for setting in SETTINGS {
        command.env_remove(setting.env);
    }
    command.env("JWT_SECRET", SECRET).env("DATA_DIR", data.path()).env("SLIPSTREAM_BIND", "127.0.0.1").env("PORT", port.to_string());
    command.arg("serve").args(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
    let log = File::options().create(true).append(true).open(data.path().join("log")).unwrap();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir(data.path()).spawn().unwrap();
    (child, port)
}
