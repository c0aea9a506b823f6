//! The query string of `GET /api/telemetry/<id>`, and the shape of the answer.

use std::{collections::HashMap, time::Duration};

use serde::Serialize;
use slipstream_ports::{Aggregate, SeriesAnswer, SeriesQuery};
use slipstream_protocol::{Limits, SessionId, Timestamp, VehicleId};

use super::reply::ApiError;
use crate::config::{duration, moment};

/// What may be asked; `token` is the caller's.
const PARAMETERS: [&str; 8] = ["from", "to", "signals", "window", "aggregate", "session", "limit", "token"];
/// Points an answer has at most where the caller does not say.
const DEFAULT_LIMIT: usize = 10_000;

/// Reads the query; names every field that is wrong.
pub(super) fn parse(vehicle: VehicleId, query: &HashMap<String, String>, now: Timestamp, most: usize) -> Result<SeriesQuery, ApiError> {
    let mut broken = Vec::new();
    let mut take = |name: &str, expects: &str, ok: bool| {
        if !ok {
            let shown: String = query.get(name).map_or("", String::as_str).chars().take(60).collect();
            broken.push(format!("{name}: '{shown}' is not {expects}"));
        }
    };
    let get = |name: &str| query.get(name).map(String::as_str);
    let to = get("to").map_or(Some(now), |t| moment(t, now));
    take("to", moment::EXPECTS, to.is_some());
    let from = get("from").map_or(Some(Timestamp::from_micros(Limits::default().min_source_micros)), |t| moment(t, now));
    take("from", moment::EXPECTS, from.is_some());
    let window = get("window").map_or(Some(None), |w| duration::parse(w).filter(|d| !d.is_zero()).map(Some));
    take("window", "a length of time such as 100ms, 1s or 1m", window.is_some());
    let aggregate = get("aggregate").map_or(Some(Aggregate::default()), |a| Aggregate::ALL.into_iter().find(|known| known.as_str() == a));
    take("aggregate", "one of mean, min, max, sum, count, first, last, circular_mean", aggregate.is_some());
    let session = get("session").map_or(Some(None), |s| SessionId::new(s).ok().map(Some));
    take("session", "a session id", session.is_some());
    let limit = get("limit").map_or(Some(DEFAULT_LIMIT.min(most)), |l| l.parse().ok().filter(|n| (1..=most).contains(n)));
    take("limit", &format!("a whole number from 1 to {most}"), limit.is_some());
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        broken.push(format!("from: {from} is not before to, {to}"));
    }
    if get("aggregate").is_some() && get("window").is_none() {
        broken.push("window: it is needed where aggregate is given".to_owned());
    }
    broken.extend(query.keys().filter(|k| !PARAMETERS.contains(&k.as_str())).map(|k| format!("{k}: there is no such parameter")));
    let (Some(from), Some(to), Some(window), Some(aggregate), Some(session), Some(limit), true) =
        (from, to, window, aggregate, session, limit, broken.is_empty())
    else {
        broken.sort();
        return Err(ApiError::invalid(broken));
    };
    let signals = get("signals").map_or_else(Vec::new, |list| list.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect());
    Ok(SeriesQuery { vehicle, session, from, to, signals, window, aggregate, limit })
}

/// A moment. A plus sign in a query string, that of a time zone too, arrives as a space.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    // What clients ask for that want all there is; any other number so small has no certain unit.
    if text == "0" {
        return Some(Timestamp::default());
    }
    let with_plus = || text.rsplit_once(' ').and_then(|(before, after)| moment::parse(&format!("{before}+{after}"), now));
    moment::parse(text, now).or_else(with_plus)
}

/// The answer's shape.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    vehicle_id: &'a VehicleId,
    from: Timestamp,
    to: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate: Option<&'static str>,
    store: &'static str,
    truncated: bool,
    series: Vec<OneSeries<'a>>,
}

#[derive(Serialize)]
struct OneSeries<'a> {
    signal: &'a str,
    points: Vec<Point<'a>>,
}

#[derive(Serialize)]
struct Point<'a> {
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<i64>,
}

impl<'a> Answer<'a> {
    pub(super) fn of(query: &'a SeriesQuery, answer: &'a SeriesAnswer, store: &'static str) -> Self {
        let series = answer.series.iter().map(|one| OneSeries {
            signal: &one.signal,
            points: one
                .points
                .iter()
                .map(|p| Point { time: p.time, value: p.value, text: p.text.as_deref(), quality: p.quality })
                .collect(),
        });
        Self {
            vehicle_id: &query.vehicle,
            from: query.from,
            to: query.to,
            window: query.window.map(|w: Duration| duration::format(w)),
            aggregate: query.window.map(|_| query.aggregate.as_str()),
            store,
            truncated: answer.truncated,
            series: series.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn ask(pairs: &[(&str, &str)]) -> Result<SeriesQuery, ApiError> {
        let query = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parse(VehicleId::new("ALB").unwrap(), &query, NOW, 100_000)
    }

    #[test]
    fn times_are_absolute_or_relative_to_now() {
        let query =
            ask(&[("from", "-15m"), ("to", "now"), ("signals", "rpm,speed_mps"), ("window", "100ms"), ("aggregate", "max")]).unwrap();
        assert_eq!(query.from, NOW.minus(Duration::from_secs(900)));
        assert_eq!((query.to, query.aggregate, query.window), (NOW, Aggregate::Max, Some(Duration::from_millis(100))));
        assert_eq!(query.signals, ["rpm", "speed_mps"]);
        let zoned = ask(&[("from", "2023-07-17T14:34:56 02:00")]).unwrap();
        assert_eq!(zoned.from.to_string(), "2023-07-17T12:34:56.000Z");
        for (text, is) in [("2023-07-17 14:34:56 02", 12), ("2023-07-17T14:34:56,5 0200", 12), ("2023-07-17T14:34:56Z", 14)] {
            let from = ask(&[("from", text)]).unwrap().from;
            assert_eq!(from.to_string()[..14], format!("2023-07-17T{is}:"), "{text}");
        }
        assert_eq!(ask(&[("from", " 1h"), ("to", " 2h")]).unwrap().from, NOW.plus(Duration::from_secs(3_600)));
    }

    #[test]
    fn every_broken_field_is_named_at_once() {
        let error =
            ask(&[("from", "yesterday"), ("window", "0s"), ("aggregate", "median"), ("limit", "0"), ("colour", "red")]).unwrap_err();
        let fields: Vec<_> = error.details.iter().map(|d| d.split(':').next().unwrap()).collect();
        assert_eq!(fields, ["aggregate", "colour", "from", "limit", "window"]);
    }

    #[test]
    fn an_empty_span_is_refused() {
        assert!(ask(&[("from", "-1m"), ("to", "-2m")]).unwrap_err().details[0].starts_with("from"));
    }
}
