//! What must hold of the readers of a store's answers, whatever a server says.
#![expect(clippy::missing_panics_doc, reason = "a check that fails panics: that is what it is for")]

use std::time::Duration;

use futures_util::FutureExt as _;
use slipstream_ports::{Aggregate, SeriesError, SeriesQuery, WriteReport};
use slipstream_protocol::{Quality, Sample, Signal, SignalValue, Timestamp, VehicleId};

use super::{
    delivery::{self, Post, Reply},
    influxdb1,
    line_protocol::{Lines, Precision},
    point,
};

/// Points of the write that is answered.
const POINTS: u64 = 8;

/// Answers to a write, then an answer to a query.
///
/// The first byte picks the statuses of the first two answers to the write; all have the rest as body.
pub fn series_answers(data: &[u8]) {
    let Some((statuses, body)) = data.split_first() else { return };
    let body = String::from_utf8_lossy(body).into_owned();
    write(*statuses, &body);
    for window in [None, Some(Duration::from_secs(1))] {
        let query = query(window);
        let Ok(answer) = influxdb1::read_answer(&body, &query) else { continue };
        assert!(answer.series.iter().map(|s| s.points.len()).sum::<usize>() <= query.limit);
        assert!(answer.series.windows(2).all(|w| w[0].signal < w[1].signal), "one entry a signal, sorted");
        for point in answer.series.iter().flat_map(|s| &s.points) {
            assert!(point.value.is_none_or(f64::is_finite), "{point:?}");
        }
    }
    let _ = influxdb1::read_vehicles(&body);
}

fn query(window: Option<Duration>) -> SeriesQuery {
    SeriesQuery {
        vehicle: vehicle(),
        session: None,
        from: Timestamp::from_micros(0),
        to: Timestamp::from_micros(i64::MAX),
        signals: Vec::new(),
        window,
        aggregate: Aggregate::Mean,
        limit: 3,
    }
}

fn vehicle() -> VehicleId {
    VehicleId::new("car").expect("a letter or more is an id")
}

/// Answers the first requests as told and all others that they are written.
struct Server<'a> {
    statuses: std::sync::Mutex<Vec<u16>>,
    body: &'a str,
}

impl Post for Server<'_> {
    fn store(&self) -> &'static str {
        "fuzzed"
    }

    async fn post(&self, _lines: &[u8]) -> Result<Reply, SeriesError> {
        let status = self.statuses.lock().ok().and_then(|mut statuses| statuses.pop()).unwrap_or(204);
        Ok(Reply { status, body: self.body.to_owned(), retry_after: None })
    }
}

fn write(statuses: u8, body: &str) {
    const STATUSES: [u16; 8] = [204, 400, 413, 422, 429, 503, 401, 302];
    let place = usize::from(statuses);
    let answers = [STATUSES[place / 8 % 8], STATUSES[place % 8]];
    let server = Server { statuses: std::sync::Mutex::new(answers.to_vec()), body };
    let sample = Sample {
        vehicle: vehicle(),
        session: None,
        fleet: None,
        seq: None,
        source_time: Timestamp::from_micros(1),
        received_at: Timestamp::from_micros(1),
        quality: Quality::Good,
        signals: (0..POINTS).map(|n| Signal { name: n.to_string().into(), value: SignalValue::Number(1.0) }).collect(),
        raw: None,
    };
    let samples = [sample];
    let mut report = WriteReport::default();
    let lines = Lines::of(&point::points(&samples, &mut report), Precision::Micros);
    let outcome = delivery::deliver(&server, &lines, &mut report).now_or_never().expect("the server answers at once");
    match outcome {
        Ok(()) => assert_eq!(report.written + report.rejected, POINTS, "every point is written or told as rejected"),
        Err(error) => assert!(error.to_string().len() < 2_000, "a server's words are bounded"),
    }
    assert!(report.written + report.rejected <= POINTS);
    for rejection in &report.rejections {
        assert!(rejection.reason.chars().count() <= 300);
    }
}
