//! Points as `InfluxDB` line protocol.
//!
//! ```text
//! vehicle_telemetry,fleet_id=f,sensor_type=rpm,session_id=s,vehicle_id=car-1 quality=192i,value=7150 1789000000000000
//! ```
//!
//! Tags are sorted, as the servers like them, and left out where empty, as they demand. Text signals
//! have the string field `metadata` and no `value`.

use std::{io::Write as _, ops::Range};

use super::point::{Point, PointValue};

/// The measurement of every point.
pub(super) const MEASUREMENT: &str = "vehicle_telemetry";

/// The unit of the timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Micros,
    Nanos,
}

/// Lines, and where each ends.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Lines {
    pub(super) fn of(points: &[Point<'_>], precision: Precision) -> Self {
        let mut lines = Self { text: Vec::with_capacity(points.len() * 128), ends: Vec::with_capacity(points.len()) };
        for point in points {
            write_line(&mut lines.text, point, precision);
            lines.ends.push(lines.text.len());
        }
        lines
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of some lines, each with its line break.
    pub(super) fn text(&self, range: Range<usize>) -> &[u8] {
        let start = if range.start == 0 { 0 } else { self.ends[range.start - 1] };
        let end = if range.is_empty() { start } else { self.ends[range.end - 1] };
        &self.text[start..end]
    }
}

fn write_line(out: &mut Vec<u8>, point: &Point<'_>, precision: Precision) {
    out.extend_from_slice(MEASUREMENT.as_bytes());
    tag(out, "fleet_id", point.fleet());
    tag(out, "sensor_type", point.signal);
    tag(out, "session_id", point.session());
    tag(out, "vehicle_id", point.sample.vehicle.as_str());
    out.push(b' ');
    if let PointValue::Text(text) = point.value {
        out.extend_from_slice(b"metadata=\"");
        for byte in text.bytes() {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.extend_from_slice(b"\",");
    }
    write!(out, "quality={}i", point.quality()).expect("a Vec takes whatever is written");
    if let PointValue::Number(number) = point.value {
        // `{:?}` is the shortest text that reads back to the same bits, and always has a point or exponent.
        write!(out, ",value={number:?}").expect("a Vec takes whatever is written");
    }
    let time = match precision {
        Precision::Micros => point.time().micros(),
        Precision::Nanos => point.time().nanos(),
    };
    writeln!(out, " {time}").expect("a Vec takes whatever is written");
}

/// Writes a tag; names and values may hold anything that [`super::point`] lets through.
fn tag(out: &mut Vec<u8>, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    out.push(b',');
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    for byte in value.bytes() {
        if matches!(byte, b',' | b'=' | b' ') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{point::points, sample};
    use super::*;
    use slipstream_ports::WriteReport;
    use slipstream_protocol::{FleetId, SessionId, Signal, SignalValue};

    #[test]
    fn lines_have_sorted_tags_no_empty_ones_and_escaped_text() {
        let mut whole = sample("car-1", 1_789_000_000_000_001, &[("front left,temp=c", 80.0), ("x", 1e300)]);
        whole.session = Some(SessionId::new("race").unwrap());
        whole.fleet = Some(FleetId::new("red").unwrap());
        let mut bare = sample("car-1", -1, &[]);
        bare.signals.push(Signal { name: "tyre".into(), value: SignalValue::Text("say \"soft\" \\ now".into()) });
        bare.signals.push(Signal { name: "drs".into(), value: SignalValue::Bool(true) });
        let samples = [whole, bare];
        let points = points(&samples, &mut WriteReport::default());
        let lines = Lines::of(&points, Precision::Micros);
        assert_eq!(
            std::str::from_utf8(lines.text(0..4)).unwrap(),
            "vehicle_telemetry,fleet_id=red,sensor_type=front\\ left\\,temp\\=c,session_id=race,vehicle_id=car-1 quality=192i,value=80.0 1789000000000001\n\
             vehicle_telemetry,fleet_id=red,sensor_type=x,session_id=race,vehicle_id=car-1 quality=192i,value=1e300 1789000000000001\n\
             vehicle_telemetry,sensor_type=tyre,vehicle_id=car-1 metadata=\"say \\\"soft\\\" \\\\ now\",quality=192i -1\n\
             vehicle_telemetry,sensor_type=drs,vehicle_id=car-1 quality=192i,value=1.0 -1\n"
        );
        assert_eq!(lines.text(2..2), b"");
        assert!(lines.text(3..4).starts_with(b"vehicle_telemetry,sensor_type=drs"));
        let nanos = Lines::of(&points[3..], Precision::Nanos);
        assert!(nanos.text(0..1).ends_with(b" -1000\n"));
    }
}
