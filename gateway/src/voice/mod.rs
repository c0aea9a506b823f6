//! Speech: ElevenLabs, or espeak-ng, cached.
