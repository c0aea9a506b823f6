//! Commands to reinforcement-learning agents: JSON text -> [`RlCommand`].

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    AgentId,
    channel::{Channel, ChannelKind, Target},
    client::RlCommand,
    error::{ErrorCode, ProtocolError},
};

/// Longest pause between two steps that play by themselves, ms.
const MAX_EVERY_MS: u64 = 60_000;

#[derive(Deserialize)]
struct RawCommand<'a> {
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    command: Option<String>,
    #[serde(borrow, default)]
    action: Option<&'a RawValue>,
    #[serde(borrow, default)]
    seed: Option<&'a RawValue>,
    #[serde(borrow, default)]
    every_ms: Option<&'a RawValue>,
}

fn invalid(message: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorCode::ValidationError, message)
}

/// A whole number, or nothing.
fn whole(raw: Option<&RawValue>, name: &str) -> Result<Option<u64>, ProtocolError> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| invalid(format!("'{name}' must be a whole number from 0"))),
    }
}

/// The agent and what it is to do. `text` is a JSON object already.
pub(super) fn command(text: &str) -> Result<(AgentId, RlCommand), ProtocolError> {
    let raw: RawCommand<'_> = serde_json::from_str(text).map_err(|error| invalid(format!("not an agent's command: {error}")))?;
    let channel: Channel = raw.channel.ok_or_else(|| invalid("'channel' is missing: rl:<agent>"))?.parse()?;
    let (ChannelKind::Rl, Target::One(agent)) = (channel.kind, channel.target) else {
        return Err(invalid("'channel' must name one agent: rl:<agent>"));
    };
    let command = match raw.command.as_deref() {
        Some("start") => RlCommand::Start { seed: whole(raw.seed, "seed")? },
        Some("reset") => RlCommand::Reset { seed: whole(raw.seed, "seed")? },
        Some("step") => RlCommand::Step { action: whole(raw.action, "action")? },
        Some("state") => RlCommand::State,
        Some("play") => {
            let every_ms = whole(raw.every_ms, "every_ms")?.unwrap_or(100);
            if !(1..=MAX_EVERY_MS).contains(&every_ms) {
                return Err(invalid(format!("'every_ms' must be from 1 to {MAX_EVERY_MS}")));
            }
            RlCommand::Play { every_ms }
        }
        Some("pause") => RlCommand::Pause,
        _ => return Err(invalid("'command' must be start, step, reset, state, play or pause")),
    };
    Ok((agent.into(), command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read_and_what_is_wrong_is_named() {
        let read = |text: &str| command(text).map(|(_, command)| command).map_err(|error| error.message);
        assert_eq!(read(r#"{"channel":"rl:bus","command":"step"}"#), Ok(RlCommand::Step { action: None }));
        assert_eq!(read(r#"{"channel":"rl:bus","command":"step","action":null}"#), Ok(RlCommand::Step { action: None }));
        assert_eq!(read(r#"{"channel":"rl:bus","command":"step","action":3}"#), Ok(RlCommand::Step { action: Some(3) }));
        assert_eq!(read(r#"{"channel":"rl:bus","command":"start","seed":9}"#), Ok(RlCommand::Start { seed: Some(9) }));
        assert_eq!(read(r#"{"channel":"rl:bus","command":"play"}"#), Ok(RlCommand::Play { every_ms: 100 }));
        for (text, told) in [
            (r#"{"command":"step"}"#, "'channel'"),
            (r#"{"channel":"rl:*","command":"step"}"#, "one agent"),
            (r#"{"channel":"telemetry:bus","command":"step"}"#, "one agent"),
            (r#"{"channel":"rl:bus","command":"fly"}"#, "'command'"),
            (r#"{"channel":"rl:bus","command":"step","action":"left"}"#, "'action'"),
            (r#"{"channel":"rl:bus","command":"step","action":-1}"#, "'action'"),
            (r#"{"channel":"rl:bus","command":"step","action":1.5}"#, "'action'"),
            (r#"{"channel":"rl:bus","command":"play","every_ms":0}"#, "'every_ms'"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
