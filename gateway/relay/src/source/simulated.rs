//! The simulator as a source.

use slipstream_engine::simulator::Simulator;
use slipstream_protocol::{Sample, SessionId, Timestamp};

use super::{Item, Source};

/// A field of simulated cars.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The same seed gives the same samples.
    pub seed: u64,
    /// How many cars.
    pub cars: usize,
    /// Samples per car and second.
    pub rate_hz: f64,
    /// The session they drive in.
    pub session: SessionId,
    /// Time of the first sample.
    pub start: Timestamp,
    /// Steps to drive (one sample per car each); without end where absent.
    pub steps: Option<u64>,
}

struct Steps {
    simulator: Simulator,
    left: Option<u64>,
    ready: Vec<Sample>,
}

impl Iterator for Steps {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.ready.is_empty() {
            match &mut self.left {
                Some(0) => return None,
                Some(left) => *left -= 1,
                None => {}
            }
            self.simulator.step(&mut self.ready);
            self.ready.reverse();
        }
        self.ready.pop()
    }
}

impl Source {
    /// Simulated cars.
    pub fn simulated(simulation: &Simulation) -> Self {
        let Simulation { seed, cars, rate_hz, session, start, steps } = simulation.clone();
        let simulator = Simulator::new(seed, cars, rate_hz, session, start);
        let steps = Steps { simulator, left: steps, ready: Vec::new() };
        // One step is passed on together.
        Self { items: Box::new(steps.map(|s| Ok(Item::Sample(s)))), chunk: cars.max(1), progress: None }
    }
}
