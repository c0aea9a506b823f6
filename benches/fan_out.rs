//! From the router to every subscriber's outbox, drained: batches of 64 samples of 20 signals, no sockets.

#![allow(missing_docs, reason = "criterion makes undocumented functions")]

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use slipstream_actors::{ActorSystem, Outbox, OutboxLimits, Subscriber, SystemConfig, ports::Clock};
use slipstream_engine::simulator::Simulator;
use slipstream_protocol::{
    Sample, SampleBatch, SessionId, Timestamp, WireFormat,
    client::{Delivery, OnSlow, SubscribeRequest},
};

const BATCH: usize = 64;

struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(since.as_micros() as i64)
    }
}

/// Batches that never end, each later than the one before.
struct Feed {
    samples: Vec<Sample>,
    at: usize,
    time: i64,
}

impl Feed {
    fn new() -> Self {
        let start = MachineClock.now();
        let mut simulator = Simulator::new(1, 1, 60.0, SessionId::new("bench").expect("a valid id"), start);
        let mut samples = Vec::new();
        while samples.len() < 100 * BATCH {
            simulator.step(&mut samples);
        }
        Self { samples, at: 0, time: start.micros() }
    }

    fn next(&mut self) -> SampleBatch {
        if self.at + BATCH > self.samples.len() {
            self.at = 0;
        }
        let mut samples = self.samples[self.at..self.at + BATCH].to_vec();
        self.at += BATCH;
        for sample in &mut samples {
            self.time += 1_000;
            sample.source_time = Timestamp::from_micros(self.time);
        }
        SampleBatch { publisher: None, samples }
    }
}

fn fan_out(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let mut group = c.benchmark_group("fan_out_batch_of_64");
    for (format, name) in [(WireFormat::Json, "json"), (WireFormat::Rkyv, "rkyv")] {
        for subscribers in [1_usize, 200] {
            let system = ActorSystem::start(SystemConfig::default(), Arc::new(MachineClock));
            let router = system.router();
            let mut feed = Feed::new();
            let channel = format!("telemetry:{}", feed.samples[0].vehicle).parse().expect("a valid channel");
            let request = SubscribeRequest { channel, id: None, since: None, delivery: Delivery::All, on_slow: OnSlow::Disconnect };
            let mut out: Vec<Bytes> = Vec::new();
            let audience: Vec<(Arc<Outbox>, Subscriber)> = runtime.block_on(async {
                let mut audience = Vec::new();
                for _ in 0..subscribers {
                    let outbox = Outbox::new(format, OutboxLimits::default());
                    let subscriber = router.connect(outbox.clone());
                    router.subscribe(&subscriber, request.clone()).await;
                    // The answer.
                    outbox.drain(&mut out).await;
                    audience.push((outbox, subscriber));
                }
                audience
            });
            group.throughput(Throughput::Elements((BATCH * subscribers) as u64));
            group.bench_function(format!("{name}_{subscribers}_subscribers"), |b| {
                b.iter(|| {
                    runtime.block_on(async {
                        router.route(feed.next()).await;
                        for (outbox, _) in &audience {
                            out.clear();
                            outbox.drain(&mut out).await;
                        }
                    });
                });
            });
            drop(audience);
            runtime.block_on(system.drain(std::time::Duration::from_secs(5)));
        }
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
