//! The server's REST door, for commands.

use std::time::Duration;

use serde_json::Value;
use slipstream_protocol::token::Role;

use super::access::Access;
use crate::http_client::{self, CallError};

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
        let (_, answer) = http_client::call(request, MAX_ANSWER).await.map_err(|error| in_words(error, &self.url))?;
        Ok(serde_json::from_slice::<Value>(&answer)?)
    }

    /// Calls; answers the envelope's data.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        Ok(self.envelope(method, path, body).await?["data"].take())
    }
}

/// Why a call gave nothing: the server's own words where it refuses.
fn in_words(error: CallError, url: &str) -> anyhow::Error {
    match error {
        CallError::Refused { status, told } => {
            let envelope: Value = serde_json::from_str(&told).unwrap_or_default();
            let Some(message) = envelope["error"]["message"].as_str() else {
                return anyhow::anyhow!("{url} answers with status {status}: {told}");
            };
            let details: Vec<_> = envelope["error"]["details"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let details = if details.is_empty() { String::new() } else { format!(": {}", details.join("; ")) };
            anyhow::anyhow!("{message}{details}{}", if status == 401 { "; --token gives one, --url picks another server" } else { "" })
        }
        CallError::Unreachable(reason) => {
            anyhow::anyhow!("{url} does not answer: {reason}; is the server running? --url picks another one")
        }
        CallError::Broken(reason) => anyhow::anyhow!("{url}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_servers_words_and_not_as_json() {
        let told = r#"{"success":false,"error":{"code":"NOT_FOUND","message":"there is no replay 'x'","details":["a","b"]}}"#;
        let refused = CallError::Refused { status: 404, told: told.into() };
        assert_eq!(in_words(refused, "http://h").to_string(), "there is no replay 'x': a; b");
        let foreign = CallError::Refused { status: 502, told: "<html>".into() };
        assert_eq!(in_words(foreign, "http://h").to_string(), "http://h answers with status 502: <html>");
        assert!(in_words(CallError::Unreachable("refused".into()), "http://h").to_string().contains("--url"));
    }
}
