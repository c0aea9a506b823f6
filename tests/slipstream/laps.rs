//! Laps, twins and sessions on real recordings, and on a generated field always.

use std::{collections::BTreeMap, fs::File, path::PathBuf};

use flate2::read::GzDecoder;
use slipstream_engine::{
    coach::{Cause, advise},
    session::Session,
    simulator::Simulator,
    vehicle::{LapTime, Output, Vehicle},
};
use slipstream_protocol::{Quality, Sample, SessionId, Signal, SignalName, SignalValue, Timestamp, VehicleId};

/// A file of the sample data; says so where it is absent.
fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SLIPSTREAM_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        |dir| {
            let dir = PathBuf::from(dir);
            if dir.join("data").is_dir() { dir.join("data") } else { dir }
        },
    );
    let path = root.join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {} is not there (SLIPSTREAM_DATA)", path.display());
    None
}

fn sample(vehicle: &str, time: Timestamp, signals: Vec<Signal>) -> Sample {
    Sample {
        vehicle: VehicleId::new(vehicle).unwrap(),
        session: None,
        fleet: None,
        seq: None,
        source_time: time,
        received_at: time,
        quality: Quality::Good,
        signals,
        raw: None,
    }
}

/// The samples of a wide file (`t_s,vehicle_id,<signals>`), in its order, without the signals in `left_out`.
fn wide(name: &str, left_out: &[&str]) -> Option<Vec<Sample>> {
    let mut reader = csv::Reader::from_reader(GzDecoder::new(File::open(data(name)?).unwrap()));
    let names: Vec<SignalName> = reader.headers().unwrap().iter().map(SignalName::from).collect();
    let samples = reader.records().map(|record| {
        let record = record.unwrap();
        let time = Timestamp::from_secs_f64(1_700_000_000.0 + record[0].parse::<f64>().unwrap());
        let signals = names.iter().zip(&record).skip(2).filter(|(name, _)| !left_out.contains(&&***name));
        let signals =
            signals.filter_map(|(name, text)| Some(Signal { name: name.clone(), value: SignalValue::Number(text.parse().ok()?) }));
        sample(&record[1], time, signals.collect())
    });
    Some(samples.collect())
}

/// Applies samples to their vehicles.
fn drive(samples: &[Sample]) -> (BTreeMap<String, Vehicle>, BTreeMap<String, Vec<LapTime>>, Session) {
    let (mut vehicles, mut laps, mut session) =
        (BTreeMap::<String, Vehicle>::new(), BTreeMap::<String, Vec<LapTime>>::new(), Session::default());
    let mut outputs = Vec::new();
    for s in samples {
        vehicles.entry(s.vehicle.to_string()).or_default().apply(s, s.received_at, &mut outputs);
        session.apply(s);
        for output in outputs.drain(..) {
            session.note(&s.vehicle, &output);
            let Output::LapCompleted { lap, .. } = output;
            laps.entry(s.vehicle.to_string()).or_default().push(lap);
        }
    }
    (vehicles, laps, session)
}

/// Official lap times by driver and lap.
fn official() -> Option<BTreeMap<(String, u32), f64>> {
    let mut reader = csv::Reader::from_path(data("race/f1_2026test_p1_6cars_7laps.laps.csv")?).unwrap();
    Some(reader.records().map(|r| r.unwrap()).map(|r| ((r[0].to_string(), r[1].parse().unwrap()), r[2].parse().unwrap())).collect())
}

/// The error of each timed lap, s, of which there are `whole` per driver.
fn errors(left_out: &[&str], whole: usize) -> Option<Vec<f64>> {
    let (samples, official) = (wide("race/f1_2026test_p1_6cars_7laps.csv.gz", left_out)?, official()?);
    let (vehicles, laps, _) = drive(&samples);
    for (driver, times) in &laps {
        assert_eq!(times.len(), whole, "{driver}");
        let book = vehicles[driver].laps().expect("whole laps are recorded");
        for lap in book.laps() {
            assert!((5_250.0..5_500.0).contains(&lap.length_m), "{driver} lap {}: {} m", lap.lap, lap.length_m);
        }
    }
    assert_eq!(laps.len(), 6);
    Some(
        laps.iter().flat_map(|(driver, times)| times.iter().map(|lap| (lap.time_s - official[&(driver.clone(), lap.lap)]).abs())).collect(),
    )
}

#[test]
fn real_laps_are_timed_to_the_millisecond_of_the_official_times() {
    // Seven laps each, and the last one does not end in the file.
    let Some(errors) = errors(&[], 6) else { return };
    let worst = errors.iter().copied().fold(0.0, f64::max);
    println!("{} laps, worst error {worst} s", errors.len());
    assert!(worst <= 0.001, "{worst} s");
}

#[test]
fn without_the_lap_clock_real_laps_are_timed_within_the_sampling_interval() {
    // Without any distance it cannot be known that the first lap was seen from its beginning.
    for (left_out, whole) in [(&["lap_time_s"][..], 6), (&["lap_time_s", "lap_dist_m"][..], 5)] {
        let Some(errors) = errors(left_out, whole) else { return };
        let worst = errors.iter().copied().fold(0.0, f64::max);
        println!("without {left_out:?}: {} laps, worst error {worst} s", errors.len());
        assert!(worst <= 0.2, "without {left_out:?}: {worst} s");
    }
}

#[test]
fn a_lap_with_a_hole_is_timed_but_not_kept_for_comparison() {
    // The recording is silent for 4.6 s and 5.0 s, and one row of its second lap comes too early.
    let Some(samples) = wide("race/ac_brandshatch_practice_2laps.csv.gz", &[]) else { return };
    let (vehicles, laps, _) = drive(&samples);
    let laps = &laps["rss_formula_2013"];
    assert_eq!(laps.len(), 1);
    assert!((laps[0].time_s - 53.06).abs() < 0.03, "{laps:?}");
    assert!(vehicles["rss_formula_2013"].laps().is_none());
}

#[test]
fn a_session_adds_up_the_distance_of_its_laps() {
    let Some(samples) = wide("race/f1_2026test_p1_6cars_7laps.csv.gz", &["lap_dist_m"]) else { return };
    let (_, _, session) = drive(&samples);
    let metrics = session.metrics();
    assert_eq!((metrics.vehicles, metrics.laps, metrics.samples), (6, 36, 32_450));
    let driven = 6.0 * 7.0 * 5_362.0;
    assert!((metrics.distance_m / driven - 1.0).abs() < 0.01, "{} m of {driven}", metrics.distance_m);
    assert_eq!(metrics.best_lap_vehicle.as_ref().map(VehicleId::as_str), Some("NOR"));
    let times: Vec<_> = metrics.leaderboard.iter().map(|s| s.best_lap_s.unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn rows_newest_first_with_duplicates_leave_the_newest_state_and_no_false_laps() {
    let Some(path) = data("race/grcup_barber_raw_long_dirty.csv.gz") else { return };
    let mut reader = csv::Reader::from_reader(GzDecoder::new(File::open(path).unwrap()));
    let mut newest: BTreeMap<String, (Timestamp, f64)> = BTreeMap::new();
    let mut samples = Vec::new();
    for record in reader.records() {
        let record = record.unwrap();
        let time: Timestamp = record[1].parse().unwrap();
        let Ok(value) = record[5].parse::<f64>() else { continue };
        let entry = newest.entry(record[4].to_string()).or_insert((time, value));
        if time >= entry.0 {
            *entry = (time, value);
        }
        let signal = |name: &str, value| Signal { name: name.into(), value: SignalValue::Number(value) };
        samples.push(sample(&record[2], time, vec![signal("lap", record[3].parse().unwrap()), signal(&record[4], value)]));
    }
    let (vehicles, laps, _) = drive(&samples);
    let twin = vehicles["GR86-002-000"].twin();
    for (name, (time, value)) in newest {
        let known = twin.signal(&name).unwrap();
        assert_eq!((known.time, known.value.as_number()), (time, Some(value)), "{name}");
    }
    assert!(twin.late_samples > 1_000, "{}", twin.late_samples);
    assert!(laps.is_empty(), "the file holds parts of two laps: {laps:?}");
}

#[test]
fn other_real_recordings_pass_through_without_a_false_lap() {
    for (name, at_most) in [
        ("race/racechrono_tianma_lap9.csv.gz", 1),
        ("race/iracing_redbullring_60hz.csv.gz", 1),
        ("race/grcup_barber_r1_laps2-15_4p6hz.csv.gz", 13),
    ] {
        let Some(samples) = wide(name, &[]) else { return };
        let (_, laps, _) = drive(&samples);
        let times: Vec<_> = laps.values().flatten().collect();
        println!("{name}: {times:?}");
        assert!(times.len() <= at_most, "{name}: {times:?}");
        assert!(times.iter().all(|lap| (40.0..300.0).contains(&lap.time_s)), "{name}: {times:?}");
    }
}

#[test]
fn a_generated_field_is_timed_the_same_in_any_interleaving_of_cars() {
    let start = Timestamp::from_millis(1_700_000_000_000);
    let mut simulator = Simulator::new(11, 4, 20.0, SessionId::new("s").unwrap(), start);
    let mut samples = Vec::new();
    for _ in 0..20 * 320 {
        simulator.step(&mut samples);
    }
    let (_, laps, session) = drive(&samples);
    let mut by_car = samples.clone();
    by_car.sort_by(|a, b| a.vehicle.cmp(&b.vehicle));
    let (_, laps_by_car, session_by_car) = drive(&by_car);
    assert_eq!(laps, laps_by_car);
    assert!(laps.len() == 4 && laps.values().all(|l| l.len() >= 2), "{laps:?}");
    assert_eq!(session.metrics().leaderboard, session_by_car.metrics().leaderboard);
}

#[test]
fn the_coach_finds_the_real_corners_and_tells_each_driver_a_reason() {
    let (Some(samples), Some(corners)) = (wide("race/f1_2026test_p1_6cars_7laps.csv.gz", &[]), data("race/f1_2026test_corners.json"))
    else {
        return;
    };
    let corners: serde_json::Value = serde_json::from_reader(File::open(corners).unwrap()).unwrap();
    let official: Vec<f64> = corners["Distance"].as_array().unwrap().iter().map(|d| d.as_f64().unwrap()).collect();
    let (vehicles, _, _) = drive(&samples);
    for (driver, vehicle) in &vehicles {
        let advice = advise(vehicle.laps().unwrap(), Timestamp::default()).unwrap();
        println!("{driver}: {}", advice.text);
        // Corners taken flat out have no slowest place; chicanes have one for two.
        assert!((7..=15).contains(&advice.corners.len()), "{driver}: {} corners", advice.corners.len());
        let near = |apex: f64| official.iter().any(|d| (d - apex).abs() < 70.0);
        let found = advice.corners.iter().filter(|c| near(c.distance_m)).count();
        assert!(found * 10 >= advice.corners.len() * 8, "{driver}: {found} of {} apexes at official corners", advice.corners.len());
        let sum: f64 = advice.corners.iter().map(|c| c.time_lost_s).sum();
        assert!((sum - advice.total_lost_s).abs() < 0.01, "{driver}: {sum} of {}", advice.total_lost_s);
        assert!(advice.corners.iter().any(|c| c.cause != Cause::None), "{driver}");
    }
}
