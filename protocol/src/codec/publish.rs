//! Samples -> a client's telemetry frame, as relay agents send them.

use super::{WireFormat, archive, json_out};
use crate::sample::Sample;

/// The payload (no WebSocket head) of one telemetry frame that carries `samples`.
pub fn encode_telemetry(format: WireFormat, samples: &[Sample]) -> Vec<u8> {
    match format {
        WireFormat::Json => json(samples),
        WireFormat::Rkyv => archive::encode_client_telemetry(samples),
    }
}

fn json(samples: &[Sample]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + samples.len() * 384);
    out.extend_from_slice(b"{\"type\":\"telemetry\",\"batch\":[");
    for (index, sample) in samples.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"driverId\":\"");
        out.extend_from_slice(sample.vehicle.as_bytes());
        out.push(b'"');
        for (name, id) in [(",\"sessionId\":\"", sample.session.as_deref()), (",\"fleetId\":\"", sample.fleet.as_deref())] {
            if let Some(id) = id {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(id.as_bytes());
                out.push(b'"');
            }
        }
        if let Some(seq) = sample.seq {
            out.extend_from_slice(b",\"seq\":");
            out.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
        }
        out.extend_from_slice(b",\"timestamp\":\"");
        out.extend_from_slice(&sample.source_time.to_rfc3339_millis());
        out.extend_from_slice(b"\",\"data\":");
        match &sample.raw {
            Some(raw) => out.extend_from_slice(raw),
            None => json_out::signals(&mut out, &sample.signals),
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}
