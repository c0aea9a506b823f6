//! What every time-series store must hold to, whichever it is.

use std::{collections::BTreeMap, time::Duration};

use slipstream_actors::ports::{Aggregate, SeriesAnswer, SeriesPoint, SeriesQuery, SeriesStore, WriteReport};
use slipstream_engine::angle::{Directions, Turn};
use slipstream_protocol::{FleetId, Quality, Sample, SessionId, Signal, SignalValue, Timestamp, VehicleId};

/// 2026-09-10, a moment as good as any.
pub(crate) const T0: i64 = 1_789_000_000_000_000;

/// Holds `store` to all of it; every check has vehicles of its own.
pub(crate) async fn check(store: &dyn SeriesStore) {
    store.ping().await.unwrap();
    numbers_are_read_back_bit_for_bit(store).await;
    a_point_written_again_overwrites_itself(store).await;
    text_has_no_value_and_switches_are_one_and_zero(store).await;
    directions_are_averaged_as_directions(store).await;
    windows_equal_a_naive_computation(store).await;
    windows_align_to_the_epoch_whatever_the_range(store).await;
    a_session_is_read_alone_and_told_apart(store).await;
    the_range_includes_its_start_and_excludes_its_end(store).await;
    the_earliest_points_stay_when_the_limit_cuts(store).await;
    special_characters_are_carried_whole(store).await;
    bad_points_are_counted_and_good_ones_beside_them_kept(store).await;
    vehicles_with_points_are_listed_in_order(store).await;
    what_was_never_written_is_an_empty_answer(store).await;
}

pub(crate) fn sample(vehicle: &str, micros: i64, signals: &[(&str, SignalValue)]) -> Sample {
    let time = Timestamp::from_micros(micros);
    Sample {
        vehicle: VehicleId::new(vehicle).unwrap(),
        session: None,
        fleet: None,
        seq: None,
        source_time: time,
        received_at: time,
        quality: Quality::Good,
        signals: signals.iter().map(|(name, value)| Signal { name: (*name).into(), value: value.clone() }).collect(),
        raw: None,
    }
}

pub(crate) fn everything(vehicle: &str) -> SeriesQuery {
    SeriesQuery {
        vehicle: VehicleId::new(vehicle).unwrap(),
        session: None,
        from: Timestamp::from_micros(-T0),
        to: Timestamp::from_micros(2 * T0),
        signals: Vec::new(),
        window: None,
        aggregate: Aggregate::Mean,
        limit: 100_000,
    }
}

fn number(n: f64) -> SignalValue {
    SignalValue::Number(n)
}

async fn write(store: &dyn SeriesStore, samples: &[Sample]) {
    let report = store.write(samples).await.unwrap();
    let points = samples.iter().map(|s| s.signals.len() as u64).sum();
    assert_eq!(report, WriteReport { written: points, ..WriteReport::default() }, "{}", store.name());
}

/// `(signal, time, value, text)` of every point, signals in order.
fn flat(answer: &SeriesAnswer) -> Vec<(&str, i64, Option<f64>, Option<&str>)> {
    answer.series.iter().flat_map(|s| s.points.iter().map(|p| (s.signal.as_str(), p.time.micros(), p.value, p.text.as_deref()))).collect()
}

async fn numbers_are_read_back_bit_for_bit(store: &dyn SeriesStore) {
    let values = [
        0.0,
        1.0,
        -1.5,
        0.1,
        1.0 / 3.0,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        -123_456_789.987_654_32,
        1e15,
        1e16,
        1e21,
        9_007_199_254_740_993.0,
        52.123_456_789_012_3,
    ];
    // Every microsecond counts; the year 1969 is a year too.
    let mut samples: Vec<Sample> =
        values.iter().enumerate().map(|(i, v)| sample("bits", T0 + i as i64, &[("x", number(*v)), ("y", number(-v))])).collect();
    samples.push(sample("bits", -1_500_001, &[("x", number(7.25))]));
    samples[0].quality = Quality::Uncertain;
    write(store, &samples).await;

    let answer = store.query(&everything("bits")).await.unwrap();
    assert!(!answer.truncated);
    assert_eq!(answer.series.iter().map(|s| s.signal.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    let x = &answer.series[0].points;
    assert_eq!(x[0].time.micros(), -1_500_001);
    assert_eq!(x[1].quality, Some(64));
    assert_eq!(x[2].quality, Some(192));
    let bits = |points: &[SeriesPoint]| points.iter().map(|p| p.value.unwrap().to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&x[1..]), values.map(f64::to_bits), "{}", store.name());
    assert_eq!(bits(&answer.series[1].points)[1..], values.map(|v| (-v).to_bits())[1..], "{}", store.name());
    // Minus zero may lose its sign, never its value.
    assert_eq!(answer.series[1].points[0].value, Some(0.0));
    assert_eq!(x[1..].iter().map(|p| p.time.micros()).collect::<Vec<_>>(), (0..values.len() as i64).map(|i| T0 + i).collect::<Vec<_>>());
}

async fn a_point_written_again_overwrites_itself(store: &dyn SeriesStore) {
    let mut first = sample("again", T0, &[("x", number(1.0))]);
    write(store, &[first.clone(), first.clone()]).await;
    first.signals[0].value = number(2.0);
    first.quality = Quality::Bad;
    write(store, &[first.clone()]).await;
    write(store, &[first]).await;
    let answer = store.query(&everything("again")).await.unwrap();
    assert_eq!(flat(&answer), [("x", T0, Some(2.0), None)]);
    assert_eq!(answer.series[0].points[0].quality, Some(0));
}

async fn text_has_no_value_and_switches_are_one_and_zero(store: &dyn SeriesStore) {
    let on = ("drs", SignalValue::Bool(true));
    let samples = [
        sample("text", T0, &[("tyre", SignalValue::Text("soft".into())), on.clone(), ("x", number(3.5))]),
        sample("text", T0 + 1, &[("tyre", SignalValue::Text("".into())), ("drs", SignalValue::Bool(false))]),
    ];
    write(store, &samples).await;
    let answer = store.query(&everything("text")).await.unwrap();
    assert_eq!(
        flat(&answer),
        [
            ("drs", T0, Some(1.0), None),
            ("drs", T0 + 1, Some(0.0), None),
            ("tyre", T0, None, Some("soft")),
            ("tyre", T0 + 1, None, Some("")),
            ("x", T0, Some(3.5), None)
        ],
        "{}",
        store.name()
    );
    let means = store.query(&SeriesQuery { window: Some(Duration::from_secs(3_600)), ..everything("text") }).await.unwrap();
    assert_eq!(means.series.iter().map(|s| s.signal.as_str()).collect::<Vec<_>>(), ["drs", "x"], "text has no mean");
    let counts = SeriesQuery { window: Some(Duration::from_secs(86_400)), aggregate: Aggregate::Count, ..everything("text") };
    let counts = store.query(&counts).await.unwrap();
    assert_eq!(flat(&counts).iter().map(|(s, _, n, _)| (*s, n.unwrap())).collect::<Vec<_>>(), [("drs", 2.0), ("tyre", 2.0), ("x", 1.0)]);
}

/// Values are quarters, so that no order of adding rounds differently.
fn course(vehicle: &str) -> Vec<Sample> {
    (0..500_i64)
        .map(|i| {
            let wave = (i * 37 % 101 - 50) as f64 / 4.0;
            let mut s = sample(vehicle, T0 + i * 130_000 + i % 7, &[("a", number(wave)), ("b", number(-2.0 * wave))]);
            // Two sessions interleaved: windows are the vehicle's, over both.
            s.session = Some(SessionId::new(if i % 3 == 0 { "one" } else { "two" }).unwrap());
            s
        })
        .collect()
}

fn naive(samples: &[Sample], query: &SeriesQuery, window: Duration) -> Vec<(String, i64, f64)> {
    let mut windows: BTreeMap<(String, i64), Vec<(i64, f64)>> = BTreeMap::new();
    for s in samples.iter().filter(|s| s.source_time >= query.from && s.source_time < query.to) {
        for signal in &s.signals {
            let start = SeriesQuery::window_start(s.source_time, window).micros();
            let held = windows.entry((signal.name.to_string(), start)).or_default();
            held.push((s.source_time.micros(), signal.value.as_number().unwrap()));
        }
    }
    let mut out = Vec::new();
    for ((signal, start), mut held) in windows {
        held.sort_by_key(|(time, _)| *time);
        let values = held.iter().map(|(_, v)| *v);
        let sum: f64 = values.clone().sum();
        let value = match query.aggregate {
            Aggregate::Mean => sum / held.len() as f64,
            Aggregate::Min => values.fold(f64::INFINITY, f64::min),
            Aggregate::Max => values.fold(f64::NEG_INFINITY, f64::max),
            Aggregate::Sum => sum,
            Aggregate::Count => held.len() as f64,
            Aggregate::First => held[0].1,
            Aggregate::Last => held[held.len() - 1].1,
            Aggregate::CircularMean => {
                let mut directions = Directions::default();
                for value in values {
                    directions.add(Turn::Degrees, value, 1.0);
                }
                let Some(mean) = directions.mean(Turn::Degrees) else { continue };
                mean
            }
        };
        out.push((signal, start, value));
    }
    out
}

async fn directions_are_averaged_as_directions(store: &dyn SeriesStore) {
    let headings = [350.0, 10.0, 12.0];
    let samples: Vec<Sample> = headings
        .iter()
        .enumerate()
        .map(|(i, h)| sample("compass", T0 + i as i64 * 1_000_000, &[("heading_deg", number(*h)), ("x", number(*h))]))
        .collect();
    write(store, &samples).await;
    let query = |aggregate| SeriesQuery { window: Some(Duration::from_secs(86_400)), aggregate, ..everything("compass") };
    let means = store.query(&query(Aggregate::Mean)).await.unwrap();
    let told: Vec<(&str, f64)> = flat(&means).into_iter().map(|(s, _, v, _)| (s, v.unwrap())).collect();
    assert!(told[0].0 == "heading_deg" && (told[0].1 - 4.04).abs() < 0.05, "{}: {told:?}", store.name());
    assert!(told[1].0 == "x" && (told[1].1 - 124.0).abs() < 1e-9, "{}: {told:?}", store.name());
    let asked = store.query(&query(Aggregate::CircularMean)).await.unwrap();
    assert!(flat(&asked).iter().all(|(_, _, v, _)| (v.unwrap() - 4.04).abs() < 0.05), "{}: {asked:?}", store.name());
}

async fn windows_equal_a_naive_computation(store: &dyn SeriesStore) {
    let samples = course("windows");
    write(store, &samples).await;
    for aggregate in Aggregate::ALL {
        for window in [Duration::from_secs(1), Duration::from_millis(7_300), Duration::from_micros(130_001), Duration::from_secs(86_400)] {
            let query = SeriesQuery { window: Some(window), aggregate, ..everything("windows") };
            let answer = store.query(&query).await.unwrap();
            let got: Vec<(String, i64, f64)> = flat(&answer).into_iter().map(|(s, t, v, _)| (s.to_owned(), t, v.unwrap())).collect();
            assert_eq!(got, naive(&samples, &query, window), "{} {aggregate:?} {window:?}", store.name());
        }
    }
}

async fn windows_align_to_the_epoch_whatever_the_range(store: &dyn SeriesStore) {
    let samples = course("aligned");
    write(store, &samples).await;
    let window = Duration::from_secs(3);
    let mut query = SeriesQuery { window: Some(window), aggregate: Aggregate::Sum, ..everything("aligned") };
    query.from = Timestamp::from_micros(T0 + 10_400_000);
    query.to = Timestamp::from_micros(T0 + 31_900_000);
    let answer = store.query(&query).await.unwrap();
    let got: Vec<(String, i64, f64)> = flat(&answer).into_iter().map(|(s, t, v, _)| (s.to_owned(), t, v.unwrap())).collect();
    assert_eq!(got, naive(&samples, &query, window), "{}", store.name());
    query.limit = 5;
    let cut = store.query(&query).await.unwrap();
    assert!(cut.truncated);
    assert_eq!(cut.series.iter().map(|s| s.points.len()).collect::<Vec<_>>(), [3, 2], "the earliest windows, signals in turn");
}

async fn a_session_is_read_alone_and_told_apart(store: &dyn SeriesStore) {
    let mut samples = vec![sample("sessions", T0, &[("x", number(1.0))]); 3];
    samples[0].session = Some(SessionId::new("one").unwrap());
    samples[0].fleet = Some(FleetId::new("red").unwrap());
    samples[1].session = Some(SessionId::new("two").unwrap());
    samples[1].signals[0].value = number(2.0);
    samples[2].signals[0].value = number(3.0);
    write(store, &samples).await;
    let all = store.query(&everything("sessions")).await.unwrap();
    let told: Vec<(Option<&str>, Option<&str>, f64)> =
        all.series[0].points.iter().map(|p| (p.session.as_deref(), p.fleet.as_deref(), p.value.unwrap())).collect();
    assert_eq!(told, [(None, None, 3.0), (Some("one"), Some("red"), 1.0), (Some("two"), None, 2.0)], "{}", store.name());
    let two = SeriesQuery { session: Some(SessionId::new("two").unwrap()), ..everything("sessions") };
    assert_eq!(flat(&store.query(&two).await.unwrap()), [("x", T0, Some(2.0), None)]);
}

async fn the_range_includes_its_start_and_excludes_its_end(store: &dyn SeriesStore) {
    let samples: Vec<Sample> = (0..5).map(|i| sample("range", T0 + i, &[("x", number(i as f64)), ("y", number(0.0))])).collect();
    write(store, &samples).await;
    let query = SeriesQuery {
        from: Timestamp::from_micros(T0 + 1),
        to: Timestamp::from_micros(T0 + 3),
        signals: vec!["x".to_owned(), "unknown".to_owned()],
        ..everything("range")
    };
    assert_eq!(flat(&store.query(&query).await.unwrap()), [("x", T0 + 1, Some(1.0), None), ("x", T0 + 2, Some(2.0), None)]);
    // The widest range there is asks for no more than what is there, and an empty one for nothing.
    let widest = SeriesQuery { from: Timestamp::from_micros(i64::MIN), to: Timestamp::from_micros(i64::MAX), ..query.clone() };
    assert_eq!(flat(&store.query(&widest).await.unwrap()).len(), 5);
    let empty = SeriesQuery { from: query.to, to: query.from, ..query };
    assert_eq!(store.query(&empty).await.unwrap(), SeriesAnswer::default());
}

async fn the_earliest_points_stay_when_the_limit_cuts(store: &dyn SeriesStore) {
    let mut samples: Vec<Sample> = (0..300).map(|i| sample("limit", T0 + 2 * i, &[("x", number(i as f64))])).collect();
    samples.extend((0..300).map(|i| sample("limit", T0 + 2 * i + 1, &[("y", number(i as f64))])));
    write(store, &samples).await;
    let mut query = SeriesQuery { limit: 201, ..everything("limit") };
    let cut = store.query(&query).await.unwrap();
    assert!(cut.truncated);
    let times: Vec<Vec<i64>> = cut.series.iter().map(|s| s.points.iter().map(|p| p.time.micros() - T0).collect()).collect();
    assert_eq!(times, [(0..=200).step_by(2).collect::<Vec<_>>(), (1..200).step_by(2).collect()], "{}", store.name());
    query.limit = 600;
    let whole = store.query(&query).await.unwrap();
    assert!(!whole.truncated);
    assert_eq!(flat(&whole).len(), 600);
}

async fn special_characters_are_carried_whole(store: &dyn SeriesStore) {
    let names = [
        "a b",
        "a,b",
        "a=b",
        "it's",
        "say \"x\"",
        "back\\slash",
        "a\\,b",
        "${x}",
        "größe°",
        "速度",
        "tires.0.temp",
        "--",
        "x;DROP TABLE points",
    ];
    let text = "line 1\nline 2, \"quoted\" \\ back\\\\slash = 'x' ${y} \t größe 速度";
    let mut signals: Vec<(&str, SignalValue)> = names.iter().enumerate().map(|(i, n)| (*n, number(i as f64))).collect();
    signals.push(("text", SignalValue::Text(text.into())));
    signals.push(("text2", SignalValue::Text("ends with \\".into())));
    write(store, &[sample("special.A-1_b", T0, &signals)]).await;
    let answer = store.query(&everything("special.A-1_b")).await.unwrap();
    let mut expected: Vec<(&str, i64, Option<f64>, Option<&str>)> =
        names.iter().enumerate().map(|(i, n)| (*n, T0, Some(i as f64), None)).collect();
    expected.push(("text", T0, None, Some(text)));
    expected.push(("text2", T0, None, Some("ends with \\")));
    expected.sort_by_key(|(name, ..)| *name);
    assert_eq!(flat(&answer), expected, "{}", store.name());
    for (i, name) in names.iter().enumerate() {
        for window in [None, Some(Duration::from_secs(1))] {
            let query = SeriesQuery { signals: vec![(*name).to_owned()], window, ..everything("special.A-1_b") };
            let found = store.query(&query).await.unwrap();
            assert_eq!(flat(&found), [(*name, T0, Some(i as f64), None)], "{} asked for {name}", store.name());
        }
    }
}

async fn bad_points_are_counted_and_good_ones_beside_them_kept(store: &dyn SeriesStore) {
    let mixed = sample("mixed", T0, &[("good", number(1.0)), ("nan", number(f64::NAN)), ("", number(2.0)), ("fine", number(3.0))]);
    let report = store.write(&[mixed]).await.unwrap();
    assert_eq!((report.written, report.rejected, report.rejections.len()), (2, 2, 2), "{report:?}");
    assert_eq!(flat(&store.query(&everything("mixed")).await.unwrap()), [("fine", T0, Some(3.0), None), ("good", T0, Some(1.0), None)]);
    assert_eq!(store.write(&[]).await.unwrap(), WriteReport::default());
}

async fn vehicles_with_points_are_listed_in_order(store: &dyn SeriesStore) {
    let listed = store.vehicles().await.unwrap();
    assert!(listed.is_sorted());
    for known in ["again", "bits", "limit", "special.A-1_b", "windows"] {
        assert!(listed.iter().any(|v| v.as_str() == known), "{known} in {listed:?}");
    }
}

async fn what_was_never_written_is_an_empty_answer(store: &dyn SeriesStore) {
    assert_eq!(store.query(&everything("nobody")).await.unwrap(), SeriesAnswer::default());
    let windows = SeriesQuery { window: Some(Duration::from_secs(1)), ..everything("nobody") };
    assert_eq!(store.query(&windows).await.unwrap(), SeriesAnswer::default());
}
