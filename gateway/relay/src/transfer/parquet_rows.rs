//! Writes rows as Parquet, without Arrow: one leaf column per field.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use super::row::Row;

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
