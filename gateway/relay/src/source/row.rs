//! Turns one row of a table into one sample, whatever kind of file the table is in.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use slipstream_engine::pipeline::fields::meant;
use slipstream_protocol::{FleetId, Limits, Quality, Sample, SessionId, Signal, SignalName, SignalValue, Timestamp, VehicleId};

use super::{
    Item, ReadOptions, Remark, Skipped,
    columns::{self, Layout, Shape},
    numbers::Style,
    tally::{Origin, Tallies},
    text::shown,
    time::{self, Parsed, TimeForm},
    time_doubts::TimeDoubts,
    timeline::TimeLine,
};

/// Signal names and vehicles that are remembered; a file whose every row has a new one must not grow memory without bound.
const MAX_REMEMBERED: usize = 65_536;

/// The cells of one row.
pub(crate) trait Cells {
    /// A cell as text; empty where there is nothing.
    fn text(&self, column: usize) -> Result<Cow<'_, str>, String>;
    /// A cell as a time.
    fn time(&mut self, column: usize, form: TimeForm) -> Result<Parsed, String>;
    /// A cell as a value; `None` where there is nothing.
    fn value(&mut self, column: usize) -> Result<Option<SignalValue>, String>;
    /// Whether the file tells text and numbers apart.
    fn are_typed(&self) -> bool {
        false
    }
}

/// Makes samples of the rows of one table.
pub(crate) struct RowReader {
    pub(super) layout: Layout,
    pub(super) columns: Vec<String>,
    vehicle: Option<VehicleId>,
    session: Option<SessionId>,
    only: Vec<String>,
    /// Names of a long table that were not asked for, to name what may be meant.
    others: BTreeSet<String>,
    /// Names that were asked for and are there.
    found: BTreeSet<String>,
    timeline: TimeLine,
    doubts: TimeDoubts,
    vehicles: HashMap<String, VehicleId>,
    names: HashMap<String, SignalName>,
    pub(super) tallies: Tallies,
    merges: bool,
    beside: Vec<SignalName>,
    max_signals: usize,
    /// Of a long table: the sample that following rows may still add to.
    open: Option<Sample>,
    /// Of a wide one: whether it looks as if it were long.
    repeats: Repeats,
}

/// How often rows have the vehicle and the time of the row before, as those of long tables do.
#[derive(Debug, Default)]
struct Repeats {
    before: Option<(VehicleId, Timestamp)>,
    rows: u64,
    repeated: u64,
    first_line: u64,
}

impl Repeats {
    fn look(&mut self, sample: &Sample, line: u64) {
        self.rows += 1;
        let is_same = self.before.as_ref().is_some_and(|(vehicle, time)| *vehicle == sample.vehicle && *time == sample.source_time);
        if is_same {
            self.repeated += 1;
            if self.repeated == 1 {
                self.first_line = line;
            }
        } else {
            self.before = Some((sample.vehicle.clone(), sample.source_time));
        }
    }

    /// What is to be said where half of the rows repeat and the table has a column of text, `name`, and one of numbers, `value`.
    fn remark(&self, name: &str, value: &str) -> Option<Remark> {
        let text = format!(
            "{} of {} rows have the vehicle and the time of the row before, and '{}' is text: where it names what '{}' holds, give --map \
             name=<column>,value=<column>",
            self.repeated,
            self.rows,
            shown(name),
            shown(value)
        );
        (self.repeated > 0 && self.repeated * 2 >= self.rows).then(|| Remark::partial(self.first_line, &text))
    }
}

impl RowReader {
    /// Fails with what the column names do not say.
    pub(crate) fn new(names: Vec<String>, options: &ReadOptions) -> Result<Self, String> {
        let mut layout = Layout::of(&names, &options.map, options.vehicle.is_some())?;
        columns::check_wanted(&layout, &names, &options.signals)?;
        if !options.signals.is_empty() {
            layout.signals.retain(|(_, name)| options.signals.iter().any(|s| **s == **name));
        }
        let long = layout.shape != Shape::Wide;
        Ok(Self {
            columns: names,
            vehicle: options.vehicle.clone(),
            session: options.session.clone(),
            only: options.signals.clone(),
            others: BTreeSet::new(),
            found: BTreeSet::new(),
            timeline: TimeLine::new(options.start),
            doubts: TimeDoubts::default(),
            vehicles: HashMap::new(),
            names: HashMap::new(),
            tallies: Tallies::new(Style::told(options.decimal, options.thousands)),
            merges: long && options.merge,
            beside: if long { layout.signals.iter().map(|(_, n)| n.clone()).collect() } else { Vec::new() },
            max_signals: Limits::default().max_signals,
            open: None,
            repeats: Repeats::default(),
            layout,
        })
    }

    /// What was decided that the header does not say by itself.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &str> {
        self.layout.notes.iter().map(String::as_str)
    }

    /// The columns of the time, and of its day where that stands beside it.
    pub(crate) const fn time_columns(&self) -> (usize, Option<usize>) {
        (self.layout.time.0, self.layout.date)
    }

    /// Looks at a time of a row that is read later: one that can be read in one way alone decides how the others are.
    pub(crate) fn look_at_time(&mut self, text: &str, line: u64) {
        if self.layout.time.1 == TimeForm::Text
            && let Ok(Parsed::TwoWay(date)) = time::parse(text, None, TimeForm::Text)
        {
            self.timeline.decide(&date, line);
        }
    }

    /// Whether a column holds values of signals.
    pub(crate) fn is_value(&self, column: usize) -> bool {
        self.layout.signals.iter().any(|(place, _)| *place == column)
            || matches!(self.layout.shape, Shape::Long { value, .. } if value == column)
    }

    /// Reads one row; what comes of it is put into `ready`. Yields whether it is a good one.
    pub(crate) fn take(&mut self, row: &mut impl Cells, line: u64, ready: &mut VecDeque<Item>) -> bool {
        match self.read(row, line, ready) {
            Ok(Some(sample)) => {
                if self.layout.shape == Shape::Wide {
                    self.repeats.look(&sample, line);
                }
                ready.extend(self.put(sample).map(Item::Sample));
                true
            }
            Ok(None) => true,
            Err(reason) => {
                ready.push_back(Item::Skipped(Skipped::new(line, &reason)));
                false
            }
        }
    }

    /// The last sample, and what is to be said of the columns.
    pub(crate) fn end(&mut self, ready: &mut VecDeque<Item>) {
        ready.extend(self.open.take().map(Item::Sample));
        ready.extend(self.timeline.remarks().map(Item::Remark));
        ready.extend(self.doubts.remark(&self.columns[self.layout.time.0]).map(Item::Remark));
        ready.extend(self.tallies.remarks().into_iter().map(Item::Remark));
        if let (Some(name), Some(value)) = (self.tallies.first_of_text(), self.tallies.first_of_numbers()) {
            ready.extend(self.repeats.remark(name, value).map(Item::Remark));
        }
        if self.layout.shape != Shape::Wide {
            let others: Vec<&str> = self.others.iter().map(String::as_str).collect();
            for missing in self.only.iter().filter(|name| !self.found.contains(*name) && !self.beside.iter().any(|b| **b == ***name)) {
                let text = format!("there is no signal '{}' in the file{}", shown(missing), meant(missing, &others));
                ready.push_back(Item::Remark(Remark::partial(0, &text)));
            }
        }
    }

    /// Takes a sample in, and yields one that is whole.
    fn put(&mut self, sample: Sample) -> Option<Sample> {
        if !self.merges {
            return Some(sample);
        }
        let Some(mut open) = self.open.take() else {
            self.open = Some(sample);
            return None;
        };
        if !self.belongs(&open, &sample) {
            self.open = Some(sample);
            return Some(open);
        }
        // Columns beside name and value repeat on every row.
        let new = sample.signals.into_iter().filter(|s| !self.beside.contains(&s.name) || open.signal(&s.name).is_none());
        let new: Vec<_> = new.collect();
        open.signals.extend(new);
        self.open = Some(open);
        None
    }

    /// Whether `row` goes on with the sample `open`: same vehicle, same time, no signal twice.
    fn belongs(&self, open: &Sample, row: &Sample) -> bool {
        let repeats = |s: &Signal| !self.beside.contains(&s.name) && open.signal(&s.name).is_some();
        open.vehicle == row.vehicle
            && open.source_time == row.source_time
            && open.session == row.session
            && open.quality == row.quality
            && open.signals.len() + row.signals.len() <= self.max_signals
            && !row.signals.iter().any(repeats)
    }

    /// A row that has none of the signals asked for is none to speak of.
    fn read(&mut self, row: &mut impl Cells, line: u64, notes: &mut VecDeque<Item>) -> Result<Option<Sample>, String> {
        let vehicle = self.vehicle(row)?;
        let source_time = self.time(&vehicle, row, line)?;
        let session = match (&self.session, self.layout.session) {
            (Some(session), _) => Some(session.clone()),
            (None, Some(column)) => optional(&row.text(column)?, SessionId::new)?,
            (None, None) => None,
        };
        let fleet = match self.layout.fleet {
            Some(column) => optional(&row.text(column)?, FleetId::new)?,
            None => None,
        };
        let quality = match self.layout.quality.map(|column| row.value(column)).transpose()?.flatten() {
            Some(SignalValue::Number(n)) if n < 64.0 => Quality::Bad,
            Some(SignalValue::Number(n)) if n < 192.0 => Quality::Uncertain,
            _ => Quality::Good,
        };
        let signals = self.signals(row, line, notes)?;
        if signals.is_empty() {
            return if self.only.is_empty() { Err("no signal has a value in this row".into()) } else { Ok(None) };
        }
        Ok(Some(Sample { vehicle, session, fleet, seq: None, source_time, received_at: source_time, quality, signals, raw: None }))
    }

    fn vehicle(&mut self, row: &impl Cells) -> Result<VehicleId, String> {
        if let Some(vehicle) = &self.vehicle {
            return Ok(vehicle.clone());
        }
        let column = self.layout.vehicle.ok_or("no vehicle column")?;
        let text = row.text(column)?;
        if let Some(known) = self.vehicles.get(&*text) {
            return Ok(known.clone());
        }
        let id = VehicleId::new(&text).map_err(|e| format!("{}: {}", self.columns[column], e.message))?;
        if self.vehicles.len() > MAX_REMEMBERED {
            self.vehicles.clear();
        }
        self.vehicles.insert(text.into_owned(), id.clone());
        Ok(id)
    }

    fn time(&mut self, vehicle: &VehicleId, row: &mut impl Cells, line: u64) -> Result<Timestamp, String> {
        let (column, form) = self.layout.time;
        let parsed = row.time(column, form).map_err(|e| format!("{}: {e}", self.columns[column]))?;
        if matches!(form, TimeForm::Text | TimeForm::Millis) {
            self.doubts.look(&parsed, line, || row.text(column).map(Cow::into_owned).unwrap_or_default());
        }
        if matches!(parsed, Parsed::Absolute(_)) && form != TimeForm::Text {
            self.doubts.look_at_unit(form, line, &row.text(column).unwrap_or_default());
        }
        self.timeline.place(vehicle.as_str(), parsed, line).map_err(|e| format!("{}: {e}", self.columns[column]))
    }

    fn signals(&mut self, row: &mut impl Cells, line: u64, notes: &mut VecDeque<Item>) -> Result<Vec<Signal>, String> {
        let mut signals = Vec::with_capacity(self.layout.signals.len() + 1);
        if let Shape::Long { name, value, text } = self.layout.shape {
            let called = row.text(name)?.into_owned();
            if called.is_empty() {
                return Err(format!("{}: the signal has no name", self.columns[name]));
            }
            if self.is_wanted(&called) {
                let found = match (row.value(value)?, text) {
                    // A column of text is one by its name.
                    (None, Some(column)) => Some((SignalValue::Text(row.text(column)?.as_ref().into()), true)),
                    (found, _) => found.map(|value| (value, row.are_typed())),
                };
                if let Some((value, typed)) = found {
                    let name = self.signal_name(&called);
                    let value = self.tallies.taken(typed, Origin::Named, &name, value, line);
                    signals.push(Signal { name, value });
                }
            }
            if signals.is_empty() {
                return Ok(signals);
            }
        }
        for (place, (column, name)) in self.layout.signals.iter().enumerate() {
            match row.value(*column) {
                Ok(Some(value)) => {
                    let value = self.tallies.taken(row.are_typed(), Origin::Place(place), name, value, line);
                    signals.push(Signal { name: name.clone(), value });
                }
                Ok(None) => {}
                // One bad cell does not cost the row its good ones.
                Err(reason) => {
                    let reason = format!("{}: {reason}; this cell is left out", self.columns[*column]);
                    notes.push_back(Item::Skipped(Skipped::new(line, &reason)));
                }
            }
        }
        Ok(signals)
    }

    fn is_wanted(&mut self, name: &str) -> bool {
        if self.only.is_empty() {
            return true;
        }
        let wanted = self.only.iter().any(|s| s == name);
        let seen = if wanted { &mut self.found } else { &mut self.others };
        if seen.len() < 1_000 && !seen.contains(name) {
            seen.insert(name.to_owned());
        }
        wanted
    }

    fn signal_name(&mut self, text: &str) -> SignalName {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        if self.names.len() > MAX_REMEMBERED {
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
