//! Laps and sectors beside official times.

use slipstream_engine::{
    geo::Point,
    laps::{Course, CourseOutput, CourseTracker, Gate, Place, Split},
    signals::{Reading, meaning},
};
use slipstream_protocol::{SignalValue, Timestamp};

use crate::data::{Table, number, table};

/// Runs the rows of one vehicle through a course, with the signals named.
fn drive(course: &Course, data: &Table, vehicle: &str, signals: &[&str]) -> Vec<CourseOutput> {
    assert_eq!(course.mistakes(), []);
    let (time, columns): (usize, Vec<_>) = (data.column("t_s"), signals.iter().map(|s| (data.column(s), meaning(s).unwrap())).collect());
    let (mut tracker, mut told) = (CourseTracker::default(), Vec::new());
    for row in data.of("vehicle_id", vehicle) {
        let mut reading = Reading::default();
        for (column, meaning) in &columns {
            if let Some(value) = number(&row[*column]) {
                reading.set(*meaning, &SignalValue::Number(value));
            }
        }
        tracker.apply(course, Timestamp::from_secs_f64(number(&row[time]).unwrap()), &reading, &mut told);
    }
    tracker.finish(course, &mut told);
    assert_eq!(tracker.late(), 0);
    told
}

fn laps(told: &[CourseOutput]) -> Vec<&Split> {
    told.iter().filter_map(|o| if let CourseOutput::Lap(lap) = o { Some(lap) } else { None }).collect()
}

/// Root of the mean square, and the largest.
fn spread(errors: &[f64]) -> (f64, f64) {
    let square = errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64;
    (square.sqrt(), errors.iter().fold(0.0, |a: f64, e| a.max(e.abs())))
}

/// The gates of the F1 test's track, placed with the laps of NOR alone (the one car whose speeds differ
/// much from lap to lap, so that place and the feed's delay can be told apart).
fn f1_course(reckon_s: f64) -> Course {
    let gate = |x, y, heading_deg| Gate { place: Place::Track(Point::new(x, y)), heading_deg, width_m: 60.0 };
    let gates = vec![gate(-36.58, 109.82, 2.35), gate(591.81, 502.08, 211.45), gate(579.77, 129.77, 115.49)];
    Course { gates, reckon_s, min_lap_s: 60.0, ..Course::default() }
}

/// Errors of lap and of sector times against the official ones, for all cars but NOR.
fn f1_errors(reckon_s: f64) -> Option<(Vec<f64>, Vec<f64>)> {
    let data = table("race/f1_2026test_p1_6cars_7laps.csv.gz")?;
    let official = table("race/f1_2026test_p1_6cars_7laps.laps.csv")?;
    let (mut lap_errors, mut sector_errors) = (Vec::new(), Vec::new());
    for car in official.distinct("vehicle_id").iter().filter(|c| *c != "NOR") {
        let told = drive(&f1_course(reckon_s), &data, car, &["x_m", "y_m", "speed_mps"]);
        // The recording begins beyond the line: its first lap has no beginning.
        let timed = laps(&told);
        let expected: Vec<_> = official.of("vehicle_id", car).skip(1).collect();
        assert!(timed.len() == expected.len() || timed.len() == expected.len() - 1, "{car}: {} laps", timed.len());
        for (lap, row) in timed.iter().zip(expected) {
            lap_errors.push(lap.time_s - number(&row[2]).unwrap());
            for (sector, cell) in lap.sectors.iter().zip(&row[3..6]) {
                sector_errors.push(sector.expect("every gate was passed") - number(cell).unwrap());
            }
        }
    }
    Some((lap_errors, sector_errors))
}

/// How much a position's time is wrong, s: the standard deviation of the way by positions less the way by
/// speed around its mean over 4 s, as time. From the data alone; it knows nothing of official times.
fn position_jitter_s(data: &Table, car: &str) -> f64 {
    let columns = ["t_s", "x_m", "y_m", "speed_mps"].map(|c| data.column(c));
    let mut lead: Vec<(f64, f64, f64)> = Vec::new();
    let mut before: Option<[f64; 4]> = None;
    let mut sum = 0.0;
    for row in data.of("vehicle_id", car) {
        let now = columns.map(|c| number(&row[c]).unwrap());
        if let Some(b) = before.filter(|b| now[0] > b[0]) {
            sum += (now[1] - b[1]).hypot(now[2] - b[2]) - f64::midpoint(now[3], b[3]) * (now[0] - b[0]);
            lead.push((now[0], sum, now[3]));
        }
        before = Some(now);
    }
    let (mut from, mut to, mut window, mut square) = (0, 0, 0.0, 0.0);
    for (t, here, speed) in &lead {
        while to < lead.len() && lead[to].0 <= t + 2.0 {
            window += lead[to].1;
            to += 1;
        }
        while lead[from].0 < t - 2.0 {
            window -= lead[from].1;
            from += 1;
        }
        square += ((here - window / (to - from) as f64) / speed).powi(2);
    }
    (square / lead.len() as f64).sqrt()
}

/// The sampling error, derived: the feed's positions come every 0.2 to 0.3 s with times that are wrong by
/// `jitter` (0.05 s). A lap has two crossings: sqrt(2) * `jitter`, 0.07 s, for sectors as for laps. On top
/// of that the feed's delay wanders slowly by as much again. The official times have no part in this.
#[test]
fn f1_laps_and_sectors_agree_with_the_official_times_within_the_sampling_error() {
    let Some(data) = table("race/f1_2026test_p1_6cars_7laps.csv.gz") else { return };
    let jitter = ["ALB", "HAM", "LEC", "OCO", "VER"].map(|car| position_jitter_s(&data, car)).iter().sum::<f64>() / 5.0;
    assert!((0.03..0.08).contains(&jitter), "{jitter}");
    let error = std::f64::consts::SQRT_2 * jitter;
    // Interpolated, and reckoned with the speed for a second on each side: that takes the jitter away.
    for (reckon_s, rms, most) in [(0.0, 2.0 * error, 5.0 * error), (1.0, error, 3.0 * error)] {
        let Some((laps, sectors)) = f1_errors(reckon_s) else { return };
        for (what, errors, count) in [("laps", laps, 30), ("sectors", sectors, 90)] {
            let spread = spread(&errors);
            println!(
                "reckon {reckon_s} s: {} {what}, sampling error {error:.3} s, rms {:.3} s, most {:.3} s",
                errors.len(),
                spread.0,
                spread.1
            );
            assert_eq!(errors.len(), count);
            assert!(spread.0 <= rms && spread.1 <= most, "{what}: {spread:?} beyond {rms:.3}, {most:.3}");
        }
    }
}

#[test]
fn f1_laps_by_the_lap_distance_are_the_official_ones() {
    let Some(data) = table("race/f1_2026test_p1_6cars_7laps.csv.gz") else { return };
    let Some(official) = table("race/f1_2026test_p1_6cars_7laps.laps.csv") else { return };
    let course = Course { mini_sectors: 20, ..Course::default() };
    for car in official.distinct("vehicle_id") {
        let told = drive(&course, &data, &car, &["lap_dist_m", "speed_mps"]);
        let expected: Vec<f64> = official.of("vehicle_id", &car).skip(1).map(|r| number(&r[2]).unwrap()).collect();
        let timed = laps(&told);
        assert_eq!(timed.len(), expected.len() - 1, "{car}: the last lap has no end in the recording");
        for (lap, expected) in timed.iter().zip(&expected) {
            // The feed's distance begins at the line within 0.7 m, and is told with the time.
            assert!((lap.time_s - expected).abs() < 0.01, "{car} {lap:?}: {expected}");
            let minis: Vec<f64> = told
                .iter()
                .filter_map(|o| if let CourseOutput::MiniSector(m) = o { (m.lap == lap.lap).then_some(m.time_s) } else { None })
                .collect();
            assert!(minis.is_empty() || (minis.iter().sum::<f64>() - lap.time_s).abs() < 1e-6, "{car} {}: {minis:?}", lap.lap);
        }
        let deltas = told.iter().filter(|o| matches!(o, CourseOutput::Progress(p) if p.delta_s.is_some())).count();
        assert!(deltas > 2_000, "{car}: {deltas}");
    }
}

/// The running delta to the reference lap grows into the difference of the lap times at the line.
#[test]
fn f1_the_running_delta_ends_at_the_difference_of_the_lap_times() {
    let Some(data) = table("race/f1_2026test_p1_6cars_7laps.csv.gz") else { return };
    let told = drive(&f1_course(1.0), &data, "VER", &["x_m", "y_m", "speed_mps"]);
    let progress: Vec<_> = told.iter().filter_map(|o| if let CourseOutput::Progress(p) = o { Some(p) } else { None }).collect();
    let (mut best, mut compared) = (f64::INFINITY, 0);
    for lap in laps(&told) {
        // Progress goes on up to a second into the next lap before the line is reckoned.
        let at_line = progress.iter().rev().find(|p| p.lap == lap.lap && p.lap_time_s <= lap.time_s);
        if let Some(delta) = at_line.and_then(|p| p.delta_s) {
            assert!((delta - (lap.time_s - best)).abs() < 0.4, "{lap:?} beside {best}: {delta}");
            compared += 1;
        }
        best = best.min(lap.time_s);
    }
    assert!(compared >= 4, "{compared}");
}

/// 4.6 Hz GPS of a race car beside the car's own lap counter, which goes up within one sample of the line.
#[test]
fn gr_cup_laps_from_gps_agree_with_the_cars_lap_counter_within_the_sampling_interval() {
    let Some(data) = table("race/grcup_barber_r1_laps2-15_4p6hz.csv.gz") else { return };
    let line: Gate = serde_json::from_str(r#"{"lat_deg": 33.53262, "lon_deg": -86.61960, "heading_deg": 46.9, "width_m": 60}"#).unwrap();
    let course = Course { gates: vec![line], min_lap_s: 60.0, ..Course::default() };
    let told = drive(&course, &data, "GR86-002-000", &["lat_deg", "lon_deg"]);
    let (time, lap) = (data.column("t_s"), data.column("lap"));
    let counted: Vec<f64> = data.rows.windows(2).filter(|w| w[0][lap] != w[1][lap]).map(|w| number(&w[1][time]).unwrap()).collect();
    let timed = laps(&told);
    assert_eq!(timed.len(), counted.len() - 1);
    let errors: Vec<f64> = timed.iter().zip(counted.windows(2)).map(|(l, c)| l.time_s - (c[1] - c[0])).collect();
    let spread = spread(&errors);
    println!("{} laps, rms {:.3} s, most {:.3} s beside the counter", errors.len(), spread.0, spread.1);
    // Two crossings, each counted up to one interval of 0.217 s late.
    assert!(spread.1 <= 2.0 * 0.217, "{errors:?}");
}

/// 25 Hz GPS, timed by the app that recorded it.
#[test]
fn racechrono_lap_from_gps_agrees_with_the_recorders_lap_time() {
    let Some(data) = table("race/racechrono_tianma_lap9.csv.gz") else { return };
    let line: Gate = serde_json::from_str(r#"{"lat_deg": 31.0789205, "lon_deg": 121.1151255, "heading_deg": 304}"#).unwrap();
    let course = Course { gates: vec![line], ..Course::default() };
    let told = drive(&course, &data, "tianma_car", &["lat_deg", "lon_deg", "speed_mps"]);
    let timed = laps(&told);
    assert_eq!(timed.len(), 1);
    // The app's counter goes up at 3.985 and 80.314 s.
    assert!((timed[0].time_s - 76.329).abs() < 0.04, "{timed:?}");
}

#[test]
fn an_out_lap_that_never_reaches_the_line_tells_no_lap() {
    let Some(data) = table("race/iracing_redbullring_60hz.csv.gz") else { return };
    let told = drive(&Course { sectors_m: vec![1_400.0], ..Course::default() }, &data, "mercedes_amg_gt4", &["lap_dist_m", "speed_mps"]);
    assert!(laps(&told).is_empty());
    assert!(told.iter().all(|o| matches!(o, CourseOutput::Stint(_))), "no sector either: its beginning was not driven");
}
