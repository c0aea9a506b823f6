//! Fields of `window`.

use std::time::Duration;

use super::{
    Window,
    column::Aggregate,
    plan::{Plan, Wanted},
    shape::Shape,
};
use crate::pipeline::{Builder, Fields, Keyed, Operator, Timers, fields::meant};

/// Aggregates without a parameter.
const PLAIN: &[(&str, Aggregate)] = &[
    ("count", Aggregate::Count),
    ("sum", Aggregate::Sum),
    ("mean", Aggregate::Mean),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("first", Aggregate::First),
    ("last", Aggregate::Last),
    ("stddev", Aggregate::StandardDeviation),
    ("median", Aggregate::Quantile(0.5)),
    ("rate", Aggregate::Rate),
    ("integral", Aggregate::Integral),
    ("time_mean", Aggregate::TimeMean),
    ("circular_mean", Aggregate::CircularMean),
    ("circular_stddev", Aggregate::CircularDeviation),
];

/// The most windows a row may be in.
const MAX_OVERLAP: i64 = 1_000;

#[derive(Clone, Copy)]
enum Kind {
    Tumbling,
    Hopping,
    Session,
    Count,
    Lap,
    Distance,
}

/// `kind` and its own fields; `of`: a table of signals (patterns) and lists of aggregates; `early`, `precision_bits`, `max_gap`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let shape = read_shape(fields, builder);
    let early = fields.optional_duration("early");
    let bits = fields.optional_number("precision_bits", 4.0, 10.0).unwrap_or(7.0) as u8;
    let max_gap = fields.optional_duration("max_gap").unwrap_or(Duration::from_secs(30));
    let wanted = read_aggregates(fields, builder);
    let (shape, stretch) = shape?;
    builder.needs_order = matches!(shape, Shape::Count { .. } | Shape::Stretch { .. });
    Some(Box::new(Window {
        shape,
        plan: Plan::new(wanted?, bits, max_gap.as_micros() as i64, builder.signals),
        allowed: builder.allowed_lateness.as_micros() as i64,
        early: early.map(|d| d.as_micros() as i64),
        rows: builder.signal("rows"),
        duration: builder.signal("duration_s"),
        complete: builder.signal("complete"),
        stretch,
        keys: Keyed::default(),
        timers: Timers::default(),
        spare: Vec::new(),
        readings: Vec::new(),
    }))
}

fn read_shape(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<(Shape, Option<crate::pipeline::SignalId>)> {
    let kinds = [
        ("tumbling", Kind::Tumbling),
        ("hopping", Kind::Hopping),
        ("session", Kind::Session),
        ("count", Kind::Count),
        ("lap", Kind::Lap),
        ("distance", Kind::Distance),
    ];
    let micros = |d: Duration| d.as_micros() as i64;
    Some(match fields.choice("kind", &kinds)? {
        Kind::Tumbling => {
            let (size, offset) = (fields.duration("size"), fields.or("offset", Duration::ZERO));
            (Shape::Time { size: micros(size?), every: micros(size?), offset: micros(offset) }, None)
        }
        Kind::Hopping => {
            let (size, every, offset) = (fields.duration("size"), fields.duration("every"), fields.or("offset", Duration::ZERO));
            let (size, every) = (micros(size?), micros(every?));
            if every > size {
                fields.mistake("every", "is longer than size: rows in between would be in no window");
            }
            if size / every > MAX_OVERLAP {
                fields.mistake("every", format!("would put each row into {} windows; {MAX_OVERLAP} or fewer are expected", size / every));
            }
            (Shape::Time { size, every, offset: micros(offset) }, None)
        }
        Kind::Session => (Shape::Session { gap: micros(fields.duration("gap")?) }, None),
        Kind::Count => (Shape::Count { rows: fields.number("rows", 1.0, 1e9)? as u64 }, None),
        Kind::Lap => {
            let signal = builder.signal(&fields.or("signal", "lap".to_owned()));
            (Shape::Stretch { signal, step: 1.0 }, Some(signal))
        }
        Kind::Distance => {
            let signal = builder.signal(&fields.or("signal", "lap_dist_m".to_owned()));
            (Shape::Stretch { signal, step: fields.number("metres", 1e-3, 1e9)? }, Some(signal))
        }
    })
}

fn read_aggregates(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Vec<Wanted>> {
    let Some(entries) = fields.entries::<serde_json::Value>("of").filter(|e| !e.is_empty()) else {
        fields.mistake("of", "is missing; a table of signals and aggregates is expected: of = {speed_mps = [\"mean\", \"max\", \"p95\"]}");
        return None;
    };
    let mut all = Vec::new();
    for (pattern, value) in entries {
        let texts = match &value {
            serde_json::Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut aggregates = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let place = format!("of.{pattern}[{i}]");
            match text.as_str().ok_or_else(|| "a text is expected".to_owned()).and_then(|t| aggregate(t, builder)) {
                Ok(aggregate) => aggregates.push(aggregate),
                Err(message) => fields.mistake(&place, message),
            }
        }
        if texts.is_empty() {
            fields.mistake(&format!("of.{pattern}"), "must not be empty");
        }
        all.push(Wanted { pattern, aggregates });
    }
    Some(all)
}

/// An aggregate by its name, and the suffix its results get.
fn aggregate(text: &str, builder: &mut Builder<'_>) -> Result<(Aggregate, String), String> {
    if let Some((_, plain)) = PLAIN.iter().find(|(name, _)| *name == text) {
        return Ok((*plain, text.to_owned()));
    }
    if let Some(percent) = text.strip_prefix('p').and_then(|n| n.parse::<f64>().ok()).filter(|p| (0.0..=100.0).contains(p)) {
        return Ok((Aggregate::Quantile(percent / 100.0), text.replace('.', "_")));
    }
    if let Some(over) = text.strip_prefix("integral(").and_then(|t| t.strip_suffix(')')).filter(|o| !o.is_empty()) {
        return Ok((Aggregate::IntegralOver(builder.signal(over)), format!("integral_{over}")));
    }
    let names: Vec<_> = PLAIN.iter().map(|(name, _)| *name).collect();
    Err(format!("'{text}' is no aggregate; {}, p0 to p100 and integral(signal) are{}", names.join(", "), meant(text, &names)))
}
