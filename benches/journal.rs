//! Durable appends: samples per second with 1, 16 and 256 publishers, each waiting for its ticket
//! before it sends the next batch of 64 samples of 20 signals.
//!
//! `SLIPSTREAM_BENCH_DIR` names the disk to write to; the system's folder for temporary files otherwise.
#![expect(missing_docs, reason = "criterion_group! writes a function without")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use slipstream_actors::ports::Journal as _;
use slipstream_gateway::journal::{ConsumerRole, EmbeddedJournal, JournalConfig};
use slipstream_protocol::{
    PublisherId, Quality, Sample, SampleBatch, Signal, SignalName, SignalValue, Timestamp, VehicleId,
    codec::{RecordDecoder, encode_record},
};

const SAMPLES: u64 = 64;

fn batch(publisher: u64) -> SampleBatch {
    let names: Vec<SignalName> = (0..20).map(|n| SignalName::from(format!("signal_{n}"))).collect();
    let sample = |n: u64| Sample {
        vehicle: VehicleId::new(&format!("car-{publisher}")).expect("letters and digits are an id"),
        session: None,
        fleet: None,
        seq: Some(n),
        source_time: Timestamp::from_millis(n as i64),
        received_at: Timestamp::from_millis(n as i64),
        quality: Quality::Good,
        signals: names
            .iter()
            .zip(0..)
            .map(|(name, i)| Signal { name: name.clone(), value: SignalValue::Number(n as f64 * 1.37 + f64::from(i)) })
            .collect(),
        raw: None,
    };
    SampleBatch { publisher: PublisherId::new(&format!("relay-{publisher}")).ok(), samples: (0..SAMPLES).map(sample).collect() }
}

/// `publishers` tasks append `rounds` batches in all, each one at a time.
async fn publish(journal: &Arc<EmbeddedJournal>, publishers: u64, rounds: u64) {
    let tasks: Vec<_> = (0..publishers)
        .map(|publisher| {
            let (journal, batch) = (journal.clone(), batch(publisher));
            let share = rounds / publishers + u64::from(publisher < rounds % publishers);
            tokio::spawn(async move {
                for _ in 0..share {
                    journal.append(&batch).await.expect("the disk takes the benchmark");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a publisher does not panic");
    }
}

fn durable_append(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts");
    let base = std::env::var_os("SLIPSTREAM_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let mut group = c.benchmark_group("journal_durable_append");
    group.throughput(Throughput::Elements(SAMPLES)).sample_size(10).measurement_time(Duration::from_secs(3));
    for (label, delay) in [("no delay", Duration::ZERO), ("delay 5 ms", Duration::from_millis(5))] {
        for publishers in [1, 16, 256] {
            let dir = tempfile::tempdir_in(&base).expect("the benchmark's disk can be written");
            let config = JournalConfig { commit_delay: delay, retain_bytes: 0, ..JournalConfig::new(dir.path()) };
            let (journal, _) = EmbeddedJournal::open(config).expect("the journal opens");
            group.bench_with_input(BenchmarkId::new(label, publishers), &publishers, |b, publishers| {
                b.iter_custom(|rounds| {
                    let started = Instant::now();
                    runtime.block_on(publish(&journal, *publishers, rounds));
                    started.elapsed()
                });
            });
            let stats = journal.stats();
            println!(
                "{label}, {publishers} publishers: {} records in {} groups, append p50 <= {} s, p99 <= {} s",
                stats.records,
                stats.syncs,
                stats.append_latency.quantile(0.5),
                stats.append_latency.quantile(0.99)
            );
        }
    }
    group.finish();
}

fn record_codec(c: &mut Criterion) {
    let batch = batch(1);
    let record = encode_record(&batch);
    let mut group = c.benchmark_group("journal_record");
    group.throughput(Throughput::Elements(SAMPLES));
    group.bench_function("encode", |b| b.iter(|| encode_record(&batch)));
    let mut decoder = RecordDecoder::default();
    group.bench_function("decode", |b| b.iter(|| decoder.decode(&record).expect("what was encoded is decoded")));
    group.finish();
}

fn recovery(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts");
    let base = std::env::var_os("SLIPSTREAM_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(&base).expect("the benchmark's disk can be written");
    let config = JournalConfig::new(dir.path());
    let (journal, _) = EmbeddedJournal::open(config.clone()).expect("the journal opens");
    // Holds back removal, as a store that is away does.
    let away = journal.consumer("away", ConsumerRole::Sink);
    // 1 million samples.
    runtime.block_on(publish(&journal, 256, 1_000_000 / SAMPLES));
    drop((away, journal));
    let mut group = c.benchmark_group("journal_recovery");
    group.throughput(Throughput::Elements(1_000_000)).sample_size(10);
    for (label, snapshot) in [("after a clean stop", true), ("without a snapshot", false)] {
        group.bench_function(label, |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    if !snapshot {
                        std::fs::remove_file(dir.path().join("publishers")).expect("there is a snapshot");
                    }
                    let (journal, recovery) = EmbeddedJournal::open(config.clone()).expect("the journal opens");
                    spent += recovery.elapsed;
                    drop(journal);
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, durable_append, record_codec, recovery);
criterion_main!(benches);
