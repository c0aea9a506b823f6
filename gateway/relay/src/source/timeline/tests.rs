use super::{
    super::time::{TimeForm, parse},
    *,
};

const START: Timestamp = Timestamp::from_millis(1_771_372_800_000);

fn line() -> TimeLine {
    TimeLine::new(Start::at(START))
}

/// Seconds since the start.
fn placed(line: &mut TimeLine, vehicle: &str, text: &str) -> f64 {
    let parsed = parse(text, text.parse().ok(), TimeForm::Text).unwrap();
    (line.place(vehicle, parsed, 2).unwrap() - START) as f64 / 1e6
}

#[test]
fn relative_times_count_from_the_start_and_absolute_ones_move_only_when_asked() {
    let (start, old) = (Timestamp::from_secs_f64(1e9), Timestamp::from_secs_f64(5e8));
    let mut relative = TimeLine::new(Start::at(start));
    assert_eq!(relative.place("a", Parsed::Relative(1.5), 1), Ok(Timestamp::from_secs_f64(1e9 + 1.5)));
    assert_eq!(relative.place("a", Parsed::Absolute(old), 2), Ok(old));
    let mut shifted = TimeLine::new(Start::shifted(start));
    assert_eq!(shifted.place("a", Parsed::Absolute(old), 1), Ok(start));
    let later = Parsed::Absolute(Timestamp::from_secs_f64(5e8 + 2.0));
    assert_eq!(shifted.place("a", later, 2), Ok(Timestamp::from_secs_f64(1e9 + 2.0)));
}

#[test]
fn a_clock_goes_on_to_the_next_day_and_each_vehicles_by_itself() {
    let mut times = line();
    for (vehicle, text, seconds) in [
        ("a", "23:59:58", 86_398.0),
        ("b", "23:59:59", 86_399.0),
        ("a", "00:00:01", 86_401.0),
        ("b", "23:59:59.5", 86_399.5),
        ("c", "00:00:02", 86_402.0),
        ("a", "23:59:59.9", 86_399.9),
        ("a", "00:00:03", 86_403.0),
        ("a", "18:00:00", 151_200.0),
        ("a", "00:00:00", 172_800.0),
    ] {
        assert!((placed(&mut times, vehicle, text) - seconds).abs() < 1e-6, "{vehicle} {text}");
    }
    let remarks: Vec<_> = times.remarks().collect();
    assert!(remarks.len() == 1 && remarks[0].text.contains("midnight") && remarks[0].text.contains("00:00:01"), "{remarks:?}");
}

#[test]
fn what_is_late_or_begins_anew_passes_no_midnight() {
    let mut times = line();
    for (vehicle, text, seconds) in [
        ("a", "10:00:00", 36_000.0),
        ("a", "09:59:00", 35_940.0),
        ("a", "20:00:00", 72_000.0),
        // One vehicle after the other.
        ("b", "08:00:00", 28_800.0),
        ("b", "23:59:50", 86_390.0),
        ("c", "08:00:00", 28_800.0),
        ("c", "23:59:50", 86_390.0),
        ("c2", "08:00:01", 28_801.0),
        // Durations go on beyond a day, and numbers may begin anew.
        ("d", "23:59:59", 86_399.0),
        ("d", "24:00:01", 86_401.0),
        ("e", "50000", 50_000.0),
        ("e", "0", 0.0),
        ("f", "86399.5", 86_399.5),
        ("f", "0.5", 86_400.5),
    ] {
        assert!((placed(&mut times, vehicle, text) - seconds).abs() < 1e-6, "{vehicle} {text}");
    }
}

#[test]
fn a_file_that_goes_back_in_time_goes_back_over_midnight() {
    for rows in [&["00:00:02", "00:00:01", "23:59:59"][..], &["00:00:01", "23:59:59", "23:59:58"]] {
        for vehicles in [["a", "a", "a"], ["a", "b", "a"], ["a", "b", "c"]] {
            let mut times = line();
            let there: Vec<f64> = rows.iter().zip(vehicles).map(|(text, vehicle)| placed(&mut times, vehicle, text)).collect();
            assert!(there.is_sorted_by(|a, b| a > b) && there[0] - there[2] < 5.0, "{rows:?} {vehicles:?}: {there:?}");
        }
    }
}

#[test]
fn vehicles_whose_rows_alternate_pass_midnight_together() {
    for vehicles in [["a", "b", "a", "b"], ["a", "b", "c", "d"], ["a", "a", "b", "a"]] {
        let mut times = line();
        let rows = ["23:59:58", "23:59:59", "00:00:00", "00:00:01"];
        let there: Vec<f64> = rows.iter().zip(vehicles).map(|(text, vehicle)| placed(&mut times, vehicle, text)).collect();
        assert_eq!(there, [86_398.0, 86_399.0, 86_400.0, 86_401.0], "{vehicles:?}");
    }
    let mut blocks = line();
    for vehicle in ["a", "b", "c"] {
        assert_eq!(placed(&mut blocks, vehicle, "00:00:05"), 5.0, "a day of one vehicle after the other");
        assert_eq!(placed(&mut blocks, vehicle, "12:00:00"), 43_200.0);
        assert_eq!(placed(&mut blocks, vehicle, "23:59:55"), 86_395.0);
    }
}

#[test]
fn times_of_day_keep_their_clock_on_the_day_of_the_start() {
    let read = |start: Start, text: &str| {
        let parsed = parse(text, text.parse().ok(), TimeForm::Text).unwrap();
        TimeLine::new(start).place("a", parsed, 2).unwrap().to_string()
    };
    let nine = |text: &str| read(Start::at("2026-02-18T09:00:00Z".parse().unwrap()), text);
    assert_eq!(nine("09:00:05"), "2026-02-18T09:00:05.000Z");
    assert_eq!(nine("08:59:59.5"), "2026-02-18T08:59:59.500Z");
    assert_eq!(nine("23:30:00"), "2026-02-18T23:30:00.000Z");
    assert_eq!(nine("12.5"), "2026-02-18T09:00:12.500Z", "seconds count from the start");
    assert_eq!(nine("00:00:00.1"), "2026-02-18T09:00:00.100Z", "so does a clock that begins at zero");
    let shifted = Start::shifted("2026-02-18T09:00:00Z".parse().unwrap());
    assert_eq!(read(shifted, "09:00:05"), "2026-02-18T09:00:05.000Z", "the relay's rule is the same");
    assert_eq!(read(shifted, "100"), "2026-02-18T09:01:40.000Z");
    assert_eq!(read(shifted.moving_clocks(), "07:12:00"), "2026-02-18T09:00:00.000Z");
}

#[test]
fn a_date_that_can_be_read_in_one_way_decides_for_those_after_it() {
    let read = |times: &mut TimeLine, text: &str| {
        let parsed = parse(text, None, TimeForm::Text)?;
        times.place("a", parsed, 7).map(|t| t.to_string())
    };
    let mut times = line();
    assert!(read(&mut times, "03/04/2026 09:00:00").unwrap_err().contains("--time-format"));
    assert_eq!(read(&mut times, "03/03/2026").unwrap(), "2026-03-03T00:00:00.000Z");
    assert_eq!(read(&mut times, "18/02/2026 09:00:00.5").unwrap(), "2026-02-18T09:00:00.500Z");
    assert_eq!(read(&mut times, "03/04/2026 9:00 PM").unwrap(), "2026-04-03T21:00:00.000Z");
    assert!(read(&mut times, "02/18/2026 09:00:00").unwrap_err().contains("the other way round"));
    assert_eq!(times.remarks().map(|r| (r.line, r.text.contains("the day first"))).collect::<Vec<_>>(), [(7, true)]);
    assert_eq!(read(&mut line(), "1.2.2026 09:00:00").unwrap(), "2026-02-01T09:00:00.000Z", "dots stand behind the day");
    assert_eq!(read(&mut line(), "2/18/26 09:00:00").unwrap(), "2026-02-18T09:00:00.000Z");
    assert!(read(&mut line(), "31/31/2026").is_err() && read(&mut line(), "30.02.2026").is_err());
}

/// The times of rows of vehicles named by a letter, as days and times of day: `A 10:00:00` after `1+00:00:01` is `1+10:00:00`.
fn days_of(rows: &[&str]) -> Vec<String> {
    let mut times = line();
    let place = |row: &&str| {
        let (vehicle, text) = row.split_once(' ').unwrap();
        let seconds = placed(&mut times, vehicle, text);
        let (days, of_day) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S) as u32);
        format!("{days}+{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
    };
    rows.iter().map(place).collect()
}

#[test]
fn a_vehicle_that_comes_back_after_a_pause_goes_on_with_the_files_clock() {
    assert_eq!(
        days_of(&["A 10:00:00", "B 23:59:59", "B 00:00:00", "A 00:00:01", "B 00:00:02"]),
        ["0+10:00:00", "0+23:59:59", "1+00:00:00", "1+00:00:01", "1+00:00:02"]
    );
    assert_eq!(
        days_of(&["A 10:00:00", "B 15:00:00", "B 23:00:00", "B 05:00:00", "B 15:00:00", "A 15:00:01"])[4..],
        ["1+15:00:00", "1+15:00:01"],
        "a pause of more than a day"
    );
    let side_by_side = ["A 20:00:00", "B 20:00:01", "A 20:00:02", "B 02:00:00", "A 06:00:00", "C 05:59:59", "C 20:30:00"];
    assert_eq!(days_of(&side_by_side)[3..], ["1+02:00:00", "1+06:00:00", "1+05:59:59", "1+20:30:00"]);
    let newest_first = ["A 10:00:00", "B 09:59:59", "B 00:00:01", "B 23:59:59", "B 12:00:00", "B 10:00:05", "A 10:00:01"];
    assert_eq!(days_of(&newest_first)[3..], ["-1+23:59:59", "-1+12:00:00", "-1+10:00:05", "-1+10:00:01"]);
}

#[test]
fn a_race_of_a_day_is_the_same_whether_its_cars_stand_side_by_side_or_one_after_the_other() {
    let car = ["16:00:00", "23:00:00", "05:00:00", "15:59:59"];
    let wanted = ["0+16:00:00", "0+23:00:00", "1+05:00:00", "1+15:59:59"];
    let rows: Vec<String> = ["A", "B", "C"].iter().flat_map(|id| car.iter().map(move |time| format!("{id} {time}"))).collect();
    let blocks = days_of(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(blocks, [wanted, wanted, wanted].concat());
    let rows: Vec<String> = car.iter().flat_map(|time| ["A", "B", "C"].iter().map(move |id| format!("{id} {time}"))).collect();
    let alternating = days_of(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(alternating, wanted.iter().flat_map(|time| [*time; 3]).collect::<Vec<_>>());
}

#[test]
fn a_file_with_the_newest_row_first_goes_back_however_far_apart_its_rows_are() {
    assert_eq!(days_of(&["A 00:20:00", "A 23:50:00", "A 23:20:00"]), ["0+00:20:00", "-1+23:50:00", "-1+23:20:00"]);
    assert_eq!(days_of(&["A 02:00:00", "A 23:00:00", "A 20:00:00"]), ["0+02:00:00", "-1+23:00:00", "-1+20:00:00"]);
}

#[test]
fn the_end_of_a_day_is_the_beginning_of_the_next_on_every_day() {
    assert_eq!(
        days_of(&["A 12:00:00", "A 24:00:00", "A 00:00:01", "A 12:00:00", "A 23:59:59", "A 24:00:00", "A 00:00:01"]),
        ["0+12:00:00", "1+00:00:00", "1+00:00:01", "1+12:00:00", "1+23:59:59", "2+00:00:00", "2+00:00:01"]
    );
    assert_eq!(days_of(&["A 00:00:01", "A 24:00:00", "A 23:59:59"]), ["0+00:00:01", "0+00:00:00", "-1+23:59:59"]);
}
