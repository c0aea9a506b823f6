//! PostgreSQL and `InfluxDB` 1.x: given by address, or instances of our own where they are installed.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::process::{self, Process, until};

/// Longest start of a database.
const START: Duration = Duration::from_secs(60);

/// Which databases the server under test is given.
#[derive(Clone, Debug, Default)]
pub struct Databases {
    /// Address of a PostgreSQL, `postgres://user@host:port/database`.
    pub postgres: Option<String>,
    /// Address of an `InfluxDB` 1.x without authentication, `http://host:port`.
    pub influxdb1: Option<String>,
    /// Start our own where none is given and the programs are installed; else the embedded ones are used.
    pub local: bool,
}

/// A database: its address, and its process where it is our own.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// `host:port`
    pub(super) authority: String,
    pub(super) url: String,
    _process: Option<Process>,
}

/// The `host:port` of an address.
fn authority(url: &str) -> Result<String> {
    let (_, rest) = url.split_once("://").with_context(|| format!("'{url}' is no address"))?;
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    ensure!(host.contains(':'), "'{url}' names no port");
    Ok(host.to_owned())
}

impl Database {
    fn given(url: &str) -> Result<Self> {
        Ok(Self { authority: authority(url)?, url: url.trim_end_matches('/').to_owned(), _process: None })
    }

    /// Its address when reached by `proxy`.
    pub(super) fn through(&self, proxy: std::net::SocketAddr) -> String {
        self.url.replacen(&self.authority, &proxy.to_string(), 1)
    }
}

/// The `InfluxDB` to use, if any.
pub(super) async fn influxdb1(wanted: &Databases, folder: &Path) -> Result<Option<Database>> {
    if let Some(url) = &wanted.influxdb1 {
        return Database::given(url).map(Some);
    }
    let Some(program) = process::find("influxd", &[]).filter(|_| wanted.local) else { return Ok(None) };
    let root = folder.join("influxdb");
    std::fs::create_dir_all(&root)?;
    let (port, rpc) = (process::free_port()?, process::free_port()?);
    let place = root.display();
    let config = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n\
         [meta]\ndir = \"{place}/meta\"\n[data]\ndir = \"{place}/data\"\nwal-dir = \"{place}/wal\"\nindex-version = \"inmem\"\n\
         query-log-enabled = false\n[http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n"
    );
    let file = root.join("influxdb.conf");
    std::fs::write(&file, config)?;
    let mut command = process::command(&program, &root, &folder.join("influxdb.log"))?;
    command.arg("-config").arg(&file);
    let mut process = Process::start(&mut command)?;
    let url = format!("http://127.0.0.1:{port}");
    let client = reqwest::Client::new();
    let what = format!("InfluxDB ({})", program.display());
    until(&what, START, async || {
        ensure!(process.ended().is_none(), "{what} ended:\n{}", process::tail(&folder.join("influxdb.log"), 20));
        Ok(client.get(format!("{url}/ping")).send().await.is_ok_and(|r| r.status().is_success()))
    })
    .await?;
    Ok(Some(Database { authority: authority(&url)?, url, _process: Some(process) }))
}

/// The PostgreSQL to use, if any.
pub(super) async fn postgres(wanted: &Databases, folder: &Path) -> Result<Option<Database>> {
    if let Some(url) = &wanted.postgres {
        return Database::given(url).map(Some);
    }
    let bins = installed();
    let found = [process::find("initdb", &bins), process::find("postgres", &bins), process::find("pg_isready", &bins)];
    let ([Some(initdb), Some(server), Some(is_ready)], true) = (found, wanted.local) else { return Ok(None) };
    let (root, log) = (folder.join("postgres"), folder.join("postgres.log"));
    std::fs::create_dir_all(&root)?;
    // It refuses to run as root: there it runs as the user its package made, and that one must get there.
    if process::is_root() {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755))?;
        let owned = Command::new("chown").arg("postgres").arg(&root).status().await?;
        ensure!(owned.success(), "the folder {} cannot be given to the user postgres", root.display());
    }
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o700))?;
    let mut init = unprivileged(&initdb, &log)?;
    init.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D"]).arg(&root);
    ensure!(init.status().await?.success(), "initdb fails:\n{}", process::tail(&log, 20));
    let port = process::free_port()?.to_string();
    let mut command = unprivileged(&server, &log)?;
    command.arg("-D").arg(&root).args(["-h", "127.0.0.1", "-p", &port, "-k"]).arg(&root);
    let mut process = Process::start(&mut command)?;
    until("PostgreSQL", START, async || {
        ensure!(process.ended().is_none(), "PostgreSQL ended:\n{}", process::tail(&log, 20));
        let mut asked = Command::new(&is_ready);
        asked.args(["-q", "-h", "127.0.0.1", "-p", &port]).stdin(Stdio::null());
        Ok(asked.status().await.is_ok_and(|s| s.success()))
    })
    .await?;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    Ok(Some(Database { authority: authority(&url)?, url, _process: Some(process) }))
}

fn unprivileged(program: &Path, log: &Path) -> Result<Command> {
    if !process::is_root() {
        return process::command(program, Path::new("/"), log);
    }
    let mut command = process::command(Path::new("setpriv"), Path::new("/"), log)?;
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT", "--"]).arg(program);
    Ok(command)
}

/// Debian's folders of programs, newest version first.
fn installed() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> =
        entries.filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path().join("bin")))).collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_reached_through_the_proxy() {
        let database = Database::given("postgres://me@db:5432/x").unwrap();
        assert_eq!(database.through("127.0.0.1:9".parse().unwrap()), "postgres://me@127.0.0.1:9/x");
        assert_eq!(Database::given("http://h:1/").unwrap().url, "http://h:1");
        assert!(Database::given("http://h").is_err() && Database::given("h:1").is_err());
    }
}
