use proptest::prelude::*;

use super::*;
use crate::geo::{Point, Position};

type Sample = (i64, Option<Position>, Option<f64>);

/// A drive, as [`drive`] makes it, somewhere else and later.
fn moved(samples: &[Sample], seconds: i64, metres: f64) -> Vec<Sample> {
    let place = |p: Position| if let Position::Track(p) = p { Position::Track(Point::new(p.x_m + metres, p.y_m)) } else { p };
    samples.iter().map(|(t, p, s)| (t + seconds * 1_000_000, p.map(place), *s)).collect()
}

fn found(config: &TripConfig, samples: &[Sample]) -> Vec<TripEvent> {
    let (mut detector, mut told) = (TripDetector::default(), Vec::new());
    for (at, position, speed) in samples {
        detector.apply(config, *at, *position, *speed, &mut told);
    }
    told
}

/// Legs of (seconds, m/s along x), one sample every `every` seconds; NaN is silence.
fn drive(legs: &[(u32, f64)], every: u32) -> Vec<Sample> {
    let (mut samples, mut t, mut x) = (Vec::new(), 0_u32, 0.0);
    for (seconds, speed) in legs {
        for _ in 0..seconds / every {
            if !speed.is_nan() {
                samples.push((i64::from(t) * 1_000_000, Some(Position::Track(Point::new(x, 0.0))), None));
                x += speed * f64::from(every);
            }
            t += every;
        }
    }
    samples
}

fn trips(events: &[TripEvent]) -> Vec<&Trip> {
    events.iter().filter_map(|e| if let TripEvent::Trip(trip) = e { Some(trip) } else { None }).collect()
}

fn stops(events: &[TripEvent]) -> Vec<&Stop> {
    events.iter().filter_map(|e| if let TripEvent::Stop(stop) = e { Some(stop) } else { None }).collect()
}

#[test]
fn a_trip_lies_between_two_stops_and_a_red_light_does_not_cut_it() {
    let told = found(&TripConfig::default(), &drive(&[(600, 0.0), (300, 15.0), (90, 0.0), (300, 15.0), (600, 0.0), (60, 15.0)], 5));
    let (trips, stops) = (trips(&told), stops(&told));
    assert_eq!((trips.len(), stops.len()), (1, 2), "{told:#?}");
    let trip = trips[0];
    assert!((trip.distance_m - 9_000.0).abs() <= 120.0, "{trip:?}");
    assert!((trip.from - 600_000_000).abs() <= 5_000_000 && (trip.to - 1_290_000_000).abs() <= 6_000_000, "{trip:?}");
    assert!((trip.idle_s - 90.0).abs() <= 10.0 && (trip.max_speed_mps - 15.0).abs() < 1e-9 && trip.ended == Ended::Stop, "{trip:?}");
    assert_eq!((stops[0].from, stops[0].to), (0, trip.from));
    assert_eq!((stops[1].from, stops[1].number), (trip.to, 2));
}

#[test]
fn noise_around_a_parked_vehicle_makes_no_trips() {
    let samples: Vec<Sample> = (0..5_000_i64)
        .map(|i| {
            let angle = i as f64 * 2.4;
            let r = 40.0 * ((i * 7919 % 101) as f64 / 101.0);
            let wild = if i % 500 == 250 { 5_000.0 } else { 0.0 };
            (i * 5_000_000, Some(Position::Track(Point::new(r * angle.cos() + wild, r * angle.sin()))), None)
        })
        .collect();
    let told = found(&TripConfig::default(), &samples);
    assert_eq!(told.len(), 1, "stopped, and no more: {told:?}");
}

#[test]
fn silence_where_it_stands_is_a_stop_and_silence_on_the_road_ends_the_trip() {
    let parked = drive(&[(300, 15.0), (10, 0.0), (30_000, f64::NAN), (300, 15.0), (300, 0.0), (300, 15.0)], 5);
    let told = found(&TripConfig::default(), &parked);
    assert_eq!(trips(&told).iter().map(|t| t.ended).collect::<Vec<_>>(), [Ended::Silence, Ended::Stop], "{told:?}");
    let overnight = stops(&told)[0];
    assert!(overnight.to - overnight.from >= 30_000_000_000 - 5_000_000, "{overnight:?}");

    let mut samples = drive(&[(300, 15.0)], 5);
    samples.extend(moved(&drive(&[(300, 15.0), (300, 0.0)], 5), 7_200, 90_000.0));
    let told = found(&TripConfig::default(), &samples);
    let ends: Vec<_> = trips(&told).iter().map(|t| (t.ended, t.distance_m < 4_600.0)).collect();
    assert_eq!(ends, [(Ended::Silence, true), (Ended::Stop, true)], "nothing is counted across the silence");
}

#[test]
fn a_vehicle_that_falls_silent_has_its_trip_told_when_nobody_waits_any_longer() {
    let config = TripConfig::default();
    let (mut detector, mut told) = (TripDetector::default(), Vec::new());
    let samples = drive(&[(300, 0.0), (600, 10.0)], 5);
    for (at, position, speed) in &samples {
        detector.apply(&config, *at, *position, *speed, &mut told);
    }
    let last = samples.last().unwrap().0;
    assert_eq!(detector.deadline(&config), Some(last + 600_000_000));
    detector.pass(&config, last + 600_000_000, &mut told);
    assert!(trips(&told).is_empty(), "a sample may still come");
    detector.pass(&config, last + 600_000_001, &mut told);
    let trip = trips(&told)[0].clone();
    assert_eq!((trip.ended, trip.to), (Ended::Silence, last));
    assert!((trip.distance_m - 5_950.0).abs() < 60.0, "{trip:?}");
    // It speaks again where it fell silent: it has stood there since.
    detector.apply(&config, last + 3_600_000_000, samples.last().unwrap().1, None, &mut told);
    assert_eq!(trips(&told).len(), 1, "{told:?}");
    assert!(matches!(told.last(), Some(TripEvent::Stopped { from, .. }) if *from == last), "{told:?}");
}

#[test]
fn what_goes_on_at_the_end_is_told_as_far_as_it_has_come() {
    let config = TripConfig::default();
    for (legs, expected) in [([(300, 0.0), (600, 10.0)], (1, 1)), ([(600, 10.0), (300, 0.0)], (1, 1)), ([(300, 0.0), (300, 0.0)], (0, 1))] {
        let (mut detector, mut told) = (TripDetector::default(), Vec::new());
        for (at, position, speed) in drive(&legs, 5) {
            detector.apply(&config, at, position, speed, &mut told);
        }
        detector.finish(&config, &mut told);
        assert_eq!((trips(&told).len(), stops(&told).len()), expected, "{legs:?}: {told:?}");
        let before = told.len();
        detector.finish(&config, &mut told);
        assert_eq!(told.len(), before, "once");
    }
}

#[test]
fn a_place_reached_in_silence_makes_no_trip() {
    // Five minutes here, fifty of silence, five minutes 180 m away.
    let mut samples = drive(&[(300, 0.0)], 5);
    samples.extend(moved(&drive(&[(300, 0.0)], 5), 3_300, 180.0));
    let told = found(&TripConfig::default(), &samples);
    assert!(trips(&told).is_empty() && !told.iter().any(|e| matches!(e, TripEvent::SetOff { .. })), "{told:?}");
    assert_eq!(stops(&told).len(), 1, "{told:?}");
}

#[test]
fn a_trip_begins_when_the_vehicle_is_seen_again_and_not_before_its_silence() {
    // Parked; five hours of silence; 100 m off; away.
    let mut samples = drive(&[(600, 0.0)], 5);
    samples.extend(moved(&drive(&[(30, 0.0), (300, 10.0), (300, 0.0)], 5), 18_600, 100.0));
    let told = found(&TripConfig::default(), &samples);
    let trips = trips(&told);
    assert_eq!(trips.len(), 1, "{told:?}");
    assert!(trips[0].from >= 18_600_000_000 && trips[0].idle_s < 60.0, "{trips:?}");
}

#[test]
fn stray_positions_and_jumps_back_make_no_trips() {
    // Standing; for 36 s nothing; one position 418 m away; back again. And the same for longer, and twice over.
    for strays in [1, 2, 8] {
        let mut samples = drive(&[(600, 0.0)], 4);
        samples.retain(|(at, ..)| !(300_000_000..336_000_000).contains(at));
        for sample in samples.iter_mut().filter(|s| s.0 >= 336_000_000).take(strays) {
            sample.1 = Some(Position::Track(Point::new(418.0, 0.0)));
        }
        let told = found(&TripConfig::default(), &samples);
        assert_eq!(told.len(), 1, "stopped, and no more: {told:?}");
    }
    // The first position of all is the stray one.
    let mut samples = drive(&[(900, 0.0)], 30);
    samples[0].1 = Some(Position::Track(Point::new(418.0, 0.0)));
    let told = found(&TripConfig::default(), &samples);
    assert!(trips(&told).is_empty(), "{told:?}");
}

#[test]
fn a_way_nobody_can_drive_is_no_trip() {
    // Parked; for eight minutes the receiver says another continent; back.
    let mut samples = drive(&[(1_800, 0.0)], 30);
    for sample in samples.iter_mut().filter(|s| (600_000_000..1_080_000_000).contains(&s.0)) {
        sample.1 = Some(Position::Track(Point::new(6_700_000.0, 40.0)));
    }
    let told = found(&TripConfig::default(), &samples);
    assert!(trips(&told).is_empty() && !told.iter().any(|e| matches!(e, TripEvent::SetOff { .. })), "{told:?}");
}

#[test]
fn a_real_short_drive_is_a_trip_however_rarely_it_is_told() {
    for every in [1, 5, 20, 60, 150] {
        let told = found(&TripConfig::default(), &drive(&[(900, 0.0), (300, 10.0), (900, 0.0)], every));
        let trips = trips(&told);
        assert_eq!(trips.len(), 1, "each {every} s: {told:?}");
        assert!((trips[0].distance_m - 3_000.0).abs() < 10.0 * f64::from(every) + 130.0, "each {every} s: {trips:?}");
        assert!(trips[0].max_speed_mps <= 10.0 + 1e-9, "each {every} s: {trips:?}");
    }
}

#[test]
fn a_vehicle_without_places_is_followed_by_its_speed() {
    let legs = [(400, 0.0), (500, 12.0), (400, 0.0)];
    let samples: Vec<Sample> = drive(&legs, 4)
        .windows(2)
        .map(|w| {
            let way = w[0].1.unwrap().distance_m(w[1].1.unwrap()).unwrap();
            (w[0].0, None, Some(way / 4.0))
        })
        .collect();
    let told = found(&TripConfig::default(), &samples);
    let trips = trips(&told);
    assert_eq!(trips.len(), 1, "{told:?}");
    assert!((trips[0].distance_m - 6_000.0).abs() < 130.0 && trips[0].from_place.is_none(), "{trips:?}");
}

prop_compose! {
    fn any_drive()(legs in prop::collection::vec((5..900_u32, prop_oneof![Just(0.0), Just(f64::NAN), 0.5..30.0_f64, -20.0..-3.0_f64]), 1..14), every in 1..20_u32, noise in prop::collection::vec(-30.0..30.0_f64, 16))
        -> Vec<Sample> {
        let mut samples = drive(&legs, every);
        for (i, sample) in samples.iter_mut().enumerate() {
            if let Some(Position::Track(p)) = &mut sample.1 {
                p.y_m += noise[i % 16];
            }
            if i % 3 == 0 {
                sample.2 = Some(noise[(i / 3) % 16].abs());
            }
            if i % 7 == 3 {
                sample.1 = None;
            }
        }
        samples
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever the stream is cut, saved and taken up again, the same is found: a report cannot depend on how it is asked.
    #[test]
    fn any_split_of_the_stream_gives_the_same_trips(samples in any_drive(), cuts in prop::collection::vec(0.0..1.0_f64, 0..6)) {
        let config = TripConfig::default();
        let whole = found(&config, &samples);
        let mut cuts: Vec<usize> = cuts.iter().map(|c| (c * samples.len() as f64) as usize).collect();
        cuts.sort_unstable();
        let (mut detector, mut told) = (TripDetector::default(), Vec::new());
        for (i, (at, position, speed)) in samples.iter().enumerate() {
            if cuts.contains(&i) {
                detector = postcard::from_bytes(&postcard::to_allocvec(&detector).unwrap()).unwrap();
            }
            detector.apply(&config, *at, *position, *speed, &mut told);
        }
        prop_assert_eq!(told, whole);
    }

    /// What was told stays: the events of a part are the first events of the whole.
    #[test]
    fn more_data_only_adds_to_what_was_found(samples in any_drive(), share in 0.0..1.0_f64) {
        let config = TripConfig::default();
        let whole = found(&config, &samples);
        let part = found(&config, &samples[..(share * samples.len() as f64) as usize]);
        prop_assert_eq!(&whole[..part.len()], &part[..]);
    }

    /// Nobody is faster than the limit, whatever receivers tell.
    #[test]
    fn no_trip_is_faster_than_the_limit(samples in any_drive(), limit in 2.0..40.0_f64) {
        let config = TripConfig { max_speed_mps: limit, ..TripConfig::default() };
        let mut told = found(&config, &samples);
        let mut detector = TripDetector::default();
        for (at, position, speed) in &samples {
            detector.apply(&config, *at, *position, *speed, &mut told);
        }
        for trip in trips(&told).into_iter().chain(detector.running(&config).as_ref()) {
            prop_assert!(trip.max_speed_mps <= limit, "{:?}", trip);
        }
    }

    #[test]
    fn trips_and_stops_take_turns_and_never_overlap(samples in any_drive()) {
        let told = found(&TripConfig::default(), &samples);
        let mut end = i64::MIN;
        for event in &told {
            let (from, to) = match event {
                TripEvent::Trip(t) => (t.from, t.to),
                TripEvent::Stop(s) => (s.from, s.to),
                _ => continue,
            };
            prop_assert!(from >= end && to >= from, "{:?}", told);
            end = to;
        }
    }
}
