//! What the stores and the journal hold in the end, read past the server: their own queries and files.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use slipstream_ports::{Aggregate, SeriesQuery, SeriesStore as _};
use slipstream_protocol::{Timestamp, VehicleId};

use super::{
    identity::{NUMBER, PROOF, Stream},
    report::Report,
};
use crate::{journal, series::SqliteSeries};

/// What must be there.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) stream: Stream,
    /// Numbers that were acknowledged; all up to `last` where `None`.
    pub(super) acknowledged: Option<HashSet<u64>>,
    /// The highest number that was sent.
    pub(super) last: u64,
}

impl Expected {
    fn must_have(&self, n: u64) -> bool {
        self.acknowledged.as_ref().is_none_or(|numbers| numbers.contains(&n))
    }
}

/// A series store that can be asked past the server.
#[derive(Debug)]
pub(super) enum Store {
    InfluxDb1 { url: String, database: String, client: reqwest::Client },
    Sqlite { file: PathBuf },
}

/// Time in microseconds and value.
type Points = Vec<(i64, f64)>;

impl Store {
    pub(super) fn influxdb1(url: &str, database: &str) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build()?;
        Ok(Self::InfluxDb1 { url: url.to_owned(), database: database.to_owned(), client })
    }

    pub(super) fn sqlite(file: &Path) -> Self {
        Self::Sqlite { file: file.to_owned() }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::InfluxDb1 { .. } => "influxdb1",
            Self::Sqlite { .. } => "sqlite",
        }
    }

    async fn ask(&self, statement: &str) -> Result<Value> {
        let Self::InfluxDb1 { url, database, client } = self else { return Ok(Value::Null) };
        let query = [("db", database.as_str()), ("epoch", "u"), ("q", statement)];
        let answer = client.get(format!("{url}/query")).query(&query).send().await?;
        let mut answer: Value = answer.json().await.context("InfluxDB does not answer in JSON")?;
        Ok(answer["results"][0]["series"][0]["values"].take())
    }

    /// How many points a vehicle has.
    pub(super) async fn count(&self, vehicle: &str) -> Result<u64> {
        if matches!(self, Self::Sqlite { .. }) {
            return Ok(self.points(vehicle, PROOF).await?.len() as u64);
        }
        let statement = format!("SELECT COUNT(value) FROM vehicle_telemetry WHERE vehicle_id = '{vehicle}' AND sensor_type = '{PROOF}'");
        Ok(self.ask(&statement).await?[0][1].as_u64().unwrap_or(0))
    }

    async fn points(&self, vehicle: &str, signal: &str) -> Result<Points> {
        if let Self::Sqlite { file } = self {
            return points_in(file, vehicle, signal).await;
        }
        let statement = format!("SELECT value FROM vehicle_telemetry WHERE vehicle_id = '{vehicle}' AND sensor_type = '{signal}'");
        let answer = self.ask(&statement).await?;
        let rows = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(rows.iter().filter_map(|row| Some((row[0].as_i64()?, row[1].as_f64()?))).collect())
    }

    /// Checks every point of what must be there: each once, with its values, and nothing else.
    pub(super) async fn check(&self, expected: &[Expected], report: &mut Report) -> Result<()> {
        let mut found = 0;
        for one in expected {
            for (k, vehicle) in one.stream.vehicles().enumerate() {
                for signal in [NUMBER, PROOF] {
                    let points = self.points(&vehicle, signal).await?;
                    if signal == NUMBER {
                        found += points.len() as u64;
                    }
                    self.compare(one, k as u64, signal, &points, report);
                }
            }
        }
        report.found.insert(self.name().to_owned(), found);
        Ok(())
    }

    fn compare(&self, expected: &Expected, k: u64, signal: &str, points: &Points, report: &mut Report) {
        let stream = &expected.stream;
        let mut seen = HashSet::with_capacity(points.len());
        for (micros, value) in points {
            let number = stream.number_at(*micros).filter(|n| *n >= 1 && *n <= expected.last && (n - 1) % stream.vehicles == k);
            let Some(n) = number else {
                report.violate("invented", self.name(), format!("{}-{k} {signal} at {micros}: nobody sent it", stream.name));
                continue;
            };
            if !seen.insert(n) {
                report.violate("doubled", self.name(), format!("{} number {n}, {signal}", stream.name));
            }
            let right = if signal == NUMBER { n } else { stream.proof(n) };
            if *value != right as f64 {
                report.violate("damaged", self.name(), format!("{} number {n}: {signal} is {value}, not {right}", stream.name));
            }
        }
        let all = (0..stream.count(k, expected.last)).map(|index| index * stream.vehicles + k + 1);
        for n in all.filter(|n| expected.must_have(*n) && !seen.contains(n)) {
            report.violate("lost", self.name(), format!("{} number {n} ({}), {signal}", stream.name, stream.vehicle(n)));
        }
    }
}

/// What a file of the embedded store holds, read without the server.
async fn points_in(file: &Path, vehicle: &str, signal: &str) -> Result<Points> {
    let query = SeriesQuery {
        vehicle: VehicleId::new(vehicle)?,
        session: None,
        from: Timestamp::from_micros(i64::MIN),
        to: Timestamp::from_micros(i64::MAX),
        signals: vec![signal.to_owned()],
        window: None,
        aggregate: Aggregate::default(),
        limit: usize::MAX,
    };
    let answer = SqliteSeries::read(file).await?.query(&query).await?;
    let points = answer.series.into_iter().flat_map(|series| series.points);
    Ok(points.filter_map(|point| Some((point.time.micros(), point.value?))).collect())
}

/// Checks the journal of a stopped server: sound, dense, each number of a publisher once and in order,
/// up to the last; from the first where nothing has been removed yet.
pub(super) fn check_journal(folder: &Path, expected: &[Expected], report: &mut Report) -> Result<()> {
    const WITNESS: &str = "journal";
    let verified = journal::verify(folder)?;
    if !verified.is_sound() {
        report.violate("damaged", WITNESS, format!("verify says {verified:?}"));
    }
    let oldest = verified.segments.first().map_or(1, |s| s.first);
    let newest = verified.segments.last().map_or(0, |s| s.last);
    let by_name: BTreeMap<&str, &Expected> = expected.iter().map(|e| (e.stream.name.as_str(), e)).collect();
    let mut last: HashMap<String, u64> = HashMap::new();
    let mut loose: HashMap<String, HashSet<u64>> = HashMap::new();
    // Of the agent with a spool: the last number of each of its streams.
    let mut lanes: HashMap<String, u64> = HashMap::new();
    let (mut from, mut found) = (oldest, 0);
    while from <= newest {
        let records = journal::dump(folder, from, 5_000)?;
        let Some((position, _)) = records.last() else { break };
        from = position + 1;
        for (position, batch) in records {
            for sample in &batch.samples {
                let vehicle = sample.vehicle.as_str();
                let Some(one) = vehicle.rsplit_once('-').and_then(|(name, _)| by_name.get(name)) else { continue };
                let (stream, value) = (&one.stream, |name: &str| sample.signals.iter().find(|s| *s.name == *name)?.value.as_number());
                let n = value(NUMBER).map_or(0, |n| n as u64);
                found += 1;
                let what = format!("{} number {n} at position {position}", stream.name);
                if n == 0 || n > one.last || stream.vehicle(n) != vehicle || value(PROOF) != Some(stream.proof(n) as f64) {
                    report.violate("invented", WITNESS, what);
                    continue;
                }
                if stream.spooled
                    && let Some(publisher) = &batch.publisher
                    && lanes.insert(publisher.to_string(), n).is_some_and(|before| before >= n)
                {
                    report.violate("order", WITNESS, format!("{what}, in {publisher}"));
                }
                if one.acknowledged.is_some() || stream.spooled {
                    if !loose.entry(stream.name.clone()).or_default().insert(n) {
                        report.violate("doubled", WITNESS, what);
                    }
                    continue;
                }
                // Kept with the subject of the agent's token before the name.
                let named = batch.publisher.as_ref().and_then(|p| p.split_once("..")).map(|(_, name)| name);
                if sample.seq != Some(n) || named != Some(stream.name.as_str()) {
                    report.violate("invented", WITNESS, format!("{what}: kept as {:?} of {:?}", sample.seq, batch.publisher));
                }
                match last.insert(stream.name.clone(), n) {
                    Some(before) if n <= before => report.violate("doubled", WITNESS, format!("{what}, after {before}")),
                    Some(before) if n != before + 1 => report.violate("lost", WITNESS, format!("{what}, after {before}")),
                    None if oldest == 1 && n != 1 => report.violate("lost", WITNESS, format!("{what}, before it nothing")),
                    _ => {}
                }
            }
        }
    }
    for one in expected {
        let name = &one.stream.name;
        match &one.acknowledged {
            None if one.stream.spooled => {
                let there = loose.remove(name).unwrap_or_default();
                for n in (1..=one.last).filter(|n| oldest == 1 && !there.contains(n)) {
                    report.violate("lost", WITNESS, format!("{name} number {n}"));
                }
            }
            None if one.last > 0 && last.get(name) != Some(&one.last) => {
                report.violate("lost", WITNESS, format!("{name} ends at {:?}, not at {}", last.get(name), one.last));
            }
            Some(numbers) if oldest == 1 => {
                let there = loose.remove(name).unwrap_or_default();
                for n in numbers.difference(&there) {
                    report.violate("lost", WITNESS, format!("{name} number {n}"));
                }
            }
            _ => {}
        }
    }
    report.found.insert(format!("{WITNESS} (positions {oldest} to {newest})"), found);
    Ok(())
}
