//! The servers that are measured: Slipstream's own binary, PitBox on Node, and nats-server.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use slipstream_benches::{binary, cpu, server::Server};
use slipstream_gateway::auth::Auth;
use slipstream_protocol::token::{Claims, Role};
use slipstream_tests::{port, servers::Postgres};

use crate::Plan;

const SECRET: &str = "a secret that only this benchmark uses";

/// How clients speak to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// PitBox's WebSocket API.
    Pitbox,
    /// NATS' text protocol inside WebSocket frames.
    Nats,
}

/// A running server and how to reach it.
pub(crate) struct Target {
    /// Its name in the table.
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    /// Where WebSocket (and HTTP) clients connect.
    pub(crate) port: u16,
    /// Where publishers of NATS connect.
    pub(crate) publish_port: u16,
    pub(crate) token: String,
    pub(crate) server: Server,
    postgres: Option<Postgres>,
}

impl Target {
    /// Processor seconds its database used, where it has one of its own.
    pub(crate) fn database_cpu_seconds(&self) -> f64 {
        self.postgres.as_ref().map_or(0.0, |p| cpu::seconds_of_tree(p.pid()))
    }
}

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the repository")
}

/// Starts every server of `plan` that is installed here; nats-server only where `with_nats`.
pub(crate) fn start(plan: &Plan, with_database: bool, with_nats: bool) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    if plan.measures("slipstream") {
        targets.push(slipstream()?);
    }
    if plan.measures("node") {
        targets.extend(node(with_database)?);
    }
    if with_nats && plan.measures("nats") {
        targets.extend(nats()?);
    }
    Ok(targets)
}

/// `slipstream serve` with embedded storage in a folder of its own.
pub(crate) fn slipstream() -> Result<Target> {
    slipstream_in(folder()?)
}

/// The same on the data that lies in `folder` under `data`.
pub(crate) fn slipstream_in(folder: tempfile::TempDir) -> Result<Target> {
    let port = port::free();
    let mut command = Command::new(binary::slipstream()?);
    command.arg("serve").current_dir(folder.path()).env("DATA_DIR", folder.path().join("data"));
    command.env("PORT", port.to_string()).env("SLIPSTREAM_BIND", "127.0.0.1").env("JWT_SECRET", SECRET);
    // The load generator answers no pings, and its subscribers wait while other servers are measured.
    command.env("SLIPSTREAM_WS_PING_AFTER", "30m").env("SLIPSTREAM_WS_IDLE_TIMEOUT", "1h");
    // What is measured is what the server takes, not what it would let one token have.
    command.env("SLIPSTREAM_RATE_REQUESTS_PER_TOKEN", "0").env("SLIPSTREAM_RATE_SAMPLES_PER_TOKEN", "0");
    command.env("LOG_LEVEL", std::env::var("LOG_LEVEL").unwrap_or_else(|_| "warn".to_owned()));
    let server = Server::start(command, folder, port)?;
    Ok(Target { name: "slipstream", dialect: Dialect::Pitbox, port, publish_port: port, token: token()?, server, postgres: None })
}

/// The Node peer, with a `PostgreSQL` of its own when `with_database`; `None` where a program is missing.
pub(crate) fn node(with_database: bool) -> Result<Option<Target>> {
    let peer = root().join("benches/peer");
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("skipped: 'node' is not installed (Debian package nodejs)");
        return Ok(None);
    }
    if !peer.join("node_modules").is_dir() {
        let mut install = Command::new("npm");
        install.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&peer);
        ensure!(install.status().context("npm (Debian package npm) is needed to install the peer")?.success(), "{install:?} fails");
    }
    let postgres = if with_database {
        match Postgres::start_durable() {
            Some(postgres) => Some(postgres),
            None => return Ok(None),
        }
    } else {
        None
    };
    let folder = folder()?;
    let port = port::free();
    let mut command = Command::new("node");
    command.arg(peer.join("server.js")).env("NODE_ENV", "production").env("PORT", port.to_string()).env("JWT_SECRET", SECRET);
    if let Some(postgres) = &postgres {
        command.env("DATABASE_URL", postgres.url());
    }
    let server = Server::start(command, folder, port)?;
    Ok(Some(Target { name: "node", dialect: Dialect::Pitbox, port, publish_port: port, token: token()?, server, postgres }))
}

/// `nats-server` with a WebSocket listener; `None` where it is not installed.
fn nats() -> Result<Option<Target>> {
    if Command::new("nats-server").arg("--version").output().is_err() {
        eprintln!("skipped: 'nats-server' is not installed (Debian package nats-server)");
        return Ok(None);
    }
    let folder = folder()?;
    let (port, publish_port) = (port::free(), port::free());
    let config = folder.path().join("nats.conf");
    std::fs::write(
        &config,
        format!("host: 127.0.0.1\nport: {publish_port}\nwebsocket {{ host: 127.0.0.1, port: {port}, no_tls: true }}\n"),
    )?;
    let mut command = Command::new("nats-server");
    command.arg("-c").arg(&config);
    let server = Server::start(command, folder, port)?;
    Ok(Some(Target { name: "nats", dialect: Dialect::Nats, port, publish_port, token: String::new(), server, postgres: None }))
}

/// A folder for a server, on the disk that the build is on.
pub(crate) fn folder() -> Result<tempfile::TempDir> {
    // Beside the build, not in /tmp: that may be memory, where a sync costs nothing.
    let base = binary::target_dir()?.join("gateway-bench");
    std::fs::create_dir_all(&base)?;
    Ok(tempfile::Builder::new().prefix("server-").tempdir_in(base)?)
}

fn token() -> Result<String> {
    let exp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() as i64 + 24 * 3_600;
    let claims = Claims { sub: "bench".into(), exp, iat: None, role: Role::Admin, channels: None, publish: None };
    Ok(Auth::new(SECRET.as_bytes()).mint(&claims)?)
}

/// What runs here, for the head of the report.
pub(crate) fn versions() -> Vec<String> {
    let postgres = "/usr/lib/postgresql/15/bin/postgres";
    [("node", "--version"), (postgres, "--version"), ("psql", "--version"), ("nats-server", "--version")]
        .into_iter()
        .filter_map(|(program, flag)| {
            let out = Command::new(program).arg(flag).output().ok()?;
            let said = String::from_utf8_lossy(&out.stdout).trim().to_owned();
            let name = Path::new(program).file_name()?.to_string_lossy().into_owned();
            Some(if said.contains(&name) { said } else { format!("{name} {said}") })
        })
        .collect()
}
