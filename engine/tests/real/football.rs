//! Distance and speed of players beside reference values.

use slipstream_engine::{
    geo::{LatLon, Point, Position},
    motion::{MotionConfig, MotionKpis, MotionTracker, SpeedSource},
};

use crate::data::{Table, number, table};

type Track = Vec<(i64, Option<Position>, Option<f64>)>;

fn follow(config: &MotionConfig, track: &Track) -> MotionKpis {
    let (mut tracker, mut steps) = (MotionTracker::default(), Vec::new());
    for (at, position, speed) in track {
        tracker.apply(config, *at, *position, *speed, &mut steps);
    }
    tracker.finish(config, &mut steps);
    tracker.kpis()
}

fn micros(cell: &str) -> i64 {
    (number(cell).unwrap() * 1e6).round() as i64
}

fn pitch_track(data: &Table, player: &str) -> Track {
    let [t, x, y] = ["t_s".to_owned(), format!("{player}_x"), format!("{player}_y")].map(|c| data.column(&c));
    let point = |r: &Vec<String>| Some(Position::Track(Point::new(number(&r[x])?, number(&r[y])?)));
    data.rows.iter().map(|r| (micros(&r[t]), point(r), None)).collect()
}

/// A row's number in the reference.
fn reference(data: &Table, row: &[String], column: &str) -> f64 {
    number(&row[data.column(column)]).unwrap()
}

fn near(told: f64, expected: f64, by: f64, what: &str) {
    assert!((told - expected).abs() <= by, "{what}: {told} beside {expected}");
}

/// Where everything is believed, the numbers are those of numpy, scipy and floodlight to the last digit told.
#[test]
fn tracab_distances_and_speeds_equal_the_reference_where_every_position_is_believed() {
    let Some(data) = table("football/tracab_25hz_first180s.csv.gz") else { return };
    let Some(expected) = table("football/tracab_25hz_first180s.kpi_ref.csv") else { return };
    let raw = MotionConfig { max_speed_mps: f64::INFINITY, ..MotionConfig::default() };
    let smooth = MotionConfig { smooth: 21, ..raw.clone() };
    for row in &expected.rows {
        let (player, of) = (&row[0], |column| reference(&expected, row, column));
        let track = pitch_track(&data, player);
        let kpis = follow(&raw, &track);
        near(kpis.distance_m, of("dist_raw_m"), 0.005, player);
        near(kpis.max_speed_mps, of("top_speed_raw_mps"), 0.0005, player);
        let kpis = follow(&smooth, &track);
        near(kpis.distance_m, of("dist_savgol21_m"), 0.005, player);
        near(kpis.max_speed_mps, of("top_speed_savgol21_mps"), 0.0005, player);
        near(kpis.over[0].distance_m, of("dist_over_5p5mps_savgol_m"), 0.005, player);
        near(kpis.over[1].distance_m, of("dist_over_7mps_savgol_m"), 0.005, player);
        assert_eq!(kpis.samples, 4_500);
    }
}

/// With nobody faster than 12 m/s the four players whose raw tracks jump lose the jumps; the others nothing.
#[test]
fn tracab_jumps_are_taken_out_of_the_players_that_have_them_and_of_nobody_else() {
    let Some(data) = table("football/tracab_25hz_first180s.csv.gz") else { return };
    let Some(expected) = table("football/tracab_25hz_first180s.kpi_ref.csv") else { return };
    let config = MotionConfig { smooth: 21, ..MotionConfig::default() };
    let mut jumped = Vec::new();
    for row in &expected.rows {
        let (player, of) = (&row[0], |column| reference(&expected, row, column));
        let kpis = follow(&config, &pitch_track(&data, player));
        if kpis.jumps + kpis.outliers == 0 {
            near(kpis.distance_m, of("dist_savgol21_m"), 0.005, player);
            near(kpis.over[0].distance_m, of("dist_over_5p5mps_savgol_m"), 0.005, player);
            assert_eq!(of("n_raw_steps_over_12mps"), 0.0, "{player}");
            continue;
        }
        println!(
            "{player}: {} jumps, {} outliers, {:.2} m jumped; distance {:.2} m of {:.2}, top {:.2} m/s of {:.2} (raw {:.2}), over 5.5 m/s {:.1} m of {:.1}",
            kpis.jumps,
            kpis.outliers,
            kpis.jumped_m,
            kpis.distance_m,
            of("dist_savgol21_m"),
            kpis.max_speed_mps,
            of("top_speed_savgol21_mps"),
            of("top_speed_raw_mps"),
            kpis.over[0].distance_m,
            of("dist_over_5p5mps_savgol_m")
        );
        assert!(of("n_raw_steps_over_12mps") > 0.0, "{player}");
        assert!(kpis.max_speed_mps <= of("top_speed_savgol21_mps") + 0.01 && kpis.max_speed_mps < 10.0, "{player}: {kpis:?}");
        let raw = follow(&MotionConfig::default(), &pitch_track(&data, player));
        assert!(raw.max_speed_mps <= 12.0 && of("top_speed_raw_mps") > 12.0, "{player}: {raw:?}");
        near(kpis.distance_m, of("dist_savgol21_m"), 1.0, player);
        jumped.push(player.clone());
    }
    assert_eq!(jumped, ["away_10", "away_2", "away_4", "away_6"]);
}

#[test]
fn gnss_distances_equal_the_reference_with_an_eighth_of_the_samples_missing() {
    let Some(data) = table("football/gnss_u18_10hz.csv.gz") else { return };
    let Some(sessions) = table("football/gnss_u18_sessions.csv") else { return };
    let Some(expected) = table("football/gnss_u18.kpi_ref.csv") else { return };
    let (time, lat, lon) = (data.column("unix_s"), data.column("lat_deg"), data.column("lon_deg"));
    for row in &expected.rows {
        let session = sessions.rows.iter().find(|s| s[0] == row[0] && s[1] == row[1]).unwrap();
        let (from, to) = (number(&session[3]).unwrap(), number(&session[4]).unwrap());
        let inside = |r: &&Vec<String>| (from..=to).contains(&number(&r[time]).unwrap());
        let track: Track = (data.of("player_id", &row[0]).filter(inside))
            .map(|r| (micros(&r[time]), LatLon::new(number(&r[lat]).unwrap(), number(&r[lon]).unwrap()).map(Position::Earth), None))
            .collect();
        let kpis = follow(&MotionConfig::default(), &track);
        near(kpis.distance_m, reference(&expected, row, "dist_haversine_m"), 0.01, &row[0]);
        near(kpis.max_speed_mps, reference(&expected, row, "top_speed_raw_mps"), 0.01, &row[0]);
        assert_eq!((kpis.jumps, kpis.outliers, kpis.gaps), (0, 0, 0), "a hole of 0.3 s is bridged");
    }
}

#[test]
fn statsports_distances_from_the_devices_speed_equal_the_reference() {
    let Some(data) = table("football/statsports_u16_10hz.csv.gz") else { return };
    let Some(expected) = table("football/statsports_u16.kpi_ref.csv") else { return };
    let [time, lat, lon, speed] = ["tod_s", "lat_deg", "lon_deg", "speed_kph"].map(|c| data.column(c));
    for row in &expected.rows {
        let of = |column| reference(&expected, row, column);
        let track: Track = (data.of("player_id", &row[0]))
            .map(|r| {
                let place = LatLon::new(number(&r[lat]).unwrap(), number(&r[lon]).unwrap());
                (micros(&r[time]), place.map(Position::Earth), number(&r[speed]).map(|v| v / 3.6))
            })
            .collect();
        let device = MotionConfig { from: SpeedSource::Speed, over_mps: vec![19.8 / 3.6], ..MotionConfig::default() };
        let kpis = follow(&device, &track);
        near(kpis.distance_m, of("dist_from_device_speed_m"), 0.5, &row[0]);
        near(kpis.max_speed_mps * 3.6, of("top_speed_device_kph"), 0.005, &row[0]);
        // The reference counts a sample's own speed, trapezoids the mean of two.
        near(kpis.over[0].distance_m, of("hsr_over_19p8kph_m"), 0.5, &row[0]);
        let raw = follow(&MotionConfig::default(), &track);
        near(raw.distance_m, of("dist_haversine_raw_m"), 0.1, &row[0]);
        let smooth = follow(&MotionConfig { smooth: 21, ..MotionConfig::default() }, &track);
        println!("{}: device {:.0} m, raw positions {:.0} m, smoothed {:.0} m", row[0], kpis.distance_m, raw.distance_m, smooth.distance_m);
        assert!(smooth.distance_m < raw.distance_m);
    }
}
