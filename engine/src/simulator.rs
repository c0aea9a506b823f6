//! Simulated cars on a closed circuit.

use slipstream_protocol::{Sample, SessionId, Timestamp};

/// A field of simulated cars; the same seed gives the same samples.
#[derive(Clone, Debug)]
pub struct Simulator {}

impl Simulator {
    /// `cars` cars, each sampled `rate_hz` times a second from `start` on.
    pub fn new(_seed: u64, _cars: usize, _rate_hz: f64, _session: SessionId, _start: Timestamp) -> Self {
        todo!()
    }

    /// Moves time on by one sampling interval and appends one sample per car.
    pub fn step(&mut self, _out: &mut Vec<Sample>) {
        todo!()
    }
}
