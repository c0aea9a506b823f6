//! Flux: asking, and reading what is answered.

use std::{collections::BTreeMap, fmt::Write as _, panic::AssertUnwindSafe};

use fallible_iterator::FallibleIterator as _;
use influxdb2::{
    RequestError,
    api::query::{FluxRecord, QueryTableIter},
};
use influxdb2_structmap::value::Value;
use slipstream_ports::{Aggregate, SeriesAnswer, SeriesPoint, SeriesQuery};
use slipstream_protocol::{FleetId, SessionId, Timestamp, VehicleId};

use crate::series::{
    answer::assemble,
    line_protocol::MEASUREMENT,
    point::{MAX_TIME, MIN_TIME},
};

/// Text in double quotes.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // `${` begins an expression.
            '$' => out.push_str("\\x24"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

pub(super) fn show_vehicles(bucket: &str) -> String {
    format!(
        "import \"influxdata/influxdb/schema\"\n\
         schema.tagValues(bucket: {}, tag: \"vehicle_id\", predicate: (r) => r._measurement == {}, start: time(v: {}))",
        literal(bucket),
        literal(MEASUREMENT),
        MIN_TIME.nanos()
    )
}

pub(super) fn select(bucket: &str, query: &SeriesQuery) -> String {
    let mut filter = format!("r._measurement == {} and r.vehicle_id == {}", literal(MEASUREMENT), literal(&query.vehicle));
    if let Some(session) = &query.session {
        let _ = write!(filter, " and r.session_id == {}", literal(session));
    }
    if !query.signals.is_empty() {
        let names: Vec<String> = query.signals.iter().map(|s| format!("r.sensor_type == {}", literal(s))).collect();
        let _ = write!(filter, " and ({})", names.join(" or "));
    }
    let mut flux = format!(
        "from(bucket: {})\n  |> range(start: time(v: {}), stop: time(v: {}))\n  |> filter(fn: (r) => {filter})\n",
        literal(bucket),
        query.from.clamp(MIN_TIME, MAX_TIME).nanos(),
        query.to.clamp(MIN_TIME, MAX_TIME).nanos()
    );
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
    match query.window {
        // A table per field, each with its own type of value; they are joined by `answer`, because a
        // pivot would leave holes, on which the crate's parser panics.
        None => {
            let _ = write!(
                flux,
                "  |> keep(columns: [\"_time\", \"_field\", \"_value\", \"sensor_type\", \"session_id\", \"fleet_id\"])\n  \
                 |> group(columns: [\"_field\"])\n  |> sort(columns: [\"_time\", \"sensor_type\"])\n  |> limit(n: {limit})\n"
            );
        }
        Some(window) => {
            // Every point has a quality, text has no value.
            let field = if query.aggregate == Aggregate::Count { "quality" } else { "value" };
            let _ = write!(
                flux,
                "  |> filter(fn: (r) => r._field == \"{field}\")\n  |> group(columns: [\"sensor_type\"])\n  |> sort(columns: [\"_time\"])\n  \
                 |> aggregateWindow(every: {}us, fn: {}, createEmpty: false, timeSrc: \"_start\")\n  \
                 |> keep(columns: [\"_time\", \"_value\", \"sensor_type\"])\n  |> limit(n: {limit})\n",
                window.as_micros().max(1),
                // Directions are averaged by `series::directions`, which asks for no other mean.
                if query.aggregate == Aggregate::CircularMean { "mean" } else { query.aggregate.as_str() }
            );
        }
    }
    flux
}

/// Reads an answer. The crate's reader panics on what no `InfluxDB` says (a number that is none): a server
/// that says it is told like any other that cannot be understood.
pub(super) fn records(answer: &QueryTableIter) -> Result<Vec<FluxRecord>, RequestError> {
    std::panic::catch_unwind(AssertUnwindSafe(|| answer.result().collect()))
        .unwrap_or_else(|_| Err(RequestError::Deserializing { text: "the answer is not Flux's annotated CSV".to_owned() }))
}

pub(super) fn vehicles(records: &[FluxRecord]) -> Vec<VehicleId> {
    let mut vehicles: Vec<VehicleId> = records.iter().filter_map(|r| VehicleId::new(text(r, "_value")?).ok()).collect();
    vehicles.sort();
    vehicles
}

pub(super) fn answer(records: &[FluxRecord], query: &SeriesQuery) -> SeriesAnswer {
    let rows = match query.window {
        Some(window) => records
            .iter()
            .filter_map(|r| {
                // The first window is cut at the range, and its start with it.
                let time = SeriesQuery::window_start(time(r)?, window);
                Some((text(r, "sensor_type")?.to_owned(), SeriesPoint { time, value: number(r), ..SeriesPoint::default() }))
            })
            .collect(),
        None => joined(records),
    };
    assemble(rows, query.limit, false)
}

/// Puts the fields of a point together again.
fn joined(records: &[FluxRecord]) -> Vec<(String, SeriesPoint)> {
    let mut points: BTreeMap<(Timestamp, &str, &str, &str), SeriesPoint> = BTreeMap::new();
    for record in records {
        let (Some(time), Some(signal)) = (time(record), text(record, "sensor_type")) else { continue };
        let (session, fleet) = (text(record, "session_id").unwrap_or(""), text(record, "fleet_id").unwrap_or(""));
        let point = points.entry((time, signal, session, fleet)).or_insert_with(|| SeriesPoint {
            time,
            session: SessionId::new(session).ok(),
            fleet: FleetId::new(fleet).ok(),
            ..SeriesPoint::default()
        });
        match text(record, "_field") {
            Some("value") => point.value = number(record),
            Some("metadata") => point.text = text(record, "_value").map(str::to_owned),
            Some("quality") => point.quality = number(record).map(|n| n as i64),
            _ => {}
        }
    }
    // At the limit a point's quality may have come without the rest of it.
    points.retain(|_, p| p.value.is_some() || p.text.is_some());
    points.into_iter().map(|((_, signal, ..), point)| (signal.to_owned(), point)).collect()
}

fn time(record: &FluxRecord) -> Option<Timestamp> {
    match record.values.get("_time")? {
        Value::TimeRFC(time) => Some(Timestamp::from_micros(time.timestamp_micros())),
        _ => None,
    }
}

fn text<'a>(record: &'a FluxRecord, column: &str) -> Option<&'a str> {
    match record.values.get(column)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn number(record: &FluxRecord) -> Option<f64> {
    match record.values.get("_value")? {
        Value::Double(n) => Some(n.into_inner()),
        Value::Long(n) => Some(*n as f64),
        Value::UnsignedLong(n) => Some(*n as f64),
        _ => None,
    }
}
