//! The AI agent behind `AI_AGENT_URL`.

use std::time::Duration;

use serde_json::{Value, json};
use slipstream_ports::PortFuture;
use slipstream_protocol::Timestamp;

use super::{Coach, CoachError, CoachRequest};
use crate::http_client::{self, CallError};

/// Longest wait for the agent: a language model takes its time.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Largest answer, bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Asks `POST <url>/analyze`.
pub struct AgentCoach {
    client: reqwest::Client,
    url: String,
    key: Option<String>,
}

impl AgentCoach {
    /// The agent at `url`, with `key` as bearer.
    pub fn new(url: &str, key: Option<String>) -> Self {
        Self { client: http_client::new(TIMEOUT), url: format!("{}/analyze", url.trim_end_matches('/')), key }
    }

    async fn ask(&self, request: &CoachRequest) -> Result<Value, CoachError> {
        let mut call = self.client.post(&self.url).json(&json!({
            "driver_id": request.driver,
            "session_id": request.session,
            "telemetry": request.telemetry,
        }));
        if let Some(key) = &self.key {
            call = call.bearer_auth(key);
        }
        let (_, answer) = http_client::call(call, MAX_ANSWER).await.map_err(|error| match error {
            CallError::Unreachable(why) => CoachError::Unavailable(why),
            CallError::Refused { .. } | CallError::Broken(_) => CoachError::Upstream(error.to_string()),
        })?;
        serde_json::from_slice(&answer).map_err(|error| CoachError::Upstream(format!("its answer is not JSON: {error}")))
    }
}

impl Coach for AgentCoach {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn advise<'a>(&'a self, request: &'a CoachRequest, _now: Timestamp) -> PortFuture<'a, Result<Value, CoachError>> {
        Box::pin(self.ask(request))
    }
}
