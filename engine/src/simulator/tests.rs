use super::*;
use crate::vehicle::{Output, Vehicle};

fn simulator(seed: u64, cars: usize, rate_hz: f64) -> Simulator {
    Simulator::new(seed, cars, rate_hz, SessionId::new("practice").unwrap(), Timestamp::from_millis(1_700_000_000_000))
}

fn run(simulator: &mut Simulator, seconds: f64) -> Vec<Sample> {
    let mut out = Vec::new();
    for _ in 0..(seconds * simulator.rate_hz) as usize {
        simulator.step(&mut out);
    }
    out
}

fn of<'a>(samples: &'a [Sample], vehicle: &'a str) -> impl Iterator<Item = &'a Sample> {
    samples.iter().filter(move |s| &*s.vehicle == vehicle)
}

#[test]
fn the_same_seed_gives_the_same_samples_and_another_seed_others() {
    let first = run(&mut simulator(7, 3, 60.0), 30.0);
    assert_eq!(first, run(&mut simulator(7, 3, 60.0), 30.0));
    assert_ne!(first, run(&mut simulator(8, 3, 60.0), 30.0));
}

#[test]
fn cars_stay_on_the_track_and_within_their_grip() {
    let mut simulator = simulator(1, 3, 60.0);
    let track = simulator.track().clone();
    for s in run(&mut simulator, 200.0) {
        let n = |name| s.number(name).unwrap();
        let place = track.at(n("lap_dist_m"));
        let off = (n("x_m") - place.x_m).hypot(n("y_m") - place.y_m);
        assert!(off < HALF_WIDTH_M - 1.0, "{off} m off the centre line");
        let (ax, ay, v) = (n("ax_g"), n("ay_g"), n("speed_mps"));
        let more = 1.0 + 0.000_06 * v * v / LATERAL_GRIP_G;
        assert!(ay.abs() <= LATERAL_GRIP_G * more * 1.02, "{ay} g across at {v} m/s");
        assert!(ax >= -BRAKING_GRIP_G * more * 1.05, "{ax} g at {v} m/s");
        let used = (ay / LATERAL_GRIP_G).hypot(ax / BRAKING_GRIP_G) / more;
        assert!(used < 1.08, "{used} of the friction ellipse at {} m", n("lap_dist_m"));
        for (name, low, high) in [
            ("throttle_pct", 0.0, 100.0),
            ("brake_pct", 0.0, 100.0),
            ("rpm", 1_000.0, 8_300.0),
            ("gear", 1.0, 6.0),
            ("speed_mps", 8.0, TOP_SPEED_MPS),
            ("tyre_temp_fl_c", 40.0, 140.0),
            ("tyre_temp_rr_c", 40.0, 140.0),
            ("fuel_l", 50.0, TANK_L),
        ] {
            assert!((low..=high).contains(&n(name)), "{name} = {}", n(name));
        }
    }
}

#[test]
fn speed_and_position_never_jump_over_the_line_or_elsewhere() {
    let mut simulator = simulator(3, 2, 60.0);
    let samples = run(&mut simulator, 300.0);
    for vehicle in ["car-01", "car-02"] {
        let cars: Vec<_> = of(&samples, vehicle).collect();
        for pair in cars.windows(2) {
            let d = |name| pair[1].number(name).unwrap() - pair[0].number(name).unwrap();
            let limit = (BRAKING_GRIP_G + 0.4) * G / 60.0;
            assert!(d("speed_mps").abs() <= limit, "{} m/s in a step at {} m", d("speed_mps"), pair[0].number("lap_dist_m").unwrap());
            assert!(d("x_m").hypot(d("y_m")) < (TOP_SPEED_MPS + 2.0) / 60.0);
        }
    }
}

#[test]
fn lap_times_are_plausible_and_differ_between_cars_and_laps() {
    let mut simulator = simulator(42, 4, 20.0);
    let samples = run(&mut simulator, 700.0);
    let mut all = Vec::new();
    for vehicle in ["car-01", "car-02", "car-03", "car-04"] {
        let (mut twin, mut outputs) = (Vehicle::default(), Vec::new());
        for s in of(&samples, vehicle) {
            twin.apply(s, s.received_at, &mut outputs);
        }
        let times: Vec<f64> = outputs.iter().map(|Output::LapCompleted { lap, .. }| lap.time_s).collect();
        assert!(times.len() >= 5, "{vehicle}: {times:?}");
        assert!(times.iter().all(|t| (75.0..130.0).contains(t)), "{vehicle}: {times:?}");
        assert_eq!(twin.laps().unwrap().laps().len(), times.len(), "every timed lap is recorded");
        all.extend(times);
    }
    let count = all.len();
    all.sort_by(f64::total_cmp);
    all.dedup_by(|a, b| (*a - *b).abs() < 1e-3);
    assert!(all.len() > count * 9 / 10, "{all:?}");
    assert!(all[all.len() - 1] - all[0] > 0.5, "{all:?}");
}

#[test]
fn timed_laps_agree_with_where_the_distance_says_the_line_was_crossed() {
    let mut simulator = simulator(5, 1, 60.0);
    let samples = run(&mut simulator, 420.0);
    let (mut vehicle, mut outputs) = (Vehicle::default(), Vec::new());
    for s in &samples {
        vehicle.apply(s, s.received_at, &mut outputs);
    }
    let timed: Vec<f64> = outputs.iter().map(|Output::LapCompleted { lap, .. }| lap.time_s).collect();
    let crossings: Vec<f64> = samples
        .windows(2)
        .filter(|pair| pair[1].number("lap") > pair[0].number("lap"))
        .map(|pair| pair[1].source_time.secs_f64() - pair[1].number("lap_dist_m").unwrap() / pair[1].number("speed_mps").unwrap())
        .collect();
    assert_eq!(timed.len() + 1, crossings.len());
    for (time, pair) in timed.iter().zip(crossings.windows(2)) {
        assert!((time - (pair[1] - pair[0])).abs() < 2e-3, "{time} {pair:?}");
    }
}

#[test]
fn cars_can_be_named_and_bad_names_are_refused() {
    let named = simulator(1, 2, 10.0).with_prefix("gt").unwrap();
    assert_eq!(named.vehicles().map(VehicleId::as_str).collect::<Vec<_>>(), ["gt-01", "gt-02"]);
    assert!(simulator(1, 2, 10.0).with_prefix("g\u{7}t").is_err());
}
