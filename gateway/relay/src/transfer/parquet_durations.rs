//! Which columns of a Parquet file are durations. Parquet has no type for them: pandas, Polars, Arrow and Spark store bare
//! integers and write what they mean into the file's metadata.
//!
//! Read are `ARROW:schema` (a base64 Arrow IPC message of which a field's name, type and children matter), `pandas` (JSON with
//! numpy types) and Spark's `org.apache.spark.sql.parquet.row.metadata` (JSON). Nothing is taken from a column's name.

use std::collections::HashMap;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

const ARROW: &str = "ARROW:schema";
const PANDAS: &str = "pandas";
const SPARK: &str = "org.apache.spark.sql.parquet.row.metadata";

/// Structs in structs that are followed.
const MAX_DEPTH: usize = 16;
/// Fields that are looked at: more than a table has columns.
const MAX_FIELDS: usize = 65_536;

/// The unit of a column of durations, as ticks a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ticks {
    /// Ticks a second.
    PerSecond(u32),
    /// A duration in a unit that is not known.
    Unknown,
}

/// The columns of durations by their path, and whether the Arrow schema could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Durations {
    pub(super) columns: HashMap<String, Ticks>,
    pub(super) is_damaged: bool,
}

impl Durations {
    /// Reads a file's key-value metadata.
    pub(super) fn of<'a>(metadata: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found = Self::default();
        let mut arrow = None;
        for (key, value) in metadata {
            match key {
                PANDAS => found.pandas(value),
                SPARK => found.spark(value),
                ARROW => arrow = Some(value),
                _ => {}
            }
        }
        // Arrow's types are those of the stored integers: they count before a data frame's.
        if let Some(schema) = arrow {
            found.is_damaged = found.arrow(schema).is_none();
        }
        found
    }

    fn pandas(&mut self, text: &str) {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return };
        for column in value["columns"].as_array().into_iter().flatten().take(MAX_FIELDS) {
            let name = column["field_name"].as_str().or_else(|| column["name"].as_str());
            let kind = column["numpy_type"].as_str().and_then(|kind| kind.strip_prefix("timedelta64"));
            let (Some(name), Some(kind)) = (name, kind) else { continue };
            let ticks = match kind {
                "[s]" => Ticks::PerSecond(1),
                "[ms]" => Ticks::PerSecond(1_000),
                "[us]" => Ticks::PerSecond(1_000_000),
                "[ns]" => Ticks::PerSecond(1_000_000_000),
                _ => Ticks::Unknown,
            };
            self.columns.insert(name.to_owned(), ticks);
        }
    }

    /// Spark keeps `interval day to second` in microseconds; `interval year to month` counts months, which have no one length.
    fn spark(&mut self, text: &str) {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return };
        for field in value["fields"].as_array().into_iter().flatten().take(MAX_FIELDS) {
            let (Some(name), Some(kind)) = (field["name"].as_str(), field["type"].as_str()) else { continue };
            let Some(parts) = kind.strip_prefix("interval ") else { continue };
            let is_months = parts.starts_with("year") || parts.starts_with("month");
            self.columns.insert(name.to_owned(), if is_months { Ticks::Unknown } else { Ticks::PerSecond(1_000_000) });
        }
    }

    /// `None` where the schema is not whole.
    fn arrow(&mut self, text: &str) -> Option<()> {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = GeneralPurpose::new(&STANDARD, config).decode(text.trim()).ok()?;
        // Since Arrow 0.15 four bytes 0xff are written before the length.
        let message = bytes.strip_prefix(&[0xff; 4]).unwrap_or(&bytes).get(4..)?;
        let buffer = Flat(message);
        let root = Table::at(buffer, buffer.offset(0)?)?;
        let is_schema = buffer.byte(root.field(1)?)? == 1;
        let schema = root.table(2).filter(|_| is_schema)?;
        let mut left = MAX_FIELDS;
        self.fields(schema.field(1), buffer, "", MAX_DEPTH, &mut left)
    }

    fn fields(&mut self, vector: Option<usize>, buffer: Flat<'_>, above: &str, depth: usize, left: &mut usize) -> Option<()> {
        let Some(vector) = vector else { return Some(()) };
        let start = buffer.offset(vector)?;
        for index in 0..usize::try_from(buffer.u32(start)?).ok()? {
            *left = left.checked_sub(1)?;
            let field = Table::at(buffer, buffer.offset(start + 4 + 4 * index)?)?;
            let name = field.field(0).map_or(Some(""), |at| buffer.text(at))?;
            let path = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
            match field.field(2).and_then(|at| buffer.byte(at)) {
                Some(ARROW_DURATION) => {
                    let unit = field.table(3)?.field(0).map_or(Some(1), |at| buffer.u16(at))?;
                    self.columns.insert(
                        path,
                        [1, 1_000, 1_000_000, 1_000_000_000].get(usize::from(unit)).map_or(Ticks::Unknown, |n| Ticks::PerSecond(*n)),
                    );
                }
                Some(ARROW_STRUCT) if depth > 0 => self.fields(field.field(5), buffer, &path, depth - 1, left)?,
                _ => {}
            }
        }
        Some(())
    }
}

/// `Type` of Arrow's `Schema.fbs`.
const ARROW_STRUCT: u8 = 13;
const ARROW_DURATION: u8 = 18;

/// A flatbuffer, every place of which may lie outside it.
#[derive(Clone, Copy)]
struct Flat<'a>(&'a [u8]);

impl<'a> Flat<'a> {
    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn byte(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// The place that the offset at `at` points to.
    fn offset(self, at: usize) -> Option<usize> {
        at.checked_add(usize::try_from(self.u32(at)?).ok()?)
    }

    /// The text that the offset at `at` points to.
    fn text(self, at: usize) -> Option<&'a str> {
        let start = self.offset(at)?;
        let length = usize::try_from(self.u32(start)?).ok()?;
        let from = start.checked_add(4)?;
        std::str::from_utf8(self.0.get(from..from.checked_add(length)?)?).ok()
    }
}

/// A table of a flatbuffer: the place of each field stands in its virtual table.
#[derive(Clone, Copy)]
struct Table<'a> {
    buffer: Flat<'a>,
    at: usize,
    places: usize,
}

impl<'a> Table<'a> {
    fn at(buffer: Flat<'a>, at: usize) -> Option<Self> {
        let back = i32::from_le_bytes(buffer.array(at)?);
        let places = usize::try_from(i64::try_from(at).ok()?.checked_sub(i64::from(back))?).ok()?;
        buffer.u16(places)?;
        Some(Self { buffer, at, places })
    }

    /// Where a field is; `None` where it has its default.
    fn field(self, index: usize) -> Option<usize> {
        let entry = 4 + 2 * index;
        if entry + 2 > usize::from(self.buffer.u16(self.places)?) {
            return None;
        }
        let within = self.buffer.u16(self.places.checked_add(entry)?)?;
        (within > 0).then(|| self.at + usize::from(within))
    }

    fn table(self, index: usize) -> Option<Self> {
        Self::at(self.buffer, self.buffer.offset(self.field(index)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By Polars 2.1: `time` (us), `vehicle_id` (text), `gap_ms` (ms), `gap_ns` (ns).
    const POLARS: &str = "/////wEBAAAEAAAA8v///xQAAAAEAAEAAAAKAAsACAAKAAQA+P///wwAAAAIAAgAAAAEAAQAAACUAAAAYAAAADQAAAAEAAAAaP///xwAAAAQAAAACAAAAAESAAAAAAAAZv///wMAAAAGAAAAZ2FwX25zAACU////GAAAABAAAAAIAAAAARIAAAAAAADU////BgAAAGdhcF9tcwAAvP///xwAAAAQAAAACAAAAAEUAAAAAAAA/P///wQABAAKAAAAdmVoaWNsZV9pZAAA7P///zAAAAAgAAAAGAAAAAESAAAQABIABAAQABEACAAAAAwAAAAAAPr///8CAAYABgAEAAQAAAB0aW1lAA==";

    fn found(key: &str, value: &str) -> Durations {
        Durations::of([(key, value)].into_iter())
    }

    #[test]
    fn units_are_those_of_the_files_metadata() {
        let durations = found(ARROW, POLARS);
        let ticks = |name: &str| durations.columns.get(name).copied();
        assert!(!durations.is_damaged);
        assert_eq!(ticks("time"), Some(Ticks::PerSecond(1_000_000)));
        assert_eq!(ticks("gap_ms"), Some(Ticks::PerSecond(1_000)));
        assert_eq!((ticks("gap_ns"), ticks("vehicle_id")), (Some(Ticks::PerSecond(1_000_000_000)), None));
        let pandas = r#"{"columns":[{"name":"lap","field_name":"lap","numpy_type":"timedelta64[ns]"},{"name":"v","numpy_type":"float64"},
            {"name":"odd","numpy_type":"timedelta64[fortnight]"}]}"#;
        let durations = found(PANDAS, pandas);
        assert_eq!((durations.columns["lap"], durations.columns["odd"]), (Ticks::PerSecond(1_000_000_000), Ticks::Unknown));
        assert_eq!(durations.columns.len(), 2);
        let spark = r#"{"type":"struct","fields":[{"name":"d","type":"interval day to second"},{"name":"m","type":"interval year to month"},
            {"name":"s","type":{"type":"struct","fields":[]}}]}"#;
        let durations = found(SPARK, spark);
        assert_eq!((durations.columns["d"], durations.columns["m"]), (Ticks::PerSecond(1_000_000), Ticks::Unknown));
    }

    #[test]
    fn a_schema_that_is_cut_anywhere_is_damaged_and_costs_nothing_else() {
        let bytes = base64::engine::general_purpose::STANDARD.decode(POLARS).unwrap();
        for end in 0..bytes.len() - 8 {
            let cut = base64::engine::general_purpose::STANDARD.encode(&bytes[..end]);
            let _ = found(ARROW, &cut);
        }
        for place in 0..bytes.len() {
            for byte in [0, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[place] = byte;
                let _ = found(ARROW, &base64::engine::general_purpose::STANDARD.encode(&changed));
            }
        }
        assert!(found(ARROW, "no base64 at all").is_damaged && found(ARROW, "").is_damaged);
        assert!(!found("other", "x").is_damaged);
    }
}
