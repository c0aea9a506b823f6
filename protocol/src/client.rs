//! What clients send, decoded.

use crate::{
    channel::Channel,
    error::{ErrorCode, ProtocolError},
    id::{AgentId, SessionId, VehicleId},
    sample::Sample,
    time::Timestamp,
};

/// The `id` a client gave a request: a JSON string or number, echoed as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub(crate) Box<str>);

impl RequestId {
    /// The id as JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// An id from JSON text, when it is a short string or a number.
    pub fn from_json(text: &str) -> Option<Self> {
        let first = *text.as_bytes().first()?;
        let is_short = text.len() <= 128 && (first == b'"' || first == b'-' || first.is_ascii_digit());
        // It is echoed as it is: what no reader takes (half a surrogate pair, `1e999`) would spoil the answer.
        (is_short && serde_json::from_str::<serde_json::Value>(text).is_ok()).then(|| Self(text.into()))
    }

    /// An id from a number.
    pub fn from_number(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

/// Where a client stopped hearing a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Since {
    /// The channel's epoch as it was told.
    pub epoch: u64,
    /// The last offset heard.
    pub offset: u64,
}

/// How much of a channel a subscription wants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Delivery {
    /// Every publication.
    #[default]
    All,
    /// Only the newest when the reader is ready for it.
    Latest,
    /// At most so many publications a second, the newest of each interval.
    MaxRate(f64),
}

impl Delivery {
    /// At most `hz` publications a second.
    ///
    /// Fails with [`ErrorCode::ValidationError`] where `hz` is not from 0.001 to 10000: an interval has
    /// to be a time that somebody waits for.
    pub fn max_rate(hz: f64) -> Result<Self, ProtocolError> {
        if (0.001..=10_000.0).contains(&hz) {
            return Ok(Self::MaxRate(hz));
        }
        Err(ProtocolError::new(ErrorCode::ValidationError, "'max_rate' must be from 0.001 to 10000 publications a second"))
    }
}

/// What happens when the subscriber reads slower than it is sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSlow {
    /// The connection is closed with [`crate::CloseCode::SlowConsumer`].
    #[default]
    Disconnect,
    /// The oldest waiting publications go, and a gap frame tells which.
    DropOldest,
}

/// What a subscription asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeRequest {
    /// What to hear.
    pub channel: Channel,
    /// Echoed in the answer.
    pub id: Option<RequestId>,
    /// First what was missed since then.
    pub since: Option<Since>,
    /// How much of it.
    pub delivery: Delivery,
    /// What happens when slow.
    pub on_slow: OnSlow,
}

/// A sample that was refused, and why; the others of its frame are not affected.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Place in the batch, from 0.
    pub index: usize,
    /// The publisher's number, when it could be read.
    pub seq: Option<u64>,
    /// Why.
    pub error: ProtocolError,
}

/// A telemetry frame: what was good in it and what was not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TelemetryFrame {
    /// Good samples, in the order sent.
    pub samples: Vec<Sample>,
    /// Refused samples, in the order sent.
    pub refused: Vec<Refusal>,
}

impl TelemetryFrame {
    /// Refuses the samples that `flaw` finds fault with as well, each under its place in the sender's batch.
    pub fn refuse_where(&mut self, mut flaw: impl FnMut(&Sample) -> Option<ProtocolError>) {
        let mut places = self.places().into_iter();
        let refused = &mut self.refused;
        self.samples.retain(|sample| {
            let place = places.next();
            let Some(error) = flaw(sample) else { return true };
            refused.extend(place.map(|index| Refusal { index, seq: sample.seq, error }));
            false
        });
        refused.sort_by_key(|refusal| refusal.index);
    }

    /// Places in the sender's batch, from 0, of the good samples: those between the refused ones.
    pub fn places(&self) -> Vec<usize> {
        let mut refused = self.refused.iter().map(|r| r.index).peekable();
        let between = (0..).filter(|place| refused.next_if_eq(place).is_none());
        between.take(self.samples.len()).collect()
    }
}

/// A video frame, its base64 already undone.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoUpload {
    /// Whose camera.
    pub vehicle: VehicleId,
    /// In which session.
    pub session: Option<SessionId>,
    /// When it was taken; when it was received where the source did not say.
    pub timestamp: Timestamp,
    /// The image file's bytes; not yet checked to be an image.
    pub image: Vec<u8>,
}

/// What a reinforcement-learning agent is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RlCommand {
    /// Begin an episode.
    Start {
        /// Which; the agent's own next one where absent.
        seed: Option<u64>,
    },
    /// Take one step.
    Step {
        /// The action; the policy decides where absent.
        action: Option<u64>,
    },
    /// Put the environment back to a beginning.
    Reset {
        /// Which; the agent's own next one where absent.
        seed: Option<u64>,
    },
    /// Tell where it stands.
    State,
    /// Play by itself, episode after episode.
    Play {
        /// Pause between two steps, ms.
        every_ms: u64,
    },
    /// Play no longer by itself.
    Pause,
}

/// One frame of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientFrame {
    /// Hear a channel.
    Subscribe(SubscribeRequest),
    /// Stop hearing a channel.
    Unsubscribe {
        /// Which.
        channel: Channel,
        /// Echoed in the answer.
        id: Option<RequestId>,
    },
    /// Samples.
    Telemetry(TelemetryFrame),
    /// A video frame.
    Video(VideoUpload),
    /// Are you there?
    Ping {
        /// Echoed in the answer.
        id: Option<RequestId>,
    },
    /// The client's description of itself, as JSON text.
    Config(String),
    /// A command to a reinforcement-learning agent.
    Rl {
        /// Which.
        agent: AgentId,
        /// What it is to do.
        command: RlCommand,
        /// Echoed in the answer.
        id: Option<RequestId>,
    },
}

/// A frame that could not be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeError {
    /// The request's id, when it could still be read.
    pub id: Option<RequestId>,
    /// The number the sender gave the frame, when it could still be read.
    pub seq: Option<u64>,
    /// What was wrong.
    pub error: ProtocolError,
}

impl From<ProtocolError> for DecodeError {
    fn from(error: ProtocolError) -> Self {
        Self { id: None, seq: None, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_later_is_named_by_its_place_in_the_senders_batch() {
        let sample = |vehicle: &str| Sample {
            vehicle: VehicleId::new(vehicle).unwrap(),
            session: None,
            fleet: None,
            seq: None,
            source_time: Timestamp::default(),
            received_at: Timestamp::default(),
            quality: crate::Quality::Good,
            signals: Vec::new(),
            raw: None,
        };
        let refusal = |index| Refusal { index, seq: None, error: ProtocolError::new(ErrorCode::TimestampOutOfRange, "old") };
        let mut frame = TelemetryFrame { samples: ["HAM", "ALB", "HAM", "ALB"].map(sample).into(), refused: [0, 2, 3].map(refusal).into() };
        assert_eq!(frame.places(), [1, 4, 5, 6]);
        frame.refuse_where(|s| (s.vehicle.as_str() == "HAM").then(|| ProtocolError::new(ErrorCode::Forbidden, "not yours")));
        assert_eq!(frame.places(), [4, 6]);
        let forbidden: Vec<_> = frame.refused.iter().filter(|r| r.error.code == ErrorCode::Forbidden).map(|r| r.index).collect();
        assert_eq!(forbidden, [1, 5]);
        assert!(frame.refused.is_sorted_by_key(|r| r.index));
    }
}
