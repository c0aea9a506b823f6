//! The two wire formats: decoding a relay's frames and encoding publications, samples of 20 signals.

#![allow(missing_docs, reason = "criterion makes undocumented functions")]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use slipstream_engine::simulator::Simulator;
use slipstream_protocol::{
    Sample, SessionId, Timestamp, WireFormat,
    codec::{Decoder, Encoder, encode_telemetry},
    limits::Limits,
};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn drive(count: usize) -> Vec<Sample> {
    let mut simulator = Simulator::new(1, 1, 60.0, SessionId::new("bench").expect("a valid id"), START);
    let mut samples = Vec::new();
    while samples.len() < count {
        simulator.step(&mut samples);
    }
    samples.truncate(count);
    samples
}

fn name(format: WireFormat) -> &'static str {
    match format {
        WireFormat::Json => "json",
        WireFormat::Rkyv => "rkyv",
    }
}

/// As the door does it: a frame's payload to samples.
fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode_client_frame");
    for count in [1, 64] {
        group.throughput(Throughput::Elements(count as u64));
        for format in WireFormat::ALL {
            let payload = Bytes::from(encode_telemetry(format, &drive(count)));
            let mut decoder = Decoder::new(Limits::default());
            let label = format!("{}_{count}x20_signals_{}_bytes", name(format), payload.len());
            group.bench_function(label, |b| {
                b.iter(|| decoder.decode(format, black_box(&payload), START).expect("our own frame decodes"));
            });
        }
    }
    group.finish();
}

/// As a channel's owner does it: samples to ready-to-send frames.
fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode_publications");
    for count in [1, 64] {
        group.throughput(Throughput::Elements(count as u64));
        let samples = drive(count);
        for format in WireFormat::ALL {
            let (mut encoder, mut out) = (Encoder::new(format), BytesMut::new());
            group.bench_function(format!("{}_{count}x20_signals", name(format)), |b| {
                b.iter(|| {
                    out.clear();
                    for (offset, sample) in samples.iter().enumerate() {
                        encoder.telemetry("telemetry:car", offset as u64, black_box(sample), &mut out);
                    }
                    out.len()
                });
            });
        }
    }
    group.finish();
}

/// As a relay agent does it: samples to one frame's payload.
fn encode_client(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode_client_frame");
    for count in [1, 64] {
        group.throughput(Throughput::Elements(count as u64));
        let samples = drive(count);
        for format in WireFormat::ALL {
            group.bench_function(format!("{}_{count}x20_signals", name(format)), |b| {
                b.iter(|| encode_telemetry(format, black_box(&samples)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decode, encode, encode_client);
criterion_main!(benches);
