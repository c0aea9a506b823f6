//! Strays: positions where the vehicle was not.

use super::*;
use crate::geo::{Point, Position};

type Sample = (i64, Option<Position>, Option<f64>);

fn at(x: f64, y: f64) -> Position {
    Position::Track(Point::new(x, y))
}

fn found(samples: &[Sample]) -> (Vec<TripEvent>, TripDetector) {
    let (config, mut detector, mut events) = (TripConfig::default(), TripDetector::default(), Vec::new());
    for (time, position, speed) in samples {
        detector.apply(&config, *time, *position, *speed, &mut events);
    }
    (events, detector)
}

/// Legs of (seconds, m/s along x), a sample every `every` seconds with 6 m of noise; the speed is reported or not.
fn drive(legs: &[(u32, f64)], every: u32, spoken: bool) -> Vec<Sample> {
    let (mut samples, mut t, mut x) = (Vec::new(), 0_u32, 0.0);
    for (seconds, speed) in legs {
        for _ in 0..seconds / every {
            let noise = f64::from(t / every) * 2.4;
            samples.push((i64::from(t) * 1_000_000, Some(at(x + 6.0 * noise.cos(), 6.0 * noise.sin())), spoken.then_some(*speed)));
            x += speed * f64::from(every);
            t += every;
        }
    }
    samples
}

/// Positions of `count` samples from `from` on lie `by` m aside.
fn stray(samples: &mut [Sample], from: usize, count: usize, by: f64) {
    for sample in &mut samples[from..from + count] {
        let Some(Position::Track(p)) = sample.1 else { continue };
        sample.1 = Some(at(p.x_m, p.y_m + by));
    }
}

fn trips(events: &[TripEvent]) -> Vec<&Trip> {
    events.iter().filter_map(|e| if let TripEvent::Trip(trip) = e { Some(trip) } else { None }).collect()
}

#[test]
fn a_parked_vehicle_has_no_trip_and_one_stop_whatever_strays_there_are() {
    for every in [1, 2, 5, 10, 20, 30] {
        for count in [1, 2, 3, 5, 10] {
            for by in [300.0, 1_400.0, 9_000.0] {
                let mut samples = drive(&[(3_600, 0.0)], every, true);
                let middle = samples.len() / 2;
                let count = count.min(150 / every as usize);
                stray(&mut samples, middle, count, by);
                let (events, mut detector) = found(&samples);
                assert_eq!(events.len(), 1, "each {every} s, {count} strays by {by} m: {events:#?}");
                let mut rest = Vec::new();
                detector.finish(&TripConfig::default(), &mut rest);
                assert!(matches!(rest[..], [TripEvent::Stop(Stop { number: 1, .. })]), "{rest:?}");
            }
        }
    }
}

#[test]
fn a_place_that_cannot_be_reached_in_time_makes_no_trip_without_speeds_either() {
    for (every, count) in [(1, 10), (5, 10), (10, 3), (10, 5), (20, 2)] {
        let mut samples = drive(&[(3_600, 0.0)], every, false);
        stray(&mut samples, 100, count, 1_500.0);
        let (events, _) = found(&samples);
        assert_eq!(events.len(), 1, "each {every} s, {count} strays: {events:#?}");
    }
}

#[test]
fn strays_where_a_stop_begins_or_ends_leave_the_trip_as_it_was() {
    for spoken in [true, false] {
        let clean = drive(&[(600, 0.0), (600, 15.0), (600, 0.0)], 5, spoken);
        let (events, _) = found(&clean);
        let expected = trips(&events)[0].clone();
        for from in [110, 115, 120, 125, 236, 240, 245, 260] {
            for count in [1, 3, 8] {
                let mut samples = clean.clone();
                stray(&mut samples, from, count, 1_400.0);
                let (events, _) = found(&samples);
                let trips = trips(&events);
                assert_eq!(trips.len(), 1, "{count} from {from}: {events:#?}");
                assert!((trips[0].distance_m - expected.distance_m).abs() < 200.0, "{count} from {from}: {trips:?}");
                assert!((trips[0].to - expected.to).abs() <= 50_000_000, "{count} from {from}: {trips:?}, not {expected:?}");
            }
        }
    }
}

#[test]
fn a_jump_out_and_back_adds_no_distance_to_a_trip() {
    for spoken in [true, false] {
        for every in [1, 2, 5] {
            for count in [1, 2, 3, 10] {
                let mut clean = drive(&[(600, 0.0), (900, 15.0), (600, 0.0)], every, spoken);
                let middle = clean.len() / 2;
                // The jump back may come after a pause in which it could be driven.
                let back = clean[middle + count - 1].0;
                clean.retain(|s| s.0 <= back || s.0 > back + 25_000_000);
                let expected = trips(&found(&clean).0)[0].distance_m;
                stray(&mut clean, middle, count, 1_400.0);
                let (events, _) = found(&clean);
                let trips = trips(&events);
                assert_eq!(trips.len(), 1, "each {every} s, {count}: {events:#?}");
                assert!((trips[0].distance_m - expected).abs() < 250.0, "each {every} s, {count}, {expected}: {trips:?}");
            }
        }
    }
}

#[test]
fn a_parked_vehicle_that_loses_its_receiver_has_not_left() {
    let mut samples = drive(&[(600, 15.0), (3_600, 0.0)], 5, true);
    for sample in samples.iter_mut().skip(600) {
        sample.1 = None;
    }
    let (events, _) = found(&samples);
    assert_eq!((trips(&events).len(), events.len()), (1, 3), "set off, a trip, stopped: {events:#?}");
}

#[test]
fn a_short_drive_and_a_way_through_a_tunnel_are_real() {
    for spoken in [true, false] {
        for every in [1, 5, 10, 20] {
            let (events, _) = found(&drive(&[(600, 0.0), (80, 17.5), (600, 0.0)], every, spoken));
            assert_eq!(trips(&events).len(), 1, "each {every} s: {events:#?}");
        }
        // Two minutes without a sample, 2 km on.
        let mut samples = drive(&[(600, 0.0), (600, 16.0), (600, 0.0)], 5, spoken);
        samples.retain(|s| !(800_000_000..920_000_000).contains(&s.0));
        // And the receiver's speed of 0 without a place, for a minute.
        for sample in samples.iter_mut().filter(|s| (1_000_000_000..1_060_000_000).contains(&s.0)) {
            *sample = (sample.0, None, spoken.then_some(0.0));
        }
        let (events, _) = found(&samples);
        let trips = trips(&events);
        assert_eq!(trips.len(), 1, "{events:#?}");
        assert!((trips[0].distance_m - 9_600.0).abs() < 300.0, "{trips:?}");
    }
}

#[test]
fn a_speed_that_always_reports_zero_hides_no_trip() {
    let mut samples = drive(&[(600, 0.0), (900, 15.0), (600, 0.0)], 10, true);
    for sample in &mut samples {
        sample.2 = Some(0.0);
    }
    let (events, _) = found(&samples);
    let trips = trips(&events);
    assert_eq!(trips.len(), 1, "{events:#?}");
    assert!((trips[0].distance_m - 13_500.0).abs() < 500.0, "{trips:?}");
}

#[test]
fn a_limit_of_speed_below_what_is_driven_makes_no_trip_of_standing() {
    for (spoken, every, limit) in [(true, 1, 5.0), (false, 1, 5.0), (true, 5, 9.0), (false, 5, 2.0), (false, 10, 5.0)] {
        let config = TripConfig { max_speed_mps: limit, ..TripConfig::default() };
        let (mut detector, mut events) = (TripDetector::default(), Vec::new());
        for (time, position, speed) in drive(&[(600, 0.0), (900, 10.0), (600, 0.0)], every, spoken) {
            detector.apply(&config, time, position, speed, &mut events);
        }
        detector.finish(&config, &mut events);
        for trip in trips(&events) {
            let mean = trip.distance_m / ((trip.to - trip.from) as f64 / 1e6);
            assert!(trip.max_speed_mps >= mean.min(limit) - 1e-9 && mean > 1.0, "each {every} s, limit {limit}: {trip:?}");
        }
    }
}

#[test]
fn a_coordinate_that_is_missing_for_a_while_splits_no_stop() {
    let place = |lat_deg, lon_deg| Some(Position::Earth(crate::geo::LatLon { lat_deg, lon_deg }));
    for (spoken, every) in [(true, 1), (false, 1), (true, 10), (false, 10)] {
        // A longer silence forgets where the vehicle was.
        for count in [1, 5, 20, 50] {
            for (lat, lon) in [(0.0, 8.0), (48.0, 0.0), (90.0, 0.0)] {
                let moment = |n: i64| n * every * 1_000_000;
                let mut samples: Vec<Sample> = (0..3_600).map(|n| (moment(n), place(48.0, 8.0), spoken.then_some(0.0))).collect();
                samples[1_800..1_800 + count].iter_mut().for_each(|sample| sample.1 = place(lat, lon));
                let (events, _) = found(&samples);
                assert_eq!(events.len(), 1, "{count} times {lat}/{lon} each {every} s: {events:?}");
            }
        }
    }
    // Through Greenwich, and over the equator.
    let along: Vec<Sample> = (0..1_200).map(|n| (n * 1_000_000, place(51.5, -0.1 + n as f64 * 0.000_2), None)).collect();
    let (events, detector) = found(&along);
    assert!(events.len() == 1 && detector.outliers() == 0, "{events:?}");
}

#[test]
fn a_long_cluster_of_strays_that_is_jumped_into_and_out_of_makes_no_trip() {
    for spoken in [true, false] {
        for (every, count, least_m) in [
            (1, 30, 300.0),
            (1, 120, 300.0),
            (2, 60, 300.0),
            (5, 24, 300.0),
            (10, 12, 300.0),
            (10, 17, 300.0),
            (20, 8, 1_000.0),
            (30, 5, 2_000.0),
        ] {
            // What is nearer could have been driven in the time.
            for by in [300.0, 600.0, 1_400.0, 9_000.0].into_iter().filter(|by| *by >= least_m || spoken) {
                let mut samples = drive(&[(3_600, 0.0)], every, spoken);
                let middle = samples.len() / 2;
                stray(&mut samples, middle, count, by);
                let (events, _) = found(&samples);
                assert_eq!(events.len(), 1, "{spoken}, each {every} s, {count} strays by {by} m: {events:#?}");
            }
        }
    }
}

#[test]
fn a_short_drive_between_two_positions_is_a_trip() {
    // Stands, drives 350 m in half a minute, stands: as real as sparse positions can show it.
    for every in [1, 2, 5, 10, 30] {
        let (events, _) = found(&drive(&[(600, 0.0), (30, 12.0), (900, 0.0)], every, false));
        assert_eq!(trips(&events).len(), 1, "each {every} s: {events:#?}");
    }
}
