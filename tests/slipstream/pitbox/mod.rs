//! The PitBox API, against the real server: every resource's happy path, and every way to be refused.
//!
//! The AI agent and ElevenLabs are cloud services that cannot run here: a local server stands in.

mod api;
mod feedback;
mod people;
mod sessions;
mod video;
mod voice;
