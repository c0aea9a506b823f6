//! The journal against a model: whatever a crash or a bad disk does to its files, every acknowledged
//! record is there once and in order, but for those whose own bytes were damaged.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use slipstream_actors::ports::{Journal as _, JournalError};
use slipstream_gateway::journal::{ConsumerRole, EmbeddedJournal, JournalConfig, Recovery, dump, verify};
use slipstream_protocol::{PublisherId, Quality, Sample, SampleBatch, Signal, SignalValue, Timestamp, VehicleId};

fn config(dir: &Path) -> JournalConfig {
    JournalConfig { segment_bytes: 3_000, tail_bytes: 2_000, ..JournalConfig::new(dir) }
}

fn batch(publisher: u8, seq: u64, samples: usize) -> SampleBatch {
    let sample = |n: u64| Sample {
        vehicle: VehicleId::new("ALB").unwrap(),
        session: None,
        fleet: None,
        seq: Some(seq + n),
        source_time: Timestamp::from_millis(seq as i64),
        received_at: Timestamp::from_millis(seq as i64),
        quality: Quality::Good,
        signals: vec![Signal { name: "speed_mps".into(), value: SignalValue::Number(n as f64) }],
        raw: None,
    };
    let publisher = PublisherId::new(&format!("relay-{publisher}")).unwrap();
    SampleBatch { publisher: Some(publisher), samples: (0..samples as u64).map(sample).collect() }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|x| x == "seg")).collect();
    paths.sort();
    paths
}

/// Every record a consumer gets, by position.
fn read_all(journal: &EmbeddedJournal, runtime: &tokio::runtime::Runtime) -> Vec<(u64, u64)> {
    let mut consumer = journal.consumer("model", ConsumerRole::Reader);
    let mut read = Vec::new();
    let mut last = 0;
    while last < journal.position() {
        let batch = runtime.block_on(consumer.next(1)).unwrap().unwrap();
        assert!(batch.first > last, "in order");
        last = batch.last;
        read.extend(batch.samples.iter().map(|s| (last, s.seq.unwrap())));
    }
    read
}

/// What is tested is what lies in the files: a disk in memory shows it as well, and much faster.
fn memory_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Appends in groups (sizes of batches), each awaited, some with a restart before them. Tells, for each
/// record, its publisher and samples' numbers; and in which file it lies and where it ends.
struct Model {
    records: Vec<(u8, Vec<u64>)>,
    seq: u64,
}

impl Model {
    fn append(&mut self, journal: &EmbeddedJournal, runtime: &tokio::runtime::Runtime, group: &[(u8, usize)]) {
        let mut tickets = Vec::new();
        for (publisher, samples) in group {
            let batch = batch(*publisher, self.seq, *samples);
            self.seq += *samples as u64;
            self.records.push((*publisher, batch.samples.iter().filter_map(|s| s.seq).collect()));
            tickets.push((self.records.len() as u64, journal.append(&batch)));
        }
        for (position, ticket) in tickets {
            assert_eq!(runtime.block_on(ticket).unwrap(), position);
        }
    }

    fn expected(&self, keep: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
        let records = self.records.iter().zip(1_u64..).filter(|(_, position)| keep(*position));
        records.flat_map(|((_, seqs), position)| seqs.iter().map(move |seq| (position, *seq))).collect()
    }

    fn marks(&self, keep: impl Fn(u64) -> bool) -> HashMap<PublisherId, u64> {
        let mut marks = HashMap::new();
        for ((publisher, seqs), position) in self.records.iter().zip(1_u64..) {
            if let Some(last) = seqs.last().filter(|_| keep(position)) {
                marks.insert(PublisherId::new(&format!("relay-{publisher}")).unwrap(), *last);
            }
        }
        marks
    }
}

fn reopen(dir: &Path) -> (std::sync::Arc<EmbeddedJournal>, Recovery) {
    EmbeddedJournal::open(config(dir)).unwrap()
}

fn groups() -> impl Strategy<Value = Vec<Vec<(u8, usize)>>> {
    prop::collection::vec(prop::collection::vec((0..3_u8, 0..4_usize), 1..12), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// The newest file ends anywhere behind what was acknowledged: the tail is cut, the rest is there,
    /// and appends go on.
    #[test]
    fn a_crash_at_any_byte_loses_nothing_acknowledged(before in groups(), unfinished in groups(), cut in any::<prop::sample::Index>(), garbage in prop::collection::vec(any::<u8>(), 0..40)) {
        let (home, runtime) = (memory_dir(), runtime());
        let (live, crashed) = (home.path().join("live"), home.path().join("crashed"));
        let mut model = Model { records: Vec::new(), seq: 1 };
        let (journal, _) = reopen(&live);
        let holder = journal.consumer("model", ConsumerRole::Reader);
        for group in &before {
            model.append(&journal, &runtime, group);
        }
        let acknowledged = model.records.len() as u64;
        let report = verify(&live).unwrap();
        let newest = report.segments.last().unwrap();
        let (newest_first, synced) = (newest.first, newest_end(&live, newest.first));
        for group in &unfinished {
            model.append(&journal, &runtime, group);
        }
        copy(&live, &crashed);
        // The state of a crash: nothing after the newest file of then, and that cut behind what was synced.
        for path in segments(&crashed) {
            let first: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            if first > newest_first {
                fs::remove_file(path).unwrap();
            } else if first == newest_first {
                let bytes = fs::read(&path).unwrap();
                let end = synced + cut.index(bytes.len() - synced + 1);
                fs::write(&path, [&bytes[..end], &garbage].concat()).unwrap();
            }
        }
        let _ = fs::remove_file(crashed.join("publishers"));
        drop((holder, journal));

        let (journal, recovery) = reopen(&crashed);
        prop_assert!(recovery.position >= acknowledged);
        let there = recovery.position;
        prop_assert_eq!(&read_all(&journal, &runtime), &model.expected(|position| position <= there));
        prop_assert_eq!(recovery.publishers, model.marks(|position| position <= there));
        // A frame cut in its payload and filled up with garbage looks like damage; it was never acknowledged.
        prop_assert!(recovery.corrupt <= 1);
        prop_assert_eq!(runtime.block_on(journal.append(&batch(9, 1, 1))).unwrap(), there + 1);
        drop(journal);
        let (_, recovery) = reopen(&crashed);
        prop_assert_eq!((recovery.position, recovery.torn_bytes), (there + 1, 0));
        prop_assert_eq!(verify(&crashed).unwrap().missing, 0);
    }

    /// Crash after crash, each at any byte behind what was acknowledged, with anything written there: what is
    /// there after each is dense and in order, nothing is invented, and no publisher's mark goes back.
    #[test]
    fn crash_after_crash_nothing_acknowledged_is_lost_and_no_mark_goes_back(rounds in prop::collection::vec((groups(), groups(), any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..40)), 1..5)) {
        let (home, runtime) = (memory_dir(), runtime());
        let mut model = Model { records: Vec::new(), seq: 1 };
        let mut live = home.path().join("0");
        let mut marks: HashMap<PublisherId, u64> = HashMap::new();
        for (round, (acknowledged, unfinished, cut, garbage)) in rounds.iter().enumerate() {
            let (journal, recovery) = reopen(&live);
            prop_assert_eq!(recovery.position, model.records.len() as u64);
            for (publisher, mark) in &marks {
                prop_assert!(recovery.publishers.get(publisher) >= Some(mark), "{} goes back from {}", publisher, mark);
            }
            let holder = journal.consumer("model", ConsumerRole::Reader);
            for group in acknowledged {
                model.append(&journal, &runtime, group);
            }
            let synced_records = model.records.len() as u64;
            marks = model.marks(|_| true);
            let newest = verify(&live).unwrap().segments.last().map_or(1, |s| s.first);
            let synced = newest_end(&live, newest);
            for group in unfinished {
                model.append(&journal, &runtime, group);
            }
            let crashed = home.path().join((round + 1).to_string());
            copy(&live, &crashed);
            crash(&crashed, newest, synced, *cut, garbage);
            drop((holder, journal));
            let (journal, recovery) = reopen(&crashed);
            let there = recovery.position;
            prop_assert!(there >= synced_records);
            prop_assert_eq!(&read_all(&journal, &runtime), &model.expected(|position| position <= there));
            prop_assert_eq!(&recovery.publishers, &model.marks(|position| position <= there));
            // What never was acknowledged and is not there is sent again under the same numbers, or others.
            model.records.truncate(there as usize);
            drop(journal);
            live = crashed;
        }
    }

    /// One byte anywhere in acknowledged records is changed: that record is set aside and counted, every
    /// other one is there.
    #[test]
    fn damage_costs_the_record_it_hits_and_no_other(before in groups(), segment in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let (home, runtime) = (memory_dir(), runtime());
        let mut model = Model { records: Vec::new(), seq: 1 };
        let (journal, _) = reopen(home.path());
        drop(journal.consumer("model", ConsumerRole::Reader));
        for group in &before {
            model.append(&journal, &runtime, group);
        }
        drop(journal);
        let paths = segments(home.path());
        let path = &paths[segment.index(paths.len())];
        let mut bytes = fs::read(path).unwrap();
        let at = 16 + at.index(bytes.len() - 16);
        bytes[at] ^= flip;
        fs::write(path, &bytes).unwrap();

        let missing = verify(home.path()).unwrap();
        let survivors: Vec<u64> = dump(home.path(), 1, usize::MAX).unwrap().iter().map(|(position, _)| *position).collect();
        let (journal, _) = reopen(home.path());
        let read = read_all(&journal, &runtime);
        let lost: Vec<u64> = (1..=model.records.len() as u64).filter(|position| !survivors.contains(position)).collect();
        prop_assert_eq!(lost.len(), 1, "{:?}", missing);
        prop_assert_eq!(&read, &model.expected(|position| !lost.contains(&position)));
        let stats = journal.stats();
        // A length that reaches beyond the end of the newest file cannot be told from a write cut short.
        prop_assert!((stats.corrupt, stats.quarantined) == (1, 1) || stats.torn_bytes > 0, "{:?}", stats);
        // The position that was consumed, or is known to have been there, is not given out again.
        let next = runtime.block_on(journal.append(&batch(9, 1, 1))).unwrap();
        prop_assert_eq!(next, model.records.len() as u64 + 1);
    }
}

/// The files as a crash leaves them: nothing after the file that was the newest when the last record was
/// acknowledged, and that one cut somewhere behind it, with garbage at its end.
fn crash(dir: &Path, newest: u64, synced: usize, cut: prop::sample::Index, garbage: &[u8]) {
    for path in segments(dir) {
        let first: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        if first > newest {
            fs::remove_file(path).unwrap();
        } else if first == newest {
            let bytes = fs::read(&path).unwrap();
            let end = synced + cut.index(bytes.len() - synced + 1);
            fs::write(&path, [&bytes[..end], garbage].concat()).unwrap();
        }
    }
    // It may tell of records that the crash took; a crash that took them came before it was saved.
    let _ = fs::remove_file(dir.join("publishers"));
}

/// Where the records of a segment end: its length without the zeros of space set aside.
fn newest_end(dir: &Path, first: u64) -> usize {
    let bytes = fs::read(dir.join(format!("{first:020}.seg"))).unwrap();
    let records = dump(dir, first, usize::MAX).unwrap();
    // Frames of 20 bytes and the payload; a payload may end in zeros, so its length is asked of the codec.
    let payloads: usize = records.iter().map(|(_, batch)| 20 + slipstream_protocol::codec::encode_record(batch).len()).sum();
    assert!(16 + payloads <= bytes.len());
    16 + payloads
}

/// A disk of its own that is full; `None` where this machine does not let us mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|o| o.status.success()) {
            return Some(Self(dir));
        }
        println!("skipped: mounting a small disk is not permitted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_publishers_and_is_survived() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let (dir, filler, runtime) = (disk.0.path().join("journal"), disk.0.path().join("filler"), runtime());
    let config = JournalConfig { segment_bytes: 1 << 20, retain_bytes: 0, ..JournalConfig::new(&dir) };
    let (journal, _) = EmbeddedJournal::open(config.clone()).unwrap();
    let mut consumer = journal.consumer("model", ConsumerRole::Reader);
    let mut kept = Vec::new();
    let mut seq = 1;
    let mut append = |count: usize, kept: &mut Vec<u64>| -> Vec<JournalError> {
        let mut refused = Vec::new();
        for _ in 0..count {
            match runtime.block_on(journal.append(&batch(1, seq, 400))) {
                Ok(_) => kept.extend(seq..seq + 400),
                Err(error) => refused.push(error),
            }
            seq += 400;
        }
        refused
    };
    assert!(append(20, &mut kept).is_empty());
    let _ = fs::write(&filler, vec![1_u8; 64 << 20]);
    let refused = append(60, &mut kept);
    assert!(refused.len() > 10, "the disk is full: {}", refused.len());
    assert!(refused.iter().all(|e| matches!(e, JournalError::Storage(_)) && e.is_retryable()));
    assert!(refused[0].to_string().contains("free disk space"), "{}", refused[0]);
    let mut read = Vec::new();
    while (read.len()) < kept.len() {
        read.extend(runtime.block_on(consumer.next(1_000)).unwrap().unwrap().samples.iter().filter_map(|s| s.seq));
    }
    assert_eq!(read, kept, "reads go on");
    fs::remove_file(&filler).unwrap();
    assert!(append(20, &mut kept).is_empty(), "it recovers by itself when space is back");
    drop((journal, consumer));

    let (journal, recovery) = EmbeddedJournal::open(config).unwrap();
    assert_eq!((recovery.corrupt, recovery.torn_bytes), (0, 0));
    let read: Vec<u64> = read_all(&journal, &runtime).iter().map(|(_, seq)| *seq).collect();
    assert_eq!(read, kept, "nothing refused came back, nothing kept was lost");
}
