//! What a relay agent is told.

use std::time::Duration;

use slipstream_protocol::{PublisherId, server::AckLevel};
use tokio_util::sync::CancellationToken;

use super::{connect::Endpoint, pace::Pace};

/// How one relay agent runs.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Where to and in which wire format.
    pub endpoint: Endpoint,
    /// The name of the numbered stream. A number once acknowledged under it is never applied again.
    pub publisher: PublisherId,
    /// Number of the first sample, from 1.
    pub first_seq: u64,
    /// What an acknowledgement has to promise.
    pub ack: AckLevel,
    /// How fast to replay.
    pub pace: Pace,
    /// A longer pause in the recording lasts so long.
    pub max_gap: Duration,
    /// Most samples in one frame.
    pub batch_size: usize,
    /// Longest a sample waits for its frame to fill.
    pub batch_delay: Duration,
    /// Most samples sent and not acknowledged.
    pub window_samples: u64,
    /// Most bytes sent and not acknowledged.
    pub window_bytes: usize,
    /// First wait before a reconnect; doubles, with jitter.
    pub backoff: Duration,
    /// Longest wait before a reconnect.
    pub backoff_max: Duration,
    /// Give up after so long without a connection; `None`: never.
    pub give_up_after: Option<Duration>,
    /// A connection that is silent for so long, pings included, is given up.
    pub silence: Duration,
    /// After a stop, how long to wait for outstanding acknowledgements.
    pub drain: Duration,
    /// Cancelled to end early: no more samples are taken, those sent are waited for.
    pub stop: CancellationToken,
}

impl RelayOptions {
    /// The defaults: flat out, durable acknowledgements, frames of up to 256 samples or 5 ms.
    pub fn new(endpoint: Endpoint, publisher: PublisherId) -> Self {
        Self {
            endpoint,
            publisher,
            first_seq: 1,
            ack: AckLevel::Durable,
            pace: Pace::FlatOut,
            max_gap: Duration::from_secs(60),
            batch_size: 256,
            batch_delay: Duration::from_millis(5),
            window_samples: 16_384,
            window_bytes: 8 << 20,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            give_up_after: None,
            silence: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            stop: CancellationToken::new(),
        }
    }
}
