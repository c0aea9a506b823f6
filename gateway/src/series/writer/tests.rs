use std::{collections::VecDeque, path::Path};

use parking_lot::Mutex;
use slipstream_ports::{Journal as _, PortFuture, Rejection, SeriesAnswer, SeriesError, SeriesQuery};
use slipstream_protocol::{Quality, SampleBatch, Signal, SignalValue, VehicleId};

use super::*;
use crate::journal::JournalConfig;

/// What the store does to the next write.
enum Fault {
    Down,
    Unauthorized,
    Reject(u64),
    Hang,
}

/// Keeps what it was given; fails as told.
#[derive(Default)]
struct FaultyStore {
    name: &'static str,
    down: Mutex<bool>,
    faults: Mutex<VecDeque<Fault>>,
    seqs: Mutex<Vec<u64>>,
    writes: Mutex<Vec<usize>>,
}

impl SeriesStore for FaultyStore {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write<'a>(&'a self, samples: &'a [Sample]) -> PortFuture<'a, Result<WriteReport, SeriesError>> {
        Box::pin(async move {
            let points = samples.iter().map(|s| s.signals.len()).sum::<usize>();
            let fault = if *self.down.lock() { Some(Fault::Down) } else { self.faults.lock().pop_front() };
            let rejected = match fault {
                Some(Fault::Down) => {
                    return Err(SeriesError::Unavailable { store: self.name, reason: "connection refused".into(), retry_after: None });
                }
                Some(Fault::Unauthorized) => return Err(SeriesError::Refused { store: self.name, reason: "401 unauthorized".into() }),
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::Reject(n)) => n,
                None => 0,
            };
            self.seqs.lock().extend(samples.iter().filter_map(|s| s.seq));
            self.writes.lock().push(points);
            let rejections =
                (0..rejected.min(1)).map(|_| Rejection { what: "speed_mps".into(), points: 1, reason: "type conflict".into() }).collect();
            Ok(WriteReport { written: points as u64 - rejected, rejected, rejections })
        })
    }

    fn query<'a>(&'a self, _: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>> {
        Box::pin(async { Ok(SeriesAnswer::default()) })
    }

    fn vehicles(&self) -> PortFuture<'_, Result<Vec<VehicleId>, SeriesError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn ping(&self) -> PortFuture<'_, Result<(), SeriesError>> {
        Box::pin(async { Ok(()) })
    }
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(10_000)
    }
}

fn batch(seq: u64) -> SampleBatch {
    let sample = Sample {
        vehicle: VehicleId::new("ALB").unwrap(),
        session: None,
        fleet: None,
        seq: Some(seq),
        source_time: Timestamp::from_millis(seq as i64),
        received_at: Timestamp::from_millis(7_000),
        quality: Quality::Good,
        signals: vec![Signal { name: "speed_mps".into(), value: SignalValue::Number(seq as f64) }; 2],
        raw: None,
    };
    SampleBatch { publisher: None, samples: vec![sample] }
}

async fn append(journal: &EmbeddedJournal, range: std::ops::RangeInclusive<u64>) {
    let tickets: Vec<_> = range.map(|seq| journal.append(&batch(seq))).collect();
    for ticket in tickets {
        ticket.await.unwrap();
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn config(dir: &Path) -> SeriesWriterConfig {
    SeriesWriterConfig {
        batch_points: Some(50),
        batch_delay: Duration::from_millis(10),
        retry_first: Duration::from_millis(2),
        retry_most: Duration::from_millis(20),
        refused_retry: Duration::from_millis(5),
        ..SeriesWriterConfig::new(dir.join("dead-letter"))
    }
}

fn journal(dir: &Path) -> Arc<EmbeddedJournal> {
    EmbeddedJournal::open(JournalConfig::new(dir.join("journal"))).unwrap().0
}

fn store(name: &'static str) -> Arc<FaultyStore> {
    Arc::new(FaultyStore { name, ..FaultyStore::default() })
}

fn start(store: &Arc<FaultyStore>, journal: &Arc<EmbeddedJournal>, dir: &Path) -> SeriesWriter {
    SeriesWriter::start(store.clone(), journal, Arc::new(Fixed), config(dir))
}

#[tokio::test]
async fn a_store_that_was_away_catches_up_in_order_and_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let (well, away) = (store("well"), store("away"));
    *away.down.lock() = true;
    let (first, second) = (start(&well, &journal, dir.path()), start(&away, &journal, dir.path()));
    append(&journal, 1..=200).await;
    until("the well store has all", || well.seqs.lock().len() == 200).await;
    until("the other is known to be away", || second.stats().state == WriterState::Retrying).await;
    let stats = second.stats();
    assert_eq!((stats.lag_records, stats.lag_seconds, first.stats().points_written), (200, 3.0, 400));
    assert!(stats.last_error.contains("connection refused"), "{}", stats.last_error);
    *away.down.lock() = false;
    journal.stored(200).await.unwrap();
    assert_eq!(*away.seqs.lock(), (1..=200).collect::<Vec<_>>());
    let stats = second.stats();
    assert_eq!((stats.state, stats.last_error.as_str(), stats.lag_records), (WriterState::Writing, "", 0));
    assert!(well.writes.lock().iter().all(|points| *points <= 60), "batches keep to their size");
}

#[tokio::test]
async fn a_restart_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store("s");
    for run in 0..3 {
        let journal = journal(dir.path());
        let writer = start(&store, &journal, dir.path());
        append(&journal, run * 70 + 1..=run * 70 + 70).await;
        assert!(writer.flush(Duration::from_secs(10)).await);
        journal.close();
    }
    assert_eq!(*store.seqs.lock(), (1..=210).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_store_that_refuses_for_good_is_told_in_its_state_and_nothing_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let store = store("s");
    store.faults.lock().extend((0..200).map(|_| Fault::Unauthorized));
    let writer = start(&store, &journal, dir.path());
    append(&journal, 1..=10).await;
    until("it says so", || writer.stats().state == WriterState::Refused).await;
    assert!(writer.stats().last_error.contains("401"));
    store.faults.lock().clear();
    journal.stored(10).await.unwrap();
    assert_eq!(*store.seqs.lock(), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn rejected_points_go_to_the_dead_letters_once() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let store = store("s");
    store.faults.lock().push_back(Fault::Reject(3));
    let writer = start(&store, &journal, dir.path());
    append(&journal, 1..=10).await;
    journal.stored(10).await.unwrap();
    assert_eq!((writer.stats().points_rejected, writer.stats().points_written), (3, 17));
    assert_eq!(store.seqs.lock().len(), 10, "sent once");
    assert_eq!((1..=10).map(|position| journal.unstored(position)).max(), Some(3), "the acknowledgement can say so");
    let letters = std::fs::read_to_string(dir.path().join("dead-letter/s.jsonl")).unwrap();
    assert_eq!(letters.lines().count(), 2, "{letters}");
    assert!(letters.contains("type conflict") && letters.contains("2 more points"), "{letters}");
}

#[tokio::test]
async fn a_flush_keeps_its_deadline_and_what_is_left_comes_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = store("s");
    store.faults.lock().push_back(Fault::Hang);
    {
        let journal = journal(dir.path());
        let writer = start(&store, &journal, dir.path());
        append(&journal, 1..=10).await;
        // On a busy machine the writer may not have begun yet, and the next one would meet the store that hangs.
        until("the store hangs", || store.faults.lock().is_empty()).await;
        let started = Instant::now();
        assert!(!writer.flush(Duration::from_millis(100)).await);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    let journal = journal(dir.path());
    let writer = start(&store, &journal, dir.path());
    assert!(writer.flush(Duration::from_secs(10)).await);
    assert_eq!(*store.seqs.lock(), (1..=10).collect::<Vec<_>>());
}
