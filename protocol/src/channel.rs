//! Channel names: `kind:id`, and `kind:*` for every one of a kind.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    error::{ErrorCode, ProtocolError},
    id::Id,
};

/// The kinds of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ChannelKind {
    /// Samples of a vehicle.
    Telemetry,
    /// Video frames of a vehicle.
    Video,
    /// Coaching feedback and agents' advice for a vehicle.
    Ai,
    /// Alerts for a vehicle.
    Alerts,
    /// All that happens in a session.
    Session,
    /// A patch of road.
    Cell,
    /// A reinforcement-learning agent.
    Rl,
    /// A derived stream.
    Pipeline,
    /// The server's own health.
    System,
}

impl ChannelKind {
    /// Every kind, in wire order.
    pub const ALL: [Self; 9] =
        [Self::Telemetry, Self::Video, Self::Ai, Self::Alerts, Self::Session, Self::Cell, Self::Rl, Self::Pipeline, Self::System];

    /// The word before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Video => "video",
            Self::Ai => "ai",
            Self::Alerts => "alerts",
            Self::Session => "session",
            Self::Cell => "cell",
            Self::Rl => "rl",
            Self::Pipeline => "pipeline",
            Self::System => "system",
        }
    }
}

impl ChannelKind {
    /// Whether the channel's owner is a vehicle or a session, which people give names of their own.
    const fn is_of_named(self) -> bool {
        matches!(self, Self::Telemetry | Self::Video | Self::Ai | Self::Alerts | Self::Session)
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What follows the colon.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// One owner.
    One(Id),
    /// Every owner of the kind, those that appear later included.
    All,
}

/// A channel a client can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel {
    /// The kind.
    pub kind: ChannelKind,
    /// Whose.
    pub target: Target,
}

/// The same form, where it says what a token may hear.
pub type ChannelPattern = Channel;

impl Channel {
    /// The channel of one owner.
    pub fn one(kind: ChannelKind, id: impl Into<Id>) -> Self {
        Self { kind, target: Target::One(id.into()) }
    }

    /// Every channel of a kind.
    pub const fn all(kind: ChannelKind) -> Self {
        Self { kind, target: Target::All }
    }

    /// Whether this, as a pattern, covers `other`.
    pub fn covers(&self, other: &Self) -> bool {
        self.kind == other.kind && (self.target == Target::All || self.target == other.target)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::One(id) => write!(f, "{}:{id}", self.kind),
            Target::All => write!(f, "{}:*", self.kind),
        }
    }
}

impl FromStr for Channel {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let unknown = |why: String| ProtocolError::new(ErrorCode::UnknownChannel, why);
        let shown = || text.chars().take(60).collect::<String>();
        let (kind, id) = text.split_once(':').ok_or_else(|| unknown(format!("'{}' is not a channel: kind:id or kind:* is", shown())))?;
        let kind = ChannelKind::ALL.into_iter().find(|k| k.as_str() == kind).ok_or_else(|| {
            let kinds = ChannelKind::ALL.map(ChannelKind::as_str).join(", ");
            unknown(format!("'{}' has an unknown kind; the kinds are {kinds}", shown()))
        })?;
        let target = match id {
            "*" => Target::All,
            // The name of a vehicle or a session does as well as its id; a star in it is a pattern that does not exist.
            id if kind.is_of_named() && !id.contains('*') => Target::One(Id::of_name(id).map_err(|e| unknown(e.message))?),
            id => Target::One(Id::new(id).map_err(|e| unknown(e.message))?),
        };
        Ok(Self { kind, target })
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|e: ProtocolError| serde::de::Error::custom(e.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_writing_and_reading() {
        for kind in ChannelKind::ALL {
            for text in [format!("{kind}:a.b-1"), format!("{kind}:*")] {
                assert_eq!(text.parse::<Channel>().unwrap().to_string(), text);
            }
        }
    }

    #[test]
    fn malformed_channels_are_refused_by_name() {
        for bad in
            ["", "telemetry", "telemetry:", "weather:1", "rl:a b", "telemetry:a\nb", "telemetry:car-*", "telemetry:**", ":1", "Telemetry:1"]
        {
            assert_eq!(bad.parse::<Channel>().unwrap_err().code, ErrorCode::UnknownChannel, "{bad}");
        }
    }

    #[test]
    fn a_vehicles_name_names_its_channel() {
        let channel: Channel = "telemetry:18/693".parse().unwrap();
        assert_eq!(channel.to_string(), "telemetry:18_x2F_693");
        assert_eq!(channel, "telemetry:18_x2F_693".parse().unwrap());
    }

    #[test]
    fn a_star_covers_its_kind_and_only_its_kind() {
        let star: Channel = "telemetry:*".parse().unwrap();
        assert!(star.covers(&"telemetry:7".parse().unwrap()));
        assert!(star.covers(&star));
        assert!(!star.covers(&"video:7".parse().unwrap()));
        assert!(!"telemetry:7".parse::<Channel>().unwrap().covers(&star));
    }
}
