//! Rows as Parquet, without Arrow: one leaf column per field.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        reader::ChunkReader,
        serialized_reader::SerializedFileReader,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    record::{Field, reader::RowIter},
    schema::parser::parse_message_type,
};
use slipstream_protocol::Timestamp;

use super::row::Row;
use crate::relay::source::{Item, Skipped};

const SCHEMA: &str = "message vehicle_telemetry {
    REQUIRED INT64 time (TIMESTAMP(MICROS, true));
    REQUIRED BYTE_ARRAY vehicle_id (STRING);
    OPTIONAL BYTE_ARRAY session_id (STRING);
    OPTIONAL BYTE_ARRAY fleet_id (STRING);
    REQUIRED BYTE_ARRAY signal (STRING);
    OPTIONAL DOUBLE value;
    OPTIONAL BYTE_ARRAY text (STRING);
    OPTIONAL INT64 quality;
}";

pub(super) struct ParquetWriter<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> ParquetWriter<W> {
    pub(super) fn new(out: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        Ok(Self(SerializedFileWriter::new(out, schema, Arc::new(properties))?))
    }

    /// Writes one row group.
    pub(super) fn write(&mut self, rows: &[Row]) -> Result<(), ParquetError> {
        let mut group = self.0.next_row_group()?;
        required::<Int64Type, W>(&mut group, &rows.iter().map(|r| r.time.micros()).collect::<Vec<_>>())?;
        required::<ByteArrayType, W>(&mut group, &rows.iter().map(|r| bytes(&r.vehicle_id)).collect::<Vec<_>>())?;
        optional::<ByteArrayType, W>(&mut group, rows.iter().map(|r| r.session_id.as_deref().map(bytes)))?;
        optional::<ByteArrayType, W>(&mut group, rows.iter().map(|r| r.fleet_id.as_deref().map(bytes)))?;
        required::<ByteArrayType, W>(&mut group, &rows.iter().map(|r| bytes(&r.signal)).collect::<Vec<_>>())?;
        optional::<DoubleType, W>(&mut group, rows.iter().map(|r| r.value))?;
        optional::<ByteArrayType, W>(&mut group, rows.iter().map(|r| r.text.as_deref().map(bytes)))?;
        optional::<Int64Type, W>(&mut group, rows.iter().map(|r| r.quality))?;
        group.close().map(|_| ())
    }

    pub(super) fn finish(self) -> Result<W, ParquetError> {
        self.0.into_inner()
    }
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text)
}

fn required<T: DataType, W: Write + Send>(group: &mut SerializedRowGroupWriter<'_, W>, values: &[T::T]) -> Result<(), ParquetError> {
    column::<T, W>(group, values, None)
}

fn optional<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    column::<T, W>(group, &values, Some(&levels))
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(|| ParquetError::General("the schema has fewer columns than a row".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// Reads a Parquet file with columns of these names: samples, and the rows that make none.
pub(super) fn read(file: impl ChunkReader + 'static) -> Result<impl Iterator<Item = Result<Item, ParquetError>> + Send, ParquetError> {
    let reader = contained(|| SerializedFileReader::new(file))??;
    let mut rows = contained(|| RowIter::from_file_into(Box::new(reader)))?;
    let rows = std::iter::from_fn(move || contained(|| rows.next()).unwrap_or_else(|error| Some(Err(error))));
    let mut broken = false;
    Ok(rows.zip(1..).map_while(move |(row, number)| {
        if broken {
            return None;
        }
        broken = row.is_err();
        Some(row.map(|row| {
            let skipped = |reason| Item::Skipped(Skipped { line: number, reason });
            read_row(row.into_columns()).and_then(Row::sample).map_or_else(skipped, Item::Sample)
        }))
    }))
}

/// The crate panics on some damaged files (found by fuzzing): to whoever imports one that is an error like others.
fn contained<T>(read: impl FnOnce() -> T) -> Result<T, ParquetError> {
    let damaged = |_| ParquetError::General("the file is damaged".to_owned());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).map_err(damaged)
}

/// Takes the columns it knows, in any order and of any type that can tell it.
fn read_row(columns: Vec<(String, Field)>) -> Result<Row, String> {
    let mut row = Row::default();
    let mut time = None;
    for (name, field) in columns {
        match name.as_str() {
            "time" => time = moment(&field),
            "vehicle_id" => row.vehicle_id = text(field).unwrap_or_default(),
            "session_id" => row.session_id = text(field),
            "fleet_id" => row.fleet_id = text(field),
            "signal" => row.signal = text(field).unwrap_or_default(),
            "value" => row.value = number(&field),
            "text" => row.text = text(field),
            "quality" => row.quality = number(&field).map(|n| n as i64),
            _ => {}
        }
    }
    row.time = time.ok_or("time: a timestamp or RFC 3339 text is expected")?;
    Ok(row)
}

fn moment(field: &Field) -> Option<Timestamp> {
    match field {
        Field::TimestampMicros(micros) => Some(Timestamp::from_micros(*micros)),
        Field::TimestampMillis(millis) => Some(Timestamp::from_millis(*millis)),
        Field::Str(text) => text.parse().ok(),
        _ => None,
    }
}

fn text(field: Field) -> Option<String> {
    match field {
        Field::Str(text) => Some(text),
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).ok(),
        _ => None,
    }
}

fn number(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Double(n) => *n,
        Field::Float(n) => f64::from(*n),
        Field::Bool(on) => f64::from(u8::from(*on)),
        Field::Byte(n) => f64::from(*n),
        Field::Short(n) => f64::from(*n),
        Field::Int(n) => f64::from(*n),
        Field::Long(n) => *n as f64,
        Field::UByte(n) => f64::from(*n),
        Field::UShort(n) => f64::from(*n),
        Field::UInt(n) => f64::from(*n),
        Field::ULong(n) => *n as f64,
        _ => return None,
    })
}
