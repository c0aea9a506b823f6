//! How long one sample of 20 signals takes: the twin alone, with a view held, with a session, and the simulator itself.

#![allow(missing_docs, reason = "criterion makes undocumented functions")]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use slipstream_engine::{session::Session, simulator::Simulator, vehicle::Vehicle};
use slipstream_protocol::{Sample, SessionId, Timestamp};

/// One car's samples over several laps at 60 Hz.
fn drive(samples: usize) -> Vec<Sample> {
    let mut simulator = simulator(1);
    let mut out = Vec::new();
    while out.len() < samples {
        simulator.step(&mut out);
    }
    out
}

fn simulator(cars: usize) -> Simulator {
    let session = SessionId::new("bench").expect("a valid id");
    Simulator::new(1, cars, 60.0, session, Timestamp::from_millis(1_700_000_000_000))
}

/// The same drive over and over, each round later than the one before.
struct Endless {
    samples: Vec<Sample>,
    at: usize,
    shift: i64,
}

impl Endless {
    fn new() -> Self {
        Self { samples: drive(30_000), at: 0, shift: 0 }
    }

    fn next(&mut self) -> &Sample {
        if self.at == self.samples.len() {
            self.at = 0;
            self.shift = 600_000_000;
        }
        let sample = &mut self.samples[self.at];
        sample.source_time = Timestamp::from_micros(sample.source_time.micros() + self.shift);
        self.at += 1;
        sample
    }
}

fn without_laps(mut endless: Endless) -> Endless {
    for s in &mut endless.samples {
        // Another signal in its place keeps the count.
        s.signals[0].name = "phase".into();
    }
    endless
}

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("vehicle_apply");
    group.throughput(Throughput::Elements(1));
    for (name, mut source) in [("twin_20_signals", without_laps(Endless::new())), ("twin_and_laps_20_signals", Endless::new())] {
        let (mut vehicle, mut outputs) = (Vehicle::default(), Vec::new());
        group.bench_function(name, |b| {
            b.iter(|| {
                let sample = source.next();
                vehicle.apply(black_box(sample), sample.received_at, &mut outputs);
                outputs.clear();
            });
        });
    }
    let (mut vehicle, mut outputs, mut source) = (Vehicle::default(), Vec::new(), Endless::new());
    group.bench_function("twin_and_laps_view_published_each_time", |b| {
        let mut view = Arc::clone(vehicle.twin());
        b.iter(|| {
            let sample = source.next();
            vehicle.apply(black_box(sample), sample.received_at, &mut outputs);
            view = Arc::clone(vehicle.twin());
            outputs.clear();
        });
        black_box(view);
    });
    group.finish();
}

fn session(c: &mut Criterion) {
    let mut group = c.benchmark_group("session_apply");
    group.throughput(Throughput::Elements(1));
    let (mut session, mut source) = (Session::default(), Endless::new());
    group.bench_function("sample_20_signals", |b| b.iter(|| session.apply(black_box(source.next()))));
    group.finish();
}

fn simulate(c: &mut Criterion) {
    let mut group = c.benchmark_group("simulator");
    group.throughput(Throughput::Elements(20));
    let (mut cars, mut out) = (simulator(20), Vec::new());
    group.bench_function("step_20_cars", |b| {
        b.iter(|| {
            out.clear();
            cars.step(black_box(&mut out));
        });
    });
    group.finish();
}

criterion_group!(benches, apply, session, simulate);
criterion_main!(benches);
