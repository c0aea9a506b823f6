//! Samples as the points that stores keep.

use slipstream_ports::{Rejection, WriteReport};
pub(super) use slipstream_protocol::storable::{MAX_TIME, MIN_TIME, name_flaw, time_flaw};
use slipstream_protocol::{Sample, Signal, SignalValue, Timestamp, storable};

/// How many rejections a report spells out; the rest is counted.
const MAX_TOLD_REJECTIONS: usize = 20;

/// One signal of one sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<'a> {
    pub(super) sample: &'a Sample,
    pub(super) signal: &'a str,
    pub(super) value: PointValue<'a>,
}

/// What a point holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PointValue<'a> {
    Number(f64),
    Text(&'a str),
}

impl<'a> Point<'a> {
    pub(super) fn of(sample: &'a Sample, signal: &'a Signal) -> Self {
        let value = match &signal.value {
            SignalValue::Text(text) => PointValue::Text(text),
            number => PointValue::Number(number.as_number().unwrap_or(f64::NAN)),
        };
        Self { sample, signal: &signal.name, value }
    }

    pub(super) fn time(&self) -> Timestamp {
        self.sample.source_time
    }

    pub(super) fn session(&self) -> &str {
        self.sample.session.as_deref().unwrap_or("")
    }

    pub(super) fn fleet(&self) -> &str {
        self.sample.fleet.as_deref().unwrap_or("")
    }

    pub(super) fn quality(&self) -> i64 {
        self.sample.quality as i64
    }

    /// How a report names it.
    pub(super) fn describe(&self) -> String {
        let signal: String = self.signal.chars().take(80).collect();
        format!("{} of {} at {}", signal.escape_debug(), self.sample.vehicle, self.time())
    }
}

/// The points of `samples`. What no store may keep is reported and left out, so that every store
/// holds the same.
pub(super) fn points<'a>(samples: &'a [Sample], report: &mut WriteReport) -> Vec<Point<'a>> {
    let mut points = Vec::with_capacity(samples.iter().map(|s| s.signals.len()).sum());
    for sample in samples {
        for signal in &sample.signals {
            let point = Point::of(sample, signal);
            match flaw(&point) {
                None => points.push(point),
                Some(reason) => reject(report, 1, point.describe(), reason.to_owned()),
            }
        }
    }
    points
}

/// Counts `count` refused points in `report`.
pub(super) fn reject(report: &mut WriteReport, count: u64, what: String, reason: String) {
    report.rejected += count;
    if report.rejections.len() < MAX_TOLD_REJECTIONS {
        report.rejections.push(Rejection { what, points: count, reason });
    }
}

fn flaw(point: &Point<'_>) -> Option<&'static str> {
    value_flaw(&point.value).or_else(|| time_flaw(point.time())).or_else(|| name_flaw(point.signal))
}

/// Why no store may keep this value.
pub(super) fn value_flaw(value: &PointValue<'_>) -> Option<&'static str> {
    match value {
        PointValue::Number(number) => storable::number_flaw(*number),
        PointValue::Text(text) => storable::text_flaw(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn what_no_store_can_keep_is_counted_and_costs_the_rest_nothing() {
        let mut sample = sample("car-1", 1_000_000, &[("rpm", 1.0), ("", 2.0), ("x\\", 3.0), ("a\nb", 4.0), ("nan", f64::NAN)]);
        sample.signals.push(Signal { name: "state".into(), value: SignalValue::Text("a\0b".into()) });
        let mut far = sample.clone();
        far.source_time = Timestamp::from_micros(i64::MAX);
        far.signals.truncate(1);
        let mut report = WriteReport::default();
        let samples = [sample, far];
        let kept = points(&samples, &mut report);
        assert_eq!(kept.iter().map(|p| p.signal).collect::<Vec<_>>(), ["rpm"]);
        assert_eq!(report.rejected, 6);
        assert_eq!(report.rejections.len(), 6);
        assert!(report.rejections[1].what.contains("x\\\\ of car-1"), "{:?}", report.rejections[1]);
    }

    #[test]
    fn a_flood_of_rejections_is_counted_whole_and_told_in_part() {
        let many: Vec<Sample> = (0..100).map(|i| sample("car-1", i, &[("x", f64::INFINITY)])).collect();
        let mut report = WriteReport::default();
        assert!(points(&many, &mut report).is_empty());
        assert_eq!((report.rejected, report.rejections.len()), (100, MAX_TOLD_REJECTIONS));
    }
}
