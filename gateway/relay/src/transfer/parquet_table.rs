//! Reads Parquet: exported rows, and tables of others (pandas, Polars, Spark), wide and long, as CSV is read.

use std::{borrow::Cow, collections::VecDeque, time::Duration};

use parquet::file::reader::ChunkReader;
use slipstream_protocol::{SignalValue, Timestamp};

use super::{
    parquet_cells::{Cell, Columns},
    row::Row,
};
use crate::source::{
    ColumnMap, Item, Parsed, ReadOptions, Remark, Skipped, TimeForm, TimeFormat,
    row::{Cells, RowReader},
    steps::{Stepped, Steps},
    text::{shown, trimmed},
    time,
    two_way_date::{lacks_its_date, with_date},
    unique,
};

/// Rows looked at before the order of day and month is decided.
const AHEAD: usize = 1_000;

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum NotRead {
    /// It is no Parquet, or not whole.
    Damaged(String),
    /// Its columns do not say what they are.
    Layout(String),
}

/// Yields samples, and the rows and columns that make none. Fails where the columns do not say what they are.
pub(super) fn read<R: ChunkReader + 'static>(
    file: R,
    options: &ReadOptions,
) -> Result<impl Iterator<Item = Result<Item, String>> + Send + use<R>, NotRead> {
    let mut columns = Columns::open(file).map_err(|e| NotRead::Damaged(e.to_string()))?;
    let repeated = unique(&mut columns.names);
    let has = |name: &str| columns.names.iter().any(|n| n == name);
    let exported =
        has("time") && has("vehicle_id") && has("signal") && (has("value") || has("text")) && options.map == ColumnMap::default();
    let rows = if exported { None } else { Some(RowReader::new(columns.names.clone(), options).map_err(NotRead::Layout)?) };
    let mut ready: VecDeque<Item> = repeated.iter().map(|text| Item::Remark(Remark::new(0, text))).collect();
    if columns.lacks_types {
        let text = "the file's Arrow schema (ARROW:schema) cannot be read; durations that it names are taken for numbers";
        ready.push_back(Item::Remark(Remark::partial(0, text)));
    }
    if let Some(rows) = &rows {
        ready.extend(rows.notes().map(|text| Item::Remark(Remark::new(0, text))));
        let converted = columns.names.iter().enumerate().filter(|(place, _)| rows.is_value(*place));
        ready.extend(converted.filter_map(|(place, name)| {
            let text = format!("column {}: {}", shown(name), columns.conversion(place)?);
            Some(Item::Remark(Remark::new(0, &text)))
        }));
    }
    for list in &columns.lists {
        let text = format!("column {}: it holds lists, which are no signals, and is not read", shown(list));
        ready.push_back(Item::Remark(Remark::partial(0, &text)));
    }
    let ahead = VecDeque::new();
    let mut table = Table { columns, rows, format: options.time_format.clone(), row: 0, ahead, ready };
    table.look_ahead();
    Ok(Stepped::of(table))
}

struct Table<R: ChunkReader> {
    columns: Columns<R>,
    /// None for exported rows, which have their own columns.
    rows: Option<RowReader>,
    format: Option<TimeFormat>,
    row: u64,
    /// Rows that were looked at already, and the end or the error behind them.
    ahead: VecDeque<Result<Option<Vec<Cell>>, String>>,
    ready: VecDeque<Item>,
}

impl<R: ChunkReader + 'static> Steps for Table<R> {
    type Error = String;

    fn ready(&mut self) -> &mut VecDeque<Item> {
        &mut self.ready
    }

    fn step(&mut self) -> Result<bool, String> {
        let cells = match self.ahead.pop_front() {
            Some(cells) => cells?,
            None => self.columns.next().map_err(|e| e.to_string())?,
        };
        let more = cells.is_some();
        match cells {
            Some(cells) => {
                self.row += 1;
                self.take(cells);
            }
            None => self.end(),
        }
        Ok(more)
    }
}

impl<R: ChunkReader + 'static> Table<R> {
    /// Reads the first rows where their times are text: a date among them that can be read in one way alone decides for all.
    fn look_ahead(&mut self) {
        let Some(rows) = self.rows.as_mut().filter(|_| self.format.is_none()) else { return };
        while self.ahead.len() < AHEAD {
            let next = self.columns.next().map_err(|e| e.to_string());
            let mut is_text = false;
            if let Ok(Some(cells)) = &next {
                let cells = TypedCells { cells, format: None, columns: rows.time_columns() };
                if let Some(time) = cells.written_time() {
                    rows.look_at_time(&time, self.ahead.len() as u64 + 1);
                    is_text = true;
                }
            }
            self.ahead.push_back(next);
            if !is_text {
                return;
            }
        }
    }

    fn end(&mut self) {
        if let Some(rows) = &mut self.rows {
            rows.end(&mut self.ready);
        }
        if self.row == 0 {
            // An export may be of nothing.
            let text = "it has columns and no rows; nothing is read";
            self.ready.push_back(Item::Remark(if self.rows.is_some() { Remark::partial(0, text) } else { Remark::new(0, text) }));
        }
    }

    fn take(&mut self, cells: Vec<Cell>) {
        let line = self.row;
        if let Some(rows) = &mut self.rows {
            rows.take(&mut TypedCells { cells: &cells, format: self.format.as_ref(), columns: rows.time_columns() }, line, &mut self.ready);
            return;
        }
        let skipped = |reason: String| Item::Skipped(Skipped::new(line, &reason));
        let row = exported_row(self.columns.names.iter().map(String::as_str).zip(cells));
        self.ready.push_back(row.and_then(Row::sample).map_or_else(skipped, Item::Sample));
    }
}

/// Takes the columns it knows, in any order and of any type that can tell it.
fn exported_row<'a>(columns: impl Iterator<Item = (&'a str, Cell)>) -> Result<Row, String> {
    let mut row = Row::default();
    let mut time = None;
    for (name, cell) in columns {
        match name {
            "time" => time = moment(&cell),
            "vehicle_id" => row.vehicle_id = text(cell).unwrap_or_default(),
            "session_id" => row.session_id = text(cell),
            "fleet_id" => row.fleet_id = text(cell),
            "signal" => row.signal = text(cell).unwrap_or_default(),
            "value" => row.value = number(&cell),
            "text" => row.text = text(cell),
            "quality" => row.quality = number(&cell).map(|n| n as i64),
            _ => {}
        }
    }
    row.time = time.ok_or("time: a timestamp or RFC 3339 text is expected")?;
    Ok(row)
}

fn moment(cell: &Cell) -> Option<Timestamp> {
    match cell {
        Cell::Moment(time) => Some(*time),
        Cell::Text(text) => Timestamp::from_text_in_utc(text),
        Cell::Number(n) => match time::of_number(*n, TimeForm::Text)? {
            Parsed::Absolute(time) => Some(time),
            Parsed::Relative(_) | Parsed::Clock(_) | Parsed::TwoWay(_) => None,
        },
        Cell::Empty | Cell::Bool(_) | Cell::Duration(_) | Cell::TimeOfDay(_) | Cell::Other(_) => None,
    }
}

fn text(cell: Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(text),
        Cell::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(n) | Cell::Duration(n) | Cell::TimeOfDay(n) => Some(*n),
        Cell::Bool(on) => Some(f64::from(u8::from(*on))),
        _ => None,
    }
}

/// The cells of one row, with the types of their columns.
struct TypedCells<'a> {
    cells: &'a [Cell],
    format: Option<&'a TimeFormat>,
    /// Those of the time, and of its day.
    columns: (usize, Option<usize>),
}

impl TypedCells<'_> {
    fn needs_its_day(&self) -> bool {
        match self.cells.get(self.columns.0) {
            Some(Cell::TimeOfDay(_)) => true,
            Some(Cell::Text(text)) => lacks_its_date(trimmed(text)),
            _ => false,
        }
    }

    /// The day beside the time, as text.
    fn date_beside(&self) -> Option<String> {
        match self.cells.get(self.columns.1?)? {
            Cell::Text(text) => Some(trimmed(text).to_owned()),
            Cell::Moment(day) => day.to_string().get(..10).map(str::to_owned),
            _ => None,
        }
    }

    fn on_its_day(&self, seconds: f64) -> Parsed {
        let of_day = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        match self.date_beside().map(|day| time::parse(&day, None, TimeForm::Text)) {
            Some(Ok(Parsed::Absolute(day))) => Parsed::Absolute(day.plus(of_day)),
            _ => Parsed::Clock(seconds),
        }
    }

    /// The text of a time that may be a date to be decided.
    fn written_time(&self) -> Option<Cow<'_, str>> {
        match self.cells.get(self.columns.0)? {
            Cell::Text(text) => Some(with_date(self.date_beside().as_deref(), trimmed(text))),
            _ => None,
        }
    }
}

impl Cells for TypedCells<'_> {
    fn text(&self, column: usize) -> Result<Cow<'_, str>, String> {
        match self.cells.get(column) {
            None | Some(Cell::Empty) => Ok(Cow::Borrowed("")),
            Some(Cell::Text(text)) => Ok(Cow::Borrowed(trimmed(text))),
            Some(Cell::Number(n) | Cell::Duration(n) | Cell::TimeOfDay(n)) => Ok(Cow::Owned(n.to_string())),
            Some(Cell::Bool(on)) => Ok(Cow::Owned(on.to_string())),
            Some(Cell::Moment(time)) => Ok(Cow::Owned(time.to_string())),
            Some(Cell::Other(kind)) => Err(format!("cell {} holds {kind}", column + 1)),
        }
    }

    fn time(&mut self, column: usize, form: TimeForm) -> Result<Parsed, String> {
        match self.cells.get(column) {
            Some(Cell::Moment(time)) => Ok(Parsed::Absolute(*time)),
            Some(Cell::Duration(seconds)) => Ok(Parsed::Relative(*seconds)),
            Some(Cell::TimeOfDay(seconds)) => Ok(self.on_its_day(*seconds)),
            Some(Cell::Other(kind)) => Err(format!("it holds {kind}")),
            Some(Cell::Number(n)) => time::of_number(*n, form).ok_or_else(|| format!("{n} is not a time")),
            Some(Cell::Text(text)) => {
                let text = trimmed(text);
                let dated = with_date(self.date_beside().as_deref(), text);
                match self.format {
                    Some(format) => {
                        let wrong = || format!("'{}' is not a time by --time-format", shown(&dated));
                        format.parse(&dated).or_else(|| format.parse(text)).map(Parsed::Absolute).ok_or_else(wrong)
                    }
                    None => time::parse(&dated, text.parse().ok(), form),
                }
            }
            Some(Cell::Bool(_)) => Err("a timestamp, a number or text is expected as the time".to_owned()),
            Some(Cell::Empty) | None => Err("the time is missing".to_owned()),
        }
    }

    fn value(&mut self, column: usize) -> Result<Option<SignalValue>, String> {
        // A day that belongs to the time is no measurement.
        if self.columns.1 == Some(column) && self.needs_its_day() {
            return Ok(None);
        }
        Ok(Some(match self.cells.get(column) {
            None | Some(Cell::Empty) => return Ok(None),
            Some(Cell::Number(n) | Cell::Duration(n) | Cell::TimeOfDay(n)) if n.is_finite() => SignalValue::Number(*n),
            Some(Cell::Number(n) | Cell::Duration(n) | Cell::TimeOfDay(n)) => return Err(format!("'{n}' is not a finite number")),
            Some(Cell::Bool(on)) => SignalValue::Bool(*on),
            Some(Cell::Text(text)) => SignalValue::Text(text.trim_matches('\u{feff}').into()),
            Some(Cell::Moment(time)) => SignalValue::Text(time.to_string().into()),
            Some(Cell::Other(kind)) => return Err(format!("it holds {kind}")),
        }))
    }

    fn are_typed(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
