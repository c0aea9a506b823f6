use super::super::tests::{drain, drain_all};
use super::*;
use crate::source::Start;
use slipstream_protocol::{Sample, Timestamp};

fn read_with(text: &str, options: &ReadOptions) -> (Vec<Sample>, Vec<Skipped>) {
    let (samples, skipped, _) = told_with(text, options);
    (samples, skipped)
}

fn told_with(text: &str, options: &ReadOptions) -> (Vec<Sample>, Vec<Skipped>, Vec<Remark>) {
    drain_all(CsvRows::open(text.as_bytes(), "test.csv", options, false).unwrap())
}

fn told(text: &str) -> (Vec<Sample>, Vec<Skipped>, Vec<Remark>) {
    told_with(text, &ReadOptions::new(Start::at(Timestamp::from_secs_f64(1e9))))
}

fn numbers(samples: &[Sample], signal: &str) -> Vec<f64> {
    samples.iter().filter_map(|s| s.number(signal)).collect()
}

fn read(text: &str) -> (Vec<Sample>, Vec<Skipped>) {
    read_with(text, &ReadOptions::new(Start::at(Timestamp::from_secs_f64(1e9))))
}

#[test]
fn an_empty_cell_is_no_signal_and_relative_time_counts_from_the_start() {
    let (samples, skipped) = read("t_s,vehicle_id,lap,speed_mps,on\n0.5,ALB,,78.25,True\n");
    assert!(skipped.is_empty());
    assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5));
    assert_eq!(samples[0].signal("lap"), None);
    assert_eq!(samples[0].number("speed_mps"), Some(78.25));
    assert_eq!(samples[0].signal("on"), Some(&SignalValue::Bool(true)));
}

#[test]
fn a_bad_row_costs_itself_only_and_is_told_with_its_line() {
    let (samples, skipped) = read("t_s,vehicle_id,v\n0,a,1\nx,a,2\n1,b\u{7}c,3\n2,a\n3,a,\n4,a,5\n");
    assert_eq!(samples.len(), 2);
    assert_eq!(skipped.iter().map(|s| s.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert!(skipped[0].reason.contains("t_s"), "{}", skipped[0].reason);
}

#[test]
fn an_infinite_cell_is_left_out_and_its_row_stays() {
    let (samples, skipped) = read("t_s,vehicle_id,v,w\n0,a,inf,2\n");
    assert_eq!((samples.len(), samples[0].signals.len(), skipped.len()), (1, 1, 1));
}

#[test]
fn rows_of_a_long_table_with_the_same_time_make_one_sample_and_repeats_another() {
    let text = "timestamp,vehicle_id,lap,telemetry_name,telemetry_value\n\
        2025-09-05T00:28:20.593Z,g,2,aps,100\n2025-09-05T00:28:20.593Z,g,2,gear,3\n\
        2025-09-05T00:28:20.593Z,g,2,gear,3\n2025-09-05T00:28:20.551Z,g,2,aps,99\n";
    let (samples, skipped) = read(text);
    assert!(skipped.is_empty());
    let counts: Vec<_> = samples.iter().map(|s| s.signals.len()).collect();
    assert_eq!(counts, [3, 2, 2], "aps+lap+gear, the repeated gear+lap, the earlier aps+lap");
    let apart = read_with(text, &ReadOptions { merge: false, ..ReadOptions::new(Start::at(Timestamp::default())) });
    assert_eq!(apart.0.len(), 4);
}

fn bytes_read(bytes: &'static [u8]) -> (Vec<Sample>, Vec<Skipped>, Vec<Remark>) {
    drain_all(CsvRows::open(bytes, "x", &ReadOptions::new(Start::at(Timestamp::default())), false).unwrap())
}

#[test]
fn a_table_in_windows_1252_is_read_as_it_and_said_to_be() {
    let (samples, skipped, remarks) = bytes_read(b"unix_s;vehicle_id;note;Temp (\xb0C)\n1700000000;a;caf\xe9;20\n1700000001;a;ok;21\n");
    assert_eq!((samples.len(), skipped.len()), (2, 0), "{skipped:?}");
    assert_eq!(samples[0].signal("note"), Some(&SignalValue::Text("caf\u{e9}".into())));
    assert_eq!(samples[0].number("Temp (\u{b0}C)"), Some(20.0));
    assert!(remarks.len() == 1 && remarks[0].line == 1 && remarks[0].text.contains("Windows-1252"), "{remarks:?}");
    let (samples, skipped, remarks) = bytes_read("unix_s;vehicle_id;note;v\n1700000000;a;caf\u{e9};1\n".as_bytes());
    assert_eq!((samples.len(), skipped.len(), remarks.len()), (1, 0, 0));
    let cyrillic = b"unix_s;vehicle_id;\xf1\xea\xee\xf0\xee\xf1\xf2\xfc\n1700000000;a;1\n";
    let options = ReadOptions::new(Start::at(Timestamp::default()));
    let refused = CsvRows::open(&cyrillic[..], "x", &options, false).err().unwrap().to_string();
    assert!(refused.contains("line 1 is not UTF-8") && refused.contains("iconv"), "{refused}");
    // Among UTF-8, other bytes are damage.
    let (samples, skipped, _) = bytes_read(b"unix_s;vehicle_id;note;v\n1700000000;a;caf\xc3\xa9;1\n1700000001;a;caf\xe9;2\n");
    assert_eq!((samples.len(), skipped.len(), skipped[0].line), (2, 1, 3));
    assert!(skipped[0].reason.contains("iconv"), "{skipped:?}");
}

#[test]
fn a_header_alone_is_reported() {
    let (samples, _, remarks) = told("t_s,vehicle_id,v\n\n# end\n");
    assert!(samples.is_empty() && remarks.len() == 1 && remarks[0].partial && remarks[0].text.contains("no rows"), "{remarks:?}");
    let exported = "time,vehicle_id,session_id,fleet_id,signal,value,text,quality\n";
    assert!(!told(exported).2[0].partial, "an export may be of nothing");
    assert!(told("t_s,vehicle_id,v\nx,a,1\n").2.is_empty());
}

#[test]
fn byte_order_marks_within_files_that_were_put_together_cost_nothing() {
    let part = "\u{feff}\"t_s\",vehicle_id,\u{feff}v\n0,\u{feff}a,1\n";
    let (samples, skipped, remarks) = told(&format!("\u{feff}{part}{part}"));
    assert_eq!((numbers(&samples, "v"), skipped.len(), remarks.len()), (vec![1.0, 1.0], 0, 1), "{skipped:?} {remarks:?}");
    assert!(!remarks[0].partial && remarks[0].text.contains("the header is there again"), "{remarks:?}");
    assert_eq!(samples[1].vehicle.as_str(), "a");
}

#[test]
fn decimal_commas_and_thousands_are_numbers() {
    let (samples, skipped, remarks) =
        told("timestamp;vehicle_id;speed_kph;rpm\n2025-10-09T08:53:20Z;gt3;123,5;6500\n2025-10-09T08:53:21Z;gt3;124,75;6600,5\n");
    assert_eq!((numbers(&samples, "speed_kph"), numbers(&samples, "rpm")), (vec![123.5, 124.75], vec![6500.0, 6600.5]));
    assert!(skipped.is_empty() && remarks.is_empty(), "{skipped:?} {remarks:?}");
    let (samples, _, remarks) = told("t_s,vehicle_id,rpm,odo_m\n0,gt3,\"6,500\",\"1,234,567.5\"\n1,gt3,\"6,600\",\"1,234,580.0\"\n");
    assert_eq!((numbers(&samples, "rpm"), numbers(&samples, "odo_m")), (vec![6500.0, 6600.0], vec![1_234_567.5, 1_234_580.0]));
    assert!(remarks.iter().all(|r| !r.partial), "{remarks:?}");
    let (samples, _, _) = told("t_s\tvehicle_id\tv\n0,5\ta\t1,25\n1,0\ta\t1\u{a0}234,5\n");
    assert_eq!(numbers(&samples, "v"), [1.25, 1234.5]);
    assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5), "the time has a comma, too");
}

#[test]
fn a_number_that_becomes_text_is_never_silent() {
    let (samples, skipped, remarks) = told("t_s,vehicle_id,speed\n0,a,10\n1,a,fast\n2,a,12\n");
    assert_eq!((samples.len(), skipped.len(), remarks.len()), (3, 0, 1));
    assert!(remarks[0].partial && remarks[0].line == 3 && remarks[0].text.contains("speed: 1 of 3"), "{remarks:?}");
    let (samples, _, remarks) = told("t_s,vehicle_id,rpm\n0,a,\"6,500\"\n1,a,\"6,600\"\n");
    assert_eq!(numbers(&samples, "rpm").len(), 0, "nothing tells which number it is");
    assert!(remarks[0].partial && remarks[0].text.contains("--thousands"), "{remarks:?}");
    let long = "t_s,vehicle_id,signal,value\n0,a,rpm,1\n1,a,rpm,x\n2,a,rpm,3\n2,a,note,hi\n";
    let (_, _, remarks) = told(long);
    assert!(remarks.len() == 1 && remarks[0].text.contains("rpm"), "{remarks:?}");
    // Beyond the rows looked at ahead.
    let rows: String = (0..3_000).fold(String::new(), |rows, n| rows + &format!("{n};a;{}\n", if n == 2_500 { "1.2.3" } else { "1,5" }));
    let (samples, _, remarks) = told(&format!("t_s;vehicle_id;v\n{rows}"));
    assert_eq!((numbers(&samples, "v").len(), remarks.len(), remarks[0].line), (2_999, 1, 2_502));
}

#[test]
fn surplus_and_missing_empty_cells_cost_nothing_and_others_are_reported() {
    let (samples, skipped, _) = told("t_s,vehicle_id,rpm\n0,gt3,6500,\n1,gt3,6600,,,\n2,gt3,6700,9\n,,,\n");
    assert_eq!((numbers(&samples, "rpm"), skipped.len()), (vec![6500.0, 6600.0], 1));
    assert!(skipped[0].line == 4 && skipped[0].reason.contains("4 cells"), "{skipped:?}");
    let (samples, skipped, _) = told("t_s,vehicle_id,rpm,temp\n0,gt3,6500,80\n1,gt3,6600\n2\n3,gt3,6700,81\n");
    assert_eq!((samples.len(), samples[1].signals.len(), skipped.len(), skipped[0].line), (3, 1, 1, 4));
}

#[test]
fn repeated_names_keep_both_columns() {
    let (samples, _, remarks) = told("t_s,vehicle_id,speed,speed\n0,gt3,20.1,20.4\n1,gt3,20.2,\n");
    assert_eq!((numbers(&samples, "speed"), numbers(&samples, "speed_2")), (vec![20.1, 20.2], vec![20.4]));
    assert!(remarks[0].text.contains("speed_2"), "{remarks:?}");
}

#[test]
fn a_logger_with_a_preamble_units_and_sources_is_read() {
    let racechrono = "This file is created using a lap timer app\n\nFormat,3\nNote,\"two\nlines\"\n\n\
        timestamp,lap_number,elapsed_time,speed,speed\nunix time,,s,m/s,m/s\n,,,100: gps,calc\n\
        1760000000.000,1,0.000,20.1,20.4\n1760000000.100,1,0.100,20.2,20.5\n";
    let vehicle = Some(slipstream_protocol::VehicleId::new("gt3").unwrap());
    let options = ReadOptions { vehicle, ..ReadOptions::new(Start::at(Timestamp::default())) };
    let (samples, skipped, remarks) = told_with(racechrono, &options);
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!((numbers(&samples, "speed"), numbers(&samples, "speed_2")), (vec![20.1, 20.2], vec![20.4, 20.5]));
    assert_eq!(samples[1].source_time, Timestamp::from_micros(1_760_000_000_100_000));
    assert!(remarks.len() == 3 && remarks.iter().all(|r| !r.partial), "{remarks:?}");
    let bad = told("t_s,vehicle_id,v\nx,y,z\n");
    assert_eq!(bad.1.len(), 1, "rows below the header are skipped ones where nothing follows");
}

#[test]
fn a_day_beside_its_time_makes_a_moment() {
    let (samples, skipped, _) = told("Date,Time,vehicle_id,v\n2025-10-09,08:53:20.5,a,1\n");
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!(samples[0].source_time, "2025-10-09T08:53:20.500Z".parse().unwrap());
    assert_eq!(samples[0].signals.len(), 1);
    let format = Some("%d/%m/%Y %T".parse().unwrap());
    let options = ReadOptions { time_format: format, ..ReadOptions::new(Start::at(Timestamp::default())) };
    let (samples, _) = read_with("Date,Time,vehicle_id,v\n09/10/2025,08:53:20,a,1\n", &options);
    assert_eq!(samples[0].source_time, "2025-10-09T08:53:20Z".parse().unwrap());
}

#[test]
fn comments_and_repeated_headers_among_the_rows_are_passed_over() {
    let (samples, skipped, _) = told("t_s,vehicle_id,v\n0,a,1\n# lap 2\nt_s,vehicle_id,v\n1,a,2\n");
    assert_eq!((samples.len(), skipped.len()), (2, 0), "{skipped:?}");
}

#[test]
fn an_exported_table_saved_anew_is_read_as_one() {
    let text = "time;vehicle_id;session_id;fleet_id;signal;value;text;quality\n\
        2026-02-18T09:00:00.000001Z;a;;;v;1,5;;64\n2026-02-18T09:00:01Z;a;;;state;;ok;192\n";
    let (samples, skipped, _) = told(text);
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!((samples[0].number("v"), samples[0].quality as i64, samples[0].signals.len()), (Some(1.5), 64, 1));
    assert_eq!(samples[1].signal("state"), Some(&SignalValue::Text("ok".into())));
}

#[test]
fn rows_that_come_live_are_not_waited_for() {
    let text = "t_s;vehicle_id;v\n0;a;1,5\n1;a;2,5\n";
    let options = ReadOptions::new(Start::at(Timestamp::default()));
    // Small reads: the header comes in pieces.
    let input = std::io::BufReader::with_capacity(5, text.as_bytes());
    let (samples, _) = drain(CsvRows::open(input, "x", &options, true).unwrap());
    assert_eq!(numbers(&samples, "v"), [1.5, 2.5]);
}

#[test]
fn signals_that_were_asked_for_and_are_not_there_are_named() {
    let options = |name: &str| ReadOptions { signals: vec![name.into()], ..ReadOptions::new(Start::at(Timestamp::default())) };
    let wide = CsvRows::open(&b"t_s,vehicle_id,speed\n0,a,1\n"[..], "x", &options("sped"), false).err().unwrap();
    assert!(wide.to_string().contains("did you mean 'speed'"), "{wide}");
    let (_, _, remarks) = told_with("t_s,vehicle_id,signal,value\n0,a,speed,1\n", &options("sped"));
    assert!(remarks.iter().any(|r| r.partial && r.text.contains("did you mean 'speed'")), "{remarks:?}");
}

#[test]
fn cells_that_are_durations_become_seconds_and_are_reported() {
    let (samples, skipped, remarks) = told("t_s,vehicle_id,lap_time,start\n0,a,1:23.456,12:30\n1,a,0 days 00:01:24.5,12:31\n");
    assert_eq!((numbers(&samples, "lap_time"), skipped.len()), (vec![83.456, 84.5], 0));
    assert_eq!(samples[0].signal("start"), Some(&SignalValue::Text("12:30".into())));
    assert!(remarks.len() == 2 && remarks.iter().all(|r| !r.partial), "{remarks:?}");
    assert!(remarks[0].text.contains("lap_time: 2 cells are durations") && remarks[1].text.contains("start: 2 of 2"), "{remarks:?}");
    let (samples, _, remarks) = told("t_s,vehicle_id,name,value,unit\n0,a,lap_time,1:23.456,s\n0,a,speed,\"12,34,567\",m/s\n");
    assert_eq!((samples.len(), samples[0].number("lap_time"), samples[0].number("speed")), (1, Some(83.456), Some(1_234_567.0)));
    assert_eq!(samples[0].signals.len(), 2, "a unit is no signal");
    assert!(remarks.iter().any(|r| r.text.contains("lap_time: 1 cells")), "{remarks:?}");
    let exported = "time,vehicle_id,session_id,fleet_id,signal,value,text,quality\n2026-02-18T09:00:00Z,a,,,note,,1:23.456,192\n";
    assert_eq!(told(exported).0[0].signal("note"), Some(&SignalValue::Text("1:23.456".into())), "what was text stays it");
}

#[test]
fn times_whose_unit_is_doubtful_are_reported() {
    for text in ["Time,vehicle_id,v\n500000000,a,1\n600000000,a,2\n", "Time,vehicle_id,v\n0,a,1\n1500000000,a,2\n"] {
        let (samples, _, remarks) = told(text);
        assert_eq!((samples.len(), remarks.len()), (2, 1));
        assert!(remarks[0].partial && remarks[0].text.contains("Time") && remarks[0].text.contains("t_s"), "{remarks:?}");
    }
    for text in
        ["time,vehicle_id,v\n1999-12-31T00:00:00Z,a,1\n", "unix_s,vehicle_id,v\n1760000000,a,1\n", "Time,vehicle_id,v\n0,a,1\n1,a,1\n"]
    {
        assert!(told(text).2.is_empty(), "{text}");
    }
}

#[test]
fn rows_that_are_parted_otherwise_than_their_header_say_so() {
    let (samples, skipped, _) = told("time;vehicle_id;v\n0,a,1\n1,a,2\n");
    assert_eq!((samples.len(), skipped.len()), (0, 2));
    assert!(
        skipped[0].line == 2 && skipped[0].reason.contains("the header has 3") && skipped[0].reason.contains("parted by ','"),
        "{skipped:?}"
    );
}

#[test]
fn what_is_in_the_file_and_is_not_read_is_said() {
    let (samples, skipped, remarks) = told("t_s,vehicle_id,v,,unix_s\n0,a,1,5,1771408800\n1,a,2,,1771408801\n");
    assert_eq!((numbers(&samples, "v"), skipped.len(), samples[0].signals.len()), (vec![1.0, 2.0], 0, 1));
    let said = |words: &str| remarks.iter().any(|remark| !remark.partial && remark.text.contains(words));
    assert!(said("1 cells are in columns without a name, the first in column 4") && said("--map time=unix_s"), "{remarks:?}");
    assert!(told("t_s,vehicle_id,v,\n0,a,1,\n1,a,2,\n").2.is_empty(), "an empty column at the end is none");
}

#[test]
fn codes_that_are_read_as_numbers_are_reported() {
    let (samples, _, remarks) = told("t_s,vehicle_id,door,phone,v\n00,a,01,+49123456,1.5\n01,a,02,+49123457,2\n");
    assert_eq!(numbers(&samples, "door"), [1.0, 2.0]);
    assert_eq!(
        remarks.iter().filter(|r| r.text.contains("2 cells are written as")).count(),
        2,
        "door and phone, not the time: {remarks:?}"
    );
}

#[test]
fn a_table_that_may_have_one_row_per_signal_is_doubted() {
    let (_, _, remarks) = told("t_s,vehicle_id,Spur,Zahl\n0,a,speed,1\n0,a,rpm,2\n1,a,speed,3\n1,a,rpm,4\n");
    assert!(
        remarks.iter().any(|r| r.partial && r.text.contains("--map name=<column>,value=<column>") && r.text.contains("'Spur'")),
        "{remarks:?}"
    );
    let wide = "t_s,vehicle_id,mode,v\n0,a,x,1\n1,a,x,2\n2,a,y,3\n2,a,y,4\n";
    assert!(!told(wide).2.iter().any(|r| r.partial), "{:?}", told(wide).2);
}

#[test]
fn a_date_below_decides_how_those_above_it_are_read() {
    let (samples, skipped, remarks) = told("time,vehicle_id,v\n01/02/2026 10:00,a,1\n13/02/2026 10:00,a,2\n");
    assert_eq!((samples.len(), skipped.len()), (2, 0), "{skipped:?}");
    assert_eq!(samples[0].source_time.to_string(), "2026-02-01T10:00:00.000Z");
    assert!(remarks.iter().any(|r| r.line == 3 && r.text.contains("the day first")), "{remarks:?}");
    let (samples, _, _) = told("time,vehicle_id,v\n01/02/2026 10:00,a,1\n02/13/2026 10:00,a,2\n");
    assert_eq!(samples[0].source_time.to_string(), "2026-01-02T10:00:00.000Z");
    let (samples, skipped, _) = told("Date,Time,Vehicle,v\n01/02/2026,10:00:00,a,1\n13/02/2026,10:00:00,a,2\n");
    assert_eq!((samples.len(), skipped.len()), (2, 0), "a date in a column of its own: {skipped:?}");
    assert_eq!(samples[0].source_time.to_string(), "2026-02-01T10:00:00.000Z");
}

#[test]
fn a_column_of_seconds_that_holds_milliseconds_is_read_by_size_and_noted() {
    let (samples, skipped, remarks) = told("unix_s,vehicle_id,v\n1771408800000,a,1\n1771408801000,a,2\n");
    assert_eq!((samples.len(), skipped.len()), (2, 0));
    assert_eq!(samples[1].source_time.to_string(), "2026-02-18T10:00:01.000Z");
    assert!(remarks.len() == 1 && remarks[0].text.contains("no time in seconds since 1970 and is read as milliseconds"), "{remarks:?}");
}

#[test]
fn a_line_of_a_preamble_that_reads_like_a_header_is_none() {
    let (samples, skipped, _) = told("Time,Vehicle,Session\nRecorded by,logger,5\ntime,vehicle_id,v\n2026-02-18T10:00:00Z,A,1\n");
    assert_eq!((samples.len(), skipped.len()), (1, 0), "{skipped:?}");
    assert_eq!(samples[0].vehicle.as_str(), "A");
    let (samples, skipped, _) = told("time,vehicle_id,v\ns,,km/h\n2026-02-18T10:00:00Z,A,1\n");
    assert_eq!((samples.len(), skipped.len()), (1, 0), "units below the first line: {skipped:?}");
}

#[test]
fn a_date_beside_a_clock_of_any_form_is_its_day() {
    for (row, time) in [
        ("02/18/2026,10:00:00 PM,a,1", "2026-02-18T22:00:00.000Z"),
        ("18.02.2026,9:05,a,1", "2026-02-18T09:05:00.000Z"),
        ("2026-02-18,10:00:00+01:00,a,1", "2026-02-18T09:00:00.000Z"),
        ("18/02/2026,08:53:20.5,a,1", "2026-02-18T08:53:20.500Z"),
    ] {
        let (samples, skipped, remarks) = told(&format!("Date,Time,Vehicle,v\n{row}\n"));
        assert_eq!((samples.len(), skipped.len()), (1, 0), "{row}: {skipped:?} {remarks:?}");
        assert_eq!((samples[0].source_time.to_string().as_str(), samples[0].signals.len()), (time, 1), "{row}");
    }
}
