//! The server's REST door, for commands.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use slipstream_protocol::token::Role;

use super::access::Access;
use crate::http_client;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Largest answer.
const MAX_ANSWER: usize = 16 << 20;

/// A server and a token for it.
pub(super) struct Rest {
    client: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Rest {
    /// The server that `access` says, with a token for `role` where none is given. Starts logging.
    pub(super) fn new(access: &Access, role: Role) -> anyhow::Result<Self> {
        let config = access.config()?;
        super::logging::start(&config)?;
        let (url, token) = access.address(&config, role)?;
        Ok(Self { client: http_client::new(TIMEOUT), url, token })
    }

    /// Calls; answers the whole envelope.
    pub(super) async fn envelope(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.client.request(method.parse()?, format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let (_, answer) = http_client::call(request, MAX_ANSWER).await.with_context(|| format!("{} {path}", self.url))?;
        Ok(serde_json::from_slice::<Value>(&answer)?)
    }

    /// Calls; answers the envelope's data.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        Ok(self.envelope(method, path, body).await?["data"].take())
    }
}
