//! The flags every serving command takes.

use std::path::PathBuf;

use clap::Args;

/// Settings on the command line; they win over the environment and the file.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
pub struct Flags {
    /// TOML file with settings [default: slipstream.toml where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Port for REST, WebSocket and the live page; 0 takes any free one [env: PORT] [default: 8080]
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,

    /// Address to listen on [env: SLIPSTREAM_BIND] [default: 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<String>,

    /// Where data is kept [env: DATA_DIR] [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,

    /// PostgreSQL or SQLite for records [env: DATABASE_URL] [default: SQLite under the data directory]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,

    /// What is logged: error, warn, info, debug, trace, or a tracing filter [env: LOG_LEVEL] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,

    /// How it is logged: text or json [env: SLIPSTREAM_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,

    /// Any other setting by its key in the file, as in --set ws.window=128 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Flags {
    /// The flags given, as (key of the setting, name of the flag, value).
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        [
            ("port", "--port", &self.port),
            ("bind", "--bind", &self.bind),
            ("data_dir", "--data-dir", &self.data_dir),
            ("database_url", "--database-url", &self.database_url),
            ("log_level", "--log-level", &self.log_level),
            ("log_format", "--log-format", &self.log_format),
        ]
        .into_iter()
        .filter_map(|(key, flag, value)| value.as_deref().map(|v| (key, flag, v)))
    }
}
