//! Recorded samples read back from the time series.
//!
//! A store keeps points, not samples: those of one vehicle, moment, session, fleet and quality are one sample again. All vehicles'
//! samples come together in the order of time, as nothing tells in which order they once arrived. Switches come back as 1 and 0.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use slipstream_ports::{Aggregate, SeriesError, SeriesPoint, SeriesQuery, SeriesStore};
use slipstream_protocol::{FleetId, Limits, Quality, Sample, SessionId, Signal, SignalName, SignalValue, Timestamp, VehicleId};
use tokio::sync::mpsc;

use super::{Period, reading::Chunk};

/// Points held in memory, about, for all vehicles together.
const HELD: usize = 400_000;
/// Fewest and most points asked for at once.
const PAGE: (usize, usize) = (500, 20_000);
/// Samples handed on together.
const CHUNK: usize = 256;

/// A vehicle's samples, a page at a time.
struct Pages {
    query: SeriesQuery,
    page: usize,
    ended: bool,
    samples: VecDeque<Sample>,
}

/// Sends the samples of `period` in order of time; leaves out signals below `left_out` (what pipelines stored).
pub(super) async fn send(store: Arc<dyn SeriesStore>, period: Period, left_out: Vec<String>, now: Timestamp, to: mpsc::Sender<Chunk>) {
    if let Err(error) = merge(&*store, &period, &left_out, now, &to).await {
        // Nobody to tell where the reader is gone.
        drop(to.send(Err(error.into())).await);
    }
}

async fn merge(
    store: &dyn SeriesStore,
    period: &Period,
    left_out: &[String],
    now: Timestamp,
    to: &mpsc::Sender<Chunk>,
) -> Result<(), SeriesError> {
    let mut vehicles = store.vehicles().await?;
    vehicles.retain(|vehicle| period.has_vehicle(vehicle));
    let page = (HELD / vehicles.len().max(1)).clamp(PAGE.0, PAGE.1);
    let mut names = BTreeMap::new();
    let mut all: Vec<Pages> = vehicles.into_iter().map(|vehicle| Pages::of(vehicle, period, page, now)).collect();
    // The vehicles' next samples by time, and then by place.
    let mut next = BTreeSet::new();
    for (place, pages) in all.iter_mut().enumerate() {
        if let Some(time) = pages.time(store, left_out, &mut names).await? {
            next.insert((time, place));
        }
    }
    let mut chunk = Vec::with_capacity(CHUNK);
    while let Some((_, place)) = next.pop_first() {
        let pages = &mut all[place];
        chunk.extend(pages.samples.pop_front());
        if let Some(time) = pages.time(store, left_out, &mut names).await? {
            next.insert((time, place));
        }
        if chunk.len() >= CHUNK && to.send(Ok(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)))).await.is_err() {
            return Ok(());
        }
    }
    // The receiver may have left.
    drop(to.send(Ok(chunk)).await);
    Ok(())
}

impl Pages {
    fn of(vehicle: VehicleId, period: &Period, page: usize, now: Timestamp) -> Self {
        let query = SeriesQuery {
            vehicle,
            session: None,
            from: period.from.unwrap_or(Timestamp::from_micros(Limits::default().min_source_micros)),
            to: period.to.unwrap_or(now.plus(std::time::Duration::from_secs(86_400))),
            signals: Vec::new(),
            window: None,
            aggregate: Aggregate::Mean,
            limit: page,
        };
        Self { query, page, ended: false, samples: VecDeque::new() }
    }

    /// When its next sample is.
    async fn time(
        &mut self,
        store: &dyn SeriesStore,
        left_out: &[String],
        names: &mut BTreeMap<String, SignalName>,
    ) -> Result<Option<Timestamp>, SeriesError> {
        while self.samples.is_empty() && !self.ended {
            let answer = store.query(&self.query).await?;
            let mut points: Vec<(String, SeriesPoint)> = Vec::new();
            for series in answer.series {
                let signal = series.signal;
                points.extend(series.points.into_iter().map(|point| (signal.clone(), point)));
            }
            self.ended = !answer.truncated;
            if answer.truncated {
                // The last moment may have more points than came: it begins the next page.
                let last = points.iter().map(|(_, point)| point.time).max().unwrap_or(self.query.to);
                points.retain(|(_, point)| point.time < last);
                if points.is_empty() {
                    self.query.limit = self.query.limit.saturating_mul(2);
                    continue;
                }
                (self.query.from, self.query.limit) = (last, self.page);
            }
            points.retain(|(signal, _)| !left_out.iter().any(|prefix| signal.starts_with(prefix.as_str())));
            self.samples = samples(&self.query.vehicle, points, names);
        }
        Ok(self.samples.front().map(|sample| sample.source_time))
    }
}

/// What points of one sample have in common.
type Common = (Timestamp, Option<SessionId>, Option<FleetId>, i64);

fn samples(vehicle: &VehicleId, points: Vec<(String, SeriesPoint)>, names: &mut BTreeMap<String, SignalName>) -> VecDeque<Sample> {
    let mut found: BTreeMap<Common, Vec<Signal>> = BTreeMap::new();
    for (signal, point) in points {
        let value = match (point.value, point.text) {
            (Some(number), _) => SignalValue::Number(number),
            (None, Some(text)) => SignalValue::Text(text.as_str().into()),
            (None, None) => continue,
        };
        let name = names.entry(signal).or_insert_with_key(|name| name.as_str().into()).clone();
        let common = (point.time, point.session, point.fleet, point.quality.unwrap_or(Quality::Good as i64));
        found.entry(common).or_default().push(Signal { name, value });
    }
    let sample = |((time, session, fleet, quality), signals)| Sample {
        vehicle: vehicle.clone(),
        session,
        fleet,
        seq: None,
        source_time: time,
        received_at: time,
        quality: [Quality::Bad, Quality::Uncertain, Quality::Good].into_iter().find(|q| *q as i64 == quality).unwrap_or(Quality::Good),
        signals,
        raw: None,
    };
    found.into_iter().map(sample).collect()
}
