//! `PgBouncer`.

use std::{net::TcpStream, os::unix::fs::PermissionsExt};

use super::{
    Postgres,
    postgres::unprivileged,
    process::{self, Process},
};
use crate::port;

/// A `PgBouncer` in front of a `PostgreSQL` server, which pools by transaction.
#[derive(Debug)]
pub struct PgBouncer {
    process: Process,
    port: u16,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    /// Starts one with fewer connections to the server than clients have to it, or tells why not and gives `None`.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start(server: &Postgres) -> Option<Self> {
        Self::start_pooling(server, "transaction")
    }

    /// As [`Self::start`], pooling by `session`, `transaction` or `statement`.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start_pooling(server: &Postgres, by: &str) -> Option<Self> {
        let program = process::find("pgbouncer", "pgbouncer", &["/usr/sbin".into()])?;
        let folder = process::folder("pgbouncer");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("our own folder takes permissions");
        let port = port::free();
        // As it comes: no parameter of a start is ignored that it does not ignore by itself.
        let config = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} dbname=postgres user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {by}\ndefault_pool_size = 3\nmax_client_conn = 100\n",
            server.port()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, config).expect("our own folder takes a file");
        // It runs as another user, whatever this process lets others read.
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("our own file takes permissions");
        let mut command = unprivileged(&program);
        command.arg(&file);
        let mut process = Process::start(&mut command, folder.path().join("log"));
        process.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { process, port, _folder: folder })
    }

    /// The address of the database behind it, for `DATABASE_URL`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.process.stop("TERM");
    }
}
