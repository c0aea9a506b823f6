//! The engine alone, in this process: what a pipeline costs a sample that is already there, and what it holds for each vehicle.

use anyhow::{Result, anyhow};
use slipstream_benches::cpu::seconds_of_this_thread;
use slipstream_engine::pipeline::Pipeline;
use slipstream_protocol::{Quality, Sample, Signal, SignalName, SignalValue, Timestamp, VehicleId};

use crate::{
    fleet::{self, Fleet, SIGNALS, VEHICLES},
    sides::description_of,
};

/// Feeds everything, and tells the rate and the state in the middle of the stream, nothing closed.
pub(crate) fn measure(fleet: &Fleet) -> Result<String> {
    let samples = samples(fleet)?;
    let mut pipeline = Pipeline::build(&description_of("*")).map_err(|mistakes| anyhow!("{mistakes}"))?;
    let began = seconds_of_this_thread()?;
    let mut results = 0;
    for sample in &samples {
        pipeline.feed(sample);
        while let Some(row) = pipeline.next_result() {
            results += 1;
            pipeline.recycle(row);
        }
    }
    let rate = samples.len() as f64 / (seconds_of_this_thread()? - began);
    let (held, saved) = (pipeline.state_bytes(), pipeline.snapshot()?.len());
    Ok(format!(
        "engine alone: {rate:.0} events per CPU s, {results} results; state per vehicle {} bytes in memory, {} in a snapshot",
        held / VEHICLES,
        saved / VEHICLES
    ))
}

fn samples(fleet: &Fleet) -> Result<Vec<Sample>> {
    let names: Vec<SignalName> = SIGNALS.iter().map(|name| SignalName::from(*name)).collect();
    let vehicles = (0..VEHICLES as u16).map(|v| VehicleId::new(&fleet::name(v))).collect::<Result<Vec<_>, _>>()?;
    let sample = |measured: &fleet::Measured| Sample {
        vehicle: vehicles[usize::from(measured.vehicle)].clone(),
        session: None,
        fleet: None,
        seq: None,
        source_time: Timestamp::from_millis(measured.unix_ms),
        received_at: Timestamp::from_millis(measured.unix_ms),
        quality: Quality::Good,
        signals: names.iter().zip(measured.values).map(|(n, v)| Signal { name: n.clone(), value: SignalValue::Number(v) }).collect(),
        raw: None,
    };
    Ok(fleet.samples().iter().map(sample).collect())
}
