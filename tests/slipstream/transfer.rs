//! Time series to files and back.

use std::{fs, io::Write as _, path::Path};

use slipstream_actors::ports::{Aggregate, SeriesAnswer, SeriesStore};
use slipstream_gateway::{
    series::SqliteSeries,
    transfer::{COLUMNS, ExportOptions, ExportReport, ImportOptions, ImportReport, Progress, TransferError, export, import},
};
use slipstream_protocol::{FleetId, Quality, Sample, SessionId, SignalValue, Timestamp};

use crate::series::conformance::{T0, everything, sample};

async fn store(folder: &Path, name: &str) -> SqliteSeries {
    SqliteSeries::open(&folder.join(name)).await.unwrap()
}

async fn import_file(store: &dyn SeriesStore, file: &Path) -> Result<ImportReport, TransferError> {
    import(store, file, &ImportOptions::new(Timestamp::from_micros(T0)), Timestamp::from_micros(T0), &mut |_| {}).await
}

async fn contents(store: &dyn SeriesStore) -> Vec<(String, SeriesAnswer)> {
    let mut all = Vec::new();
    for vehicle in store.vehicles().await.unwrap() {
        let query = slipstream_actors::ports::SeriesQuery { limit: 1_000_000, ..everything(&vehicle) };
        all.push((vehicle.to_string(), store.query(&query).await.unwrap()));
    }
    all
}

/// Two vehicles with everything a point may have: sessions, fleets, text, qualities, odd names and numbers.
fn rich() -> Vec<Sample> {
    let mut samples: Vec<Sample> = (0..2_000_i64)
        .map(|i| {
            let number = SignalValue::Number((i as f64).sin() / 3.0);
            let mut s = sample(
                if i % 2 == 0 { "a" } else { "b" },
                T0 + i * 16_667,
                &[("x", number), ("odd, \"name\"", SignalValue::Number(1e-300))],
            );
            s.session = (i % 3 == 0).then(|| SessionId::new("race").unwrap());
            s.fleet = (i % 5 == 0).then(|| FleetId::new("red").unwrap());
            s.quality = [Quality::Good, Quality::Uncertain, Quality::Bad][(i % 3) as usize];
            s
        })
        .collect();
    for (i, text) in ["soft", "", "007", "a,\"b\"\nline 2", " spaces ", "NaN"].iter().enumerate() {
        samples.push(sample("a", T0 - 1 - i as i64, &[("tyre", SignalValue::Text((*text).into()))]));
    }
    samples
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_imported_gives_the_same_series_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(folder.path(), "source.db").await;
    source.write(&rich()).await.unwrap();
    let original = contents(&source).await;
    for name in ["all.csv", "all.csv.gz", "all.jsonl", "all.jsonl.gz", "all.parquet"] {
        let file = folder.path().join(name);
        let mut last = Progress::default();
        let exported = export(&source, &file, &ExportOptions::default(), &mut |p| last = p).await.unwrap();
        assert_eq!(exported, ExportReport { vehicles: 2, points: 4_006, formulas: 0 }, "{name}");
        assert_eq!(last, Progress { points: 4_006, fraction: Some(1.0) });
        assert_eq!(fs::read(&file).unwrap().starts_with(&[0x1f, 0x8b]), name.ends_with("gz"), "{name}");

        let target = store(folder.path(), &format!("{name}.db")).await;
        let report = import_file(&target, &file).await.unwrap();
        assert_eq!((report.points.written, report.points.rejected, report.skipped), (4_006, 0, 0), "{name}: {:?}", report.problems);
        assert!(contents(&target).await == original, "{name} comes back different");
    }
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).filter(|n| n.to_string_lossy().contains(".part")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_longer_than_a_page_has_every_point_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(folder.path(), "source.db").await;
    // Three points share each moment, so that page ends fall within moments.
    let values = [("x", SignalValue::Number(1.0)), ("y", SignalValue::Number(2.0)), ("z", SignalValue::Number(3.0))];
    let samples: Vec<Sample> = (0..40_000).map(|i| sample("a", T0 + i, &values)).collect();
    source.write(&samples).await.unwrap();
    let file = folder.path().join("long.csv");
    assert_eq!(export(&source, &file, &ExportOptions::default(), &mut |_| {}).await.unwrap().points, 120_000);
    let text = fs::read_to_string(&file).unwrap();
    let lines: std::collections::BTreeSet<&str> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), 120_000);
    assert!(text.lines().skip(1).map(|l| &l[..27]).is_sorted(), "in order of time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_takes_only_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(folder.path(), "source.db").await;
    source.write(&rich()).await.unwrap();
    let file = folder.path().join("some.csv");
    let options = ExportOptions {
        vehicles: vec!["b".parse().unwrap()],
        session: Some("race".parse().unwrap()),
        signals: vec!["x".to_owned()],
        from: Timestamp::from_micros(T0 + 1_000_000),
        to: Timestamp::from_micros(T0 + 11_000_000),
        window: Some(std::time::Duration::from_secs(2)),
        aggregate: Aggregate::Count,
        ..ExportOptions::default()
    };
    export(&source, &file, &options, &mut |_| {}).await.unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], COLUMNS.join(","));
    let counted: f64 = lines[1..].iter().map(|l| l.split(',').nth(5).unwrap().parse::<f64>().unwrap()).sum();
    assert_eq!(
        counted,
        rich()
            .iter()
            .filter(|s| { &*s.vehicle == "b" && s.session.is_some() && s.source_time >= options.from && s.source_time < options.to })
            .count() as f64
    );
    let nothing = ExportOptions { vehicles: vec!["nobody".parse().unwrap()], ..ExportOptions::default() };
    assert_eq!(export(&source, &file, &nothing, &mut |_| {}).await.unwrap(), ExportReport::default());
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), COLUMNS.join(","), "no points, but still a table");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_rows_are_told_with_their_lines_and_cost_the_good_ones_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let header = COLUMNS.join(",");
    let csv = format!(
        "{header}\n2026-01-01T00:00:00Z,a,,,x,1,,192\nyesterday,a,,,x,1,,192\n2026-01-01T00:00:01Z,a\u{7}b,,,x,1,,\n\
         2026-01-01T00:00:02Z,a,,,x,one,,\n2026-01-01T00:00:03Z,a,,,x,inf,,\n2026-01-01T00:00:04Z,a\n2026-01-01T00:00:05.000001Z,a,,,x,6,,0\n"
    );
    let json = "{\"time\":\"2026-01-01T00:00:00Z\",\"vehicle_id\":\"a\",\"signal\":\"x\",\"value\":1}\nnot json\n\n\
        {\"time\":\"2026-01-01T00:00:01Z\",\"vehicle_id\":\"a\",\"signal\":\"x\"}\n\
        {\"time\":\"2026-01-01T00:00:05.000001Z\",\"vehicle_id\":\"a\",\"signal\":\"x\",\"value\":6,\"quality\":0}\n";
    for (name, text, lines) in [("bad.csv", csv.as_str(), vec![3, 4, 5, 6, 7]), ("bad.jsonl", json, vec![2, 4])] {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let target = store(folder.path(), &format!("{name}.db")).await;
        let report = import_file(&target, &file).await.unwrap();
        assert_eq!(report.problems.iter().map(|p| p.line).collect::<Vec<_>>(), lines, "{name}: {:?}", report.problems);
        assert_eq!((report.samples, report.points.written, report.skipped), (2, 2, lines.len() as u64), "{name}");
        let kept = target.query(&everything("a")).await.unwrap();
        assert_eq!(kept.series[0].points.iter().map(|p| p.value.unwrap()).collect::<Vec<_>>(), [1.0, 6.0]);
        assert_eq!(kept.series[0].points[1].time.micros() % 1_000_000, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_that_no_door_takes_are_not_imported_and_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let header = COLUMNS.join(",");
    let files = [
        (
            "old.csv",
            format!("{header}\n1970-01-01T00:00:01Z,a,,,x,1,,192\n1970-01-01T00:00:02Z,a,,,x,1,,192\n2026-01-01T00:00:00Z,a,,,x,1,,192\n"),
        ),
        ("old_wide.csv", "time,vehicle_id,x\n1970-01-01T00:00:01Z,a,1\n1970-01-01T00:00:02Z,a,1\n2026-01-01T00:00:00Z,a,1\n".to_owned()),
    ];
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let target = store(folder.path(), &format!("{name}.db")).await;
        let report = import_file(&target, &file).await.unwrap();
        assert_eq!((report.samples, report.points.written, report.skipped), (1, 1, 2), "{name}");
        assert!(report.problems.len() == 1 && report.problems[0].reason.contains("too far in the past"), "{:?}", report.problems);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_tables_and_telemetry_frames_are_imported_as_the_relay_agent_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let target = store(folder.path(), "target.db").await;
    let wide = folder.path().join("wide.csv.gz");
    let mut gz = flate2::write::GzEncoder::new(fs::File::create(&wide).unwrap(), flate2::Compression::fast());
    gz.write_all(b"t_s,vehicle_id,lap,speed_mps,gear\n0.5,ALB,1,78.25,\n0.75,ALB,1,,7\n").unwrap();
    gz.finish().unwrap();
    let report = import_file(&target, &wide).await.unwrap();
    assert_eq!((report.samples, report.points.written), (2, 4));
    let answer = target.query(&everything("ALB")).await.unwrap();
    assert_eq!(answer.series.iter().map(|s| s.signal.as_str()).collect::<Vec<_>>(), ["gear", "lap", "speed_mps"]);
    assert_eq!(answer.series[2].points[0].time.micros(), T0 + 500_000, "relative times count from the start");

    let frames = folder.path().join("frames.jsonl");
    fs::write(&frames, "{\"driverId\":\"HAM\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"data\":{\"tyres\":{\"fl\":90.5},\"drs\":true}}\n")
        .unwrap();
    assert_eq!(import_file(&target, &frames).await.unwrap().points.written, 2);
    assert_eq!(target.query(&everything("HAM")).await.unwrap().series[1].signal, "tyres.fl");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_not_what_they_seem_end_in_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let target = store(folder.path(), "target.db").await;
    let fake = folder.path().join("fake.parquet");
    fs::write(&fake, "PAR1 and nothing more").unwrap();
    for file in [fake, folder.path().join("missing.csv")] {
        let error = import_file(&target, &file).await.unwrap_err();
        assert!(!error.is_retryable());
        assert!(error.to_string().contains(file.file_name().unwrap().to_str().unwrap()), "{error}");
    }
    let error = export(&target, &folder.path().join("out.xls"), &ExportOptions::default(), &mut |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("--format"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_race_is_imported_whole() {
    let root = std::env::var_os("SLIPSTREAM_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), std::path::PathBuf::from);
    let data = if root.join("data").is_dir() { root.join("data") } else { root };
    let file = data.join("race/f1_2026test_p1_6cars_7laps.csv.gz");
    if !file.exists() {
        println!("skipped: {} is not there", file.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let target = store(folder.path(), "target.db").await;
    let report = import_file(&target, &file).await.unwrap();
    assert_eq!((report.samples, report.points.rejected, report.skipped), (32_450, 0, 0), "{:?}", report.problems);
    assert_eq!(target.vehicles().await.unwrap().len(), 6);
}
