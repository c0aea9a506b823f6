//! `InfluxQL`: asking, and reading what is answered.

use std::{fmt::Write as _, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use slipstream_ports::{Aggregate, SeriesAnswer, SeriesPoint, SeriesQuery};
use slipstream_protocol::{Timestamp, VehicleId};

use crate::series::{
    answer::assemble,
    line_protocol::MEASUREMENT,
    point::{MAX_TIME, MIN_TIME},
};

/// A name in double quotes.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Text in single quotes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"))
}

pub(super) fn show_vehicles() -> String {
    format!("SHOW TAG VALUES FROM {} WITH KEY = \"vehicle_id\"", identifier(MEASUREMENT))
}

pub(super) fn select(query: &SeriesQuery) -> String {
    let what = match query.window {
        None => "\"value\", \"quality\", \"metadata\", \"sensor_type\", \"session_id\", \"fleet_id\"".to_owned(),
        Some(_) => format!("{} AS \"value\"", function(query.aggregate)),
    };
    let (from, to) = (query.from.clamp(MIN_TIME, MAX_TIME).nanos(), query.to.clamp(MIN_TIME, MAX_TIME).nanos());
    let mut statement = format!(
        "SELECT {what} FROM {} WHERE \"vehicle_id\" = {} AND time >= {from} AND time < {to}",
        identifier(MEASUREMENT),
        literal(&query.vehicle)
    );
    if let Some(session) = &query.session {
        let _ = write!(statement, " AND \"session_id\" = {}", literal(session));
    }
    if !query.signals.is_empty() {
        let names: Vec<String> = query.signals.iter().map(|s| format!("\"sensor_type\" = {}", literal(s))).collect();
        let _ = write!(statement, " AND ({})", names.join(" OR "));
    }
    if let Some(window) = query.window {
        let _ = write!(statement, " GROUP BY time({}u), \"sensor_type\" fill(none)", micros(window));
    }
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
    let _ = write!(statement, " ORDER BY time ASC LIMIT {limit}");
    statement
}

fn micros(window: Duration) -> u128 {
    window.as_micros().max(1)
}

fn function(aggregate: Aggregate) -> &'static str {
    match aggregate {
        // Divided here: the server's MEAN() is a running one, and differs in the last bits.
        // Directions are averaged by `series::directions`, which asks for no other mean.
        Aggregate::Mean | Aggregate::CircularMean => "COUNT(\"value\") AS \"count\", SUM(\"value\")",
        Aggregate::Min => "MIN(\"value\")",
        Aggregate::Max => "MAX(\"value\")",
        Aggregate::Sum => "SUM(\"value\")",
        // Every point has a quality, text has no value.
        Aggregate::Count => "COUNT(\"quality\")",
        Aggregate::First => "FIRST(\"value\")",
        Aggregate::Last => "LAST(\"value\")",
    }
}

/// What `/query` answers.
#[derive(Debug, Deserialize)]
pub(super) struct Results {
    #[serde(default)]
    results: Vec<Statement>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Statement {
    #[serde(default)]
    series: Vec<Table>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Table {
    #[serde(default)]
    tags: std::collections::BTreeMap<String, String>,
    columns: Vec<String>,
    #[serde(default)]
    values: Vec<Vec<Value>>,
}

impl Results {
    /// Reads an answer; the error is the server's. A database that is not there yet is an empty one.
    pub(super) fn parse(body: &str) -> Result<Self, String> {
        let results: Self = serde_json::from_str(body).map_err(|e| format!("the answer is not InfluxQL's JSON: {e}"))?;
        let error = results.error.as_ref().or_else(|| results.results.iter().find_map(|s| s.error.as_ref()));
        match error {
            Some(error) if error.contains("database not found") => Ok(Self { results: Vec::new(), error: None }),
            Some(error) => Err(error.clone()),
            None => Ok(results),
        }
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        self.results.iter().flat_map(|s| &s.series)
    }

    pub(super) fn vehicles(&self) -> Vec<VehicleId> {
        let values = self.tables().flat_map(|t| &t.values);
        let mut vehicles: Vec<VehicleId> = values.filter_map(|row| VehicleId::new(row.get(1)?.as_str()?).ok()).collect();
        vehicles.sort();
        vehicles
    }

    pub(super) fn answer(&self, query: &SeriesQuery) -> Result<SeriesAnswer, String> {
        let mut rows = Vec::new();
        for table in self.tables() {
            let columns = Columns::of(table)?;
            for row in &table.values {
                let text = |column: Option<usize>| column.and_then(|i| row.get(i)).and_then(Value::as_str);
                let time = row.get(columns.time).and_then(Value::as_i64).ok_or("a point without a time")?;
                let signal = text(columns.signal).or_else(|| table.tags.get("sensor_type").map(String::as_str));
                let number = |column: Option<usize>| column.and_then(|i| row.get(i)).and_then(Value::as_f64);
                let point = SeriesPoint {
                    time: Timestamp::from_micros(time),
                    value: number(columns.value).map(|value| value / number(columns.count).unwrap_or(1.0)).filter(|v| v.is_finite()),
                    text: text(columns.metadata).map(str::to_owned),
                    quality: columns.quality.and_then(|i| row.get(i)).and_then(Value::as_i64),
                    session: text(columns.session).and_then(|id| id.parse().ok()),
                    fleet: text(columns.fleet).and_then(|id| id.parse().ok()),
                };
                rows.push((signal.unwrap_or_default().to_owned(), point));
            }
        }
        Ok(assemble(rows, query.limit, false))
    }
}

/// Where the columns are.
struct Columns {
    time: usize,
    value: Option<usize>,
    /// How many numbers `value` is the sum of, where it is to be a mean.
    count: Option<usize>,
    quality: Option<usize>,
    metadata: Option<usize>,
    signal: Option<usize>,
    session: Option<usize>,
    fleet: Option<usize>,
}

impl Columns {
    fn of(table: &Table) -> Result<Self, String> {
        let find = |name: &str| table.columns.iter().position(|c| c == name);
        Ok(Self {
            time: find("time").ok_or("an answer without times")?,
            value: find("value"),
            count: find("count"),
            quality: find("quality"),
            metadata: find("metadata"),
            signal: find("sensor_type"),
            session: find("session_id"),
            fleet: find("fleet_id"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_text_cannot_end_their_quotes() {
        assert_eq!(literal("it's \\ here\n"), r"'it\'s \\ here\n'");
        assert_eq!(identifier("a\" ; DROP DATABASE \"b"), r#""a\" ; DROP DATABASE \"b""#);
    }

    #[test]
    fn the_servers_error_is_told_and_a_missing_database_is_empty() {
        assert_eq!(Results::parse(r#"{"error":"error parsing query"}"#).unwrap_err(), "error parsing query");
        assert_eq!(Results::parse(r#"{"results":[{"statement_id":0,"error":"boom"}]}"#).unwrap_err(), "boom");
        let missing = Results::parse(r#"{"results":[{"statement_id":0,"error":"database not found: x"}]}"#).unwrap();
        assert!(missing.vehicles().is_empty());
        assert!(Results::parse("<html>").is_err());
    }
}
