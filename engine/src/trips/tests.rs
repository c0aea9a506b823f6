use proptest::prelude::*;

use super::*;
use crate::geo::{Point, Position};

type Sample = (i64, Option<Position>, Option<f64>);

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
    assert_eq!(trips(&told).iter().map(|t| t.ended).collect::<Vec<_>>(), [Ended::Stop; 2], "{told:?}");
    let overnight = stops(&told)[0];
    assert!(overnight.to - overnight.from >= 30_000_000_000 - 5_000_000, "{overnight:?}");

    let mut moved = drive(&[(300, 15.0)], 5);
    let later = drive(&[(300, 15.0), (300, 0.0)], 5).into_iter().map(|(t, p, s)| {
        let p = p.map(|p| if let Position::Track(p) = p { Position::Track(Point::new(p.x_m + 90_000.0, 0.0)) } else { p });
        (t + 7_200_000_000, p, s)
    });
    moved.extend(later);
    let told = found(&TripConfig::default(), &moved);
    let ends: Vec<_> = trips(&told).iter().map(|t| (t.ended, t.distance_m < 4_600.0)).collect();
    assert_eq!(ends, [(Ended::Silence, true), (Ended::Stop, true)], "nothing is counted across the silence");
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
