//! When a sample is due, by its source time.

use std::time::Duration;

use slipstream_protocol::Timestamp;

/// How fast a stream is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many times as fast as it was recorded; 1.0 is real pace.
    Times(f64),
    /// As fast as the server takes it.
    FlatOut,
}

/// Turns source times into moments since the stream began.
///
/// Samples older than one already seen are due at once: order in the file is kept. A pause longer
/// than `max_gap` in the recording lasts `max_gap` (before the speed is applied).
#[derive(Clone, Debug)]
pub struct Pacer {
    pace: Pace,
    max_gap_us: i64,
    anchor: Option<Timestamp>,
    /// How much of the recording's pauses was cut, in microseconds.
    cut_us: i64,
    /// Farthest point of the replay, in microseconds since the first sample.
    reached_us: i64,
}

impl Pacer {
    /// A pacer that has seen nothing.
    pub fn new(pace: Pace, max_gap: Duration) -> Self {
        let max_gap_us = i64::try_from(max_gap.as_micros()).unwrap_or(i64::MAX);
        Self { pace, max_gap_us, anchor: None, cut_us: 0, reached_us: 0 }
    }

    /// How long after the start of the stream a sample of `time` is due.
    pub fn due(&mut self, time: Timestamp) -> Duration {
        let Pace::Times(speed) = self.pace else { return Duration::ZERO };
        let anchor = *self.anchor.get_or_insert(time);
        let position = (time - anchor).saturating_sub(self.cut_us);
        let ahead = position.saturating_sub(self.reached_us);
        if ahead > self.max_gap_us {
            self.cut_us = self.cut_us.saturating_add(ahead - self.max_gap_us);
            self.reached_us = self.reached_us.saturating_add(self.max_gap_us);
        } else if ahead > 0 {
            self.reached_us = position;
        }
        Duration::from_secs_f64((self.reached_us as f64 / 1e6 / speed.max(1e-6)).min(1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dues(pace: Pace, times_s: &[f64]) -> Vec<f64> {
        let mut pacer = Pacer::new(pace, Duration::from_secs(60));
        times_s.iter().map(|t| pacer.due(Timestamp::from_secs_f64(*t)).as_secs_f64()).collect()
    }

    #[test]
    fn real_pace_keeps_the_recordings_intervals() {
        assert_eq!(dues(Pace::Times(1.0), &[100.0, 100.5, 102.0]), [0.0, 0.5, 2.0]);
        assert_eq!(dues(Pace::Times(10.0), &[100.0, 105.0]), [0.0, 0.5]);
        assert_eq!(dues(Pace::FlatOut, &[100.0, 105.0]), [0.0, 0.0]);
    }

    #[test]
    fn an_older_sample_is_due_at_once_and_does_not_move_the_stream_back() {
        assert_eq!(dues(Pace::Times(1.0), &[10.0, 12.0, 5.0, 13.0]), [0.0, 2.0, 2.0, 3.0]);
    }

    #[test]
    fn one_wild_time_stamp_does_not_stall_the_replay() {
        assert_eq!(dues(Pace::Times(1.0), &[0.0, 1.0, 1e9, 1e9 + 1.0]), [0.0, 1.0, 61.0, 62.0]);
    }
}
