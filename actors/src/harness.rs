//! What the tests of this crate share: a clock moved by hand, samples, and frames read back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use slipstream_protocol::{
    Quality, Sample, SampleBatch, SessionId, Signal, SignalValue, Timestamp, VehicleId, WireFormat,
    client::{Delivery, OnSlow, SubscribeRequest},
    codec::decode_server,
};

use crate::{ActorSystem, Drained, Outbox, SystemConfig, ports::Clock};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START.micros())))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as i64, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) fn config() -> SystemConfig {
    SystemConfig {
        arbiters: 2,
        compact_after: Duration::from_millis(20),
        restart_backoff: Duration::from_millis(1),
        ..SystemConfig::default()
    }
}

pub(crate) fn system(config: SystemConfig) -> (ActorSystem, Arc<ManualClock>) {
    let clock = ManualClock::new();
    (ActorSystem::start(config, clock.clone()), clock)
}

/// A sample whose only signal is its number.
pub(crate) fn sample(vehicle: &str, n: u64) -> Sample {
    Sample {
        vehicle: VehicleId::new(vehicle).unwrap(),
        session: None,
        fleet: None,
        seq: Some(n),
        source_time: START.plus(Duration::from_millis(n)),
        received_at: START,
        quality: Quality::Good,
        signals: vec![Signal { name: "n".into(), value: SignalValue::Number(n as f64) }],
        raw: None,
    }
}

/// Samples numbered so.
pub(crate) fn samples(vehicle: &str, numbers: std::ops::Range<u64>) -> Vec<Sample> {
    numbers.map(|n| sample(vehicle, n)).collect()
}

pub(crate) fn in_session(mut sample: Sample, session: &str) -> Sample {
    sample.session = Some(SessionId::new(session).unwrap());
    sample
}

pub(crate) fn batch(samples: Vec<Sample>) -> SampleBatch {
    SampleBatch { publisher: None, samples }
}

pub(crate) fn request(channel: &str) -> SubscribeRequest {
    SubscribeRequest { channel: channel.parse().unwrap(), id: None, since: None, delivery: Delivery::All, on_slow: OnSlow::Disconnect }
}

/// The messages in a row of unmasked frames.
pub(crate) fn messages(format: WireFormat, frames: &[Bytes]) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    for bytes in frames {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (head, len) = match rest[1] {
                126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
                127 => (10, u64::from_be_bytes(rest[2..10].try_into().unwrap()) as usize),
                short => (2, usize::from(short)),
            };
            all.push(decode_server(format, &rest[head..head + len]).unwrap());
            rest = &rest[head + len..];
        }
    }
    all
}

/// Reads until `enough` says so; panics after ten seconds.
pub(crate) async fn read_until(outbox: &Outbox, enough: impl Fn(&[serde_json::Value]) -> bool) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    while !enough(&all) {
        let mut frames = Vec::new();
        let drained = tokio::time::timeout(Duration::from_secs(10), outbox.drain(&mut frames))
            .await
            .unwrap_or_else(|_| panic!("nothing more came after {all:?}"));
        all.extend(messages(outbox.format(), &frames));
        if let Drained::Closed(code) = drained {
            panic!("closed with {code:?} after {all:?}");
        }
    }
    all
}

/// The `n` of every telemetry publication.
pub(crate) fn numbers(messages: &[serde_json::Value]) -> Vec<u64> {
    messages.iter().filter(|m| m["type"] == "telemetry").map(|m| m["data"]["n"].as_f64().unwrap() as u64).collect()
}

pub(crate) async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll).await.unwrap_or_else(|_| panic!("never: {what}"));
}
