//! What a tail is told.

use std::time::Duration;

use slipstream_protocol::{
    Channel,
    client::{Delivery, OnSlow},
};
use tokio_util::sync::CancellationToken;

use crate::Endpoint;

/// Which channels to hear, where, and how.
#[derive(Clone, Debug)]
pub struct TailOptions {
    /// Where to. Subscriptions are sent as JSON, so the endpoint's format is JSON.
    pub endpoint: Endpoint,
    /// What to hear.
    pub channels: Vec<Channel>,
    /// How much of it.
    pub delivery: Delivery,
    /// What the server does when this reader is slow.
    pub on_slow: OnSlow,
    /// First wait before a reconnect; doubles, with jitter.
    pub backoff: Duration,
    /// Longest wait before a reconnect.
    pub backoff_max: Duration,
    /// Give up after so long without a connection; `None`: never.
    pub give_up_after: Option<Duration>,
    /// Cancelled to end.
    pub stop: CancellationToken,
}

impl TailOptions {
    /// Everything of `channels`, with reconnects that never give up.
    pub fn new(endpoint: Endpoint, channels: Vec<Channel>) -> Self {
        Self {
            endpoint,
            channels,
            delivery: Delivery::All,
            on_slow: OnSlow::Disconnect,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            give_up_after: None,
            stop: CancellationToken::new(),
        }
    }
}
