use proptest::prelude::*;
use slipstream_protocol::SessionId;

use super::*;
use crate::{laps::TracePoint, simulator::Simulator, vehicle::Vehicle};

/// How one corner of a made-up lap is driven.
#[derive(Clone, Copy)]
struct Drive {
    apex_m: f64,
    min_mps: f64,
    braking_mps2: f64,
    pickup_m: f64,
}

const STEP_M: f64 = 5.0;
const LENGTH_M: f64 = 3_000.0;
const BASE: [Drive; 4] = [
    Drive { apex_m: 500.0, min_mps: 22.0, braking_mps2: 11.0, pickup_m: 10.0 },
    Drive { apex_m: 1_100.0, min_mps: 30.0, braking_mps2: 11.0, pickup_m: 10.0 },
    Drive { apex_m: 1_800.0, min_mps: 18.0, braking_mps2: 11.0, pickup_m: 10.0 },
    Drive { apex_m: 2_400.0, min_mps: 35.0, braking_mps2: 11.0, pickup_m: 10.0 },
];

/// A lap driven so: full throttle (5 m/s² less drag) up to the curve of the brakes, the minimum
/// speed held from the apex to the pick-up.
fn lap(number: u32, corners: &[Drive]) -> LapTrace {
    let fine = 1.0;
    let (mut speed, mut time, mut points) = (55.0_f64, 0.0_f64, Vec::new());
    let count = (LENGTH_M / fine) as usize;
    for i in 0..=count {
        let place = i as f64 * fine;
        let limit = corners
            .iter()
            .filter(|c| c.apex_m >= place)
            .map(|c| (c.min_mps * c.min_mps + 2.0 * c.braking_mps2 * (c.apex_m - place)).sqrt())
            .fold(f64::INFINITY, f64::min);
        let held = corners.iter().any(|c| place >= c.apex_m && place < c.apex_m + c.pickup_m);
        let braking = speed > limit - 0.05;
        speed = speed.min(limit);
        let (throttle, brake) = if braking {
            (0.0, 80.0)
        } else if held {
            (10.0, 0.0)
        } else {
            (100.0, 0.0)
        };
        if i % STEP_M as usize == 0 {
            points.push(TracePoint {
                time_s: time as f32,
                speed_mps: speed as f32,
                throttle_pct: throttle,
                brake,
                x_m: place as f32,
                y_m: 0.0,
            });
        }
        time += fine / speed;
        let drive = if held || braking { 0.0 } else { 5.0 - 0.0009 * speed * speed };
        speed = (speed * speed + 2.0 * drive * fine).sqrt();
    }
    LapTrace { lap: number, time_s: time, length_m: LENGTH_M, step_m: STEP_M, points }
}

fn with(corner: usize, change: impl Fn(&mut Drive)) -> Vec<Drive> {
    let mut corners = BASE.to_vec();
    change(&mut corners[corner]);
    corners
}

fn book(laps: impl IntoIterator<Item = LapTrace>) -> LapBook {
    let mut book = LapBook::default();
    laps.into_iter().for_each(|lap| book.push(lap));
    book
}

/// Laps that differ a little everywhere, the reference lap first, so that the model has data.
fn practice() -> Vec<LapTrace> {
    let changes = [(0.0, 0.0, 0.0), (-0.4, -1.0, 4.0), (-0.2, -2.0, 1.0), (-0.8, 0.0, 8.0), (0.0, -1.5, 6.0), (-0.5, -0.5, 0.0)];
    changes
        .iter()
        .enumerate()
        .map(|(n, (slower, softer, later))| {
            let corners: Vec<Drive> = BASE
                .iter()
                .enumerate()
                .map(|(i, c)| {
                    let share = ((i + n) % 3) as f64 / 2.0;
                    Drive {
                        min_mps: c.min_mps + slower * share,
                        braking_mps2: c.braking_mps2 + softer * (1.0 - share),
                        pickup_m: c.pickup_m + later * share,
                        ..*c
                    }
                })
                .collect();
            lap(n as u32 + 1, &corners)
        })
        .collect()
}

fn advise_on(newest: &[Drive]) -> Advice {
    let mut laps = practice();
    laps.push(lap(99, newest));
    advise(&book(laps), Timestamp::default()).unwrap()
}

#[test]
fn every_corner_is_found_at_its_apex() {
    let corners = find_corners(&lap(1, &BASE));
    assert_eq!(corners.len(), 4, "{corners:?}");
    for (corner, drive) in corners.iter().zip(BASE) {
        assert!((corner.apex_m - drive.apex_m).abs() <= 12.0, "{corner:?}");
        assert!((corner.min_mps - drive.min_mps).abs() < 1.0, "{corner:?}");
    }
    assert_eq!(corners[0].from_m, 0.0);
    assert_eq!(corners[3].to_m, LENGTH_M);
    assert!(corners.windows(2).all(|w| w[0].to_m == w[1].from_m));
}

#[test]
fn an_earlier_brake_point_is_found_measured_and_blamed() {
    let advice = advise_on(&with(2, |c| c.braking_mps2 = 6.5));
    let worst = &advice.corners[0];
    assert_eq!((worst.corner, worst.cause), (3, Cause::BrakePoint), "{advice:#?}");
    assert!(worst.brake_point_delta_m.unwrap() > 15.0, "{worst:?}");
    assert!(worst.min_speed_delta_mps.abs() < 0.2, "{worst:?}");
    assert!(advice.text.contains("Corner 3") && advice.text.contains("earlier"), "{}", advice.text);
}

#[test]
fn a_lower_minimum_speed_is_found_measured_and_blamed() {
    // Braked as late as before: the brakes are used harder.
    let advice = advise_on(&with(0, |c| {
        c.min_mps -= 2.5;
        c.braking_mps2 += 0.5;
    }));
    let worst = &advice.corners[0];
    assert_eq!((worst.corner, worst.cause), (1, Cause::MinSpeed), "{advice:#?}");
    assert!((worst.min_speed_delta_mps + 2.5).abs() < 0.3, "{worst:?}");
    assert!(advice.text.contains("slower at the slowest place"), "{}", advice.text);
}

#[test]
fn a_late_throttle_is_found_measured_and_blamed() {
    let advice = advise_on(&with(1, |c| c.pickup_m += 35.0));
    let worst = &advice.corners[0];
    assert_eq!((worst.corner, worst.cause), (2, Cause::ThrottlePickup), "{advice:#?}");
    assert!((worst.throttle_pickup_delta_m.unwrap() - 35.0).abs() < 6.0, "{worst:?}");
}

#[test]
fn corners_and_causes_add_up_to_the_time_lost() {
    let advice = advise_on(&with(2, |c| c.braking_mps2 = 7.0));
    let sum: f64 = advice.corners.iter().map(|c| c.time_lost_s).sum();
    assert!((sum - advice.total_lost_s).abs() < 1e-3, "{sum} of {}", advice.total_lost_s);
    for c in &advice.corners {
        let by = c.loss_by_cause;
        let parts = by.brake_point_s + by.min_speed_s + by.throttle_pickup_s + by.other_s;
        assert!((parts - c.time_lost_s).abs() < 1e-9, "{c:?}");
        assert!((0.0..=1.0).contains(&c.confidence), "{c:?}");
    }
}

#[test]
fn two_laps_are_enough_and_the_uncertainty_is_told() {
    let slower = with(2, |c| c.min_mps -= 2.0);
    let advice = advise(&book([lap(1, &BASE), lap(2, &slower)]), Timestamp::default()).unwrap();
    assert_eq!((advice.laps_used, advice.reference_lap, advice.compared_lap), (2, 1, 2));
    assert_eq!(advice.corners[0].corner, 3);
    assert!(advice.corners.iter().all(|c| c.confidence <= 0.5), "{advice:#?}");
    assert!(advice.text.contains("Only two laps at pace"), "{}", advice.text);
}

#[test]
fn a_new_best_lap_is_compared_with_the_one_before() {
    let slower = with(2, |c| c.min_mps -= 2.0);
    let advice = advise(&book([lap(1, &slower), lap(2, &BASE)]), Timestamp::default()).unwrap();
    assert_eq!((advice.reference_lap, advice.compared_lap), (2, 1));
}

#[test]
fn what_is_missing_is_told_as_a_typed_error() {
    let none = CoachError::NotEnoughLaps { have: 0, need: 2 };
    assert_eq!(advise(&LapBook::default(), Timestamp::default()), Err(none));
    let one = CoachError::NotEnoughLaps { have: 1, need: 2 };
    assert_eq!(advise(&book([lap(1, &BASE)]), Timestamp::default()), Err(one));
    let straight = advise(&book([lap(1, &[]), lap(2, &[])]), Timestamp::default());
    assert_eq!(straight, Err(CoachError::NoCorners { lap: 1, by_mps: 3 }));
}

#[test]
fn without_pedals_the_speed_alone_tells_where_braking_began() {
    let bare = |mut lap: LapTrace| {
        for p in &mut lap.points {
            (p.throttle_pct, p.brake) = (f32::NAN, f32::NAN);
        }
        lap
    };
    let softer = with(2, |c| c.braking_mps2 = 6.5);
    let advice = advise(&book([bare(lap(1, &BASE)), bare(lap(2, &softer))]), Timestamp::default()).unwrap();
    assert_eq!(advice.corners[0].corner, 3);
    assert!(advice.corners[0].brake_point_delta_m.unwrap() > 12.0, "{advice:#?}");
}

#[test]
fn the_advice_is_the_same_every_time_and_in_camel_case() {
    let advice = advise_on(&with(1, |c| c.min_mps -= 1.0));
    assert_eq!(advice, advise_on(&with(1, |c| c.min_mps -= 1.0)));
    let json = serde_json::to_value(&advice).unwrap();
    for field in ["text", "referenceLap", "comparedLap", "totalLostS", "corners"] {
        assert!(json.get(field).is_some(), "{field}: {json}");
    }
    for field in ["corner", "distanceM", "timeLostS", "brakePointDeltaM", "minSpeedDeltaMps", "throttlePickupDeltaM", "cause", "confidence"]
    {
        assert!(json["corners"][0].get(field).is_some(), "{field}: {json}");
    }
}

#[test]
fn simulated_drivers_are_told_where_they_lose_and_most_of_it_is_explained() {
    let session = SessionId::new("practice").unwrap();
    let mut simulator = Simulator::new(42, 3, 60.0, session, Timestamp::default());
    let mut vehicles = vec![Vehicle::default(); 3];
    let (mut samples, mut outputs) = (Vec::new(), Vec::new());
    for _ in 0..60 * 800 {
        samples.clear();
        simulator.step(&mut samples);
        for (vehicle, sample) in vehicles.iter_mut().zip(&samples) {
            vehicle.apply(sample, sample.received_at, &mut outputs);
        }
    }
    let corners = simulator.track().apexes_m().count();
    for vehicle in &vehicles {
        let advice = advise(vehicle.laps().unwrap(), Timestamp::default()).unwrap();
        println!("{}", advice.text);
        assert!(advice.corners.len().abs_diff(corners) <= 2, "{} corners of {corners}", advice.corners.len());
        assert!(advice.explained > 0.5, "{advice:#?}");
        let sum: f64 = advice.corners.iter().map(|c| c.time_lost_s).sum();
        assert!((sum - advice.total_lost_s).abs() < 0.01, "{sum} of {}", advice.total_lost_s);
    }
}

/// A lap of whatever speeds.
fn any_lap(number: u32, speeds: &[f32]) -> LapTrace {
    let mut time = 0.0_f32;
    let points = speeds.iter().map(|v| {
        time += STEP_M as f32 / v.max(0.5);
        TracePoint { time_s: time, speed_mps: *v, throttle_pct: v * 2.0, brake: 50.0 - v, x_m: f32::NAN, y_m: f32::NAN }
    });
    let points: Vec<TracePoint> = points.collect();
    let length_m = STEP_M * (points.len() as f64 - 0.5);
    LapTrace { lap: number, time_s: f64::from(time) + 0.1, length_m, step_m: STEP_M, points }
}

proptest! {
    #[test]
    fn no_laps_make_it_panic_or_tell_numbers_that_are_none(
        laps in prop::collection::vec(prop::collection::vec(0.0_f32..90.0, 20..120), 2..5)
    ) {
        let book = book(laps.iter().enumerate().map(|(i, speeds)| any_lap(i as u32, speeds)));
        if let Ok(advice) = advise(&book, Timestamp::default()) {
            for c in &advice.corners {
                let by = c.loss_by_cause;
                for number in [c.time_lost_s, c.min_speed_delta_mps, by.brake_point_s, by.min_speed_s, by.throttle_pickup_s, by.other_s, c.confidence] {
                    prop_assert!(number.is_finite(), "{:?}", c);
                }
            }
            prop_assert!(!advice.text.contains("NaN") && !advice.text.contains("inf"), "{}", advice.text);
        }
    }
}
