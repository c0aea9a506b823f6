//! AI feedback: the AI agent at `AI_AGENT_URL`, or the built-in coach.

mod agent;
mod built_in;

use std::sync::Arc;

use serde_json::{Map, Value};
use slipstream_actors::{
    Router,
    ports::{Feedback, PortFuture, Records, RecordsError},
};
use slipstream_protocol::{
    ErrorCode, ProtocolError, SessionId, Timestamp, VehicleId,
    server::{Event, FeedbackNote},
};

pub use agent::AgentCoach;
pub use built_in::BuiltInCoach;

use crate::{config::Config, media::new_id};

/// What feedback is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct CoachRequest {
    /// For whom.
    pub driver: VehicleId,
    /// In which session.
    pub session: Option<SessionId>,
    /// The telemetry the asker has at hand.
    pub telemetry: Map<String, Value>,
}

/// Why there is no feedback.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CoachError {
    /// The AI agent does not answer; try again later.
    #[error("the AI agent does not answer: {0}")]
    Unavailable(String),
    /// The AI agent answered with an error, or with something that is not JSON.
    #[error("the AI agent answered with an error: {0}")]
    Upstream(String),
    /// The feedback could not be kept.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl CoachError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Upstream(_) => true,
            Self::Records(error) => error.is_retryable(),
        }
    }
}

impl From<CoachError> for ProtocolError {
    fn from(error: CoachError) -> Self {
        match error {
            CoachError::Unavailable(_) => Self::new(ErrorCode::Unavailable, error.to_string()),
            CoachError::Upstream(_) => Self::new(ErrorCode::Upstream, error.to_string()),
            CoachError::Records(error) => crate::records::refusal(&error),
        }
    }
}

/// Someone who gives feedback.
pub trait Coach: Send + Sync + 'static {
    /// What records and logs call it: `agent`, `coach`.
    fn name(&self) -> &'static str;

    /// Feedback: any JSON value.
    fn advise<'a>(&'a self, request: &'a CoachRequest, now: Timestamp) -> PortFuture<'a, Result<Value, CoachError>>;
}

/// Asks the coach, keeps what it says and tells it on `ai:<driver>`.
#[derive(Clone)]
pub struct Coaching {
    coach: Arc<dyn Coach>,
    records: Arc<dyn Records>,
    router: Router,
}

impl Coaching {
    /// With the AI agent where one is configured, else with the built-in coach.
    pub fn from_config(config: &Config, records: Arc<dyn Records>, router: Router) -> Self {
        let coach: Arc<dyn Coach> = match &config.ai_agent_url {
            Some(url) => Arc::new(AgentCoach::new(url, config.gradient_ai_api_key.as_ref().map(|key| key.expose().to_owned()))),
            None => Arc::new(BuiltInCoach::new(router.clone())),
        };
        Self { coach, records, router }
    }

    /// Gives feedback at the moment `now`; answers it as kept.
    pub async fn give(&self, request: CoachRequest, now: Timestamp) -> Result<Feedback, CoachError> {
        let said = self.coach.advise(&request, now).await?;
        let feedback = Feedback {
            id: new_id(),
            driver: request.driver,
            session: request.session,
            source: self.coach.name().to_owned(),
            telemetry: Value::Object(request.telemetry).to_string(),
            feedback: said.to_string(),
            created_at: now,
        };
        self.records.create_feedback(feedback.clone()).await?;
        let note = FeedbackNote {
            vehicle: feedback.driver.clone(),
            session: feedback.session.clone(),
            feedback: feedback.feedback.as_str().into(),
            timestamp: now,
        };
        if let Err(untold) = self.router.publish(Event::Feedback(note)).await {
            // It is kept and answered: who listens misses a note, the asker nothing.
            tracing::warn!(feedback = %feedback.id, error = %untold, "feedback could not be told");
        }
        Ok(feedback)
    }
}
