//! The memory that the bodies of requests under way hold, and how fast they have to arrive.
//!
//! Callers with a token share `limits.max_buffered_bytes`. Callers without one, to log in or to
//! register, have a small share beside it and small bodies, so that they can take nothing away from
//! the others. A piece counts when it has arrived: a caller that only announces much holds nothing.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use slipstream_protocol::ErrorCode;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::reply::ApiError;
use crate::config::LimitsConfig;

/// Longest wait for the body of a caller with a token.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for the small body of a caller without.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// After this long a body must have come at [`LEAST_SPEED`] on average.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes a second.
const LEAST_SPEED: f64 = 1_024.0;
/// The share of callers without a token, of what callers with one have, and its bounds.
const OPEN_SHARE: usize = 16;
const OPEN_LEAST: usize = 256 << 10;
const OPEN_MOST: usize = 16 << 20;

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A caller that showed a valid token.
    Token,
    /// Anybody.
    Open,
}

impl Sender {
    const fn timeout(self) -> Duration {
        match self {
            Self::Token => TIMEOUT,
            Self::Open => OPEN_TIMEOUT,
        }
    }
}

/// Why a body is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Uncollected {
    /// Other bodies hold all the memory of its share.
    NoSpace,
    /// It is larger than it may be.
    TooLarge,
    /// It did not arrive in time, or too slowly.
    TooSlow,
    /// It ended before it was complete.
    Ended,
}

impl Uncollected {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NoSpace => "no_space",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Ended => "ended",
        }
    }

    /// The refusal of a body that may have `most` bytes.
    pub(crate) fn refusal(self, most: usize) -> ApiError {
        match self {
            Self::NoSpace => {
                ApiError::new(ErrorCode::Busy, "the requests under way hold as much as the server takes; try again in a moment")
            }
            Self::TooLarge => ApiError::new(ErrorCode::TooLarge, format!("the body is larger than the {most} bytes that are taken here")),
            Self::TooSlow => ApiError::new(
                ErrorCode::TooSlow,
                format!(
                    "the body did not arrive in time: {LEAST_SPEED} bytes a second are the least, and a log-in has {} s",
                    OPEN_TIMEOUT.as_secs()
                ),
            ),
            Self::Ended => ApiError::new(ErrorCode::ValidationError, "the body ended before it was complete"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// The memory for all bodies.
pub(crate) struct Bodies {
    token: Share,
    open: Share,
    refused: Family<ReasonLabel, Counter>,
}

struct Share {
    free: Arc<Semaphore>,
    size: usize,
}

impl Share {
    fn new(size: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(size)), size }
    }

    fn held(&self) -> usize {
        self.size - self.free.available_permits()
    }
}

impl Bodies {
    pub(crate) fn new(limits: &LimitsConfig) -> Self {
        let open = (limits.max_buffered_bytes / OPEN_SHARE).clamp(OPEN_LEAST, OPEN_MOST);
        Self { token: Share::new(limits.max_buffered_bytes), open: Share::new(open), refused: Family::default() }
    }

    /// Bytes held now by the bodies of such callers.
    pub(crate) fn held(&self, sender: Sender) -> usize {
        self.share(sender).held()
    }

    const fn share(&self, sender: Sender) -> &Share {
        match sender {
            Sender::Token => &self.token,
            Sender::Open => &self.open,
        }
    }

    /// Space for `bytes` more that a body takes once it is unpacked.
    pub(crate) fn more(&self, sender: Sender, bytes: usize) -> Result<OwnedSemaphorePermit, Uncollected> {
        let bytes = u32::try_from(bytes).map_err(|_| Uncollected::NoSpace)?;
        self.share(sender).free.clone().try_acquire_many_owned(bytes).map_err(|_| {
            self.refused.get_or_create(&ReasonLabel { reason: Uncollected::NoSpace.as_str() }).inc();
            Uncollected::NoSpace
        })
    }

    /// Makes its counter known to `registry`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("http_bodies_refused", "Bodies of requests that were not taken, by reason", self.refused.clone());
    }
}

/// Reads a body of at most `max` bytes, and what it holds of the memory for bodies, to be given back when the answer is there.
pub(crate) async fn collect(
    body: Incoming,
    max: usize,
    sender: Sender,
    bodies: &Bodies,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Uncollected> {
    let collected = read(Limited::new(body, max), &bodies.share(sender).free, Pace::new(sender, Instant::now())).await;
    collected.inspect_err(|why| {
        bodies.refused.get_or_create(&ReasonLabel { reason: why.as_str() }).inc();
    })
}

/// By when the next piece must be there.
struct Pace {
    began: Instant,
    most: Duration,
}

impl Pace {
    const fn new(sender: Sender, began: Instant) -> Self {
        Self { began, most: sender.timeout() }
    }

    fn deadline(&self, received: usize) -> Instant {
        self.began + self.most.min(GRACE + Duration::from_secs_f64(received as f64 / LEAST_SPEED))
    }
}

async fn read(
    mut body: Limited<Incoming>,
    free: &Arc<Semaphore>,
    pace: Pace,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Uncollected> {
    let (mut first, mut more) = (Bytes::new(), BytesMut::new());
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut received = 0;
    loop {
        let next = timeout_at(pace.deadline(received), body.frame()).await.map_err(|_| Uncollected::TooSlow)?;
        let Some(frame) = next else { break };
        let frame = frame.map_err(|error| if error.is::<LengthLimitError>() { Uncollected::TooLarge } else { Uncollected::Ended })?;
        let Ok(piece) = frame.into_data() else { continue };
        received += piece.len();
        let size = u32::try_from(piece.len()).map_err(|_| Uncollected::NoSpace)?;
        let permit = free.clone().try_acquire_many_owned(size).map_err(|_| Uncollected::NoSpace)?;
        match &mut held {
            Some(held) => held.merge(permit),
            None => held = Some(permit),
        }
        if first.is_empty() {
            first = piece;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&first);
            }
            more.extend_from_slice(&piece);
        }
    }
    Ok((if more.is_empty() { first } else { more.freeze() }, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_must_arrive_at_the_least_speed_and_be_there_by_the_end() {
        let began = Instant::now();
        let after = |sender, received| Pace::new(sender, began).deadline(received) - began;
        assert_eq!(after(Sender::Token, 0), GRACE, "silence");
        assert_eq!(after(Sender::Token, 10 << 10), GRACE + Duration::from_secs(10), "a slow one earns its time");
        assert_eq!(after(Sender::Token, 8 << 20), TIMEOUT);
        assert_eq!(after(Sender::Open, 16 << 10), OPEN_TIMEOUT);
    }

    #[test]
    fn a_slow_body_is_answered_with_408_a_large_one_with_413_and_a_cut_one_with_400() {
        let status = |why: Uncollected| why.refusal(10).code.http_status();
        let all = [Uncollected::TooSlow, Uncollected::TooLarge, Uncollected::Ended, Uncollected::NoSpace];
        assert_eq!(all.map(status), [408, 413, 400, 429]);
        assert!(Uncollected::TooSlow.refusal(10).message.contains("1024 bytes a second"));
    }

    #[test]
    fn callers_without_a_token_have_a_share_of_their_own() {
        let limits = crate::config::Config::default().limits;
        let bodies = Bodies::new(&limits);
        assert_eq!((bodies.token.size, bodies.open.size), (limits.max_buffered_bytes, OPEN_MOST));
        let taken = bodies.open.free.clone().try_acquire_many_owned(OPEN_MOST as u32).unwrap();
        assert_eq!((bodies.held(Sender::Token), bodies.held(Sender::Open)), (0, OPEN_MOST));
        drop(taken);
        let small = Bodies::new(&LimitsConfig { max_buffered_bytes: 1, ..limits });
        assert_eq!((small.token.size, small.open.size), (1, OPEN_LEAST));
    }
}
