//! The columns of a Parquet file as cells, a batch of rows at a time.

use std::collections::VecDeque;

use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{DataType, Int96},
    errors::ParquetError,
    file::reader::{ChunkReader, FileReader},
    file::serialized_reader::SerializedFileReader,
    schema::types::ColumnDescriptor,
};
use slipstream_protocol::Timestamp;

use super::parquet_durations::{Durations, Ticks};
use crate::source::text::trimmed;

/// Rows read together.
const BATCH: usize = 1_024;

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Nothing, or a NaN, which data frames write for nothing.
    Empty,
    Number(f64),
    Bool(bool),
    Text(String),
    Moment(Timestamp),
    /// A duration in seconds.
    Duration(f64),
    /// A time of day in seconds since midnight.
    TimeOfDay(f64),
    /// Something that is no value of a signal: what it is.
    Other(&'static str),
}

/// Reads all columns that hold one cell a row.
pub(super) struct Columns<R: ChunkReader> {
    file: SerializedFileReader<R>,
    group: usize,
    readers: Vec<Reader>,
    /// Names, and places in the file.
    pub(super) names: Vec<String>,
    places: Vec<usize>,
    kinds: Vec<Kind>,
    /// Columns of lists, which have no cells.
    pub(super) lists: Vec<String>,
    /// The file's Arrow schema cannot be read: types that stand there alone are not known.
    pub(super) lacks_types: bool,
}

struct Reader {
    column: ColumnReader,
    kind: Kind,
    max_level: i16,
    ready: VecDeque<Cell>,
}

impl<R: ChunkReader + 'static> Columns<R> {
    pub(super) fn open(file: R) -> Result<Self, ParquetError> {
        contained(|| {
            let file = SerializedFileReader::new(file)?;
            let (mut names, mut places, mut kinds, mut lists) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let metadata = file.metadata().file_metadata().key_value_metadata().into_iter().flatten();
            let durations = Durations::of(metadata.filter_map(|pair| Some((pair.key.as_str(), pair.value.as_deref()?))));
            for (place, column) in file.metadata().file_metadata().schema_descr().columns().iter().enumerate() {
                let name = column.path().string();
                if column.max_rep_level() > 0 {
                    lists.push(name);
                } else {
                    kinds.push(Kind::of(column).declared(durations.columns.get(&name).copied()));
                    names.push(trimmed(&name).to_owned());
                    places.push(place);
                }
            }
            Ok(Self { file, group: 0, readers: Vec::new(), names, places, kinds, lists, lacks_types: durations.is_damaged })
        })?
    }

    /// What the cells of a column are that a signal's value is not; `None` where they are values as they stand.
    pub(super) fn conversion(&self, column: usize) -> Option<&'static str> {
        match self.kinds.get(column)? {
            Kind::Duration(Ticks::PerSecond(_)) | Kind::Interval => Some("it holds durations, which are read as seconds"),
            Kind::Duration(Ticks::Unknown) => {
                Some("it holds durations in a unit that is not known, and is not read; cast them to seconds before the file is written")
            }
            Kind::TimeOfDay(_) => Some("it holds times of day, which are read as seconds since midnight"),
            Kind::Moment(_) | Kind::Date => Some("it holds timestamps, which are kept as text"),
            _ => None,
        }
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Cell>>, ParquetError> {
        loop {
            let mut row = Vec::with_capacity(self.readers.len());
            for reader in &mut self.readers {
                if reader.ready.is_empty() {
                    contained(|| reader.fill())??;
                }
                row.extend(reader.ready.pop_front());
            }
            match row.len() {
                0 if !self.next_group()? => return Ok(None),
                0 => {}
                found if found == self.readers.len() => return Ok(Some(row)),
                _ => return Err(ParquetError::General("its columns are not of the same length".to_owned())),
            }
        }
    }

    fn next_group(&mut self) -> Result<bool, ParquetError> {
        if self.group >= self.file.num_row_groups() || self.places.is_empty() {
            return Ok(false);
        }
        let (file, group, places, kinds) = (&self.file, self.group, &self.places, &self.kinds);
        self.readers = contained(|| {
            let group = file.get_row_group(group)?;
            let schema = file.metadata().file_metadata().schema_descr();
            let reader = |(place, kind): (&usize, &Kind)| {
                let (kind, max_level) = (*kind, schema.column(*place).max_def_level());
                Ok(Reader { column: group.get_column_reader(*place)?, kind, max_level, ready: VecDeque::new() })
            };
            places.iter().zip(kinds).map(reader).collect::<Result<Vec<_>, ParquetError>>()
        })??;
        self.group += 1;
        Ok(true)
    }
}

/// The crate panics on some damaged files (found by fuzzing): to whoever imports one that is an error like others.
fn contained<T>(read: impl FnOnce() -> T) -> Result<T, ParquetError> {
    let damaged = |_| ParquetError::General("the file is damaged".to_owned());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).map_err(damaged)
}

impl Reader {
    fn fill(&mut self) -> Result<(), ParquetError> {
        let (kind, level, ready) = (self.kind, self.max_level, &mut self.ready);
        match &mut self.column {
            ColumnReader::BoolColumnReader(column) => batch(column, level, ready, Cell::Bool),
            ColumnReader::Int32ColumnReader(column) => batch(column, level, ready, |n| kind.integer(i64::from(n), u64::from(n as u32))),
            ColumnReader::Int64ColumnReader(column) => batch(column, level, ready, |n| kind.integer(n, n as u64)),
            // Spark and Impala: nanoseconds of a Julian day.
            ColumnReader::Int96ColumnReader(column) => {
                batch(column, level, ready, |n: Int96| Cell::Moment(Timestamp::from_micros(n.to_micros())))
            }
            ColumnReader::FloatColumnReader(column) => batch(column, level, ready, |n| number(f64::from(n))),
            ColumnReader::DoubleColumnReader(column) => batch(column, level, ready, number),
            ColumnReader::ByteArrayColumnReader(column) => batch(column, level, ready, |bytes| kind.bytes(bytes.data())),
            ColumnReader::FixedLenByteArrayColumnReader(column) => batch(column, level, ready, |bytes| kind.bytes(bytes.data())),
        }
    }
}

fn batch<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    level: i16,
    ready: &mut VecDeque<Cell>,
    cell: impl Fn(T::T) -> Cell,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let (rows, _, _) = column.read_records(BATCH, (level > 0).then_some(&mut levels), None, &mut values)?;
    let mut values = values.into_iter();
    if level == 0 {
        ready.extend(values.map(cell));
        return Ok(());
    }
    for found in levels.into_iter().take(rows) {
        let value = if found == level { values.next() } else { None };
        ready.push_back(value.map_or(Cell::Empty, &cell));
    }
    Ok(())
}

fn number(n: f64) -> Cell {
    if n.is_nan() { Cell::Empty } else { Cell::Number(n) }
}

/// What the numbers and bytes of a column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Unsigned,
    Text,
    Moment(Unit),
    TimeOfDay(Unit),
    Date,
    Decimal(i32),
    Half,
    /// Integers that the file's metadata calls durations.
    Duration(Ticks),
    /// Months, days and milliseconds, as `DuckDB` writes them.
    Interval,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    const fn of(unit: TimeUnit) -> Self {
        match unit {
            TimeUnit::MILLIS => Self::Millis,
            TimeUnit::MICROS => Self::Micros,
            TimeUnit::NANOS => Self::Nanos,
        }
    }

    const fn micros(self, n: i64) -> i64 {
        match self {
            Self::Millis => n.saturating_mul(1_000),
            Self::Micros => n,
            Self::Nanos => n.div_euclid(1_000),
        }
    }
}

impl Kind {
    fn of(column: &ColumnDescriptor) -> Self {
        match column.logical_type_ref() {
            Some(LogicalType::Timestamp(timestamp)) => return Self::Moment(Unit::of(timestamp.unit)),
            Some(LogicalType::Time(time)) => return Self::TimeOfDay(Unit::of(time.unit)),
            Some(LogicalType::Decimal(decimal)) => return Self::Decimal(decimal.scale),
            Some(LogicalType::Float16) => return Self::Half,
            Some(LogicalType::Integer(integer)) if !integer.is_signed => return Self::Unsigned,
            _ => {}
        }
        match column.converted_type() {
            ConvertedType::TIMESTAMP_MILLIS => Self::Moment(Unit::Millis),
            ConvertedType::TIMESTAMP_MICROS => Self::Moment(Unit::Micros),
            ConvertedType::TIME_MILLIS => Self::TimeOfDay(Unit::Millis),
            ConvertedType::TIME_MICROS => Self::TimeOfDay(Unit::Micros),
            ConvertedType::DATE => Self::Date,
            ConvertedType::DECIMAL => Self::Decimal(column.type_scale()),
            ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Self::Text,
            ConvertedType::INTERVAL => Self::Interval,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => Self::Unsigned,
            // Older writers put text without saying so.
            _ if column.physical_type() == Type::BYTE_ARRAY => Self::Text,
            _ => Self::Plain,
        }
    }

    /// The kind where the file's metadata declares a duration; a type that Parquet itself gives counts before it.
    const fn declared(self, duration: Option<Ticks>) -> Self {
        match (self, duration) {
            (Self::Plain, Some(ticks)) => Self::Duration(ticks),
            _ => self,
        }
    }

    fn integer(self, n: i64, unsigned: u64) -> Cell {
        match self {
            // pandas and numpy write the smallest integer for NaT.
            Self::Duration(_) if n == i64::MIN => Cell::Empty,
            Self::Duration(Ticks::PerSecond(ticks)) => Cell::Duration(n as f64 / f64::from(ticks)),
            Self::Duration(Ticks::Unknown) => Cell::Other("a duration in a unit that is not known"),
            Self::Moment(unit) => Cell::Moment(Timestamp::from_micros(unit.micros(n))),
            Self::TimeOfDay(unit) => Cell::TimeOfDay(unit.micros(n) as f64 / 1e6),
            Self::Date => Cell::Moment(Timestamp::from_micros(n.saturating_mul(86_400_000_000))),
            Self::Decimal(scale) => Cell::Number(n as f64 / 10_f64.powi(scale)),
            Self::Unsigned => Cell::Number(unsigned as f64),
            Self::Plain | Self::Text | Self::Half | Self::Interval => Cell::Number(n as f64),
        }
    }

    fn bytes(self, bytes: &[u8]) -> Cell {
        match self {
            Self::Text => std::str::from_utf8(bytes).map_or(Cell::Other("binary data"), |text| Cell::Text(text.to_owned())),
            Self::Decimal(scale) if bytes.len() <= 16 => {
                let negative = bytes.first().is_some_and(|b| *b >= 0x80);
                let whole = bytes.iter().fold(if negative { -1_i128 } else { 0 }, |n, b| (n << 8) | i128::from(*b));
                Cell::Number(whole as f64 / 10_f64.powi(scale))
            }
            Self::Half if bytes.len() == 2 => number(half(u16::from_le_bytes([bytes[0], bytes[1]]))),
            Self::Interval if bytes.len() == 12 => interval(bytes),
            _ => Cell::Other("binary data"),
        }
    }
}

/// Three little-endian numbers: months, days and milliseconds. Months have no one length.
fn interval(bytes: &[u8]) -> Cell {
    let part = |at: usize| bytes[at..at + 4].iter().rev().fold(0_u32, |n, b| n << 8 | u32::from(*b));
    match part(0) {
        0 => Cell::Duration(f64::from(part(4)).mul_add(86_400.0, f64::from(part(8)) / 1e3)),
        _ => Cell::Other("a duration of months, which have no one length"),
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1_024.0);
    let size = match exponent {
        0 => fraction * 2_f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2_f64.powi(exponent - 15),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_kind_come_out_right() {
        let at = |micros| Cell::Moment(Timestamp::from_micros(micros));
        assert_eq!(Kind::Moment(Unit::Nanos).integer(1_500, 0), at(1));
        assert_eq!(Kind::Moment(Unit::Millis).integer(-2, 0), at(-2_000));
        assert_eq!(Kind::Date.integer(1, 0), at(86_400_000_000));
        assert_eq!(Kind::Decimal(2).integer(-125, 0), Cell::Number(-1.25));
        assert_eq!(Kind::Decimal(1).bytes(&[0xff, 0x85]), Cell::Number(-12.3));
        assert_eq!(Kind::Unsigned.integer(-1, u64::MAX), Cell::Number(u64::MAX as f64));
        assert_eq!(Kind::TimeOfDay(Unit::Micros).integer(1_500_000, 0), Cell::TimeOfDay(1.5));
        assert_eq!(Kind::Plain.declared(Some(Ticks::PerSecond(1_000))).integer(1_500, 0), Cell::Duration(1.5));
        assert_eq!(Kind::Moment(Unit::Millis).declared(Some(Ticks::PerSecond(1))), Kind::Moment(Unit::Millis));
        assert_eq!(Kind::Interval.bytes(&[0, 0, 0, 0, 1, 0, 0, 0, 0xf4, 1, 0, 0]), Cell::Duration(86_400.5));
        assert!(matches!(Kind::Interval.bytes(&[1; 12]), Cell::Other(_)));
        assert_eq!((half(0x3e00), half(0xc000), half(0x0001)), (1.5, -2.0, 2_f64.powi(-24)));
    }
}
