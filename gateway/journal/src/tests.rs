use std::time::Duration;

use slipstream_protocol::{PublisherId, Quality, Sample, Signal, SignalValue, Timestamp, VehicleId};

use super::*;

fn batch(seq: u64) -> SampleBatch {
    let sample = Sample {
        vehicle: VehicleId::new("ALB").unwrap(),
        session: None,
        fleet: None,
        seq: Some(seq),
        source_time: Timestamp::from_millis(seq as i64),
        received_at: Timestamp::from_millis(seq as i64 + 1),
        quality: Quality::Good,
        signals: vec![Signal { name: "speed_mps".into(), value: SignalValue::Number(seq as f64) }],
        raw: None,
    };
    SampleBatch { publisher: Some(PublisherId::new("relay").unwrap()), samples: vec![sample] }
}

fn seqs(batch: &ConsumedBatch) -> Vec<u64> {
    batch.samples.iter().filter_map(|s| s.seq).collect()
}

async fn append_all(journal: &EmbeddedJournal, range: std::ops::Range<u64>) {
    let tickets: Vec<_> = range.map(|seq| journal.append(&batch(seq))).collect();
    for ticket in tickets {
        ticket.await.unwrap();
    }
}

async fn read_to(consumer: &mut Consumer, position: u64) -> Vec<u64> {
    let mut read = Vec::new();
    loop {
        let batch = consumer.next(7).await.unwrap().unwrap();
        read.extend(seqs(&batch));
        consumer.commit(batch.last);
        if batch.last >= position {
            return read;
        }
    }
}

fn small_segments(dir: &std::path::Path) -> JournalConfig {
    JournalConfig { segment_bytes: 2_000, retain_bytes: 0, tail_bytes: 1_000, ..JournalConfig::new(dir) }
}

#[tokio::test]
async fn positions_are_dense_and_in_the_order_of_appends() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = EmbeddedJournal::open(JournalConfig::new(dir.path())).unwrap();
    let tickets: Vec<_> = (1..=100).map(|seq| journal.append(&batch(seq))).collect();
    for (ticket, expected) in tickets.into_iter().zip(1..) {
        assert_eq!(ticket.await.unwrap(), expected);
    }
    assert!(journal.stats().syncs < 100, "appends that wait together share a sync");
}

#[tokio::test]
async fn a_reopened_journal_goes_on_where_it_was_and_knows_its_publishers() {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..3 {
        let (journal, recovery) = EmbeddedJournal::open(small_segments(dir.path())).unwrap();
        assert_eq!(recovery.position, run * 50);
        assert_eq!(recovery.publishers.get("relay").copied(), (run > 0).then_some(run * 50));
        let mut consumer = journal.consumer("reader", ConsumerRole::Reader);
        append_all(&journal, run * 50 + 1..run * 50 + 51).await;
        assert_eq!(read_to(&mut consumer, (run + 1) * 50).await, (run * 50 + 1..=(run + 1) * 50).collect::<Vec<_>>());
        journal.close();
        assert_eq!(consumer.next(1).await.unwrap(), None);
        assert!(matches!(journal.append(&batch(1)).await, Err(JournalError::Closed)));
    }
}

#[tokio::test]
async fn segments_go_when_every_consumer_has_passed_them_and_marks_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = EmbeddedJournal::open(small_segments(dir.path())).unwrap();
    let mut fast = journal.consumer("fast", ConsumerRole::Reader);
    let mut slow = journal.consumer("slow", ConsumerRole::Sink);
    for start in (1..200).step_by(20) {
        append_all(&journal, start..start + 20).await;
    }
    read_to(&mut fast, 200).await;
    housekeeping::Keeper::default().round(&journal.shared);
    assert_eq!((journal.stats().oldest, slow.lag(), fast.lag()), (1, 200, 0));
    assert_eq!(read_to(&mut slow, 200).await, (1..=200).collect::<Vec<_>>(), "from the disk, across segments");
    let deadline = Instant::now() + Duration::from_secs(10);
    while journal.stats().segments > 1 {
        assert!(Instant::now() < deadline, "{:?}", journal.stats());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop((journal, fast, slow));
    let (journal, recovery) = EmbeddedJournal::open(small_segments(dir.path())).unwrap();
    assert_eq!((recovery.position, recovery.publishers["relay"]), (200, 200));
    assert_eq!(journal.append(&batch(201)).await.unwrap(), 201);
}

#[tokio::test]
async fn stored_waits_for_every_sink_and_for_no_reader() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = EmbeddedJournal::open(JournalConfig::new(dir.path())).unwrap();
    append_all(&journal, 1..3).await;
    journal.stored(2).await.unwrap();
    let (one, two) = (journal.consumer("one", ConsumerRole::Sink), journal.consumer("two", ConsumerRole::Sink));
    let _reader = journal.consumer("reader", ConsumerRole::Reader);
    let mut stored = tokio::spawn(journal.stored(2));
    one.commit(2);
    two.commit(1);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut stored).await.is_err());
    two.commit(2);
    stored.await.unwrap().unwrap();
    let forgotten = journal.retain_consumers(&["two"]);
    assert_eq!(forgotten, ["one", "reader"]);
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, _) = EmbeddedJournal::open(JournalConfig::new(dir.path())).unwrap();
    let error = EmbeddedJournal::open(JournalConfig::new(dir.path())).unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
}

#[tokio::test]
async fn more_than_may_wait_is_refused_and_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = EmbeddedJournal::open(JournalConfig { max_waiting_bytes: 0, ..JournalConfig::new(dir.path()) }).unwrap();
    let tickets: Vec<_> = (0..2_000).map(|seq| journal.append(&batch(seq))).collect();
    let (mut kept, mut refused) = (0, 0);
    for ticket in tickets {
        match ticket.await {
            Ok(_) => kept += 1,
            Err(error) => {
                assert!(matches!(error, JournalError::Overloaded { .. }) && error.is_retryable());
                refused += 1;
            }
        }
    }
    assert!(kept > 0 && refused > 0);
    assert_eq!(journal.position(), kept);
    assert_eq!(journal.stats().waiting_bytes, 0);
    assert!(journal.has_room());
}

#[tokio::test]
async fn verify_and_dump_tell_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    // Room for several groups: however the records were grouped, others follow the first in its segment.
    let config = JournalConfig { segment_bytes: 6_000, ..small_segments(dir.path()) };
    let (journal, _) = EmbeddedJournal::open(config.clone()).unwrap();
    let _holds_back = journal.consumer("reader", ConsumerRole::Reader);
    for start in (1..100).step_by(10) {
        append_all(&journal, start..start + 10).await;
    }
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(report.segments.len() > 2);
    assert_eq!(report.segments.iter().map(|s| s.records).sum::<u64>(), 99 + 1);
    let dumped = dump(dir.path(), 42, 3).unwrap();
    assert_eq!(
        dumped.iter().map(|(position, batch)| (*position, batch.samples[0].seq)).collect::<Vec<_>>(),
        [(42, Some(42)), (43, Some(43)), (44, Some(44))]
    );
    drop(journal);
    // One bit of the oldest segment's first record.
    let path = dir.path().join(format!("{:020}.seg", 1));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(!report.is_sound());
    assert_eq!((report.missing, report.segments[0].damaged.len()), (1, 1));
    let (journal, _) = EmbeddedJournal::open(config).unwrap();
    let mut consumer = journal.consumer("reader", ConsumerRole::Reader);
    assert_eq!(read_to(&mut consumer, 100).await.len(), 99);
    assert_eq!((journal.stats().corrupt, journal.stats().quarantined), (1, 1));
}

/// A store that is away for long must not fill the disk.
#[tokio::test]
async fn what_waits_for_a_sink_beyond_the_bound_is_given_up_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { unsent_bytes: 10_000, ..small_segments(dir.path()) };
    let (journal, _) = EmbeddedJournal::open(config).unwrap();
    let mut away = journal.consumer("away", ConsumerRole::Sink);
    let mut reader = journal.consumer("reader", ConsumerRole::Reader);
    for start in (1..2_000).step_by(20) {
        append_all(&journal, start..start + 20).await;
        read_to(&mut reader, start + 19).await;
    }
    journal.tidy();
    let deadline = Instant::now() + Duration::from_secs(10);
    while journal.segment_bytes() > 14_000 {
        assert!(Instant::now() < deadline, "{:?}", journal.stats());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stats = journal.stats();
    let given_up = stats.consumers["away"].given_up;
    assert_eq!((stats.given_up, stats.consumers["reader"].given_up), (given_up, 0));
    assert!(given_up > 500, "{given_up}");
    let kept = read_to(&mut away, 2_000).await;
    assert_eq!(kept.last(), Some(&2_000));
    assert!(kept.first() <= Some(&(given_up + 1)), "the newest are kept: {:?} of {given_up}", kept.first());
    // Whoever was promised that they are stored hears that they are not.
    journal.stored(1).await.unwrap();
    assert!(journal.unstored(1) > 0 && journal.unstored(2_000) == 0);
}

/// A full disk, as the committer sees it: no segment can be made while the folder is elsewhere.
#[tokio::test]
async fn a_disk_that_takes_no_writes_is_told_until_it_does_again() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, away) = (folder.path().join("journal"), folder.path().join("away"));
    let (journal, _) = EmbeddedJournal::open(JournalConfig { segment_bytes: 1, ..JournalConfig::new(&dir) }).unwrap();
    journal.append(&batch(1)).await.unwrap();
    assert_eq!(journal.stats().write_error, None);
    std::fs::rename(&dir, &away).unwrap();
    assert!(journal.append(&batch(2)).await.is_err());
    assert!(journal.stats().write_error.is_some_and(|error| !error.is_empty()));
    std::fs::rename(&away, &dir).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while journal.stats().write_error.is_some() {
        assert!(Instant::now() < deadline, "nobody writes, and it is noticed all the same");
        journal.tidy();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    journal.append(&batch(2)).await.unwrap();
}
