//! The data folder: of which version it is, what a copy of it holds, and what is rebuilt of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use slipstream_actors::ports::{Aggregate, SeriesQuery, SeriesStore as _};
use slipstream_gateway::{
    relay::{self, Endpoint, Outcome, RelayOptions, Source},
    series::SqliteSeries,
};
use slipstream_protocol::{PublisherId, SessionId, Timestamp, VehicleId, WireFormat, token::Role};
use slipstream_tests::gateway::Gateway;

use crate::cli::binary;

const SAMPLES: usize = 200;

async fn start(data: &Path) -> Gateway {
    let folder = data.to_owned();
    Gateway::start_with(|config| config.data_dir = folder).await
}

/// A folder in which a server has taken in a car's samples and was stopped.
async fn used() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let gateway = start(data.path()).await;
    let start = Timestamp::from_millis(1_760_000_000_000);
    let session = SessionId::new("s").unwrap();
    let mut simulator = slipstream_engine::simulator::Simulator::new(3, 1, 50.0, session, start);
    let mut samples = Vec::new();
    while samples.len() < SAMPLES {
        simulator.step(&mut samples);
    }
    let endpoint = Endpoint::new(&gateway.url(""), Some(gateway.token(Role::Relay)), WireFormat::Rkyv).unwrap();
    let report = relay::run(RelayOptions::new(endpoint, PublisherId::new("garage").unwrap()), Source::from_samples(samples), |_| {}).await;
    assert_eq!((&report.outcome, report.acknowledged), (&Outcome::Complete, SAMPLES as u64), "{report}");
    gateway.stop().await;
    data
}

fn everything(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.clone(), (fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap()));
            }
        }
    }
    found
}

async fn points(file: &Path) -> usize {
    let store = SqliteSeries::read(file).await.unwrap();
    let mut points = 0;
    for vehicle in store.vehicles().await.unwrap() {
        let query = SeriesQuery {
            vehicle,
            session: None,
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(4_000_000_000_000),
            signals: Vec::new(),
            window: None,
            aggregate: Aggregate::Mean,
            limit: 1_000_000,
        };
        points += store.query(&query).await.unwrap().series.iter().map(|series| series.points.len()).sum::<usize>();
    }
    points
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_clean_stop_a_copy_of_the_databases_alone_has_every_point() {
    let data = used().await;
    let logs: Vec<_> = everything(data.path()).into_keys().filter(|path| path.to_string_lossy().contains(".db-")).collect();
    assert!(logs.is_empty(), "nothing waits beside the databases: {logs:?}");
    let all = points(&data.path().join("series.db")).await;
    assert!(all >= SAMPLES, "{all}");
    let copy = tempfile::tempdir().unwrap();
    for name in ["series.db", "slipstream.db"] {
        fs::copy(data.path().join(name), copy.path().join(name)).unwrap();
    }
    assert_eq!(points(&copy.path().join("series.db")).await, all);
    // And a server goes on with the copy.
    let gateway = start(copy.path()).await;
    assert_eq!(gateway.services().series.vehicles().await.unwrap(), [VehicleId::new("car-01").unwrap()]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_snapshot_the_state_is_rebuilt_from_the_journal() {
    for harm in ["damaged", "older", "missing"] {
        let data = used().await;
        let snapshot = data.path().join("snapshot.bin");
        let mut bytes = fs::read(&snapshot).unwrap();
        match harm {
            "damaged" => *bytes.last_mut().unwrap() ^= 1,
            "older" => bytes[7] = b'1',
            _ => {}
        }
        fs::write(&snapshot, bytes).unwrap();
        if harm == "missing" {
            fs::remove_file(&snapshot).unwrap();
        }
        let gateway = start(data.path()).await;
        let car = gateway.services().router.views().vehicle("car-01").unwrap_or_else(|| panic!("{harm}: the car is gone"));
        assert_eq!(car.samples, SAMPLES as u64, "{harm}");
        assert!(gateway.services().router.views().session("s").is_some(), "{harm}");
        assert_eq!(data.path().join(format!("snapshot.{harm}")).exists(), harm != "missing");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_without_a_stamp_is_taken_over_with_a_copy_and_all_of_its_state() {
    let data = used().await;
    fs::remove_file(data.path().join("format")).unwrap();
    let before = fs::read(data.path().join("snapshot.bin")).unwrap();
    let gateway = start(data.path()).await;
    assert_eq!(gateway.services().router.views().vehicle("car-01").unwrap().samples, SAMPLES as u64);
    gateway.stop().await;
    let copy = data.path().join("before-format-1");
    assert_eq!(fs::read(copy.join("snapshot.bin")).unwrap(), before);
    assert!(copy.join("slipstream.db").exists() && copy.join("journal/consumers").exists());
    assert!(fs::read_to_string(data.path().join("format")).unwrap().starts_with("1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_newer_version_wrote_no_command_touches() {
    let data = used().await;
    let segment = fs::read_dir(data.path().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|e| e == "seg")).unwrap();
    let parts: [(&Path, usize, &[u8]); 4] = [
        (&data.path().join("format"), 0, b"9"),
        (&data.path().join("snapshot.bin"), 0, b"SLIPSNP9"),
        (&segment, 0, b"slipstream jnl9"),
        (&data.path().join("series.db"), 60, &[0, 0, 0, 9]),
    ];
    for (path, at, newer) in parts {
        let kept = fs::read(path).unwrap();
        let mut bytes = kept.clone();
        bytes[at..at + newer.len()].copy_from_slice(newer);
        fs::write(path, bytes).unwrap();
        let before = everything(data.path());
        for arguments in [
            &["serve", "--port", "0", "--bind", "127.0.0.1"][..],
            &["journal", "verify"],
            &["journal", "stats"],
            &["export", "everything.csv"],
        ] {
            let mut command = Command::new(binary());
            command.args(arguments).env("DATA_DIR", data.path()).env_remove("DATABASE_URL").env("LOG_LEVEL", "warn");
            let output = command.current_dir(std::env::temp_dir()).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{} {arguments:?}: {told}", path.display());
            assert!(told.contains("newer slipstream") && told.contains("restore a backup"), "{told}");
            assert!(!told.contains("damaged"), "{told}");
        }
        assert!(everything(data.path()) == before, "{} and what lies beside it are untouched", path.display());
        fs::write(path, kept).unwrap();
    }
    let gateway = start(data.path()).await;
    assert_eq!(gateway.services().router.views().vehicle("car-01").unwrap().samples, SAMPLES as u64);
    gateway.stop().await;
}
