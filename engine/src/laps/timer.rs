//! Lap timing from the lap counter and source time.

use serde::{Deserialize, Serialize};
use slipstream_protocol::Timestamp;

use crate::{
    signals::{Reading, Role},
    vehicle::LapTime,
};

/// A shorter "lap" is a flickering counter, s.
pub const MIN_LAP_S: f64 = 5.0;

/// Without `lap_time_s`, a crossing inside a longer silence is not timed, s.
pub const TIMING_GAP_S: f64 = 5.0;

/// A counter that jumped is believed after so many samples of the new count, over so long, s. Until then the lap it
/// jumped from goes on: a stray row of another lap is no lap.
const BELIEVED_AFTER_SAMPLES: u32 = 3;
const BELIEVED_AFTER_S: f64 = 2.0;

/// A counter that is back at the lap it jumped from within so long, s, never left it, unless the lap between had a clock of its own.
const BACK_WITHIN_S: f64 = 30.0;

/// A first lap counts as seen from its beginning up to this time, s, and distance, m.
const BEGINNING_S: f64 = 2.0;
const BEGINNING_M: f64 = 150.0;

/// What one sample meant for the lap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Late, repeated, or of a count that is not believed.
    Ignored,
    /// The same lap goes on.
    Within,
    /// The line was crossed at `at`, µs; `finished` is the lap before, where it was driven whole.
    Crossed { at: i64, finished: Option<LapTime> },
    /// The counter jumped: the lap that runs now began at `start`, µs, where that is known.
    Restarted { start: Option<i64> },
}

/// Times laps. Crossings fall between two samples: `lap_time_s` tells where exactly; without it the
/// distance since the line and the speed do; without those the middle between the samples is taken
/// (wrong by at most half a sampling interval).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct LapTimer {
    lap: Option<u32>,
    /// Source time of the newest sample with a lap counter, µs.
    seen: i64,
    /// When the running lap began, µs; `None` when it was not seen from its beginning.
    start: Option<i64>,
    /// A count that the counter jumped to and that is not believed yet. Not kept over a restart: the next samples of
    /// that count raise it anew.
    #[serde(skip)]
    doubted: Option<Box<Doubted>>,
    /// The lap that the last believed jump left, to which the counter may come back.
    #[serde(skip)]
    left: Option<Box<Left>>,
}

/// A lap that the counter jumped away from.
#[derive(Clone, Copy, Debug)]
struct Left {
    lap: u32,
    /// When it began, µs, where that is known.
    start: Option<i64>,
    /// Source time of its last sample, µs.
    seen: i64,
}

/// When the line was crossed.
#[derive(Clone, Copy, Debug)]
struct Crossing {
    /// µs.
    at: i64,
    /// The source's clock or distance began anew there; otherwise the counter alone reports it.
    confirmed: bool,
}

/// A count that is not believed yet.
#[derive(Clone, Copy, Debug)]
struct Doubted {
    lap: u32,
    /// When its lap began, µs, where that is known.
    start: Option<i64>,
    /// Source time of its first and its newest sample, µs.
    first: i64,
    newest: i64,
    samples: u32,
}

impl Doubted {
    fn is_believed(&self) -> bool {
        self.samples >= BELIEVED_AFTER_SAMPLES && (self.newest - self.first) as f64 / 1e6 >= BELIEVED_AFTER_S
    }
}

impl LapTimer {
    /// The running lap's number.
    pub(super) const fn lap(&self) -> Option<u32> {
        self.lap
    }

    pub(super) fn step(&mut self, time: Timestamp, reading: &Reading) -> Step {
        let Some(lap) = reading.lap_number() else { return Step::Within };
        let now = time.micros();
        let Some(current) = self.lap else {
            self.start = self.beginning(now, reading);
            return self.restart(lap, now);
        };
        if now < self.seen || (now == self.seen && lap < current) {
            return Step::Ignored;
        }
        self.step_on(lap, now, reading)
    }

    /// Takes a count that is not late.
    fn step_on(&mut self, lap: u32, now: i64, reading: &Reading) -> Step {
        let Some(current) = self.lap else { return Step::Within };
        if lap == current {
            (self.seen, self.doubted) = (now, None);
            return Step::Within;
        }
        if self.came_back(lap, now) {
            return Step::Within;
        }
        if lap == current + 1 {
            return self.advance(current, now, reading);
        }
        // The row behind the line was no stray: the count did not fall back to the lap before.
        if let Some(next) = self.doubted.take_if(|doubted| doubted.lap == current + 1) {
            let step = self.cross(current, next.start, next.newest);
            self.doubt(lap, now, reading);
            return step;
        }
        self.doubt(lap, now, reading)
    }

    /// Takes the count of the next lap. Where neither clock nor distance begins anew the next sample decides: a single row ahead of
    /// the line completes no lap. A clock that contradicts has to be overruled as a jump has.
    fn advance(&mut self, current: u32, now: i64, reading: &Reading) -> Step {
        let lap = current + 1;
        let crossing = self.crossing(now, reading);
        let Some(Crossing { confirmed: false, .. }) = crossing.or_else(|| self.expected(lap)) else {
            return self.cross(current, crossing.map(|crossing| crossing.at), now);
        };
        if let Some(doubted) = self.doubted.as_mut().filter(|doubted| doubted.lap == lap) {
            doubted.newest = now.max(doubted.newest);
            doubted.samples += 1;
            let doubted = **doubted;
            let contradicted = from_lap_time(now, reading).is_some_and(|at| at < doubted.first - (TIMING_GAP_S * 1e6) as i64);
            return if contradicted && !doubted.is_believed() { Step::Ignored } else { self.cross(current, doubted.start, now) };
        }
        let start = crossing.map(|crossing| crossing.at);
        self.doubted = Some(Box::new(Doubted { lap, start, first: now, newest: now, samples: 1 }));
        Step::Ignored
    }

    /// The crossing that the first sample behind the line reported, where the next one comes too late to report it.
    fn expected(&self, lap: u32) -> Option<Crossing> {
        let doubted = self.doubted.as_ref().filter(|doubted| doubted.lap == lap)?;
        Some(Crossing { at: doubted.start?, confirmed: false })
    }

    /// The next lap began at `crossing`, µs, where that is known.
    fn cross(&mut self, current: u32, crossing: Option<i64>, now: i64) -> Step {
        let finished = self.finished(current, crossing);
        (self.lap, self.seen, self.start, self.doubted) = (Some(current + 1), now, crossing, None);
        crossing.map_or(Step::Restarted { start: None }, |at| Step::Crossed { at, finished })
    }

    /// Whether the counter is back at the lap it jumped from; that lap goes on.
    fn came_back(&mut self, lap: u32, now: i64) -> bool {
        self.left.take_if(|left| (now - left.seen) as f64 / 1e6 > BACK_WITHIN_S);
        let Some(left) = self.left.take_if(|left| left.lap == lap) else { return false };
        (self.lap, self.start, self.seen, self.doubted) = (Some(lap), left.start, now, None);
        true
    }

    /// Takes a count that follows neither the running lap nor itself.
    fn doubt(&mut self, lap: u32, now: i64, reading: &Reading) -> Step {
        let seen = self.seen;
        // A jump leaves open when the laps between ended; the one that runs now is known where
        // `lap_time_s` says it began within the jump.
        let first = || Doubted { lap, start: from_lap_time(now, reading).filter(|at| *at >= seen), first: now, newest: now, samples: 1 };
        match &mut self.doubted {
            Some(doubted) if doubted.lap == lap && now >= doubted.newest => {
                doubted.newest = now;
                doubted.samples += 1;
                let doubted = **doubted;
                if doubted.is_believed() { self.believe(doubted) } else { Step::Ignored }
            }
            // It counts on from the jump: a source that sends a row or two for each lap.
            Some(doubted) if lap > doubted.lap && self.lap.is_some_and(|current| doubted.lap > current) => {
                let doubted = **doubted;
                self.believe(doubted);
                self.step_on(lap, now, reading)
            }
            _ => {
                self.doubted = Some(Box::new(first()));
                Step::Ignored
            }
        }
    }

    fn believe(&mut self, doubted: Doubted) -> Step {
        if doubted.start.is_some() {
            self.left = None;
        } else if self.left.is_none() {
            self.left = self.lap.map(|lap| Box::new(Left { lap, start: self.start, seen: self.seen }));
        }
        (self.start, self.doubted) = (doubted.start, None);
        self.restart(doubted.lap, doubted.newest)
    }

    fn restart(&mut self, lap: u32, now: i64) -> Step {
        (self.lap, self.seen) = (Some(lap), now);
        Step::Restarted { start: self.start }
    }

    fn finished(&self, lap: u32, crossing: Option<i64>) -> Option<LapTime> {
        let time_s = (crossing? - self.start?) as f64 / 1e6;
        (time_s >= MIN_LAP_S).then_some(LapTime { lap, time_s })
    }

    /// When the lap of the very first sample began, if this sample is at its beginning.
    #[expect(clippy::unused_self, reason = "a question about the first sample, asked of the timer")]
    fn beginning(&self, now: i64, reading: &Reading) -> Option<i64> {
        let (time, dist) = (reading.get(Role::LapTime), reading.get(Role::LapDist));
        if time.is_none() && dist.is_none() || time.is_some_and(|t| t > BEGINNING_S) || dist.is_some_and(|d| d > BEGINNING_M) {
            return None;
        }
        from_lap_time(now, reading).or_else(|| from_distance(now, reading))
    }

    /// When the line was crossed between the last sample and this one.
    fn crossing(&self, now: i64, reading: &Reading) -> Option<Crossing> {
        let fits = |at: &i64| *at >= self.seen - SLACK_US && *at <= now;
        let confirmed = |at: i64| Some(Crossing { at: at.max(self.seen), confirmed: true });
        if let Some(at) = from_lap_time(now, reading).filter(fits) {
            return confirmed(at);
        }
        if now - self.seen > (TIMING_GAP_S * 1e6) as i64 {
            return None;
        }
        if let Some(at) = from_distance(now, reading).filter(fits) {
            return confirmed(at);
        }
        Some(Crossing { at: i64::midpoint(self.seen, now), confirmed: false })
    }
}

/// How far a crossing may lie before the last sample of the old lap: sources round their times.
const SLACK_US: i64 = 20_000;

fn from_lap_time(now: i64, reading: &Reading) -> Option<i64> {
    let time = reading.get(Role::LapTime)?;
    (0.0..=86_400.0).contains(&time).then(|| now - (time * 1e6).round() as i64)
}

fn from_distance(now: i64, reading: &Reading) -> Option<i64> {
    let (dist, speed) = (reading.get(Role::LapDist)?, reading.get(Role::Speed)?);
    (dist >= 0.0 && speed > 1.0).then(|| now - (dist / speed * 1e6).round() as i64)
}

#[cfg(test)]
mod tests {
    use slipstream_protocol::{Quality, Sample, Signal, SignalValue, VehicleId};

    use super::*;
    use crate::signals::Reader;

    fn sample(time: Timestamp, lap: u32) -> Sample {
        Sample {
            vehicle: VehicleId::new("A").unwrap(),
            session: None,
            fleet: None,
            seq: None,
            source_time: time,
            received_at: time,
            quality: Quality::Good,
            signals: vec![Signal { name: "lap".into(), value: SignalValue::Number(f64::from(lap)) }],
            raw: None,
        }
    }

    /// Laps that the rows `(time, lap)`, s, complete: their numbers and times.
    fn laps(rows: &[(f64, u32)]) -> Vec<(u32, f64)> {
        let (mut timer, mut reader) = (LapTimer::default(), Reader::default());
        let mut completed = Vec::new();
        for (time_s, lap) in rows {
            let time = Timestamp::from_micros((time_s * 1e6) as i64);
            if let Step::Crossed { finished: Some(lap), .. } = timer.step(time, &reader.read(&sample(time, *lap))) {
                completed.push((lap.lap, lap.time_s));
            }
        }
        completed
    }

    /// Two rows a second: each lap of 60 s, but for the strays `(row, lap)`.
    fn drive(laps: u32, strays: &[(usize, u32)]) -> Vec<(f64, u32)> {
        let mut rows: Vec<(f64, u32)> = (0..laps * 120).map(|row| (f64::from(row) / 2.0, 1 + row / 120)).collect();
        for (row, lap) in strays {
            rows[*row].1 = *lap;
        }
        rows
    }

    #[test]
    fn stray_rows_of_another_lap_complete_none_and_spoil_none() {
        let clean = laps(&drive(5, &[]));
        assert_eq!(clean.len(), 3, "the first is not seen from its beginning: {clean:?}");
        for strays in [
            &[(300, 1)][..],
            &[(300, 1), (301, 1)],
            &[(300, 9)],
            &[(300, 0), (310, 0), (320, 7)],
            &[(300, 5), (301, 1)],
            &[(300, 1), (301, 1), (302, 1)],
            &[(240, 1)],
            &[(359, 2), (361, 2)],
        ] {
            let told = laps(&drive(5, strays));
            assert_eq!(told.iter().map(|(lap, _)| *lap).collect::<Vec<_>>(), [2, 3, 4], "{strays:?}: {told:?}");
            for (lap, time_s) in told {
                assert!((time_s - 60.0).abs() <= 1.0, "{strays:?}: lap {lap} in {time_s} s");
            }
        }
    }

    #[test]
    fn a_row_of_the_next_lap_ahead_of_the_line_completes_none() {
        let clean = laps(&drive(5, &[]));
        for row in [125, 200, 300, 358, 400] {
            let told = laps(&drive(5, &[(row, 2 + row as u32 / 120)]));
            assert_eq!(told.len(), clean.len(), "{row}: {told:?}");
            assert!(told.iter().all(|(_, time_s)| (time_s - 60.0).abs() <= 1.0), "{row}: {told:?}");
        }
    }

    #[test]
    fn rows_of_the_next_lap_that_the_clock_contradicts_complete_none() {
        let (mut timer, mut reader, mut completed) = (LapTimer::default(), Reader::default(), Vec::new());
        for (row, (time_s, lap)) in drive(5, &[(300, 4), (301, 4), (302, 4), (370, 5), (358, 4), (359, 4)]).into_iter().enumerate() {
            let mut sample = sample(Timestamp::from_micros((time_s * 1e6) as i64), lap);
            let clock = f64::from(row as u32 % 120) / 2.0;
            sample.signals.push(Signal { name: "lap_time_s".into(), value: SignalValue::Number(clock) });
            if let Step::Crossed { finished: Some(lap), .. } = timer.step(sample.source_time, &reader.read(&sample)) {
                completed.push((lap.lap, lap.time_s));
            }
        }
        assert_eq!(completed, [(1, 60.0), (2, 60.0), (3, 60.0), (4, 60.0)]);
    }

    #[test]
    fn a_counter_that_is_back_after_some_seconds_never_left() {
        let clean = laps(&drive(5, &[]));
        for (wrong, rows) in [(2, 300..308), (1, 300..330), (9, 300..310), (2, 356..364)] {
            let strays: Vec<_> = rows.clone().map(|row| (row, wrong)).collect();
            let told = laps(&drive(5, &strays));
            let right = |lap: &(u32, f64)| clean.iter().any(|known| known.0 == lap.0 && lap.1 >= known.1 - 1.0);
            assert!(told.iter().all(right), "{wrong} in {rows:?}: {told:?}");
        }
    }

    #[test]
    fn a_counter_that_begins_anew_is_believed_and_its_whole_laps_are_timed() {
        let mut rows = drive(3, &[]);
        rows.extend(drive(3, &[]).into_iter().map(|(time_s, lap)| (time_s + 300.0, lap)));
        assert_eq!(laps(&rows).iter().map(|(lap, _)| *lap).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn a_source_of_one_row_a_lap_that_skips_some_is_followed() {
        let (mut timer, mut reader) = (LapTimer::default(), Reader::default());
        for (n, lap) in [1, 3, 5, 8, 9].into_iter().enumerate() {
            let time = Timestamp::from_millis(n as i64 * 60_000);
            timer.step(time, &reader.read(&sample(time, lap)));
        }
        assert_eq!(timer.lap(), Some(9));
    }
}
