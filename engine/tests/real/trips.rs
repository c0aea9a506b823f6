//! Trips and stops of vehicles on real roads.

use slipstream_engine::{
    geo::{LatLon, Position},
    trips::{Ended, Stop, Trip, TripConfig, TripDetector, TripEvent},
};

use crate::data::{Table, number, table};

struct Found {
    trips: Vec<Trip>,
    stops: Vec<Stop>,
    outliers: u64,
}

fn follow(data: &Table, vehicle: &str, speed: Option<&str>) -> Found {
    let [time, lat, lon] = ["unix_s", "lat_deg", "lon_deg"].map(|c| data.column(c));
    let speed = speed.map(|c| data.column(c));
    let config = TripConfig::default();
    let (mut detector, mut told) = (TripDetector::default(), Vec::new());
    for row in data.of("vehicle_id", vehicle) {
        let at = (number(&row[time]).unwrap() * 1e6).round() as i64;
        let place = number(&row[lat]).zip(number(&row[lon])).and_then(|(lat, lon)| LatLon::new(lat, lon));
        let speed = speed.and_then(|c| number(&row[c])).map(|kph| kph / 3.6);
        detector.apply(&config, at, place.map(Position::Earth), speed, &mut told);
    }
    let (mut trips, mut stops) = (Vec::new(), Vec::new());
    for event in told {
        match event {
            TripEvent::Trip(trip) => trips.push(trip),
            TripEvent::Stop(stop) => stops.push(stop),
            _ => {}
        }
    }
    trips.extend(detector.running(&config));
    Found { trips, stops, outliers: detector.outliers() }
}

/// Days of one person in Beijing, on foot, by bus and by car, weeks apart. Drawn on a map, the stops lie where the tracks
/// knot (a home, a campus, a park that was walked through) and the trips follow the streets between them.
#[test]
fn geolife_trips_are_those_of_a_person_in_a_city() {
    let Some(data) = table("fleet/geolife_user.csv.gz") else { return };
    let found = follow(&data, "1", None);
    println!("geolife: {} trips, {} stops, {} outliers", found.trips.len(), found.stops.len(), found.outliers);
    // Without those made by strays, by silences and by wandering about one place.
    assert!((70..=100).contains(&found.trips.len()) && (70..=100).contains(&found.stops.len()));
    assert!(found.stops.iter().all(|s| s.to - s.from >= 180_000_000), "a stop is three minutes at least");
    // Between days the recorder is off for up to weeks: no trip lasts through that, and none is farther than a city.
    for trip in &found.trips {
        assert!(trip.to - trip.from < 4 * 3_600_000_000 && trip.distance_m < 40_000.0, "{trip:?}");
    }
    let short: Vec<_> = found.trips.iter().filter(|t| t.distance_m < 30.0).collect();
    assert!(short.is_empty(), "no trip out of strays: {short:#?}");
    assert!(found.trips.iter().all(|t| t.max_speed_mps <= 70.0), "nobody is faster than the limit");
    let driven: f64 = found.trips.iter().map(|t| t.distance_m).sum();
    assert!((200_000.0..260_000.0).contains(&driven), "{driven}");
}

/// One drive of each driver, the same round of 19 km. Two of them had no fix at all (0/0 in every row): they are followed by
/// their speed. The engine stays on at red lights, and nobody stops for three minutes.
#[test]
fn obd_drives_are_one_trip_each_also_where_the_receiver_had_no_fix() {
    let Some(data) = table("fleet/obd_natal_drivers.csv.gz") else { return };
    let [lat, time, speed] = ["lat_deg", "unix_s", "speed_kph"].map(|c| data.column(c));
    for vehicle in data.distinct("vehicle_id") {
        let found = follow(&data, &vehicle, Some("speed_kph"));
        assert_eq!((found.trips.len(), found.stops.len(), found.outliers), (1, 0, 0), "{vehicle}");
        let trip = &found.trips[0];
        assert_eq!(trip.ended, Ended::Running, "the recording ends on the road");
        let rows: Vec<_> = data.of("vehicle_id", &vehicle).collect();
        let fixed = rows.iter().any(|r| number(&r[lat]).unwrap() != 0.0);
        assert_eq!(trip.from_place.is_some(), fixed, "0/0 is no place");
        let spoken: Vec<_> = rows.iter().filter_map(|r| Some((number(&r[time])?, number(&r[speed])? / 3.6))).collect();
        let by_speed: f64 = spoken.windows(2).map(|w| (w[1].0 - w[0].0) * f64::midpoint(w[0].1, w[1].1)).sum();
        assert!((trip.distance_m / by_speed - 1.0).abs() < 0.03, "{vehicle}: {} beside {by_speed}", trip.distance_m);
    }
}
