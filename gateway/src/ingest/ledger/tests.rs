use super::*;
use crate::journal::{self, ConsumerRole, EmbeddedJournal, JournalConfig};
use slipstream_ports::{Journal, PortFuture};
use slipstream_protocol::{Quality, Timestamp, VehicleId};
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};

/// Remembers what was appended; fails or refuses while told to.
#[derive(Default)]
struct Book {
    batches: Mutex<Vec<Vec<Option<u64>>>>,
    full: Mutex<bool>,
    behind: Mutex<bool>,
}

impl Journal for Book {
    fn append(&self, batch: &SampleBatch) -> JournalTicket {
        if *self.behind.lock() {
            return Box::pin(async { Err(JournalError::Overloaded { waiting_bytes: 1 }) });
        }
        if *self.full.lock() {
            return Box::pin(async {
                // The disk says so later.
                tokio::task::yield_now().await;
                Err(JournalError::Storage("full".into()))
            });
        }
        let mut batches = self.batches.lock();
        batches.push(batch.samples.iter().map(|s| s.seq).collect());
        let position = batches.len() as u64;
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(position)
        })
    }

    fn stored(&self, _: u64) -> PortFuture<'static, Result<(), JournalError>> {
        Box::pin(async { Ok(()) })
    }
}

fn samples(seqs: &[u64]) -> Vec<Sample> {
    let sample = |seq: &u64| Sample {
        vehicle: VehicleId::new("a").unwrap(),
        session: None,
        fleet: None,
        seq: Some(*seq),
        source_time: Timestamp::default(),
        received_at: Timestamp::default(),
        quality: Quality::Good,
        signals: vec![],
        raw: None,
    };
    seqs.iter().map(sample).collect()
}

fn seqs(batch: &SampleBatch) -> Vec<u64> {
    batch.samples.iter().filter_map(|s| s.seq).collect()
}

#[tokio::test]
async fn a_number_counts_once_within_and_across_batches_and_connections() {
    let (ledger, book) = (Ledger::default(), Book::default());
    let id = PublisherId::new("garage").unwrap();
    let first = ledger.publisher(&id).admit(samples(&[0, 1, 1, 2]), |batch, _| book.append(batch)).ok().unwrap();
    assert_eq!((seqs(&first.batch), first.duplicates), (vec![0, 1, 2], 1));
    first.ticket.settled().await.unwrap();
    let again = ledger.publisher(&id).admit(samples(&[1, 2, 3]), |batch, _| book.append(batch)).ok().unwrap();
    assert_eq!((seqs(&again.batch), again.duplicates), (vec![3], 2));
    assert_eq!(*book.batches.lock(), [vec![Some(0), Some(1), Some(2)], vec![Some(3)]]);
}

#[tokio::test]
async fn a_publisher_is_known_from_its_first_numbered_sample_on() {
    let (ledger, book) = (Ledger::default(), Book::default());
    let id = PublisherId::new("garage").unwrap();
    let (first, second) = (ledger.publisher_of("relay", &id), ledger.publisher_of("relay", &id));
    assert!(ledger.is_empty(), "who only connects is not known");
    drop(first.admit(Vec::new(), |batch, _| book.append(batch)));
    let mut unnumbered = samples(&[1]);
    unnumbered[0].seq = None;
    let admitted = first.admit(unnumbered, |batch, _| book.append(batch)).ok().unwrap();
    assert_eq!((admitted.batch.samples.len(), ledger.len()), (1, 0), "samples without numbers leave no mark");
    first.admit(samples(&[1]), |batch, _| book.append(batch)).ok().unwrap().ticket.settled().await.unwrap();
    assert_eq!(ledger.len(), 1);
    let again = second.admit(samples(&[1, 2]), |batch, _| book.append(batch)).ok().unwrap();
    assert_eq!((seqs(&again.batch), again.duplicates), (vec![2], 1), "two connections of one name share its numbers");
}

#[tokio::test]
async fn one_subjects_flood_of_names_makes_no_other_publisher_forgotten() {
    let ledger = Ledger { known: Arc::new(Known { most: 50, ..Known::default() }) };
    let book = Book::default();
    let send = |subject: &str, name: &str| {
        let publisher = ledger.publisher_of(subject, &PublisherId::new(name).unwrap());
        publisher.admit(samples(&[7]), |batch, _| book.append(batch)).ok().unwrap().duplicates
    };
    (0..10).for_each(|n| assert_eq!(send("good", &format!("car-{n}")), 0));
    (0..1_000).for_each(|n| assert_eq!(send("flood", &format!("name-{n}")), 0));
    assert!(ledger.len() <= 50 && ledger.forgotten() > 900, "{} known, {} forgotten", ledger.len(), ledger.forgotten());
    (0..10).for_each(|n| assert_eq!(send("good", &format!("car-{n}")), 1, "car-{n} is still known"));
    assert_eq!(send("flood", "name-999"), 1, "the newest stay");
}

#[tokio::test]
async fn marks_restored_from_the_journal_hold() {
    let id = PublisherId::new("garage").unwrap();
    let ledger = Ledger::restore([(id.clone(), 9)]);
    let admitted = ledger.publisher(&id).admit(samples(&[8, 9]), |batch, _| Book::default().append(batch)).ok().unwrap();
    assert!(admitted.batch.samples.is_empty());
    assert_eq!(admitted.ticket.settled().await.unwrap(), None);
}

#[tokio::test]
async fn one_subjects_numbers_are_not_anothers_and_those_of_bare_names_are_still_known() {
    let id = PublisherId::new("garage").unwrap();
    let ledger = Ledger::restore([(id.clone(), 9)]);
    let book = Book::default();
    let admit = |subject: &str, numbers: &[u64]| {
        let admitted = ledger.publisher_of(subject, &id).admit(samples(numbers), |batch, _| book.append(batch)).ok().unwrap();
        seqs(&admitted.batch)
    };
    assert_eq!(admit("alice", &[9, 10, 1_000]), [10, 1_000], "9 was kept before names belonged to subjects");
    assert_eq!(admit("bob", &[9, 10, 11]), [10, 11], "alice's 1,000 is no number of bob's");
    assert_eq!(admit("alice", &[11, 1_001]), [1_001], "a new token of the subject goes on");
}

#[tokio::test]
async fn what_the_journal_failed_is_kept_on_the_resend_and_routed_once() {
    let (ledger, book) = (Ledger::default(), Book::default());
    let publisher = ledger.publisher(&PublisherId::new("garage").unwrap());
    *book.full.lock() = true;
    let failed = publisher.admit(samples(&[1, 2]), |batch, _| book.append(batch)).ok().unwrap();
    assert_eq!(seqs(&failed.batch), [1, 2]);
    assert!(failed.ticket.settled().await.is_err());
    *book.full.lock() = false;
    let behind = publisher.admit(samples(&[3]), |batch, _| book.append(batch)).ok().unwrap();
    assert!(behind.batch.samples.is_empty() && behind.ticket.settled().await.is_err(), "1 and 2 are not to be passed over");
    let publisher = ledger.publisher(&PublisherId::new("garage").unwrap());
    let resent = publisher.admit(samples(&[1, 2, 3]), |batch, _| book.append(batch)).ok().unwrap();
    assert_eq!(seqs(&resent.batch), [3], "the actors have 1 and 2");
    resent.ticket.settled().await.unwrap();
    assert_eq!(*book.batches.lock(), [vec![Some(1), Some(2), Some(3)]]);
}

#[tokio::test]
async fn a_duplicate_is_not_promised_before_its_first_sending_is_durable() {
    let (ledger, book) = (Ledger::default(), Book::default());
    let publisher = ledger.publisher(&PublisherId::new("garage").unwrap());
    let first = publisher.admit(samples(&[1]), |batch, _| book.append(batch)).ok().unwrap();
    let second = publisher.admit(samples(&[1]), |batch, _| book.append(batch)).ok().unwrap();
    let waiting = tokio::spawn(second.ticket.settled());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    first.ticket.settled().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), None);
}

/// A disk that fails now and then, under a publisher with many batches on their way: sent again from the
/// first that was not kept, each number is in the journal once and in order.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_failing_disk_refused_is_kept_once_and_in_order_when_sent_again() {
    const LAST: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let (dir, away) = (folder.path().join("journal"), folder.path().join("away"));
    // A segment for each group, which cannot be made while the folder is elsewhere.
    let config = JournalConfig { segment_bytes: 1, ..JournalConfig::new(&dir) };
    let (journal, _) = EmbeddedJournal::open(config).unwrap();
    let _keeps_all = journal.consumer("reader", ConsumerRole::Reader);
    let ledger = Arc::new(Ledger::default());
    journal.watch(ledger.clone());
    let done = Arc::new(AtomicBool::new(false));
    let failing = std::thread::spawn({
        let (done, dir) = (done.clone(), dir.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                std::fs::rename(&dir, &away).unwrap();
                std::thread::sleep(Duration::from_millis(2));
                std::fs::rename(&away, &dir).unwrap();
                std::thread::sleep(Duration::from_millis(7));
            }
        }
    });
    let (mut acked, mut next, mut failures) = (0, 1, 0);
    let mut waiting = VecDeque::new();
    let connect = || ledger.publisher(&PublisherId::new("garage").unwrap());
    let mut publisher = connect();
    while acked < LAST {
        while waiting.len() < 16 && next <= LAST {
            waiting.push_back((next, publisher.admit(samples(&[next]), |batch, _| journal.append(batch)).ok().unwrap().ticket));
            next += 1;
        }
        let (seq, ticket) = waiting.pop_front().unwrap();
        if ticket.settled().await.is_ok() {
            acked = seq;
        } else {
            failures += 1;
            waiting.clear();
            next = acked + 1;
            publisher = connect();
        }
    }
    done.store(true, Ordering::Relaxed);
    failing.join().unwrap();
    journal.close();
    let records = journal::dump(&dir, 1, usize::MAX).unwrap();
    let kept: Vec<u64> = records.iter().flat_map(|(_, batch)| seqs(batch)).collect();
    assert_eq!(kept, (1..=LAST).collect::<Vec<_>>(), "after {failures} failures");
}

/// Who sent it first has gone without waiting: its number is known to be kept all the same.
#[tokio::test]
async fn a_first_sending_nobody_waits_for_is_still_known() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = EmbeddedJournal::open(JournalConfig::new(folder.path())).unwrap();
    let ledger = Arc::new(Ledger::default());
    journal.watch(ledger.clone());
    let publisher = ledger.publisher(&PublisherId::new("garage").unwrap());
    drop(publisher.admit(samples(&[1]), |batch, _| journal.append(batch)).ok().unwrap());
    let again = publisher.admit(samples(&[1]), |batch, _| journal.append(batch)).ok().unwrap();
    assert_eq!(again.duplicates, 1);
    let settled = tokio::time::timeout(Duration::from_secs(10), again.ticket.settled()).await;
    assert_eq!(settled.expect("it is not waited for in vain").unwrap(), None);
}

#[tokio::test]
async fn what_is_refused_at_once_was_never_sent() {
    let (ledger, book) = (Ledger::default(), Book::default());
    let publisher = ledger.publisher(&PublisherId::new("garage").unwrap());
    publisher.admit(samples(&[1]), |batch, _| book.append(batch)).ok().unwrap().ticket.settled().await.unwrap();
    *book.behind.lock() = true;
    let Err(refused) = publisher.admit(samples(&[1, 2, 3]), |batch, _| book.append(batch)) else { panic!("the journal is behind") };
    assert_eq!((refused.samples.len(), refused.duplicates), (2, 1));
    *book.behind.lock() = false;
    let again = publisher.admit(refused.samples, |batch, _| book.append(batch)).ok().unwrap();
    assert_eq!((seqs(&again.batch), again.duplicates), (vec![2, 3], 0), "kept and routed");
}
