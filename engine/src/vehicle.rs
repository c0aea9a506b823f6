//! A vehicle: what its actor thinks with.

use std::sync::Arc;

use slipstream_protocol::{Sample, SessionId, Timestamp};

use crate::{coach::LapBook, twin::Twin};

/// A lap that was driven whole.
#[derive(Clone, Debug, PartialEq)]
pub struct LapTime {
    /// The lap's number as the source counts.
    pub lap: u32,
    /// Its time, s.
    pub time_s: f64,
}

/// What applying a sample told.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A lap was completed.
    LapCompleted {
        /// In which session.
        session: Option<SessionId>,
        /// The lap.
        lap: LapTime,
    },
}

/// Everything known about one vehicle. Idle it must stay small: the twin is its only required allocation.
#[derive(Clone, Debug, Default)]
pub struct Vehicle {
    twin: Arc<Twin>,
    laps: Option<Arc<LapBook>>,
}

impl Vehicle {
    /// Takes one sample in; appends what it told to `outputs`.
    pub fn apply(&mut self, _sample: &Sample, _now: Timestamp, _outputs: &mut Vec<Output>) {
        todo!()
    }

    /// The newest state.
    pub const fn twin(&self) -> &Arc<Twin> {
        &self.twin
    }

    /// The recent laps, once there were any.
    pub const fn laps(&self) -> Option<&Arc<LapBook>> {
        self.laps.as_ref()
    }
}
