//! `/api/voice`: text into speech.

use http::{HeaderName, HeaderValue, StatusCode};
use slipstream_protocol::ProtocolError;

use super::{
    fields::{Fields, string, text},
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult},
};
use crate::{
    app::Services,
    voice::{MAX_TEXT_CHARS, VoiceError, is_voice_name},
};

/// Whether the audio had been made before: `hit` or `miss`.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Which engine spoke.
const X_VOICE_ENGINE: HeaderName = HeaderName::from_static("x-voice-engine");

/// `POST /api/voice/synthesize`.
pub(super) const OPERATIONS: &[Operation] = &[Operation::post(
    "/api/voice/synthesize",
    "coaching",
    Access::Token,
    "Speak a text",
    &[("text", "text 1000", "what to say"), ("voiceId?", "text 64", "in which voice")],
    |r| Box::pin(async move { synthesize(&r.services, &r.body).await }),
)
.answering_200()
.content("audio/*")];

async fn synthesize(services: &Services, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let text = fields.required("text", text(MAX_TEXT_CHARS));
    let voice = fields.optional("voiceId", |value| {
        let name = string(value)?;
        if is_voice_name(name) { Ok(name.to_owned()) } else { Err("1 to 64 letters, digits and _ - + are expected".to_owned()) }
    });
    let (Some(text), Some(voice)) = (text, voice) else {
        return Err(fields.refusal());
    };
    let spoken = services.voice.speak(&text, voice.as_deref(), services.clock.now()).await.map_err(|error| match error {
        VoiceError::UnknownVoice { .. } => ApiError::invalid(vec![format!("Field {error}")]),
        _ => ProtocolError::from(error).into(),
    })?;
    let mut response = reply::body(StatusCode::OK, spoken.content_type, spoken.audio);
    let headers = response.headers_mut();
    headers.insert(X_CACHE, HeaderValue::from_static(if spoken.cached { "hit" } else { "miss" }));
    headers.insert(X_VOICE_ENGINE, HeaderValue::from_static(spoken.engine));
    Ok(response)
}
