//! ElevenLabs' text-to-speech API.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use serde_json::json;
use slipstream_ports::PortFuture;

use super::{Engine, VoiceError};
use crate::http_client::{self, CallError};

const NAME: &str = "elevenlabs";

/// Longest wait for audio.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Largest audio, bytes: a thousand characters are about two minutes, 2 MB of MP3.
const MAX_AUDIO: usize = 16 << 20;

/// Speaks through `POST <url>/v1/text-to-speech/<voice>`.
pub struct ElevenLabs {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl ElevenLabs {
    /// The service at `url`, with the account of `key`.
    pub fn new(url: &str, key: &str) -> Self {
        Self { client: http_client::new(TIMEOUT), url: url.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    async fn ask(&self, text: &str, voice: &str) -> Result<Bytes, VoiceError> {
        let call = self
            .client
            .post(format!("{}/v1/text-to-speech/{voice}", self.url))
            .header("xi-api-key", &self.key)
            .header(header::ACCEPT, "audio/mpeg")
            .json(&json!({ "text": text, "model_id": "eleven_multilingual_v2" }));
        let (content_type, audio) = http_client::call(call, MAX_AUDIO).await.map_err(|error| match error {
            CallError::Unreachable(reason) => VoiceError::Unavailable { engine: NAME, reason },
            CallError::Refused { status: 404, .. } => VoiceError::UnknownVoice { engine: NAME, voice: voice.to_owned() },
            CallError::Refused { .. } | CallError::Broken(_) => VoiceError::Upstream { engine: NAME, reason: error.to_string() },
        })?;
        if audio.is_empty() || !content_type.as_deref().is_some_and(|kind| kind.starts_with("audio/")) {
            let reason = format!("its answer is {}, not audio", content_type.as_deref().unwrap_or("empty"));
            return Err(VoiceError::Upstream { engine: NAME, reason });
        }
        Ok(audio)
    }
}

impl Engine for ElevenLabs {
    fn name(&self) -> &'static str {
        NAME
    }

    /// "Rachel", which every account has.
    fn default_voice(&self) -> &'static str {
        "21m00Tcm4TlvDq8ikWAM"
    }

    fn content_type(&self) -> &'static str {
        "audio/mpeg"
    }

    fn speak<'a>(&'a self, text: &'a str, voice: &'a str) -> PortFuture<'a, Result<Bytes, VoiceError>> {
        Box::pin(self.ask(text, voice))
    }
}
