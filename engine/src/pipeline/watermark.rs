//! How far event time has come.
//!
//! Every source (a vehicle, unless told otherwise) has its own newest event time. The watermark is the oldest of these over the sources
//! that are waited for, less the `delay` rows may be out of order by. It is looked at again when it can move by `every`: when the last
//! of the sources that held it has come far enough, or when event time or arrivals have moved so far that others may no longer be waited
//! for. So it depends on the rows alone, as the journal has them, and costs next to nothing per row.
//!
//! No row counts as measured later than it arrived: a clock that is ahead by a little cannot move time past the present, and rows of a
//! clock that is ahead by more do not get here at all ([`slipstream_protocol::Sample::is_ahead`]).
//!
//! A source is not waited for in two cases. It is idle: it has been silent for `idle`, by the times of arrival. Or it is far behind: its
//! rows arrive, and tell of a time more than `max_behind` before the newest, as a recording played beside live vehicles does. A slow clock
//! is neither: the others wait for it. When all sources fall silent nobody moves time on; after `idle` of silence by the server's clock
//! [`Watermarks::silence`] lets it go to the newest event time, so that the last windows close.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

/// The default of how far a source may be behind the newest and still be waited for.
pub const DEFAULT_MAX_BEHIND: Duration = Duration::from_secs(600);

/// How event time is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkConfig {
    /// By how much rows of one source may be out of order.
    pub delay: Duration,
    /// How long a source may be silent, by the times of arrival, before the others stop waiting for it.
    pub idle: Duration,
    /// The step in which the watermark moves.
    pub every: Duration,
}

impl Default for WatermarkConfig {
    fn default() -> Self {
        Self { delay: Duration::from_secs(2), idle: Duration::from_secs(30), every: Duration::from_millis(100) }
    }
}

/// What no source has reached yet.
const NEVER: i64 = i64::MIN;

/// Where a source stands, µs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Its newest event time, not later than its arrival.
    newest: i64,
    /// When its last row arrived.
    arrived: i64,
}

impl Progress {
    const NONE: Self = Self { newest: NEVER, arrived: NEVER };
}

/// Newest times of all sources, and what follows from them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watermarks {
    config: WatermarkConfig,
    /// Of the description, not of the state: a changed default must not cost the state.
    #[serde(skip)]
    max_behind: Duration,
    /// Per source, by its dense number.
    sources: Vec<Progress>,
    newest_of_all: i64,
    /// The newest event time as the sources told it: up to a clock's lead later.
    newest_told: i64,
    /// When the last row arrived.
    arrived: i64,
    looked_at: i64,
    looked_when: i64,
    watermark: i64,
    /// The event time every source must reach for the watermark to move by a step.
    next: i64,
    /// Per source: whether it has not reached it, and is waited for.
    behind: Vec<bool>,
    behind_count: usize,
}

impl Watermarks {
    /// None has come yet. A source is waited for while it is at most `max_behind` behind the newest.
    pub const fn new(config: WatermarkConfig, max_behind: Duration) -> Self {
        Self {
            config,
            max_behind,
            sources: Vec::new(),
            newest_of_all: NEVER,
            newest_told: NEVER,
            arrived: NEVER,
            looked_at: NEVER,
            looked_when: NEVER,
            watermark: NEVER,
            next: NEVER,
            behind: Vec::new(),
            behind_count: 0,
        }
    }

    /// Sets what is not in a saved state.
    pub(super) const fn wait_within(&mut self, max_behind: Duration) {
        self.max_behind = max_behind;
    }

    /// Notes a row of `source`, measured at `time` by its clock, that arrived at `arrival` by the server's. `Some` when the
    /// watermark moved, with where to.
    #[inline]
    pub fn note(&mut self, source: usize, time: Timestamp, arrival: Timestamp) -> Option<Timestamp> {
        if source >= self.sources.len() {
            self.sources.resize(source + 1, Progress::NONE);
            self.behind.resize(source + 1, false);
        }
        self.arrive(source, arrival.micros());
        let micros = time.min(arrival).micros();
        let mut all_came = false;
        if micros > self.sources[source].newest {
            self.sources[source].newest = micros;
            self.newest_of_all = self.newest_of_all.max(micros);
            self.newest_told = self.newest_told.max(time.micros());
            let behind = micros < self.next && self.is_near(micros);
            let was_behind = std::mem::replace(&mut self.behind[source], behind);
            self.behind_count = self.behind_count + usize::from(behind) - usize::from(was_behind);
            all_came = was_behind && self.behind_count == 0;
        }
        let every = micros_of(self.config.every);
        let moved = self.newest_of_all.saturating_sub(self.looked_at) >= every || self.arrived.saturating_sub(self.looked_when) >= every;
        if !moved && !all_came {
            return None;
        }
        (self.looked_at, self.looked_when) = (self.newest_of_all, self.arrived);
        self.look()
    }

    fn arrive(&mut self, source: usize, arrival: i64) {
        if arrival < self.arrived.saturating_sub(micros_of(self.config.idle)) {
            // The server's clock was set back: what arrived before did not arrive later than now.
            for known in self.sources.iter_mut().filter(|known| known.arrived > arrival) {
                known.arrived = arrival;
            }
            self.looked_when = arrival;
        }
        if self.arrived == NEVER {
            // A state saved without times of arrival: everybody known has just been heard.
            for known in self.sources.iter_mut().filter(|known| known.newest != NEVER) {
                known.arrived = arrival;
            }
        }
        self.arrived = arrival;
        self.sources[source].arrived = arrival;
    }

    /// Whether an event time is near enough to the newest to be waited for.
    fn is_near(&self, micros: i64) -> bool {
        micros >= self.newest_of_all.saturating_sub(micros_of(self.max_behind))
    }

    fn is_silent(&self, source: &Progress) -> bool {
        source.arrived < self.arrived.saturating_sub(micros_of(self.config.idle))
    }

    fn is_waited_for(&self, source: &Progress) -> bool {
        source.newest != NEVER && !self.is_silent(source) && self.is_near(source.newest)
    }

    fn look(&mut self) -> Option<Timestamp> {
        let oldest = self.sources.iter().filter(|source| self.is_waited_for(source)).map(|source| source.newest).min()?;
        let raised = self.raise(oldest.saturating_sub(micros_of(self.config.delay)));
        let reached = self.watermark.saturating_add(micros_of(self.config.delay));
        self.next = reached.saturating_add(micros_of(self.config.every));
        self.behind_count = 0;
        for at in 0..self.sources.len() {
            let source = &self.sources[at];
            let behind = source.newest < self.next && self.is_waited_for(source);
            self.behind[at] = behind;
            self.behind_count += usize::from(behind);
        }
        raised
    }

    fn raise(&mut self, to: i64) -> Option<Timestamp> {
        if to <= self.watermark {
            return None;
        }
        self.watermark = to;
        Some(Timestamp::from_micros(to))
    }

    /// All sources have been silent for [`WatermarkConfig::idle`] by the server's clock, which shows `now`: time moves just behind
    /// the newest row. Where a clock that is ahead told that row, it moves to `now` at most, and the rest of the way later.
    pub fn silence(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.newest_of_all == NEVER {
            return None;
        }
        self.raise(self.newest_told.min(now.micros().max(self.newest_of_all)).saturating_add(1))
    }

    /// Where it is; the lowest time there is while nothing came.
    pub const fn watermark(&self) -> Timestamp {
        Timestamp::from_micros(self.watermark)
    }

    /// The newest event time of all sources, not later than its arrival.
    pub fn newest(&self) -> Option<Timestamp> {
        (self.newest_of_all != NEVER).then(|| Timestamp::from_micros(self.newest_of_all))
    }

    /// When the last row arrived.
    pub fn arrived(&self) -> Option<Timestamp> {
        (self.arrived != NEVER).then(|| Timestamp::from_micros(self.arrived))
    }

    /// How far the watermark is behind the newest event time.
    pub fn lag(&self) -> Duration {
        self.newest().map_or(Duration::ZERO, |newest| if self.watermark == NEVER { Duration::ZERO } else { newest.since(self.watermark()) })
    }

    /// How many sources there are, and how many of them are idle.
    pub fn sources(&self) -> (usize, usize) {
        let known = self.sources.iter().filter(|source| source.newest != NEVER);
        known.fold((0, 0), |(all, idle), source| (all + 1, idle + usize::from(self.is_silent(source))))
    }

    /// The numbers of sources that send, and are too far behind the others to be waited for.
    pub fn far_behind(&self) -> impl Iterator<Item = usize> + '_ {
        let far = |source: &Progress| source.newest != NEVER && !self.is_silent(source) && !self.is_near(source.newest);
        self.sources.iter().enumerate().filter(move |(_, source)| far(source)).map(|(at, _)| at)
    }

    /// How it is set.
    pub const fn config(&self) -> &WatermarkConfig {
        &self.config
    }

    /// Memory held, in bytes.
    pub const fn heap_bytes(&self) -> usize {
        self.sources.capacity() * (size_of::<Progress>() + 1)
    }
}

/// As pipelines saved it that told idleness by event time.
#[derive(Deserialize)]
pub(super) struct WatermarksV1 {
    config: WatermarkConfig,
    newest: Vec<i64>,
    newest_of_all: i64,
    looked_at: i64,
    watermark: i64,
    next: i64,
    behind: Vec<bool>,
    behind_count: usize,
}

impl From<WatermarksV1> for Watermarks {
    fn from(old: WatermarksV1) -> Self {
        Self {
            config: old.config,
            max_behind: DEFAULT_MAX_BEHIND,
            sources: old.newest.into_iter().map(|newest| Progress { newest, arrived: NEVER }).collect(),
            newest_of_all: old.newest_of_all,
            newest_told: old.newest_of_all,
            arrived: NEVER,
            looked_at: old.looked_at,
            looked_when: NEVER,
            watermark: old.watermark,
            next: old.next,
            behind: old.behind,
            behind_count: old.behind_count,
        }
    }
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: f64) -> Timestamp {
        Timestamp::from_secs_f64(secs)
    }

    fn set(delay: u64, idle: u64) -> Watermarks {
        let config = WatermarkConfig { delay: Duration::from_secs(delay), idle: Duration::from_secs(idle), every: Duration::from_secs(1) };
        Watermarks::new(config, Duration::from_secs(600))
    }

    #[test]
    fn the_slowest_source_holds_the_watermark_until_it_is_idle() {
        let mut w = set(1, 10);
        assert_eq!(w.note(0, at(5.0), at(5.0)), Some(at(4.0)));
        assert_eq!(w.note(1, at(2.0), at(2.0)), None);
        assert_eq!(w.note(0, at(12.0), at(12.0)), None, "source 1 is 10 s behind, not more");
        assert_eq!(w.note(0, at(13.0), at(13.0)), Some(at(12.0)), "source 1 is idle");
        assert_eq!(w.sources(), (2, 1));
        assert_eq!(w.note(1, at(13.5), at(13.5)), None, "it is back");
        assert_eq!(w.note(0, at(20.0), at(20.0)), Some(at(12.5)));
    }

    #[test]
    fn it_never_falls_and_moves_in_steps() {
        let mut w = set(0, 10);
        assert_eq!(w.note(0, at(5.0), at(5.0)), Some(at(5.0)));
        assert_eq!(w.note(0, at(5.5), at(5.5)), None, "less than a step");
        assert_eq!(w.note(1, at(1.0), at(1.0)), None);
        assert_eq!(w.watermark(), at(5.0));
    }

    #[test]
    fn it_moves_as_soon_as_the_last_source_has_come() {
        let mut w = set(1, 10);
        for (source, time) in [(0, 5.0), (1, 5.0), (2, 5.0)] {
            w.note(source, at(time), at(time));
        }
        assert_eq!((w.note(0, at(8.0), at(8.0)), w.note(1, at(8.0), at(8.0))), (None, None));
        assert_eq!(w.note(2, at(8.0), at(8.0)), Some(at(7.0)));
    }

    #[test]
    fn silence_closes_what_is_open() {
        let mut w = set(5, 10);
        assert_eq!(w.silence(at(1_000.0)), None);
        w.note(0, at(7.0), at(7.0));
        assert_eq!(w.silence(at(1_000.0)), Some(Timestamp::from_micros(7_000_001)));
        assert_eq!(w.silence(at(1_000.0)), None);
    }

    #[test]
    fn a_clock_ahead_by_a_little_moves_time_to_its_arrival_only() {
        let mut w = set(0, 30);
        w.note(0, at(10.0), at(10.0));
        w.note(1, at(55.0), at(10.0));
        assert_eq!(w.watermark(), at(10.0));
        for t in 11..60 {
            let t = f64::from(t);
            w.note(1, at(t + 45.0), at(t));
            w.note(0, at(t), at(t));
            assert_eq!((w.watermark(), w.sources()), (at(t), (2, 0)), "45 s fast, and nobody is idle");
        }
        // Its last row lies 45 s behind the last arrival: a silence moves time no further than the server's clock.
        assert_eq!(w.silence(at(90.0)), Some(Timestamp::from_micros(90_000_001)));
        assert_eq!(w.silence(at(120.0)), Some(Timestamp::from_micros(104_000_001)));
    }

    #[test]
    fn a_slow_clock_is_waited_for_as_long_as_it_sends() {
        let mut w = set(1, 10);
        w.note(0, at(100.0), at(200.0));
        for t in 1..60 {
            let t = f64::from(t);
            w.note(1, at(200.0 + t), at(200.0 + t));
            w.note(0, at(100.0 + t), at(200.0 + t));
            assert_eq!((w.watermark(), w.sources().1), (at(99.0 + t), 0));
        }
        w.note(1, at(270.5), at(270.5));
        assert_eq!((w.watermark(), w.sources().1), (at(269.5), 1), "silent for 11.5 s");
    }

    #[test]
    fn a_recording_played_beside_live_vehicles_does_not_hold_them() {
        let mut w = set(1, 10);
        w.note(0, at(10_000.0), at(10_000.0));
        for t in 1..30 {
            let t = f64::from(t);
            w.note(1, at(t), at(10_000.0 + t));
            w.note(0, at(10_000.0 + t), at(10_000.0 + t));
            assert_eq!(w.watermark(), at(9_999.0 + t));
        }
        assert_eq!((w.sources(), w.far_behind().collect::<Vec<_>>()), ((2, 0), vec![1]));
    }

    #[test]
    fn a_server_clock_set_back_makes_nobody_wait_for_a_silent_source() {
        let mut w = set(0, 10);
        w.note(0, at(5_000.0), at(5_000.0));
        w.note(1, at(5_000.0), at(5_000.0));
        for t in 1..20 {
            let t = f64::from(t);
            w.note(1, at(5_000.0 + t), at(1_400.0 + t).max(at(0.0)));
        }
        assert_eq!(w.sources().1, 1);
    }
}
