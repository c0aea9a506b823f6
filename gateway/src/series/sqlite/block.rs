//! Samples of one source, packed by columns: one row of the store.
//!
//! A row for every point would cost a page write for every signal of every vehicle in each transaction.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use slipstream_ports::WriteReport;
use slipstream_protocol::{Sample, SignalName};

use super::dictionary::Source;
use crate::series::point::{self, Point, PointValue};

/// Longest time from a block's earliest sample to its latest, microseconds: who looks for a moment has to
/// look through the blocks that begin this much before.
pub(super) const MAX_SPAN: i64 = 600_000_000;

/// Most samples in a block.
const MAX_ROWS: usize = 1_024;

/// A block may be so many times as large as its points are: samples of one source mostly have the same signals.
const MAX_SPARSE: usize = 4;

/// The first byte of a packed block.
const VERSION: u8 = 1;

/// What a row of the table holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Block {
    /// Source time of each sample, microseconds since the Unix epoch; in the order written.
    pub(super) times: Vec<i64>,
    /// Quality of each sample.
    pub(super) qualities: Vec<u8>,
    pub(super) columns: Vec<Column>,
}

/// One signal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Column {
    /// Its number in the dictionary.
    pub(super) signal: i64,
    /// A number for each sample from the first on; NaN, as beyond the end, where it has none.
    pub(super) numbers: Vec<f64>,
    /// Texts, by the sample's place.
    pub(super) texts: Vec<(u32, String)>,
}

impl Block {
    pub(super) fn pack(&self) -> Vec<u8> {
        let room = 16 + self.times.len() * (10 + 8 * self.columns.len());
        let mut out = Vec::with_capacity(room);
        out.push(VERSION);
        postcard::to_extend(self, out).expect("plain data into memory: nothing to fail")
    }

    /// `None` where the bytes are no block.
    pub(super) fn unpack(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, packed) = bytes.split_first()? else { return None };
        let block: Self = postcard::from_bytes(packed).ok()?;
        (block.qualities.len() == block.times.len()).then_some(block)
    }
}

/// A block being filled, its signals by name.
#[derive(Debug, Default)]
pub(super) struct Filling {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) block: Block,
    /// Of the columns.
    pub(super) names: Vec<SignalName>,
    places: HashMap<SignalName, usize>,
    points: usize,
}

/// `samples` as blocks, in the order written, and how many points they hold. What no store may keep is
/// reported and left out.
pub(super) fn blocks(samples: &[Sample], report: &mut WriteReport) -> (Vec<(Source, Filling)>, u64) {
    let mut full = Vec::new();
    let mut open: HashMap<Source, Filling> = HashMap::new();
    let mut points = 0;
    for samples in samples.chunk_by(Source::same) {
        let source = Source::of(&samples[0]);
        let mut filling = open.remove(&source).unwrap_or_default();
        for sample in samples {
            if !filling.takes(sample) {
                points += filling.points as u64;
                full.push((source.clone(), std::mem::take(&mut filling)));
            }
            filling.push(sample, report);
        }
        open.insert(source, filling);
    }
    // Blocks of one source stay in order; among sources any order is as good.
    for (source, filling) in open {
        points += filling.points as u64;
        full.push((source, filling));
    }
    full.retain(|(_, filling)| filling.points > 0);
    (full, points)
}

impl Filling {
    fn takes(&self, sample: &Sample) -> bool {
        let rows = self.block.times.len();
        let time = sample.source_time.micros();
        let span = self.last.max(time).saturating_sub(self.first.min(time));
        let cells = self.names.len().max(sample.signals.len()) * rows;
        rows == 0 || (rows < MAX_ROWS && span <= MAX_SPAN && cells <= MAX_SPARSE * self.points + MAX_ROWS)
    }

    fn push(&mut self, sample: &Sample, report: &mut WriteReport) {
        let row = self.block.times.len();
        let mut kept = 0;
        let bad_time = point::time_flaw(sample.source_time);
        for (at, signal) in sample.signals.iter().enumerate() {
            let point = Point::of(sample, signal);
            let column = self.column(&signal.name, at);
            let flaw = column.as_ref().err().copied().or(bad_time).or_else(|| point::value_flaw(&point.value));
            match (column, flaw) {
                (Ok(column), None) => {
                    self.block.columns[column].put(row, &point.value);
                    kept += 1;
                }
                (_, flaw) => point::reject(report, 1, point.describe(), flaw.unwrap_or_default().to_owned()),
            }
        }
        if kept == 0 {
            return;
        }
        let time = sample.source_time.micros();
        (self.first, self.last) = if row == 0 { (time, time) } else { (self.first.min(time), self.last.max(time)) };
        self.block.times.push(time);
        self.block.qualities.push(sample.quality as u8);
        self.points += kept;
    }

    /// The column of a signal that is at `at` in its sample; what is wrong with its name, where that is.
    fn column(&mut self, name: &SignalName, at: usize) -> Result<usize, &'static str> {
        if self.names.get(at).is_some_and(|known| known == name) {
            return Ok(at);
        }
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        if let Some(flaw) = point::name_flaw(name) {
            return Err(flaw);
        }
        let place = self.names.len();
        self.names.push(name.clone());
        self.places.insert(name.clone(), place);
        self.block.columns.push(Column::default());
        Ok(place)
    }
}

impl Column {
    /// The value of the sample at `row`; of two in one sample the last one stays.
    fn put(&mut self, row: usize, value: &PointValue<'_>) {
        if self.texts.last().is_some_and(|(last, _)| *last as usize == row) {
            self.texts.pop();
        }
        match value {
            PointValue::Number(number) => {
                if self.numbers.len() <= row {
                    self.numbers.resize(row + 1, f64::NAN);
                }
                self.numbers[row] = *number;
            }
            PointValue::Text(text) => {
                if let Some(number) = self.numbers.get_mut(row) {
                    *number = f64::NAN;
                }
                self.texts.push((row as u32, (*text).to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;
    use slipstream_protocol::{Signal, SignalValue, Timestamp};

    fn packed(samples: &[Sample]) -> Vec<Filling> {
        let mut report = WriteReport::default();
        let (blocks, points) = blocks(samples, &mut report);
        assert_eq!(report, WriteReport::default());
        assert_eq!(points, samples.iter().map(|s| s.signals.len() as u64).sum::<u64>());
        blocks.into_iter().map(|(_, filling)| filling).collect()
    }

    #[test]
    fn what_is_packed_is_unpacked_and_other_bytes_are_no_block() {
        let mut samples: Vec<Sample> = (0..5).map(|i| sample("car", 10 - i, &[("a", i as f64), ("b", 0.5)])).collect();
        samples[2].signals.push(Signal { name: "state".into(), value: SignalValue::Text("pit".into()) });
        let filling = packed(&samples).pop().unwrap();
        assert_eq!((filling.first, filling.last, filling.names.len()), (6, 10, 3));
        assert_eq!(filling.block.columns[2].texts, [(2, "pit".to_owned())]);
        let bytes = filling.block.pack();
        assert_eq!(Block::unpack(&bytes), Some(filling.block));
        assert_eq!(Block::unpack(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Block::unpack(&[9]), None);
    }

    #[test]
    fn long_times_many_samples_and_sparse_signals_begin_a_block_of_their_own() {
        let far: Vec<Sample> = (0..3).map(|i| sample("car", i * (MAX_SPAN + 1), &[("a", 1.0)])).collect();
        assert_eq!(packed(&far).len(), 3);
        let many: Vec<Sample> = (0..=2 * MAX_ROWS as i64).map(|i| sample("car", i, &[("a", 1.0)])).collect();
        assert_eq!(packed(&many).len(), 3);
        let names: Vec<String> = (0..1_000).map(|i| format!("s{i}")).collect();
        let sparse: Vec<Sample> = names.iter().enumerate().map(|(i, name)| sample("car", i as i64, &[(name, 1.0)])).collect();
        let bytes: usize = packed(&sparse).iter().map(|f| f.block.pack().len()).sum();
        assert!(bytes < 1_000 * 200, "{bytes}");
    }

    #[test]
    fn of_two_values_in_one_sample_the_last_one_stays() {
        let mut twice = sample("car", 1, &[("a", 1.0), ("a", 2.0)]);
        twice.signals.push(Signal { name: "b".into(), value: SignalValue::Number(3.0) });
        twice.signals.push(Signal { name: "b".into(), value: SignalValue::Text("x".into()) });
        twice.source_time = Timestamp::from_micros(1);
        let block = packed(&[twice]).pop().unwrap().block;
        assert_eq!(block.columns[0].numbers, [2.0]);
        assert!(block.columns[1].numbers[0].is_nan() && block.columns[1].texts.len() == 1);
    }

    #[test]
    fn what_no_store_can_keep_is_reported_and_costs_the_rest_nothing() {
        let mut bad = sample("car-1", 1_000_000, &[("rpm", 1.0), ("", 2.0), ("x\\", 3.0), ("a\nb", 4.0), ("nan", f64::NAN)]);
        bad.signals.push(Signal { name: "state".into(), value: SignalValue::Text("a\0b".into()) });
        let mut far = bad.clone();
        far.source_time = Timestamp::from_micros(i64::MAX);
        far.signals.truncate(1);
        let mut report = WriteReport::default();
        let (blocks, points) = blocks(&[bad, far], &mut report);
        assert_eq!((points, report.rejected, report.rejections.len()), (1, 6, 6));
        assert_eq!(blocks[0].1.block.columns.iter().map(|c| c.numbers.len()).sum::<usize>(), 1);
    }
}
