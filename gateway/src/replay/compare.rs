//! Results beside stored ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use slipstream_engine::pipeline::Value;
use slipstream_ports::{Aggregate, SeriesError, SeriesQuery, SeriesStore};
use slipstream_protocol::{Timestamp, VehicleId};

/// Most differences that are spelled out; all are counted.
const MOST_TOLD: usize = 1_000;
/// Points read at once.
const PAGE: usize = 20_000;
/// Numbers this near each other, by ratio, are the same: stores keep doubles, text formats may round the last digit.
const SAME: f64 = 1e-12;

/// Where a point is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) time: Timestamp,
    pub(super) vehicle: String,
    /// Without the prefix.
    pub(super) signal: String,
}

/// A value as stores keep it: switches are 1 and 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Stored {
    Number(f64),
    Text(String),
}

impl Stored {
    /// Nothing of null: it is not stored.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(Self::Text(text.to_string())),
            other => other.as_number().map(Self::Number),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a == b || (a - b).abs() <= SAME * a.abs().max(b.abs()),
            (a, b) => a == b,
        }
    }
}

/// One point that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Whose.
    pub vehicle_id: String,
    /// Of which signal, without the prefix.
    pub signal: String,
    /// When.
    pub time: Timestamp,
    /// What is stored; nothing where it is only new.
    stored: Option<Stored>,
    /// What it would be; nothing where it is only stored.
    new: Option<Stored>,
}

/// The difference to what is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Below which prefix.
    pub prefix: String,
    /// From when.
    pub from: Option<Timestamp>,
    /// Until when.
    pub to: Option<Timestamp>,
    /// Points that are the same.
    pub same: u64,
    /// Points of another value.
    pub changed: u64,
    /// Points that are not stored.
    pub only_new: u64,
    /// Points that it does not give.
    pub only_stored: u64,
    /// The first of those that differ, by time.
    pub differences: Vec<Difference>,
}

/// Lays `found` beside what is stored below `prefix` of these vehicles in a span of time.
pub(super) async fn compare(
    store: &dyn SeriesStore,
    prefix: &str,
    vehicles: &BTreeSet<String>,
    (from, to): (Timestamp, Timestamp),
    found: BTreeMap<Place, Stored>,
) -> Result<Comparison, SeriesError> {
    let mut comparison = Comparison { prefix: prefix.to_owned(), from: Some(from), to: Some(to), ..Comparison::default() };
    let mut stored = BTreeMap::new();
    for vehicle in vehicles.iter().filter_map(|v| VehicleId::new(v).ok()) {
        read(store, &vehicle, prefix, (from, to), &mut stored).await?;
    }
    let mut found: BTreeMap<Place, Stored> = found.into_iter().filter(|(place, _)| place.time >= from && place.time < to).collect();
    let mut differing: BTreeMap<Place, (Option<Stored>, Option<Stored>)> = BTreeMap::new();
    for (place, old) in stored {
        match found.remove(&place) {
            Some(new) if new.is_same(&old) => comparison.same += 1,
            Some(new) => {
                comparison.changed += 1;
                differing.insert(place, (Some(old), Some(new)));
            }
            None => {
                comparison.only_stored += 1;
                differing.insert(place, (Some(old), None));
            }
        }
    }
    for (place, new) in found {
        comparison.only_new += 1;
        differing.insert(place, (None, Some(new)));
    }
    let told = differing.into_iter().take(MOST_TOLD).map(|(Place { time, vehicle, signal }, (stored, new))| Difference {
        vehicle_id: vehicle,
        signal,
        time,
        stored,
        new,
    });
    comparison.differences = told.collect();
    Ok(comparison)
}

async fn read(
    store: &dyn SeriesStore,
    vehicle: &VehicleId,
    prefix: &str,
    (from, to): (Timestamp, Timestamp),
    stored: &mut BTreeMap<Place, Stored>,
) -> Result<(), SeriesError> {
    let below = format!("{prefix}.");
    let (session, signals) = (None, Vec::new());
    let vehicle = vehicle.clone();
    let mut query = SeriesQuery { vehicle, session, from, to, signals, window: None, aggregate: Aggregate::Mean, limit: PAGE };
    loop {
        let answer = store.query(&query).await?;
        let mut last = query.from;
        for series in &answer.series {
            last = series.points.iter().map(|point| point.time).fold(last, Timestamp::max);
            let Some(signal) = series.signal.strip_prefix(&below) else { continue };
            for point in &series.points {
                let value = point.value.map(Stored::Number).or_else(|| point.text.clone().map(Stored::Text));
                let place = Place { time: point.time, vehicle: query.vehicle.to_string(), signal: signal.to_owned() };
                stored.extend(value.map(|value| (place, value)));
            }
        }
        if !answer.truncated {
            return Ok(());
        }
        // The last moment may have more points than came: it is read again.
        if last > query.from {
            (query.from, query.limit) = (last, PAGE);
        } else {
            query.limit = query.limit.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_up_to_rounding_and_switches_are_numbers() {
        let stored = |value: Value| Stored::of(&value);
        assert_eq!(stored(Value::Null), None);
        assert!(stored(Value::Bool(true)).unwrap().is_same(&Stored::Number(1.0)));
        assert!(Stored::Number(0.1 + 0.2).is_same(&Stored::Number(0.3)));
        assert!(!Stored::Number(1.0).is_same(&Stored::Number(1.000_001)));
        assert!(!Stored::Text("1".into()).is_same(&Stored::Number(1.0)));
    }
}
