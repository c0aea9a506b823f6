//! Reads what the sides told.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slipstream_protocol::Timestamp;

use crate::fleet::SIGNALS;

/// Vehicle and first moment, ms since 1970.
pub(crate) type WindowKey = (String, i64);

/// What was told of one signal in one window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) mean: f64,
    pub(crate) max: f64,
    pub(crate) p95: f64,
}

/// Every window, signals in the order of [`SIGNALS`].
pub(crate) type Told = HashMap<WindowKey, Vec<Numbers>>;

/// Slipstream's: a JSON object a line.
pub(crate) fn json_lines(path: &Path) -> Result<Told> {
    let mut told = Told::new();
    for line in fs::read_to_string(path)?.lines() {
        let row: Value = serde_json::from_str(line)?;
        let start: Timestamp = serde_json::from_value(row["start"].clone())?;
        let number = |signal: &str, aggregate: &str| row["data"][format!("{signal}.{aggregate}")].as_f64().context("a number");
        let numbers = SIGNALS
            .iter()
            .map(|signal| Ok(Numbers { mean: number(signal, "mean")?, max: number(signal, "max")?, p95: number(signal, "p95")? }));
        let key = (row["key"].as_str().context("a key")?.to_owned(), start.micros() / 1_000);
        add(&mut told, key, numbers.collect::<Result<_>>()?)?;
    }
    Ok(told)
}

/// The peers': vehicle, start, and three numbers for each signal; a file, or a folder of parts. Headers are passed over, and what
/// follows the numbers.
pub(crate) fn tables(path: &Path) -> Result<Told> {
    let mut told = Told::new();
    let parts = if path.is_dir() { fs::read_dir(path)?.map(|e| Ok(e?.path())).collect::<Result<_>>()? } else { vec![path.to_owned()] };
    for part in parts {
        for line in fs::read_to_string(part)?.lines() {
            let mut fields = line.split(',').map(|field| field.trim_matches('"'));
            let (vehicle, start) = (fields.next().context("a vehicle")?, fields.next().context("a start")?);
            let Ok(start) = start.parse() else { continue };
            let numbers: Vec<f64> = fields.take(SIGNALS.len() * 3).map(str::parse).collect::<Result<_, _>>()?;
            ensure!(numbers.len() == SIGNALS.len() * 3, "'{line}' has {} numbers", numbers.len());
            let numbers = numbers.chunks(3).map(|three| Numbers { mean: three[0], max: three[1], p95: three[2] });
            add(&mut told, (vehicle.to_owned(), start), numbers.collect())?;
        }
    }
    Ok(told)
}

fn add(told: &mut Told, key: WindowKey, numbers: Vec<Numbers>) -> Result<()> {
    ensure!(!told.contains_key(&key), "{key:?} was told twice");
    told.insert(key, numbers);
    Ok(())
}
