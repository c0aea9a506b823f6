//! What a pipeline is doing, for people and metrics.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipstream_engine::pipeline::{
    Pipeline,
    clocks::{ClockAhead, MOST_NAMED},
    flow::StepStats,
};
use slipstream_protocol::{Timestamp, VehicleId};

/// What it is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It takes samples in.
    #[default]
    Running,
    /// A person stopped it; its state and its place are kept.
    Paused,
    /// It broke, and waits for someone to replace or resume it.
    Failed,
}

impl RunState {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed => "failed",
        }
    }
}

/// Results so far, since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ResultCounts {
    /// Results of moments and closed periods.
    #[serde(rename = "final")]
    pub settled: u64,
    /// Results of periods still open.
    pub early: u64,
    /// Results made anew because of late rows.
    pub corrections: u64,
    /// Rows that came too late, at whatever step.
    pub late: u64,
    /// Rows whose clock was ahead of the server's by more than `limits.max_clock_skew`: no step saw them.
    pub ahead: u64,
    /// What happened to alarms: raised, repeated, escalated, acknowledged, cleared.
    pub alarms: u64,
}

/// What a pipeline did not see, because the journal was not kept for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// So many records of the journal.
    pub records: u64,
    /// Behind this one.
    pub after: u64,
    /// When it began anew.
    pub told_at: Timestamp,
}

/// A source whose clock is ahead of the server's.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AheadSource {
    /// Whose clock it is.
    pub vehicle_id: VehicleId,
    /// Rows that came with it, and reached no step.
    pub rows: u64,
    /// By how much the newest of them was ahead, in seconds.
    pub lead_s: f64,
    /// When that one arrived.
    pub received_at: Timestamp,
}

/// Rows in a row that came to nothing, before that is told as a fault.
const LOST_ROWS: u64 = 20;
/// Without a row for so long it is told no longer.
const LOST_FOR: Duration = Duration::from_secs(60);

/// Whether rows are taken, and all of them come too late or with a clock ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Loss {
    /// Rows, and rows lost, as last read.
    seen: (u64, u64),
    /// Rows lost since the last row that was not.
    rows: u64,
    /// When the last of them was.
    at: Timestamp,
}

impl Loss {
    /// Notes the numbers so far; whether all that came lately was lost.
    fn note(&mut self, taken: u64, lost: u64, now: Timestamp) -> bool {
        let new = taken.saturating_sub(self.seen.0);
        let new_lost = lost.saturating_sub(self.seen.1);
        if new > 0 {
            self.rows = if new_lost >= new { self.rows + new } else { 0 };
            self.at = now;
        }
        self.seen = (taken, lost);
        self.rows >= LOST_ROWS && now.since(self.at) < LOST_FOR
    }
}

/// A pipeline's numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineStats {
    /// What it is doing.
    pub state: RunState,
    /// Why it broke.
    pub failure: Option<String>,
    /// Samples read from the journal.
    pub samples_read: u64,
    /// Samples its source took.
    pub samples_taken: u64,
    /// Results.
    pub results: ResultCounts,
    /// How far event time has come.
    pub watermark: Option<Timestamp>,
    /// The newest event time.
    pub newest: Option<Timestamp>,
    /// How far the watermark is behind it, in seconds.
    pub watermark_lag_s: f64,
    /// Sources (vehicles) known.
    pub sources: usize,
    /// Those that fell silent: nobody waits for them.
    pub idle_sources: usize,
    /// Keys of those that send, and tell of times so far behind the others (`time.max_behind`) that nobody waits for them; a few.
    pub far_behind: Vec<String>,
    /// Those whose clock is ahead of the server's, by id; a few.
    pub ahead_sources: Vec<AheadSource>,
    /// Whether rows come, and all of them too late or with a clock ahead: there will be no results.
    pub all_lost: bool,
    /// Memory of all state, in bytes.
    pub state_bytes: usize,
    /// The same per key.
    pub state_bytes_per_key: usize,
    /// The last journal record it is done with.
    pub position: u64,
    /// Records that wait for it.
    pub lag_records: u64,
    /// The record its last checkpoint was taken at.
    pub checkpoint: u64,
    /// Batches of results and of alarms' events that wait for the stores.
    pub waiting_batches: u64,
    /// Bytes of the journal that are kept because it stands still.
    pub held_bytes: u64,
    /// Whether it stood still for so long that the journal is kept for it no longer.
    pub released: bool,
    /// What it missed thereby.
    pub missed: Option<Missed>,
    /// Corrections of results it reads that came when it had taken those in already.
    pub missed_corrections: u64,
    /// Each step.
    pub steps: Vec<StepStats>,
    #[serde(skip)]
    pub(super) loss: Loss,
}

impl PipelineStats {
    /// Takes over what the pipeline itself knows.
    pub(super) fn read(&mut self, pipeline: &Pipeline, now: Timestamp) {
        self.samples_taken = pipeline.rows_in();
        self.newest = pipeline.newest();
        self.watermark = Some(pipeline.watermark()).filter(|w| w.micros() != i64::MIN);
        self.watermark_lag_s = pipeline.lag().as_secs_f64();
        (self.sources, self.idle_sources) = pipeline.sources();
        self.far_behind = pipeline.far_behind().take(MOST_NAMED).map(str::to_owned).collect();
        let ahead = |source: &ClockAhead| AheadSource {
            vehicle_id: source.vehicle.clone(),
            rows: source.rows,
            lead_s: source.lead.as_secs_f64(),
            received_at: source.received_at,
        };
        self.ahead_sources = pipeline.clocks_ahead().take(MOST_NAMED).map(ahead).collect();
        self.results.ahead = pipeline.ahead();
        self.all_lost = self.loss.note(self.samples_taken, self.results.late + self.results.ahead, now);
        self.missed_corrections = pipeline.missed_corrections();
        self.state_bytes = pipeline.state_bytes();
        self.state_bytes_per_key = self.state_bytes / pipeline.scope().keys.len().max(1);
        self.steps = pipeline.stats();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_all_come_to_nothing_are_told_until_one_does_not_or_none_comes() {
        let at = |s: i64| Timestamp::from_millis(s * 1_000);
        let mut loss = Loss::default();
        assert!(!loss.note(100, 3, at(0)));
        assert!(!loss.note(110, 13, at(1)), "ten rows are few");
        assert!(loss.note(125, 28, at(2)));
        assert!(loss.note(125, 28, at(30)), "and it is still so");
        assert!(!loss.note(125, 28, at(70)), "nothing comes any more");
        assert!(loss.note(126, 29, at(71)));
        assert!(!loss.note(130, 32, at(72)), "one of four was in time");
    }
}
