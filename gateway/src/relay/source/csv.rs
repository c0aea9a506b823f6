//! CSV tables, wide (a column per signal) and long (a row per signal).

use std::{
    collections::{HashMap, VecDeque},
    io::BufRead,
    sync::Arc,
};

use ::csv::{ByteRecord, ReaderBuilder};
use slipstream_protocol::{FleetId, Limits, Quality, Sample, SessionId, Signal, SignalName, SignalValue, Timestamp, VehicleId};

use super::{
    Item, ReadOptions, Skipped, SourceError,
    columns::{Layout, Shape},
    time::{self, TimeLine, shown},
};

/// What spreadsheets and data frames write where nothing was measured.
const EMPTY: [&str; 8] = ["", "NaN", "nan", "NA", "N/A", "null", "NULL", "None"];

/// The rows of one table as samples.
pub(super) struct CsvRows<R> {
    reader: ::csv::Reader<R>,
    name: String,
    record: ByteRecord,
    rows: RowReader,
    /// Of a long table: the sample that following rows may still add to.
    open: Option<Sample>,
    ready: VecDeque<Item>,
    ended: bool,
}

impl<R: BufRead> CsvRows<R> {
    /// Reads the header of `input`.
    pub(super) fn new(mut input: R, name: &str, options: &ReadOptions) -> Result<Self, SourceError> {
        let failed = |reason: String| SourceError::Read { name: name.to_owned(), reason };
        let first = input.fill_buf().map_err(|e| failed(e.to_string()))?;
        let delimiter = options.delimiter.unwrap_or_else(|| delimiter(first));
        let mut reader = ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(input);
        let header = reader.byte_headers().map_err(|e| failed(e.to_string()))?;
        let names: Vec<String> =
            header.iter().map(|n| String::from_utf8_lossy(n).trim_start_matches('\u{feff}').trim().to_owned()).collect();
        let layout = Layout::of(&names, &options.map, options.vehicle.is_some())
            .map_err(|reason| SourceError::Layout { name: name.to_owned(), reason })?;
        let rows = RowReader::new(layout, names, options);
        Ok(Self { reader, name: name.to_owned(), record: ByteRecord::new(), rows, open: None, ready: VecDeque::new(), ended: false })
    }

    fn read_row(&mut self) -> Result<(), SourceError> {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {
                let line = self.record.position().map_or(0, ::csv::Position::line);
                match self.rows.read(&self.record, line, &mut self.ready) {
                    Ok(sample) => self.put(sample),
                    Err(reason) => self.ready.push_back(Item::Skipped(Skipped { line, reason })),
                }
                Ok(())
            }
            Ok(false) => {
                self.ended = true;
                self.ready.extend(self.open.take().map(Item::Sample));
                Ok(())
            }
            Err(error) => {
                self.ended = true;
                self.ready.extend(self.open.take().map(Item::Sample));
                Err(SourceError::Read { name: self.name.clone(), reason: error.to_string() })
            }
        }
    }

    fn put(&mut self, sample: Sample) {
        if !self.rows.merges {
            self.ready.push_back(Item::Sample(sample));
            return;
        }
        let Some(open) = &mut self.open else {
            self.open = Some(sample);
            return;
        };
        if self.rows.belongs(open, &sample) {
            // Columns beside name and value repeat on every row.
            let new = sample.signals.into_iter().filter(|s| !self.rows.beside.contains(&s.name) || open.signal(&s.name).is_none());
            let new: Vec<_> = new.collect();
            open.signals.extend(new);
        } else {
            let whole = std::mem::replace(open, sample);
            self.ready.push_back(Item::Sample(whole));
        }
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.read_row() {
                // What was read before it broke off still counts.
                return Some(Err(error));
            }
        }
    }
}

/// Of comma, semicolon and tab the one the first line has most of.
#[expect(clippy::naive_bytecount, reason = "one line, once a file")]
fn delimiter(first: &[u8]) -> u8 {
    let line = first.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |d: u8| line.iter().filter(|b| **b == d).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|d| count(*d)).unwrap_or(b',')
}

/// Turns one row into one sample.
struct RowReader {
    layout: Layout,
    columns: Vec<String>,
    vehicle: Option<VehicleId>,
    session: Option<SessionId>,
    only: Vec<String>,
    timeline: TimeLine,
    vehicles: HashMap<String, VehicleId>,
    names: HashMap<String, SignalName>,
    merges: bool,
    beside: Vec<SignalName>,
    max_signals: usize,
}

impl RowReader {
    fn new(mut layout: Layout, columns: Vec<String>, options: &ReadOptions) -> Self {
        if !options.signals.is_empty() {
            layout.signals.retain(|(_, name)| options.signals.iter().any(|s| **s == **name));
        }
        let long = layout.shape != Shape::Wide;
        Self {
            columns,
            vehicle: options.vehicle.clone(),
            session: options.session.clone(),
            only: options.signals.clone(),
            timeline: TimeLine::new(options.start),
            vehicles: HashMap::new(),
            names: HashMap::new(),
            merges: long && options.merge,
            beside: if long { layout.signals.iter().map(|(_, n)| n.clone()).collect() } else { Vec::new() },
            max_signals: Limits::default().max_signals,
            layout,
        }
    }

    /// Whether `row` goes on with the sample `open`: same vehicle, same time, no signal twice.
    fn belongs(&self, open: &Sample, row: &Sample) -> bool {
        let repeats = |s: &Signal| !self.beside.contains(&s.name) && open.signal(&s.name).is_some();
        open.vehicle == row.vehicle
            && open.source_time == row.source_time
            && open.session == row.session
            && open.signals.len() + row.signals.len() <= self.max_signals
            && !row.signals.iter().any(repeats)
    }

    fn read(&mut self, record: &ByteRecord, line: u64, notes: &mut VecDeque<Item>) -> Result<Sample, String> {
        if record.len() != self.columns.len() {
            return Err(format!("{} cells, the header has {}", record.len(), self.columns.len()));
        }
        let vehicle = self.vehicle(record)?;
        let source_time = self.time(record)?;
        let session = match (&self.session, self.layout.session) {
            (Some(session), _) => Some(session.clone()),
            (None, Some(column)) => optional(cell(record, column)?, SessionId::new)?,
            (None, None) => None,
        };
        let fleet = match self.layout.fleet {
            Some(column) => optional(cell(record, column)?, FleetId::new)?,
            None => None,
        };
        let signals = self.signals(record, line, notes)?;
        if signals.is_empty() {
            return Err("no signal has a value in this row".into());
        }
        Ok(Sample { vehicle, session, fleet, seq: None, source_time, received_at: source_time, quality: Quality::Good, signals, raw: None })
    }

    fn vehicle(&mut self, record: &ByteRecord) -> Result<VehicleId, String> {
        if let Some(vehicle) = &self.vehicle {
            return Ok(vehicle.clone());
        }
        let column = self.layout.vehicle.ok_or("no vehicle column")?;
        let text = cell(record, column)?;
        if let Some(known) = self.vehicles.get(text) {
            return Ok(known.clone());
        }
        let id = VehicleId::new(text).map_err(|e| format!("{}: {}", self.columns[column], e.message))?;
        self.vehicles.insert(text.to_owned(), id.clone());
        Ok(id)
    }

    fn time(&mut self, record: &ByteRecord) -> Result<Timestamp, String> {
        let (column, form) = self.layout.time;
        let parsed = time::parse(cell(record, column)?, form).map_err(|e| format!("{}: {e}", self.columns[column]))?;
        Ok(self.timeline.place(parsed))
    }

    fn signals(&mut self, record: &ByteRecord, line: u64, notes: &mut VecDeque<Item>) -> Result<Vec<Signal>, String> {
        let mut signals = Vec::with_capacity(self.layout.signals.len() + 1);
        if let Shape::Long { name, value } = self.layout.shape {
            let text = cell(record, name)?;
            if text.is_empty() {
                return Err(format!("{}: the signal has no name", self.columns[name]));
            }
            if (self.only.is_empty() || self.only.iter().any(|s| s == text))
                && let Some(value) = cell_value(cell(record, value)?)?
            {
                signals.push(Signal { name: self.signal_name(text), value });
            }
            if signals.is_empty() {
                return Ok(signals);
            }
        }
        for (column, name) in &self.layout.signals {
            match cell(record, *column).and_then(cell_value) {
                Ok(Some(value)) => signals.push(Signal { name: name.clone(), value }),
                Ok(None) => {}
                // One bad cell does not cost the row its good ones.
                Err(reason) => {
                    let reason = format!("{}: {reason}; this cell is left out", self.columns[*column]);
                    notes.push_back(Item::Skipped(Skipped { line, reason }));
                }
            }
        }
        Ok(signals)
    }

    fn signal_name(&mut self, text: &str) -> SignalName {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        // A file whose every row has a new name must not grow this without bound.
        if self.names.len() > 65_536 {
            self.names.clear();
        }
        let name: SignalName = Arc::from(text);
        self.names.insert(text.to_owned(), name.clone());
        name
    }
}

fn optional<T>(text: &str, make: impl Fn(&str) -> Result<T, slipstream_protocol::ProtocolError>) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { make(text).map(Some).map_err(|e| e.message) }
}

fn cell(record: &ByteRecord, column: usize) -> Result<&str, String> {
    let bytes = record.get(column).ok_or_else(|| format!("cell {} is missing", column + 1))?;
    std::str::from_utf8(bytes).map(str::trim).map_err(|_| format!("cell {} is not UTF-8", column + 1))
}

fn cell_value(text: &str) -> Result<Option<SignalValue>, String> {
    if EMPTY.contains(&text) {
        return Ok(None);
    }
    Ok(Some(match text.parse::<f64>() {
        Ok(n) if n.is_finite() => SignalValue::Number(n),
        Ok(_) => return Err(format!("'{}' is not a finite number", shown(text))),
        Err(_) => match text {
            "true" | "True" | "TRUE" => SignalValue::Bool(true),
            "false" | "False" | "FALSE" => SignalValue::Bool(false),
            text => SignalValue::Text(text.into()),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::drain;
    use super::*;
    use crate::relay::source::Start;

    fn read_with(text: &str, options: &ReadOptions) -> (Vec<Sample>, Vec<Skipped>) {
        drain(CsvRows::new(text.as_bytes(), "test.csv", options).unwrap())
    }

    fn read(text: &str) -> (Vec<Sample>, Vec<Skipped>) {
        read_with(text, &ReadOptions::new(Start::Relative(Timestamp::from_secs_f64(1e9))))
    }

    #[test]
    fn an_empty_cell_is_no_signal_and_relative_time_counts_from_the_start() {
        let (samples, skipped) = read("t_s,vehicle_id,lap,speed_mps,on\n0.5,ALB,,78.25,True\n");
        assert!(skipped.is_empty());
        assert_eq!(samples[0].source_time, Timestamp::from_secs_f64(1e9 + 0.5));
        assert_eq!(samples[0].signal("lap"), None);
        assert_eq!(samples[0].number("speed_mps"), Some(78.25));
        assert_eq!(samples[0].signal("on"), Some(&SignalValue::Bool(true)));
    }

    #[test]
    fn a_bad_row_costs_itself_only_and_is_told_with_its_line() {
        let (samples, skipped) = read("t_s,vehicle_id,v\n0,a,1\nx,a,2\n1,b\u{7}c,3\n2,a\n3,a,\n4,a,5\n");
        assert_eq!(samples.len(), 2);
        assert_eq!(skipped.iter().map(|s| s.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert!(skipped[0].reason.contains("t_s"), "{}", skipped[0].reason);
    }

    #[test]
    fn an_infinite_cell_is_left_out_and_its_row_stays() {
        let (samples, skipped) = read("t_s,vehicle_id,v,w\n0,a,inf,2\n");
        assert_eq!((samples.len(), samples[0].signals.len(), skipped.len()), (1, 1, 1));
    }

    #[test]
    fn rows_of_a_long_table_with_the_same_time_make_one_sample_and_repeats_another() {
        let text = "timestamp,vehicle_id,lap,telemetry_name,telemetry_value\n\
            2025-09-05T00:28:20.593Z,g,2,aps,100\n2025-09-05T00:28:20.593Z,g,2,gear,3\n\
            2025-09-05T00:28:20.593Z,g,2,gear,3\n2025-09-05T00:28:20.551Z,g,2,aps,99\n";
        let (samples, skipped) = read(text);
        assert!(skipped.is_empty());
        let counts: Vec<_> = samples.iter().map(|s| s.signals.len()).collect();
        assert_eq!(counts, [3, 2, 2], "aps+lap+gear, the repeated gear+lap, the earlier aps+lap");
        let apart = read_with(text, &ReadOptions { merge: false, ..ReadOptions::new(Start::Relative(Timestamp::default())) });
        assert_eq!(apart.0.len(), 4);
    }

    #[test]
    fn a_semicolon_table_in_an_unknown_encoding_keeps_its_readable_rows() {
        let (samples, skipped) = drain(
            CsvRows::new(
                &b"unix_s;vehicle_id;note\n1700000000;a;caf\xe9\n1700000001;a;ok\n"[..],
                "x",
                &ReadOptions::new(Start::Relative(Timestamp::default())),
            )
            .unwrap(),
        );
        assert_eq!((samples.len(), skipped.len()), (1, 2), "the row without a readable signal makes no sample");
    }
}
