//! Samples and rows for the operators' tests.

#![expect(clippy::needless_pass_by_value, reason = "callers write json!([..]) in place")]

use slipstream_protocol::{Quality, Sample, Signal, SignalValue, Timestamp, VehicleId};

use super::{Pipeline, Row, RowKind};

/// Vehicle, seconds, signals.
pub(crate) type SampleOf<'a> = (&'a str, f64, &'a [(&'a str, f64)]);

/// A sample of a test: the vehicle, seconds, signals.
pub(crate) type Told<'a> = (&'a str, f64, &'a [(&'a str, f64)]);

/// A sample of numbers.
pub(crate) fn sample(vehicle: &str, time_s: f64, signals: &[(&str, f64)]) -> Sample {
    let time = Timestamp::from_secs_f64(time_s);
    Sample {
        vehicle: VehicleId::new(vehicle).unwrap(),
        session: None,
        fleet: None,
        seq: None,
        source_time: time,
        received_at: time,
        quality: Quality::Good,
        signals: signals.iter().map(|(n, v)| Signal { name: (*n).into(), value: SignalValue::Number(*v) }).collect(),
        raw: None,
    }
}

/// A pipeline of some steps, with rows up to `delay` out of order. Panics with every mistake there is.
pub(crate) fn pipeline(delay: &str, steps: serde_json::Value) -> Pipeline {
    let document = serde_json::json!({"name": "test", "time": {"delay": delay, "every": "1us", "idle": "1000d"}, "steps": steps});
    Pipeline::build(&document).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The mistakes of a description with these steps.
pub(crate) fn mistakes(steps: serde_json::Value) -> String {
    Pipeline::build(&serde_json::json!({"name": "test", "steps": steps})).map_or_else(|m| m.to_string(), |_| String::new())
}

/// A result in words: `car 3.5 speed=4 gear=null`, signals by name; periods as `car 0..9.999999 ...`, early ones and
/// corrections with a word in front.
pub(crate) fn told(pipeline: &Pipeline, row: &Row) -> String {
    let scope = pipeline.scope();
    let mut words = vec![];
    match row.kind {
        RowKind::Early => words.push("early".to_owned()),
        RowKind::Correction => words.push("correction".to_owned()),
        RowKind::Final => {}
    }
    words.push(scope.keys.name(row.key).to_owned());
    let span = if row.start == row.time {
        format!("{}", row.time.secs_f64())
    } else {
        format!("{}..{}", row.start.secs_f64(), row.time.secs_f64())
    };
    words.push(span);
    let mut cells: Vec<_> = row.cells.iter().map(|c| (scope.signals.name(c.signal), c)).collect();
    cells.sort_by(|a, b| a.0.cmp(b.0));
    for (name, cell) in cells {
        let value = match &cell.value {
            super::Value::Null => "null".to_owned(),
            super::Value::Number(n) => format!("{n}"),
            super::Value::Bool(b) => b.to_string(),
            super::Value::Text(t) => format!("'{t}'"),
        };
        let mark = match cell.quality {
            Quality::Good => "",
            Quality::Uncertain => "?",
            Quality::Bad => "!",
        };
        words.push(format!("{name}={value}{mark}"));
    }
    words.join(" ")
}

/// All results so far, in words.
pub(crate) fn results(pipeline: &mut Pipeline) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(row) = pipeline.next_result() {
        all.push(told(pipeline, &row));
    }
    all
}

/// Feeds samples `(vehicle, seconds, signals)`, ends the stream, and tells all results.
pub(crate) fn run(pipeline: &mut Pipeline, samples: &[SampleOf<'_>]) -> Vec<String> {
    for (vehicle, time, signals) in samples {
        pipeline.feed(&sample(vehicle, *time, signals));
    }
    pipeline.finish();
    results(pipeline)
}
