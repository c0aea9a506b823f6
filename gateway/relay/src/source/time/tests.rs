use super::*;

fn read(text: &str, form: TimeForm) -> Result<Parsed, String> {
    parse(text, text.parse().ok(), form)
}

#[test]
fn the_same_moment_is_read_from_each_way_of_writing_it() {
    let moment = "2025-09-05T00:28:20.593Z".parse::<Timestamp>().unwrap();
    for text in [
        "2025-09-05T00:28:20.593Z",
        "2025-09-05 00:28:20.593",
        "2025-09-05 00:28:20.593+00",
        "2025-09-05T02:28:20.593+0200",
        "2025-09-05T00:28:20,593 UTC",
        "2025/09/05 00:28:20.593",
        "20250905T002820.593Z",
        "2025-09-05T02:28:20.593+02:00[Europe/Berlin]",
        "2025-09-05 00:28:20.593000 +0000 UTC",
        "1757032100593",
        "1757032100.593",
        "1757032100593000",
        "1757032100593000000",
    ] {
        let Ok(Parsed::Absolute(time)) = read(text, TimeForm::Text) else { panic!("{text}") };
        assert!((time - moment).abs() < 2, "{text}: {time}");
    }
    assert_eq!(read("12.5", TimeForm::Text), Ok(Parsed::Relative(12.5)));
    for bad in ["", "nan", "inf", "yesterday", "10:30", "2025-13-05 00:00:00", "2025-09-05 25:00:00", "2025-09-05T00:00:00+99"] {
        assert!(read(bad, TimeForm::Text).is_err(), "{bad}");
        assert!(read(bad, TimeForm::RelativeSeconds).is_err(), "{bad}");
    }
    assert!(matches!(read("01/12/2026 00:00:01", TimeForm::Text), Ok(Parsed::TwoWay(_))));
}

#[test]
fn dates_without_marks_are_read_as_text_and_as_numbers() {
    for (text, time) in [
        ("20260218", "2026-02-18T00:00:00.000Z"),
        ("202602181030", "2026-02-18T10:30:00.000Z"),
        ("20260218103015", "2026-02-18T10:30:15.000Z"),
        ("20260218103015.250", "2026-02-18T10:30:15.250Z"),
        ("20260218103015250", "2026-02-18T10:30:15.250Z"),
    ] {
        let Ok(Parsed::Absolute(read)) = read(text, TimeForm::Text) else { panic!("{text}") };
        assert_eq!(read.to_string(), time, "{text}");
    }
    assert!(matches!(of_number(20_260_218.0, TimeForm::Text), Some(Parsed::Absolute(day)) if day.to_string().starts_with("2026-02-18")));
    assert_eq!(read("20261318", TimeForm::Text), Ok(Parsed::Absolute(Timestamp::from_secs_f64(20_261_318.0))), "no such month");
    assert_eq!(read("2026021", TimeForm::Text), Ok(Parsed::Relative(2_026_021.0)));
}

#[test]
fn a_zone_that_says_no_one_offset_is_named() {
    for text in ["Wed, 18 Feb 2026 10:00:00 CET", "2026-02-18 10:00:00 CET", "18.02.2026 10:00:00 CET"] {
        assert!(read(text, TimeForm::Text).unwrap_err().contains("the zone 'CET' says no one offset"), "{text}");
    }
    assert!(matches!(read("18.02.2026 10:00:00 EST", TimeForm::Text), Ok(Parsed::TwoWay(_))));
    assert!(read("10:00 tomorrow", TimeForm::Text).unwrap_err().contains("RFC 3339"));
}

#[test]
fn durations_are_relative_times() {
    for (text, seconds) in [
        ("0 days 00:00:12.345000", 12.345),
        ("1 day, 0:00:01", 86_401.0),
        ("-1 days +23:59:59.5", -0.5),
        ("00:01:27.452", 87.452),
        ("1:27.452", 87.452),
        ("1:27,452", 87.452),
        ("00:01:27:452", 87.452),
        ("9:00:00.5 AM", 32_400.5),
        ("12:00:01 am", 1.0),
        ("12:30PM", 45_000.0),
        ("11:59:59 pm", 86_399.0),
        ("-0:00:01", -1.0),
        ("PT1M27.452S", 87.452),
        ("0 days", 0.0),
    ] {
        let Ok(Parsed::Relative(read) | Parsed::Clock(read)) = read(text, TimeForm::Text) else { panic!("{text}") };
        assert!((read - seconds).abs() < 1e-9, "{text}: {read}");
    }
}

#[test]
fn a_columns_name_tells_its_unit_however_it_is_written() {
    let at = |s: f64| Ok(Parsed::Absolute(Timestamp::from_secs_f64(s)));
    for (name, text, parsed) in [
        ("Time (ms)", "1500", Ok(Parsed::Relative(1.5))),
        ("timestamp_ms", "1760000000000", at(1.76e9)),
        ("unix_us", "1760000000000000", at(1.76e9)),
        ("epochNs", "1760000000000000000", at(1.76e9)),
        ("Unix Time", "1760000000", at(1.76e9)),
        // A name that lies about its unit.
        ("unix_s", "1760000000000", at(1.76e9)),
        ("unix_ms", "1760000000", at(1.76e9)),
        ("unix_us", "1760000000000", at(1.76e9)),
        ("epoch_ns", "1760000000000000", at(1.76e9)),
        ("timestamp_ms", "1760000000000000", at(1.76e9)),
        ("unix_s", "5", at(5.0)),
    ] {
        assert_eq!(read(text, form_of(name)), parsed, "{name}");
    }
}
