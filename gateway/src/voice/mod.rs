//! Speech: ElevenLabs, or espeak-ng, cached.

mod elevenlabs;
mod espeak;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use slipstream_ports::{PortFuture, Records, RecordsError, VoiceClip};
use slipstream_protocol::{ErrorCode, Id, ProtocolError, Timestamp};
use tokio::sync::Semaphore;

pub use elevenlabs::ElevenLabs;
pub use espeak::Espeak;

use crate::{
    config::Config,
    media::{Folder, hexadecimal},
};

/// Longest text, characters.
pub const MAX_TEXT_CHARS: usize = 1_000;

/// Longest name of a voice, characters.
pub const MAX_VOICE_CHARS: usize = 64;

/// How many texts are spoken at a time; others wait.
const CONCURRENCY: usize = 2;

/// How many may wait before a caller is told to come back.
const MAX_WAITING: usize = 32;

/// Why there is no speech.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VoiceError {
    /// No engine.
    #[error("no speech engine is there: set ELEVENLABS_API_KEY, or install espeak-ng (apt-get install espeak-ng)")]
    NotConfigured,
    /// The engine has no such voice.
    #[error("'voiceId': {engine} has no voice '{voice}'")]
    UnknownVoice {
        /// Which engine.
        engine: &'static str,
        /// Which voice.
        voice: String,
    },
    /// Too many texts wait.
    #[error("more speech is asked for than can be made; try again")]
    Busy,
    /// The engine does not answer; try again later.
    #[error("{engine} does not answer: {reason}")]
    Unavailable {
        /// Which engine.
        engine: &'static str,
        /// Why.
        reason: String,
    },
    /// The engine answered with an error.
    #[error("{engine} answered with an error: {reason}")]
    Upstream {
        /// Which engine.
        engine: &'static str,
        /// Why.
        reason: String,
    },
}

impl VoiceError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable { .. } | Self::Upstream { .. })
    }
}

impl From<VoiceError> for ProtocolError {
    fn from(error: VoiceError) -> Self {
        let code = match error {
            VoiceError::NotConfigured | VoiceError::Unavailable { .. } => ErrorCode::Unavailable,
            VoiceError::UnknownVoice { .. } => ErrorCode::ValidationError,
            VoiceError::Busy => ErrorCode::Busy,
            VoiceError::Upstream { .. } => ErrorCode::Upstream,
        };
        Self::new(code, error.to_string())
    }
}

/// Something that speaks.
pub trait Engine: Send + Sync + 'static {
    /// What records and logs call it: `elevenlabs`, `espeak-ng`.
    fn name(&self) -> &'static str;

    /// The voice where none is asked for.
    fn default_voice(&self) -> &'static str;

    /// The media type of its audio.
    fn content_type(&self) -> &'static str;

    /// Speaks `text` with `voice`, which [`is_voice_name`] has passed.
    fn speak<'a>(&'a self, text: &'a str, voice: &'a str) -> PortFuture<'a, Result<Bytes, VoiceError>>;
}

/// Whether `name` may name a voice. It becomes part of a path and an argument of a command, so it
/// begins with a letter or digit and goes on with those and `_ - +`.
pub fn is_voice_name(name: &str) -> bool {
    name.len() <= MAX_VOICE_CHARS
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
}

/// Spoken text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// The audio file.
    pub audio: Bytes,
    /// Its media type.
    pub content_type: &'static str,
    /// Which engine spoke.
    pub engine: &'static str,
    /// Whether it had been spoken before.
    pub cached: bool,
}

/// Speaks, and remembers what was spoken.
pub struct Voice {
    engine: Option<Arc<dyn Engine>>,
    folder: Folder,
    records: Arc<dyn Records>,
    speaking: Semaphore,
    waiting: Semaphore,
}

impl Voice {
    /// With ElevenLabs where there is a key, else espeak-ng where it is installed, else silent.
    pub fn from_config(config: &Config, records: Arc<dyn Records>) -> Self {
        let engine: Option<Arc<dyn Engine>> = match &config.elevenlabs_api_key {
            Some(key) => Some(Arc::new(ElevenLabs::new(&config.elevenlabs_url, key.expose()))),
            None => Espeak::installed().map(|espeak| Arc::new(espeak) as Arc<dyn Engine>),
        };
        Self::new(engine, &config.data_dir, records)
    }

    /// With `engine`, keeping audio in `voice` under `data_dir`.
    pub fn new(engine: Option<Arc<dyn Engine>>, data_dir: &Path, records: Arc<dyn Records>) -> Self {
        Self {
            engine,
            folder: Folder::new(data_dir.join("voice")),
            records,
            speaking: Semaphore::new(CONCURRENCY),
            waiting: Semaphore::new(CONCURRENCY + MAX_WAITING),
        }
    }

    /// What speaks, where anything does.
    pub fn engine(&self) -> Option<&'static str> {
        self.engine.as_ref().map(|engine| engine.name())
    }

    /// Speaks `text`, or finds it spoken before.
    pub async fn speak(&self, text: &str, voice: Option<&str>, now: Timestamp) -> Result<Speech, VoiceError> {
        let engine = self.engine.as_deref().ok_or(VoiceError::NotConfigured)?;
        let voice = voice.unwrap_or_else(|| engine.default_voice());
        let key = key_of(engine.name(), voice, text);
        if let Some(audio) = self.remembered(&key).await {
            return Ok(speech(engine, audio, true));
        }
        let _queued = self.waiting.try_acquire().map_err(|_| VoiceError::Busy)?;
        let _turn = self.speaking.acquire().await.map_err(|_| VoiceError::Busy)?;
        // Someone else may have had the same text spoken meanwhile.
        if let Some(audio) = self.remembered(&key).await {
            return Ok(speech(engine, audio, true));
        }
        let audio = engine.speak(text, voice).await?;
        let clip = VoiceClip {
            key: key.to_string(),
            engine: engine.name().to_owned(),
            voice: voice.to_owned(),
            text: text.to_owned(),
            content_type: engine.content_type().to_owned(),
            bytes: audio.len() as u64,
            created_at: now,
        };
        if let Err(reason) = self.remember(&key, &audio, clip).await {
            // A cache that cannot be written costs time, not the answer.
            tracing::warn!(reason, "speech could not be cached");
        }
        Ok(speech(engine, audio, false))
    }

    async fn remembered(&self, key: &Id) -> Option<Bytes> {
        let clip = self.records.clip(key.as_str()).await.ok()??;
        let audio = self.folder.read(key).await.ok()?;
        // A file that is not what its row says is spoken again.
        (audio.len() as u64 == clip.bytes).then_some(audio)
    }

    async fn remember(&self, key: &Id, audio: &Bytes, clip: VoiceClip) -> Result<(), String> {
        self.folder.write(key, audio.clone()).await.map_err(|error| error.to_string())?;
        self.records.put_clip(clip).await.map_err(|error: RecordsError| error.to_string())
    }
}

fn speech(engine: &dyn Engine, audio: Bytes, cached: bool) -> Speech {
    Speech { audio, content_type: engine.content_type(), engine: engine.name(), cached }
}

/// The cache's key: no two of (engine, voice, text) run into each other, because neither an engine
/// nor a voice has a NUL in its name.
fn key_of(engine: &str, voice: &str, text: &str) -> Id {
    let hash = Sha256::new().chain_update(engine).chain_update([0]).chain_update(voice).chain_update([0]).chain_update(text);
    Id::new(&hexadecimal(&hash.finalize())).expect("64 hexadecimal digits are an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths_or_options_are_no_voices() {
        for good in ["en", "en-us", "en+f3", "21m00Tcm4TlvDq8ikWAM", "mb_en1"] {
            assert!(is_voice_name(good), "{good}");
        }
        for bad in ["", "..", "../en", "-w", "+f3", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(!is_voice_name(bad), "{bad}");
        }
    }

    #[test]
    fn engine_voice_and_text_each_make_another_key() {
        let keys = [key_of("a", "b", "c"), key_of("a", "b", "d"), key_of("a", "c", "c"), key_of("b", "b", "c"), key_of("ab", "", "c")];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
