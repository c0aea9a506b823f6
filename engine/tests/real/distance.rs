//! How far a session's cars have come, by whatever they tell.

use slipstream_engine::session::Session;
use slipstream_protocol::{Quality, Sample, Signal, SignalValue, Timestamp, VehicleId};

use crate::data::{number, table};

/// A race car that tells its speed in a fifth of its rows, with holes up to 33 s, and its place in all of them: 48.4 km by its places.
#[test]
fn a_car_whose_speed_is_rare_is_measured_by_its_places() {
    let Some(data) = table("race/grcup_barber_r1_laps2-15_4p6hz.csv.gz") else { return };
    let columns = ["speed_mps", "lat_deg", "lon_deg"].map(|name| (name, data.column(name)));
    let time = data.column("t_s");
    for kept in [&["speed_mps", "lat_deg", "lon_deg"][..], &["lat_deg", "lon_deg"][..]] {
        let mut session = Session::default();
        for row in data.of("vehicle_id", "GR86-002-000") {
            let at = Timestamp::from_secs_f64(number(&row[time]).unwrap());
            let told = columns.iter().filter(|(name, _)| kept.contains(name));
            let signals =
                told.filter_map(|(name, at)| Some(Signal { name: (*name).into(), value: SignalValue::Number(number(&row[*at])?) }));
            session.apply(&Sample {
                vehicle: VehicleId::new("GR86-002-000").unwrap(),
                session: None,
                fleet: None,
                seq: None,
                source_time: at,
                received_at: at,
                quality: Quality::Good,
                signals: signals.collect(),
                raw: None,
            });
        }
        let metres = session.metrics().distance_m;
        assert!((metres / 48_441.4 - 1.0).abs() < 0.02, "{kept:?}: {metres} m");
    }
}
