//! What the journal counts.

use std::{
    collections::BTreeMap,
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;

/// Upper bounds of the latency buckets, in microseconds; one more bucket takes the rest.
const BOUNDS_US: [u64; 14] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 5_000_000];

/// Durations, counted in buckets.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    total_us: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let us = duration.as_micros() as u64;
        self.buckets[BOUNDS_US.partition_point(|bound| *bound < us)].fetch_add(1, Relaxed);
        self.total_us.fetch_add(us, Relaxed);
    }

    fn read(&self) -> Latency {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS_US.len());
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_US) {
            count += bucket.load(Relaxed);
            buckets.push((bound as f64 / 1e6, count));
        }
        count += self.buckets[BOUNDS_US.len()].load(Relaxed);
        Latency { count, seconds: self.total_us.load(Relaxed) as f64 / 1e6, buckets }
    }
}

/// How long something took, as Prometheus counts it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency {
    /// How often it happened.
    pub count: u64,
    /// All durations together, in seconds.
    pub seconds: f64,
    /// Upper bound in seconds, and how many took at most that long.
    pub buckets: Vec<(f64, u64)>,
}

impl Latency {
    /// The upper bound of the bucket that holds the quantile `q` (0 to 1), in seconds.
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = (self.count as f64 * q).ceil() as u64;
        self.buckets.iter().find(|(_, count)| *count >= rank).map_or(f64::INFINITY, |(bound, _)| *bound)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) appends: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) samples: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) write_errors: AtomicU64,
    pub(super) given_up: AtomicU64,
    /// What the newest write failed with; none where it worked.
    write_error: Mutex<Option<String>>,
    pub(super) waiting_bytes: AtomicU64,
    pub(super) corrupt: AtomicU64,
    pub(super) quarantined: AtomicU64,
    pub(super) quarantine_removed: AtomicU64,
    pub(super) torn_bytes: AtomicU64,
    pub(super) segments_removed: AtomicU64,
    pub(super) tail_reads: AtomicU64,
    pub(super) disk_reads: AtomicU64,
    pub(super) sync_latency: Histogram,
    pub(super) append_latency: Histogram,
}

/// One consumer of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStats {
    /// The last record it is done with.
    pub position: u64,
    /// Records it is behind.
    pub lag: u64,
    /// Whether the acknowledgement level `stored` waits for it.
    pub sink: bool,
    /// Records given up in this run because the sink was behind by more than the bound.
    pub given_up: u64,
}

/// What the journal is doing; counts are since the start unless said otherwise.
#[derive(Clone, Debug, Default)]
pub struct JournalStats {
    /// Batches handed in.
    pub appends: u64,
    /// Batches that could not be made durable.
    pub refused: u64,
    /// Records made durable.
    pub records: u64,
    /// Samples in them.
    pub samples: u64,
    /// Bytes written for them.
    pub bytes: u64,
    /// Group commits, each one write and one sync.
    pub syncs: u64,
    /// Group commits that failed.
    pub write_errors: u64,
    /// What the disk says, where it takes no writes now.
    pub write_error: Option<String>,
    /// Records given up for sinks that were behind by more than the bound, each once per sink.
    pub given_up: u64,
    /// Bytes that wait for the disk now.
    pub waiting_bytes: u64,
    /// How long write and sync of a group took.
    pub sync_latency: Latency,
    /// How long from the append to the ticket.
    pub append_latency: Latency,
    /// Segment files now.
    pub segments: u64,
    /// Bytes in them now.
    pub segment_bytes: u64,
    /// Segments removed because every consumer had passed them.
    pub segments_removed: u64,
    /// Records lost to damage on the disk.
    pub corrupt: u64,
    /// Files set aside under `quarantine/`.
    pub quarantined: u64,
    /// Files removed from there to make room for newer ones.
    pub quarantine_removed: u64,
    /// Bytes of unfinished writes cut off at the start.
    pub torn_bytes: u64,
    /// Reads served from memory.
    pub tail_reads: u64,
    /// Reads served from the disk.
    pub disk_reads: u64,
    /// Position of the newest durable record; 0 before the first.
    pub position: u64,
    /// Position of the oldest record still there.
    pub oldest: u64,
    /// Consumers by name.
    pub consumers: BTreeMap<String, ConsumerStats>,
}

impl Counters {
    /// The disk takes no writes.
    pub(super) fn cannot_write(&self, error: &io::Error) {
        *self.write_error.lock() = Some(error.to_string());
    }

    /// The disk takes writes.
    pub(super) fn writes_again(&self) {
        *self.write_error.lock() = None;
    }

    /// What the disk says, where it takes no writes now.
    pub(super) fn write_error(&self) -> Option<String> {
        self.write_error.lock().clone()
    }

    pub(super) fn read(&self) -> JournalStats {
        JournalStats {
            appends: self.appends.load(Relaxed),
            refused: self.refused.load(Relaxed),
            records: self.records.load(Relaxed),
            samples: self.samples.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            write_errors: self.write_errors.load(Relaxed),
            write_error: self.write_error(),
            given_up: self.given_up.load(Relaxed),
            waiting_bytes: self.waiting_bytes.load(Relaxed),
            sync_latency: self.sync_latency.read(),
            append_latency: self.append_latency.read(),
            segments_removed: self.segments_removed.load(Relaxed),
            corrupt: self.corrupt.load(Relaxed),
            quarantined: self.quarantined.load(Relaxed),
            quarantine_removed: self.quarantine_removed.load(Relaxed),
            torn_bytes: self.torn_bytes.load(Relaxed),
            tail_reads: self.tail_reads.load(Relaxed),
            disk_reads: self.disk_reads.load(Relaxed),
            ..JournalStats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_quantiles_name_their_bound() {
        let histogram = Histogram::default();
        for ms in [1, 1, 1, 40] {
            histogram.observe(Duration::from_millis(ms));
        }
        let latency = histogram.read();
        assert_eq!((latency.count, latency.quantile(0.5), latency.quantile(1.0)), (4, 0.001, 0.05));
        assert!((latency.seconds - 0.043).abs() < 1e-9);
    }
}
