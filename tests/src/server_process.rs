//! The gateway as a process of its own, which can be killed as a machine is.
#![expect(clippy::missing_panics_doc, reason = "in a test a panic is how the unexpected is told")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use slipstream_gateway::auth::Auth;
use slipstream_protocol::{
    WireFormat,
    token::{Claims, Role},
};

use crate::{
    gateway::{Client, now_s},
    port,
};

const SECRET: &str = "a secret of the tests";

/// How long a start may take on a small, shared machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// `slipstream serve` on a data folder; killed on drop.
pub struct ServerProcess {
    child: Child,
    binary: PathBuf,
    data: PathBuf,
    settings: Vec<(String, String)>,
    addr: SocketAddr,
}

impl ServerProcess {
    /// Starts `binary` on `data` with these settings (environment variables) and waits until it answers.
    pub fn start(binary: &Path, data: &Path, settings: &[(&str, &str)]) -> Self {
        let addr = (Ipv4Addr::LOCALHOST, port::free()).into();
        let settings: Vec<_> = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let child = spawn(binary, data, &settings, addr);
        let mut server = Self { child, binary: binary.to_owned(), data: data.to_owned(), settings, addr };
        server.answers();
        server
    }

    fn answers(&mut self) {
        let deadline = Instant::now() + START_DEADLINE;
        while std::net::TcpStream::connect(self.addr).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            assert!(Instant::now() < deadline, "no answer within {START_DEADLINE:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it printed so far, runs before this one included.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("server.log")).unwrap_or_default()
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it can be waited for");
    }

    /// Asks it to drain and waits until it has ended.
    pub fn terminate(&mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.is_ok_and(|s| s.success()), "it runs");
        let deadline = Instant::now() + START_DEADLINE;
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            assert!(Instant::now() < deadline, "it drains in time:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again on the same data, port and settings, once it has ended.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.binary, &self.data, &self.settings, self.addr);
        self.answers();
    }

    /// `http://127.0.0.1:<port><path>`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A token for an hour.
    pub fn token(&self, role: Role) -> String {
        let claims = Claims { sub: "tester".into(), exp: now_s() + 3_600, iat: None, role, channels: None, publish: None };
        Auth::new(SECRET.as_bytes()).mint(&claims).expect("HS256 signs")
    }

    /// A WebSocket client with a token for `role` and more of a query, as in `&publisher=p`.
    pub async fn client(&self, role: Role, query: &str) -> Client {
        Client::connect(self.addr, &format!("token={}{query}", self.token(role)), WireFormat::Json).await
    }

    /// A metric without labels, or with those written behind its name.
    pub async fn metric(&self, name: &str) -> f64 {
        let asked = reqwest::Client::new().get(self.url("/metrics")).bearer_auth(self.token(Role::Viewer)).send().await;
        let text = asked.expect("it answers").text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in:\n{text}"))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It has ended already in the good case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(binary: &Path, data: &Path, settings: &[(String, String)], addr: SocketAddr) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(data.join("server.log")).expect("the folder takes a log");
    let mut command = Command::new(binary);
    for name in ["LOG_LEVEL", "DATABASE_URL", "SLIPSTREAM_URL", "SLIPSTREAM_TOKEN", "SLIPSTREAM_LOG_FORMAT", "CORS_ORIGINS"] {
        command.env_remove(name);
    }
    command.env("JWT_SECRET", SECRET).env("PORT", addr.port().to_string()).env("SLIPSTREAM_BIND", "127.0.0.1");
    command.env("DATA_DIR", data.join("data")).envs(settings.iter().map(|(k, v)| (k, v))).current_dir(data);
    let err = log.try_clone().expect("an open file can be cloned");
    command.arg("serve").stdin(Stdio::null()).stdout(log).stderr(err).spawn().expect("the binary starts")
}
