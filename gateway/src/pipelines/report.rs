//! What a pipeline is doing, for people and metrics.

use serde::{Deserialize, Serialize};
use slipstream_engine::pipeline::{Pipeline, flow::StepStats};
use slipstream_protocol::Timestamp;

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
    /// Those nobody waits for.
    pub idle_sources: usize,
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
}

impl PipelineStats {
    /// Takes over what the pipeline itself knows.
    pub(super) fn read(&mut self, pipeline: &Pipeline) {
        self.samples_taken = pipeline.rows_in();
        self.newest = pipeline.newest();
        self.watermark = Some(pipeline.watermark()).filter(|w| w.micros() != i64::MIN);
        self.watermark_lag_s = pipeline.lag().as_secs_f64();
        (self.sources, self.idle_sources) = pipeline.sources();
        self.missed_corrections = pipeline.missed_corrections();
        self.state_bytes = pipeline.state_bytes();
        self.state_bytes_per_key = self.state_bytes / pipeline.scope().keys.len().max(1);
        self.steps = pipeline.stats();
    }
}
