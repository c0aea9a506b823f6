//! What publishers send: one simulated car's samples of 20 signals, the same for every server.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use slipstream_engine::simulator::Simulator;
use slipstream_protocol::{Sample, SessionId, Timestamp, WireFormat, codec};

/// Samples that never end, each later than the one before.
pub(crate) struct Feed {
    samples: Vec<Sample>,
    at: usize,
    time: i64,
}

impl Feed {
    /// A car named `vehicle` in the session `bench`.
    pub(crate) fn new(vehicle: &str) -> Result<Self> {
        let mut simulator = Simulator::new(1, 1, 60.0, SessionId::new("bench")?, now());
        let mut samples = Vec::new();
        while samples.len() < 6_000 {
            simulator.step(&mut samples);
        }
        let id = slipstream_protocol::VehicleId::new(vehicle)?;
        for sample in &mut samples {
            sample.vehicle = id.clone();
            sample.seq = None;
        }
        Ok(Self { samples, at: 0, time: now().micros() - 3_600_000_000 })
    }

    /// The next `count` samples, a sixtieth of a second apart.
    pub(crate) fn next(&mut self, count: usize) -> &[Sample] {
        if self.at + count > self.samples.len() {
            self.at = 0;
        }
        let batch = &mut self.samples[self.at..self.at + count];
        self.at += count;
        for sample in batch.iter_mut() {
            // A millisecond apart: a flat-out run stays within what a server takes as the future.
            self.time += 1_000;
            sample.source_time = Timestamp::from_micros(self.time);
        }
        batch
    }

    /// The next sample's `data` object as JSON text.
    pub(crate) fn data(&mut self) -> String {
        let signals = self.next(1)[0].signals.iter();
        let values: serde_json::Map<String, serde_json::Value> =
            signals.filter_map(|s| Some((s.name.to_string(), s.value.as_number()?.into()))).collect();
        serde_json::Value::Object(values).to_string()
    }

    /// The payload of one frame that carries the next `count` samples as a batch.
    pub(crate) fn batch(&mut self, format: WireFormat, count: usize) -> Vec<u8> {
        codec::encode_telemetry(format, self.next(count))
    }

    /// The payload of one frame that carries the next sample alone, as PitBox's clients send it.
    pub(crate) fn single(&mut self) -> Vec<u8> {
        let batch = codec::encode_telemetry(WireFormat::Json, self.next(1));
        // {"type":"telemetry","batch":[{...}]} -> {"type":"telemetry",...}
        let open = b"{\"type\":\"telemetry\",\"batch\":[{".len();
        let mut single = Vec::with_capacity(batch.len());
        single.extend_from_slice(b"{\"type\":\"telemetry\",");
        single.extend_from_slice(&batch[open..batch.len() - 2]);
        single
    }
}

/// The machine's time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since.as_micros() as i64)
}
