//! The vehicles' samples: generated from a seed, told in order of arrival.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Result;
use slipstream_engine::rl::SplitMix64;

/// How many vehicles.
pub(crate) const VEHICLES: usize = 1_000;
/// What each sample tells.
pub(crate) const SIGNALS: [&str; 12] = [
    "speed_mps",
    "throttle_pct",
    "brake_pct",
    "rpm",
    "gear",
    "steer_deg",
    "ax_g",
    "ay_g",
    "tyre_temp_fl_c",
    "tyre_temp_fr_c",
    "tyre_temp_rl_c",
    "tyre_temp_rr_c",
];
/// Samples of each vehicle, per second.
const RATE: u32 = 10;
/// By how much a sample may arrive after one that was measured later, ms.
const LATENESS_MS: u64 = 5_000;
const BEGIN_MS: i64 = 1_700_000_000_000;

/// One sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) vehicle: u16,
    pub(crate) unix_ms: i64,
    pub(crate) values: [f64; SIGNALS.len()],
}

/// All samples, in order of arrival.
pub(crate) struct Fleet(Vec<Measured>);

impl Fleet {
    /// `seconds` of every vehicle's time.
    pub(crate) fn generate(seconds: u32) -> Self {
        let mut random = SplitMix64::new(5);
        let mut arriving = Vec::with_capacity(VEHICLES * (seconds * RATE) as usize);
        for vehicle in 0..VEHICLES as u16 {
            for step in 0..seconds * RATE {
                let unix_ms = BEGIN_MS + i64::from(step * 1_000 / RATE) + i64::from(vehicle % 100);
                let arrival_us = unix_ms * 1_000 + (random.next_u64() % (LATENESS_MS * 1_000)) as i64;
                let t = f64::from(step) / f64::from(RATE) + f64::from(vehicle);
                arriving.push((arrival_us, Measured { vehicle, unix_ms, values: values(t, &mut random) }));
            }
        }
        arriving.sort_by_key(|(arrival_us, sample)| (*arrival_us, sample.vehicle));
        Self(arriving.into_iter().map(|(_, sample)| sample).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn samples(&self) -> &[Measured] {
        &self.0
    }

    /// Writes the first `count` samples as CSV; tells its bytes.
    pub(crate) fn write(&self, path: &Path, count: usize) -> Result<u64> {
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "vehicle_id,unix_ms,{}", SIGNALS.join(","))?;
        for sample in &self.0[..count] {
            write!(out, "{},{}", name(sample.vehicle), sample.unix_ms)?;
            for value in sample.values {
                write!(out, ",{value}")?;
            }
            writeln!(out)?;
        }
        out.flush()?;
        Ok(std::fs::metadata(path)?.len())
    }
}

/// A vehicle's id.
pub(crate) fn name(vehicle: u16) -> String {
    format!("car-{vehicle:04}")
}

/// Something like a car's, with three decimals, so that every side reads the same numbers from their text.
fn values(t: f64, random: &mut SplitMix64) -> [f64; SIGNALS.len()] {
    let mut noise = |size: f64| (random.unit() - 0.5) * size;
    let speed = 52.0 + 26.0 * (t / 7.0).sin() + noise(2.0);
    let push = (t / 7.0).cos() + noise(0.2);
    let turn = (t / 3.0).sin() + noise(0.1);
    let gear = (speed / 11.0).floor().clamp(1.0, 8.0);
    let plain = [
        speed,
        (push * 110.0).clamp(0.0, 100.0),
        (push * -110.0).clamp(0.0, 100.0),
        4_000.0 + speed * 900.0 / gear + noise(150.0),
        gear,
        turn * 140.0,
        push * 1.4,
        turn * 3.1,
        92.0 + turn * 6.0 + noise(1.0),
        92.0 - turn * 6.0 + noise(1.0),
        97.0 + push * 5.0 + noise(1.0),
        97.0 - push * 5.0 + noise(1.0),
    ];
    plain.map(|value| (value * 1_000.0).round() / 1_000.0)
}
