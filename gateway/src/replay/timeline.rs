//! When a recorded moment is due, with pauses and changes of speed.

use std::time::Duration;

use slipstream_protocol::Timestamp;
use tokio::time::Instant;

/// A longer silence in the recording lasts so long.
const MAX_GAP: Duration = Duration::from_secs(60);

/// Maps source time onto the clock on the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    speed: f64,
    /// A source time and when it is due; none before the first sample, and while it is paused the moment is of no matter.
    anchor: Option<(i64, Instant)>,
    paused: bool,
    /// The newest source time that was asked for, µs.
    reached: i64,
}

impl Timeline {
    pub(super) const fn new(speed: f64) -> Self {
        Self { speed, anchor: None, paused: false, reached: i64::MIN }
    }

    /// When a sample is due; one older than those before is due at once.
    pub(super) fn due(&mut self, time: Timestamp, now: Instant) -> Instant {
        let source = time.micros();
        let (at, when) = *self.anchor.get_or_insert((source, now));
        if source <= self.reached {
            return now;
        }
        let before = self.reached.max(at);
        if source - before > MAX_GAP.as_micros() as i64 {
            let due = self.moment(before, at, when) + MAX_GAP.div_f64(self.speed);
            self.anchor = Some((source, due));
            self.reached = source;
            return due;
        }
        self.reached = source;
        self.moment(source, at, when)
    }

    /// When the sample asked for last is due, after a pause or a change of speed.
    pub(super) fn again(&self, time: Timestamp, now: Instant) -> Instant {
        let source = time.micros();
        match self.anchor {
            Some((at, when)) if source >= self.reached => self.moment(source, at, when),
            _ => now,
        }
    }

    /// Takes up what was told: the source time that plays now stays where it is.
    pub(super) fn follow(&mut self, paused: bool, speed: f64, now: Instant) {
        if paused == self.paused && speed == self.speed {
            return;
        }
        if let Some((at, when)) = self.anchor {
            let at = if self.paused { at } else { self.playing(at, when, now) };
            self.anchor = Some((at, now));
        }
        (self.paused, self.speed) = (paused, speed);
    }

    /// Which source time plays at `now`: none beyond the next sample's.
    fn playing(&self, at: i64, when: Instant, now: Instant) -> i64 {
        let passed = now.saturating_duration_since(when).as_secs_f64() - when.saturating_duration_since(now).as_secs_f64();
        (at + (passed * self.speed * 1e6) as i64).min(self.reached.max(at))
    }

    fn moment(&self, source: i64, at: i64, when: Instant) -> Instant {
        let away = Duration::from_secs_f64(((source - at).unsigned_abs() as f64 / 1e6 / self.speed).min(1e9));
        if source >= at { when + away } else { when.checked_sub(away).unwrap_or(when) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: f64) -> Timestamp {
        Timestamp::from_secs_f64(1_000.0 + s)
    }

    fn seconds(line: &mut Timeline, start: Instant, s: f64, now: f64) -> f64 {
        let now = start + Duration::from_secs_f64(now);
        let due = line.due(at(s), now);
        (due.saturating_duration_since(start).as_secs_f64() * 1e3).round() / 1e3
    }

    #[test]
    fn speed_divides_the_recordings_intervals_and_wild_gaps_are_cut() {
        let (mut line, start) = (Timeline::new(10.0), Instant::now());
        assert_eq!(seconds(&mut line, start, 0.0, 0.0), 0.0);
        assert_eq!(seconds(&mut line, start, 5.0, 0.0), 0.5);
        assert_eq!(seconds(&mut line, start, 2.0, 0.4), 0.4, "an older one is due at once");
        assert_eq!(seconds(&mut line, start, 1e6, 0.5), 6.5, "a minute at most");
        assert_eq!(seconds(&mut line, start, 1e6 + 10.0, 6.5), 7.5);
    }

    #[test]
    fn a_pause_moves_what_follows_and_a_new_speed_counts_from_now_on() {
        let (mut line, start) = (Timeline::new(1.0), Instant::now());
        let now = |s: f64| start + Duration::from_secs_f64(s);
        assert_eq!(seconds(&mut line, start, 0.0, 0.0), 0.0);
        assert_eq!(seconds(&mut line, start, 10.0, 0.0), 10.0);
        line.follow(true, 1.0, now(4.0));
        line.follow(false, 1.0, now(104.0));
        assert_eq!(line.again(at(10.0), now(104.0)), now(110.0));
        line.follow(false, 2.0, now(106.0));
        assert_eq!(line.again(at(10.0), now(106.0)), now(108.0), "four seconds are left, at twice the speed");
    }
}
