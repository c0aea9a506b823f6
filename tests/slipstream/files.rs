//! Files that people have, read by the real binary: each is read right, or said to be not.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::cli::binary;

fn run(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    for name in ["JWT_SECRET", "PORT", "LOG_LEVEL", "DATABASE_URL", "SLIPSTREAM_URL", "SLIPSTREAM_TOKEN", "SLIPSTREAM_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command.env("DATA_DIR", data.join("data")).current_dir(data).args(arguments).output().unwrap()
}

/// What an import of a file gives: its exit code, what it prints, and the values of `signal` in order.
fn imported(name: &str, content: &[u8], arguments: &[&str], signal: &str) -> (Option<i32>, String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    let output = run(folder.path(), &[&["import", name], arguments].concat());
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    run(folder.path(), &["export", "out.csv", "--signals", signal]);
    let table = fs::read_to_string(folder.path().join("out.csv")).unwrap_or_default();
    let cell = |line: &str, column: usize| line.split(',').nth(column).unwrap_or_default().to_owned();
    let value = |line: &str| Some(cell(line, 5)).filter(|v| !v.is_empty()).unwrap_or_else(|| cell(line, 6));
    (output.status.code(), printed, table.lines().skip(1).map(value).collect())
}

#[test]
fn tables_of_every_kind_give_the_numbers_that_are_in_them() {
    let utf16: Vec<u8> = "\u{feff}t_s\tvehicle_id\tv\r\n0\ta\t1,5\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let start = ["--start", "2026-01-01T00:00:00Z"];
    for (name, content, more, code, values) in [
        ("comma.csv", &b"unix_s;vehicle_id;v\n1796085000;DE9;101,5\n1796085001;DE9;102,5\n"[..], &[][..], 0, &["101.5", "102.5"][..]),
        ("thousands.csv", b"t_s,vehicle_id,v,odo\n0,a,\"6,500\",\"1,234,567.5\"\n", &[], 0, &["6500.0"]),
        ("told.csv", b"t_s,vehicle_id,v\n0,a,\"6,500\"\n", &["--decimal", ","], 0, &["6.5"]),
        ("zone.csv", b"timestamp,vehicle_id,v\n2025-10-09 08:53:20+00,a,1\n2025-10-09T10:53:21.000+0200,a,2\n", &[], 0, &["1.0", "2.0"]),
        ("timedelta.csv", b"Time,Driver,v\n0 days 00:00:12.345000,gt3,200\n00:01:27.452,gt3,201\n", &[], 0, &["200.0", "201.0"]),
        ("excel.csv", b"sep=;\nt_s;vehicle_id;v;\n0;a;1;\n1;a;2;\n", &[], 0, &["1.0", "2.0"]),
        ("utf16.csv", &utf16, &[], 0, &["1.5"]),
        ("day.csv", b"time,vehicle_id,v\n01/12/2026 00:00:01,a,1\n", &["--time-format", "%d/%m/%Y %H:%M:%S"], 0, &["1.0"]),
        ("text.csv", b"t_s,vehicle_id,v\n0,a,1\n1,a,fast\n2,a,3\n", &[], 3, &["1.0", "fast", "3.0"]),
        ("quote.csv", b"t_s,vehicle_id,v\n0,a,1\n1,a,\"2\n2,a,3\n", &[], 3, &["1.0", "3.0"]),
        ("array.json", b"[{\"driverId\":\"a\",\"timestamp\":1760000000000,\"data\":{\"v\":1}}]", &[], 0, &["1.0"]),
        ("laps.csv", b"t_s,vehicle_id,v\n0,a,1:23.456\n1,a,0 days 00:01:24.500\n2,a,PT1M25S\n", &[], 0, &["83.456", "84.5", "85.0"]),
        ("units.csv", b"t_s,vehicle_id,v\n0,a,12 km/h\n1,a,13 km/h\n", &[], 3, &["12 km/h", "13 km/h"]),
        ("long.csv", b"time,vehicle_id,name,value,unit\n0,a,v,1,m/s\n0,a,w,2,m/s\n1,a,v,3,m/s\n", &[], 0, &["1.0", "3.0"]),
        ("latin1.csv", b"t_s,vehicle_id,v,Temp (\xb0C)\n0,a,caf\xe9,1\n", &[], 0, &["café"]),
        ("header.csv", b"t_s,vehicle_id,v\n", &[], 3, &[]),
        (
            "strings.jsonl",
            b"{\"driverId\":\"a\",\"timestamp\":\"2025-10-09T08:53:20Z\",\"data\":{\"v\":\"1.5\"}}\n",
            &["--decimal", "."],
            0,
            &["1.5"],
        ),
        ("bom.jsonl", b"\xEF\xBB\xBF{\"driverId\":\"a\",\"timestamp\":\"2025-10-09T08:53:20Z\",\"data\":{\"v\":1}}\n", &[], 0, &["1.0"]),
    ] {
        let (exit, printed, found) = imported(name, content, &[&start[..], more].concat(), "v");
        assert_eq!(exit, Some(code), "{name}: {printed}");
        let found: Vec<_> = found.iter().map(|v| v.parse::<f64>().map_or_else(|_| v.clone(), |n| format!("{n:?}"))).collect();
        assert_eq!(found, values, "{name}: {printed}");
    }
}

#[test]
fn what_is_no_table_is_wrong_usage_and_shows_no_raw_bytes() {
    for (name, content, more, told) in [
        ("empty.csv", &b""[..], &[][..], "is empty"),
        ("binary.csv", b"\x7fELF\x00\x01\x1b[31m,\x02\n", &[], "is no CSV"),
        ("red.csv", b"a\x1b[31mRED,b\n1,2\n", &[], "no time column"),
        ("colons.csv", b"time:vehicle_id:v\n0,5:a:1,5\n", &[], "give --delimiter ':'"),
        ("typo.csv", b"t_s,vehicle_id,speed\n0,a,1\n", &["--signals", "sped"], "did you mean 'speed'?"),
    ] {
        let (exit, printed, _) = imported(name, content, more, "v");
        assert_eq!(exit, Some(2), "{name}: {printed}");
        assert!(printed.contains(told) && !printed.contains('\u{1b}'), "{name}: {printed:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["export", "out.xls"]).status.code(), Some(2));
}

#[test]
fn a_pipeline_is_tried_by_time_and_says_what_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = "name = \"means\"\ntime = {delay = \"0s\"}\n[[steps]]\nop = \"window\"\nkind = \"tumbling\"\nsize = \"10s\"\nof = {v = [\"mean\"]}\n";
    fs::write(folder.path().join("means.toml"), pipeline).unwrap();
    // Vehicle by vehicle, as most exports are.
    let rows = ["a", "b"].iter().fold(String::new(), |rows, vehicle| (0..100).fold(rows, |rows, t| rows + &format!("{t},{vehicle},{t}\n")));
    fs::write(folder.path().join("cars.csv"), format!("t_s,vehicle_id,v\n{rows}")).unwrap();
    let by_time = run(folder.path(), &["pipeline", "try", "means.toml", "--data", "cars.csv"]);
    assert_eq!(by_time.status.code(), Some(0), "{}", String::from_utf8_lossy(&by_time.stderr));
    assert_eq!(by_time.stdout.split(|b| *b == b'\n').count(), 21, "{}", String::from_utf8_lossy(&by_time.stdout));
    let as_it_is = run(folder.path(), &["pipeline", "try", "means.toml", "--data", "cars.csv", "--file-order"]);
    let said = String::from_utf8_lossy(&as_it_is.stderr).into_owned();
    assert!(as_it_is.status.code() == Some(3) && said.contains("came too late"), "{said}");
    fs::write(folder.path().join("bad.csv"), "t_s,vehicle_id,v\n0,a,1\nx,a,2\n").unwrap();
    let bad = run(folder.path(), &["pipeline", "try", "means.toml", "--data", "bad.csv"]);
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(bad.status.code() == Some(3) && said.contains("line 3: t_s"), "{said}");
}
