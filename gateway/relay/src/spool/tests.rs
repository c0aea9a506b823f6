use super::*;
use crate::source::tests::sample;
use slipstream_ports::Journal as _;
use slipstream_protocol::SampleBatch;

const NOW: Timestamp = Timestamp::from_micros(1_000);

async fn open(dir: &std::path::Path) -> Spool {
    Spool::open(SpoolOptions::new(dir), Some(PublisherId::new("garage").unwrap()), NOW).await.unwrap()
}

async fn write(lane: &Lane, numbers: std::ops::Range<u64>) {
    let samples = numbers.map(|n| slipstream_protocol::Sample { seq: Some(n), ..sample("a", n as i64) }).collect();
    lane.journal.append(&SampleBatch { publisher: Some(lane.publisher.clone()), samples }).await.unwrap();
}

fn close(spool: Spool) {
    spool.live.journal.close();
    spool.backlog.journal.close();
    // The folder's lock goes with it.
    drop(spool);
}

fn told(spool: &Spool) -> crate::SpoolReport {
    spool.account.report(&spool.live.state, &spool.backlog.state, 0, false)
}

#[tokio::test]
async fn numbers_go_on_behind_what_is_kept_whatever_the_clock_says() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    assert_eq!((spool.live.next, spool.live.oldest, spool.backlog.publisher.as_str()), (1_000, 1_000, "garage.backlog"));
    write(&spool.live, 1_000..1_010).await;
    close(spool);
    let spool = Spool::open(SpoolOptions::new(dir.path()), None, Timestamp::from_micros(5)).await.unwrap();
    assert_eq!((spool.publisher().as_str(), spool.live.next, spool.live.oldest, spool.backlog.next), ("garage", 1_010, 1_000, 1_000));
    assert_eq!((told(&spool).spooled, told(&spool).waiting()), (10, 10), "an earlier run had sent them and heard nothing");
    close(spool);
}

#[tokio::test]
async fn a_source_goes_on_behind_what_both_lanes_took_of_it_and_another_one_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    std::fs::write(&path, "t_s,n\n1,1\n").unwrap();
    let origin = Origin::file(&path, "").unwrap();
    let spool = open(&dir.path().join("spool")).await;
    assert_eq!(spool.resume(Some(&origin), NOW).unwrap(), Resume { taken: 0, started: NOW });
    write(&spool.live, 1_000..1_003).await;
    write(&spool.backlog, 1_000..1_004).await;
    close(spool);
    let later = Timestamp::from_micros(9_000_000);
    let spool = open(&dir.path().join("spool")).await;
    assert_eq!(spool.resume(Some(&origin), later).unwrap(), Resume { taken: 7, started: NOW });
    let other = Origin::file(&path, "sorted").unwrap();
    assert_eq!(spool.resume(Some(&other), later).unwrap(), Resume { taken: 0, started: later });
    close(spool);
}

#[tokio::test]
async fn drops_are_counted_across_a_crash_until_a_report_has_told_them() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await;
    write(&spool.backlog, 1_000..1_100).await;
    // 10 were under way when 50 behind them went; the crash comes before the place in the log is saved.
    spool.account.drop_samples(50, 1_059, 10, 0).unwrap();
    close(spool);
    let spool = open(dir.path()).await;
    let found = told(&spool);
    assert_eq!((found.spooled, found.dropped, found.waiting()), (100, 60, 40), "those under way are counted as dropped");
    assert_eq!(spool.backlog.oldest, 1_060);
    spool.account.end(false, 0);
    close(spool);
    let spool = open(dir.path()).await;
    assert_eq!(told(&spool).dropped, 0);
    close(spool);
}

#[tokio::test]
async fn a_name_that_leaves_no_room_for_the_backlogs_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let name = PublisherId::new(&"x".repeat(125)).unwrap();
    let error = Spool::open(SpoolOptions::new(dir.path()), Some(name), NOW).await.unwrap_err();
    assert!(error.to_string().contains("at most 120"), "{error}");
}
