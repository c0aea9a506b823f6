//! How client commands reach a server: its address and a token for it.

use std::path::PathBuf;

use clap::Args;
use slipstream_ports::Clock;
use slipstream_protocol::{
    Timestamp, WireFormat,
    token::{Claims, Role},
};

use super::exit::Usage;
use crate::{
    app::SystemClock,
    auth::Auth,
    config::{self, Config, Flags},
    relay::Endpoint,
};

/// Life of a token minted for this command alone, in seconds: 30 days.
const LOCAL_LIFE_S: i64 = 30 * 86_400;

/// Where the server is and who asks.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
pub(super) struct Access {
    /// Address of the server [default: this machine, at the configured port]
    #[arg(long, global = true, value_name = "URL", env = "SLIPSTREAM_URL")]
    url: Option<String>,

    /// Token; where absent and the server's secret is readable here, one is minted
    #[arg(long, global = true, value_name = "JWT", env = "SLIPSTREAM_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// TOML file with settings [default: slipstream.toml where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where the server on this machine keeps its data, its secret included [env: DATA_DIR] [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,

    /// What is logged: error, warn, info, debug, trace, or a tracing filter [env: LOG_LEVEL] [default: info]
    #[arg(long, global = true, value_name = "FILTER")]
    log_level: Option<String>,

    /// How it is logged: text or json [env: SLIPSTREAM_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Access {
    /// The server at `url`, for commands whose own arguments say the rest.
    pub(super) fn at(url: String, token: Option<String>, config: Option<PathBuf>, data_dir: Option<String>) -> Self {
        Self { url: Some(url), token, config, data_dir, ..Self::default() }
    }

    /// The configuration of this machine.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let flags = Flags {
            config: self.config.clone(),
            data_dir: self.data_dir.clone(),
            log_level: self.log_level.clone(),
            log_format: self.log_format.clone(),
            ..Flags::default()
        };
        Ok(config::resolve(&flags)?)
    }

    /// The server's address, and the token given or one of `role` minted on the spot.
    pub(super) fn address(&self, config: &Config, role: Role) -> anyhow::Result<(String, Option<String>)> {
        let url = self.url.clone().unwrap_or_else(|| format!("http://127.0.0.1:{}", config.port));
        let token = match &self.token {
            Some(token) => Some(token.trim().to_owned()),
            None => local_token(config, role)?,
        };
        Ok((url.trim_end_matches('/').to_owned(), token))
    }

    /// The server's door, with the token given or one of `role` minted on the spot.
    pub(super) fn endpoint(&self, config: &Config, role: Role, format: WireFormat) -> anyhow::Result<Endpoint> {
        let (url, token) = self.address(config, role)?;
        Endpoint::new(&url, token, format).map_err(|e| Usage(e.to_string()).into())
    }
}

/// A token signed with this machine's secret; none where there is no secret yet.
fn local_token(config: &Config, role: Role) -> anyhow::Result<Option<String>> {
    let Some(auth) = Auth::existing(config)? else { return Ok(None) };
    Ok(Some(mint(&auth, "local", role, LOCAL_LIFE_S, now())?))
}

/// A token for everything its role may do.
pub(super) fn mint(auth: &Auth, subject: &str, role: Role, life_s: i64, now: Timestamp) -> anyhow::Result<String> {
    let exp = now.millis() / 1_000 + life_s;
    let claims = Claims { sub: subject.to_owned(), exp, iat: None, role, channels: None, publish: None };
    Ok(auth.issue(&claims, now)?)
}

/// The moment.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}
