use super::super::tests::{drain, drain_all};
use super::*;
use slipstream_protocol::SessionId;

#[test]
fn good_lines_become_samples_and_bad_ones_are_told() {
    let now = Timestamp::from_secs_f64(1.7e9);
    let options = ReadOptions { session: Some(SessionId::new("q1").unwrap()), ..ReadOptions::new(Start::at(Timestamp::default())) };
    let text = "{\"driverId\":\"a\",\"timestamp\":\"2023-07-17T12:34:56Z\",\"data\":{\"v\":1,\"g\":[0.1,2]}}\n\
        not json\n\n{\"vehicleId\":\"b\",\"data\":{\"v\":2}}\n{\"data\":{}}\n";
    let (samples, skipped) = drain(JsonLines::open(text.as_bytes(), "x", &options, Box::new(move || now), false).unwrap());
    assert_eq!(samples.len(), 2);
    assert_eq!(samples[0].number("g.1"), Some(2.0));
    assert_eq!(samples[0].session.as_deref(), Some("q1"));
    assert_eq!(samples[1].source_time, now, "without a time it is now");
    assert_eq!(skipped.iter().map(|s| s.line).collect::<Vec<_>>(), [2, 5]);
}

fn read(text: &str) -> (Vec<Sample>, Vec<Skipped>) {
    let options = ReadOptions::new(Start::at(Timestamp::from_secs_f64(1e9)));
    let now = || Timestamp::from_secs_f64(1.8e9);
    drain(JsonLines::open(text.as_bytes(), "x", &options, Box::new(now), false).unwrap())
}

#[test]
fn epochs_and_other_times_of_files_are_taken() {
    let times = ["1760000000123", "\"1760000000.123\"", "1760000000.123", "1760000000123000", "\"2025-10-09 08:53:20.123+00\""];
    for time in times {
        let (samples, skipped) = read(&format!("{{\"driverId\":\"a\",\"timestamp\":{time},\"data\":{{\"rpm\":1}}}}\n"));
        assert!(skipped.is_empty(), "{time}: {skipped:?}");
        assert!((samples[0].source_time - Timestamp::from_millis(1_760_000_000_123)).abs() < 2, "{time}: {}", samples[0].source_time);
    }
    let batch = "{\"batch\":[{\"driverId\":\"a\",\"timestamp\":1760000000,\"data\":{\"v\":1}},{\"driverId\":\"a\",\"timestamp\":12.5,\"data\":{\"v\":2}}]}";
    let (samples, _) = read(batch);
    assert_eq!(samples[1].source_time, Timestamp::from_secs_f64(1e9 + 12.5), "seconds since the recording began");
    let (samples, skipped) = read("{\"driverId\":\"a\",\"timestamp\":\"01/12/2026\",\"data\":{\"v\":1}}\n");
    assert_eq!((samples.len(), skipped.len()), (0, 1));
}

fn moments(start: Start, times: &[&str]) -> Vec<String> {
    let lines: Vec<String> =
        times.iter().map(|time| format!("{{\"driverId\":\"a\",\"timestamp\":{time},\"data\":{{\"v\":1}}}}\n")).collect();
    let text = lines.concat();
    let lines =
        JsonLines::open(text.as_bytes(), "x", &ReadOptions::new(start), Box::new(|| Timestamp::from_secs_f64(1.8e9)), false).unwrap();
    drain(lines).0.iter().map(|sample| sample.source_time.to_string()).collect()
}

#[test]
fn clocks_and_seconds_are_at_one_time_whether_dates_move_or_stay() {
    let at = "2026-02-18T09:00:00Z".parse().unwrap();
    for start in [Start::at(at), Start::shifted(at)] {
        assert_eq!(moments(start, &["\"09:00:05\"", "\"09:00:06\""]), ["2026-02-18T09:00:05.000Z", "2026-02-18T09:00:06.000Z"]);
        assert_eq!(moments(start, &["5", "6.5"]), ["2026-02-18T09:00:05.000Z", "2026-02-18T09:00:06.500Z"]);
    }
    assert_eq!(moments(Start::at(at).moving_clocks(), &["\"07:00:05\""]), ["2026-02-18T09:00:00.000Z"]);
    assert_eq!(moments(Start::shifted(at), &["\"18.02.2024 07:00:00\""]), ["2026-02-18T09:00:00.000Z"], "dates move");
}

#[test]
fn a_date_below_decides_how_those_above_it_are_read() {
    let start = Start::at(Timestamp::default());
    let times = ["\"01/02/2026 10:00\"", "\"03/02/2026 10:00\"", "\"13/02/2026 10:00\""];
    assert_eq!(moments(start, &times)[..1], ["2026-02-01T10:00:00.000Z"]);
    assert_eq!(moments(start, &times[..2]), [""; 0], "nothing decides");
}

#[test]
fn one_array_or_object_over_many_lines_is_read() {
    let frame = |n: u32| format!("{{\n  \"driverId\": \"a\",\n  \"data\": {{\"v\": {n}}}\n}}");
    for text in
        [format!("[{},\n{}]", frame(1), frame(2)), format!("{}\n{}\n", frame(1), frame(2)), format!("[\n{}\n,{}\n]\n", frame(1), frame(2))]
    {
        let (samples, skipped) = read(&text);
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!(samples.iter().filter_map(|s| s.number("v")).collect::<Vec<_>>(), [1.0, 2.0], "{text}");
    }
    let (_, skipped) = read("[[1,2],\n\"x\"]");
    assert!(skipped.last().unwrap().reason.contains("driverId") && skipped.last().unwrap().line == 2, "{skipped:?}");
}

#[test]
fn lines_may_end_with_cr_and_a_cut_line_costs_itself_only() {
    let line = "{\"driverId\":\"a\",\"data\":{\"v\":1}}";
    assert_eq!(read(&format!("{line}\r{line}\r\n{line}")).0.len(), 3);
    for text in [format!("{line}\n\u{feff}{line}\n"), format!("[{line}]\u{feff}[{line}]\n")] {
        let (samples, skipped) = read(&text);
        assert_eq!((samples.len(), skipped.len()), (2, 0), "files that were put together: {skipped:?}");
    }
    let (samples, skipped) = read(&format!("{{\"driverId\":\n{line}\n{line}\n"));
    assert_eq!((samples.len(), skipped.len()), (2, 1));
}

#[test]
fn text_that_looks_like_numbers_is_noted_and_read_as_told() {
    let text = "{\"driverId\":\"a\",\"data\":{\"speed\":\"101,5\",\"note\":\"ok\"}}\n";
    let read = |decimal| {
        let options = ReadOptions { decimal, ..ReadOptions::new(Start::at(Timestamp::default())) };
        drain_all(JsonLines::open(text.as_bytes(), "x", &options, Box::new(Timestamp::default), false).unwrap())
    };
    let (samples, _, remarks) = read(None);
    assert_eq!(samples[0].signal("speed"), Some(&SignalValue::Text("101,5".into())));
    assert!(remarks.len() == 1 && remarks[0].text.contains("speed: 1 values") && remarks[0].text.contains("--decimal"), "{remarks:?}");
    let (samples, _, remarks) = read(Some(','));
    assert!(samples[0].number("speed") == Some(101.5) && remarks.is_empty(), "{remarks:?}");
}

#[test]
fn a_signal_that_is_nowhere_is_named() {
    let options = ReadOptions { signals: vec!["sped".into()], ..ReadOptions::new(Start::at(Timestamp::default())) };
    let text = "{\"driverId\":\"a\",\"data\":{\"speed\":1}}\n";
    let lines = JsonLines::open(text.as_bytes(), "x", &options, Box::new(Timestamp::default), false).unwrap();
    let (samples, _, remarks) = drain_all(lines);
    assert!(samples.is_empty() && remarks[0].text.contains("did you mean 'speed'"), "{remarks:?}");
}
