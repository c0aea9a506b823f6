//! One point as a row of a file.

use serde::{Deserialize, Serialize};
use slipstream_ports::SeriesPoint;
use slipstream_protocol::{FleetId, Quality, Sample, SessionId, Signal, SignalName, SignalValue, Timestamp, VehicleId};

/// The columns of exported files, in order: `time` in RFC 3339 with microseconds (in Parquet a
/// timestamp), `value` for numbers or `text` for text, `quality` as stored (0 bad, 64 uncertain,
/// 192 good). Cells that have nothing are empty.
pub const COLUMNS: [&str; 8] = ["time", "vehicle_id", "session_id", "fleet_id", "signal", "value", "text", "quality"];

/// One point of one signal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    #[serde(with = "micros")]
    pub(super) time: Timestamp,
    pub(super) vehicle_id: String,
    #[serde(default)]
    pub(super) session_id: Option<String>,
    #[serde(default)]
    pub(super) fleet_id: Option<String>,
    pub(super) signal: String,
    #[serde(default)]
    pub(super) value: Option<f64>,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) quality: Option<i64>,
}

impl Row {
    pub(super) fn of(vehicle: &VehicleId, signal: &str, point: SeriesPoint) -> Self {
        Self {
            time: point.time,
            vehicle_id: vehicle.to_string(),
            session_id: point.session.map(|id| id.to_string()),
            fleet_id: point.fleet.map(|id| id.to_string()),
            signal: signal.to_owned(),
            value: point.value,
            text: point.text,
            quality: point.quality,
        }
    }

    /// The sample it tells; the error says what is wrong with it.
    pub(super) fn sample(self) -> Result<Sample, String> {
        let value = match (self.value, self.text) {
            (Some(number), _) if number.is_finite() => SignalValue::Number(number),
            (Some(number), _) => return Err(format!("value: {number} is not a finite number")),
            (None, Some(text)) => SignalValue::Text(text.into()),
            (None, None) => return Err("it has neither value nor text".to_owned()),
        };
        if self.signal.is_empty() {
            return Err("signal: it has no name".to_owned());
        }
        let quality = match self.quality {
            None | Some(192..) => Quality::Good,
            Some(64..) => Quality::Uncertain,
            Some(_) => Quality::Bad,
        };
        let told = |column: &str, e: slipstream_protocol::ProtocolError| format!("{column}: {}", e.message);
        Ok(Sample {
            vehicle: VehicleId::new(&self.vehicle_id).map_err(|e| told("vehicle_id", e))?,
            session: self.session_id.as_deref().map(SessionId::new).transpose().map_err(|e| told("session_id", e))?,
            fleet: self.fleet_id.as_deref().map(FleetId::new).transpose().map_err(|e| told("fleet_id", e))?,
            seq: None,
            source_time: self.time,
            received_at: self.time,
            quality,
            signals: vec![Signal { name: SignalName::from(self.signal), value }],
            raw: None,
        })
    }
}

/// Times as RFC 3339 with all six digits: the wire's form has three.
mod micros {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use slipstream_protocol::Timestamp;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = time.to_string();
        let rest = time.micros().rem_euclid(1_000);
        serializer.collect_str(&format_args!("{}{rest:03}Z", millis.trim_end_matches('Z')))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|e: slipstream_protocol::ProtocolError| D::Error::custom(e.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row() -> Row {
        Row { vehicle_id: "car".into(), signal: "x".into(), value: Some(1.0), ..Row::default() }
    }

    #[test]
    fn what_is_wrong_with_a_row_is_told_with_its_column() {
        for (row, told) in [
            (Row { vehicle_id: "a\u{7}b".into(), ..row() }, "vehicle_id"),
            (Row { session_id: Some(" ".into()), ..row() }, "session_id"),
            (Row { signal: String::new(), ..row() }, "signal"),
            (Row { value: Some(f64::NAN), ..row() }, "value"),
            (Row { value: None, ..row() }, "neither"),
        ] {
            let error = row.sample().unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    proptest! {
        #[test]
        fn times_keep_every_microsecond(micros in -62_167_219_200_000_000_i64..253_402_300_799_999_999) {
            let row = Row { time: Timestamp::from_micros(micros), ..row() };
            let json = serde_json::to_string(&row).unwrap();
            prop_assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row);
        }
    }
}
