//! Memory of an idle vehicle's actor.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use slipstream_actors::{ActorSystem, SystemConfig, ports::Clock};
use slipstream_protocol::{Sample, SampleBatch, Signal, SignalValue, Timestamp, VehicleId, WireFormat, codec, signal::Quality};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    Plan, feed,
    report::{Goal, Row},
    servers::{self, Target},
    websocket,
};
use slipstream_benches::cpu::resident_bytes;

/// Vehicles that report before the first look, so that what is allocated once is not counted.
const FIRST: usize = 2_000;
const BATCH: usize = 1_000;
const SIGNALS: [(&str, f64); 5] = [("speed_mps", 61.5), ("rpm", 10_900.0), ("throttle_pct", 87.0), ("x_m", 1_204.5), ("y_m", -310.25)];
/// Idle vehicles give memory back 5 s after their last sample, and what their channels remember when
/// it is a minute old; the sweep that says so, and the writers of series, need a little longer.
const REST: Duration = Duration::from_secs(75);

fn batch(from: usize, count: usize) -> Result<Vec<Sample>> {
    let names: Vec<Arc<str>> = SIGNALS.iter().map(|(name, _)| Arc::from(*name)).collect();
    let now = feed::now();
    let sample = |i: usize| {
        let signals = names.iter().zip(SIGNALS);
        Ok(Sample {
            vehicle: VehicleId::new(&format!("vehicle-{i}"))?,
            session: None,
            fleet: None,
            seq: Some(i as u64 + 1),
            source_time: now,
            received_at: now,
            quality: Quality::default(),
            signals: signals.map(|(name, (_, value))| Signal { name: name.clone(), value: SignalValue::Number(value) }).collect(),
            raw: None,
        })
    };
    (from..from + count).map(sample).collect()
}

/// Measures it on the real binary, and the actors alone in a process of their own.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    if !plan.measures("slipstream") {
        return Ok(Vec::new());
    }
    let goal = Some(Goal::AtMost(2_048.0));
    let mut row = Row::new("vehicles", format!("memory per resident idle vehicle actor, {} of them", plan.vehicles), "B", goal);
    // Both at once: they mostly wait.
    let mut probe = Command::new(std::env::current_exe()?);
    let probe = probe.args(["--vehicles-in-process", &plan.vehicles.to_string()]).stdout(Stdio::piped()).spawn()?;
    let target = servers::slipstream()?;
    report(&target, 0, FIRST).await?;
    tokio::time::sleep(REST).await;
    let before = target.server.resident_bytes();
    report(&target, FIRST, plan.vehicles).await?;
    tokio::time::sleep(REST).await;
    row.add("slipstream", (target.server.resident_bytes() as f64 - before as f64) / plan.vehicles as f64);
    row.note("one sample of 5 signals each, by relay batches over /ws with durable acknowledgement, then idle");
    drop(target);

    let mut alone = Row::new("vehicles-in-process", "the same without gateway: actors alone in one process", "B", goal);
    let out = probe.wait_with_output()?;
    ensure!(out.status.success(), "the probe fails: {}", out.status);
    alone.add("slipstream", String::from_utf8_lossy(&out.stdout).trim().parse().context("the probe prints one number")?);
    Ok(vec![row, alone])
}

/// Sends one sample of each of `count` vehicles and waits until all are acknowledged.
async fn report(target: &Target, from: usize, count: usize) -> Result<()> {
    let stream = websocket::connect(target, "?publisher=bench&ack=durable", None).await?;
    let (mut read, mut write) = stream.into_split();
    let sending = async {
        for at in (from..from + count).step_by(BATCH) {
            let samples = batch(at, BATCH.min(from + count - at))?;
            let mut frame = Vec::new();
            websocket::put_frame(&mut frame, 2, &codec::encode_telemetry(WireFormat::Rkyv, &samples));
            write.write_all(&frame).await?;
        }
        anyhow::Ok(())
    };
    let last = format!("\"ack\",\"seq\":{},", from + count);
    let hearing = async {
        let (mut heard, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(120));
        while !websocket::contains(&heard, last.as_bytes()) {
            ensure!(Instant::now() < deadline, "not everything was acknowledged in 120 s: {}", String::from_utf8_lossy(&heard));
            ensure!(read.read_buf(&mut heard).await? > 0, "the connection ended: {}", String::from_utf8_lossy(&heard));
        }
        anyhow::Ok(())
    };
    tokio::try_join!(sending, hearing)?;
    Ok(())
}

struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        feed::now()
    }
}

/// Prints bytes of resident memory per vehicle, in this process, which should have done nothing else.
pub(crate) fn in_process(count: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let system = ActorSystem::start(SystemConfig::default(), Arc::new(MachineClock));
        let router = system.router();
        let fill = async |from: usize, count: usize| {
            for at in (from..from + count).step_by(BATCH) {
                let samples = batch(at, BATCH.min(from + count - at))?;
                let refused = router.route(SampleBatch { publisher: None, samples }).await;
                ensure!(refused.is_empty(), "refused: {refused:?}");
            }
            tokio::time::sleep(REST).await;
            Ok(resident_bytes("self"))
        };
        let before = fill(0, FIRST).await?;
        let after = fill(FIRST, count).await?;
        println!("{}", (after as f64 - before as f64) / count as f64);
        system.drain(Duration::from_secs(5)).await;
        Ok(())
    })
}
