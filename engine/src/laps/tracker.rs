//! Follows one vehicle's laps.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use slipstream_protocol::Timestamp;

use super::{
    book::LapBook,
    recorder::{Channels, Recorder},
    timer::{LapTimer, Step},
};
use crate::{signals::Reading, vehicle::LapTime};

/// Times laps and records them by distance, for one vehicle whose source counts laps.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LapTracker {
    timer: LapTimer,
    channels: Channels,
    recorder: Option<Box<Recorder>>,
    /// Points of the last whole lap: the next one needs about as many.
    expected: usize,
}

impl LapTracker {
    /// Takes what one sample read at `time`, in the order of source time; tells the lap it completed.
    /// Whole laps of vehicles that tell their speed are added to `book`, which is made for the first.
    pub fn take(&mut self, time: Timestamp, reading: &Reading, book: &mut Option<Arc<LapBook>>) -> Option<LapTime> {
        let step = self.timer.step(time, reading);
        let mut completed = None;
        match step {
            Step::Ignored => return None,
            Step::Within => {}
            Step::Crossed { at, finished } => {
                let trace = self.recorder.take().zip(finished).and_then(|(recorder, lap)| recorder.finish(lap));
                if let Some(trace) = trace {
                    self.expected = trace.points.len() + 8;
                    Arc::make_mut(book.get_or_insert_default()).push(trace);
                }
                completed = finished;
                self.begin(Some(at));
            }
            Step::Restarted { start } => self.begin(start),
        }
        self.channels.update(reading);
        if let Some(recorder) = &mut self.recorder {
            recorder.take(time.micros(), reading, &self.channels);
        }
        completed
    }

    /// The running lap's number.
    pub const fn lap(&self) -> Option<u32> {
        self.timer.lap()
    }

    fn begin(&mut self, start: Option<i64>) {
        self.recorder = start.map(|at| Box::new(Recorder::new(at, self.expected)));
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        self.recorder.as_ref().map_or(0, |recorder| size_of::<Recorder>() + recorder.heap_bytes())
    }

    /// Forgets the half-driven lap's trace; its time is still told.
    pub fn drop_partial(&mut self) {
        self.recorder = None;
    }
}
