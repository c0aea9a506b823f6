//! The two wire formats: JSON in text frames, rkyv archives in binary frames.
//!
//! [`Decoder`] turns a client's frames into [`ClientFrame`]s; [`Encoder`] turns publications and
//! replies into ready-to-send WebSocket frames. Both keep scratch space and are reused.

mod archive;
mod bare_words;
mod fields;
mod flatten;
mod intern;
mod json_in;
mod json_out;
mod numbering;
mod publish;
mod record;
mod rl_in;
mod salvage;

use bytes::{Bytes, BytesMut};

pub use archive::{WireClient, WireSample, WireServer, WireSignal, WireValue};
pub use json_in::{check_past_time, check_source_time, image_bytes};
pub use numbering::Numbering;
pub use publish::encode_telemetry;
pub use record::{RecordDecoder, RecordHead, encode_numbered_record, encode_record};

use crate::{
    client::{ClientFrame, DecodeError},
    error::{ErrorCode, ProtocolError},
    limits::Limits,
    sample::Sample,
    server::{Event, Reply},
    time::Timestamp,
    ws,
};
use intern::Interner;

/// How messages are written on one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WireFormat {
    /// JSON in text frames.
    #[default]
    Json,
    /// rkyv archives in binary frames (subprotocol [`RKYV_SUBPROTOCOL`]).
    Rkyv,
}

/// The WebSocket subprotocol name of [`WireFormat::Rkyv`].
pub const RKYV_SUBPROTOCOL: &str = "slipstream.rkyv.v1";

impl WireFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Json, Self::Rkyv];

    /// The opcode of its data frames.
    pub const fn opcode(self) -> u8 {
        match self {
            Self::Json => ws::TEXT,
            Self::Rkyv => ws::BINARY,
        }
    }
}

/// Decodes one client's frames. Keeps the names it has seen, so a steady stream allocates little.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    interner: Interner,
    aligned: rkyv::util::AlignedVec,
}

impl Decoder {
    /// A decoder that keeps to `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { limits, interner: Interner::default(), aligned: rkyv::util::AlignedVec::new() }
    }

    /// The bounds it keeps to.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Decodes one message's payload; `now` is when the door received it.
    ///
    /// A bad sample in a batch is told in [`crate::client::TelemetryFrame::refused`] and costs the
    /// others nothing; an error is returned only where the frame as a whole says nothing.
    pub fn decode(&mut self, format: WireFormat, payload: &Bytes, now: Timestamp) -> Result<ClientFrame, DecodeError> {
        if payload.len() > self.limits.max_frame_bytes {
            return Err(too_large(payload.len(), self.limits.max_frame_bytes).into());
        }
        match format {
            WireFormat::Json => json_in::decode(payload, now, &self.limits, &mut self.interner),
            WireFormat::Rkyv => {
                self.aligned.clear();
                self.aligned.extend_from_slice(payload);
                let decoded = archive::decode(&self.aligned, now, &self.limits, &mut self.interner);
                // One huge frame must not pin its size for the connection's life.
                if self.aligned.capacity() > 256 << 10 {
                    self.aligned = rkyv::util::AlignedVec::new();
                }
                decoded.map_err(DecodeError::from)
            }
        }
    }

    /// Decodes the body of `POST /api/telemetry` (`{driverId, sessionId?, timestamp?, data}`, `{batch: [...]}` or
    /// `[...]`).
    pub fn decode_telemetry_body(&mut self, body: &Bytes, now: Timestamp) -> Result<crate::client::TelemetryFrame, ProtocolError> {
        if body.len() > self.limits.max_frame_bytes {
            return Err(too_large(body.len(), self.limits.max_frame_bytes));
        }
        json_in::decode_telemetry_body(body, now, &self.limits, &mut self.interner)
    }

    /// Decodes the body of `POST /api/video`.
    pub fn decode_video_body(&mut self, body: &Bytes, now: Timestamp) -> Result<crate::client::VideoUpload, ProtocolError> {
        if body.len() > self.limits.max_frame_bytes {
            return Err(too_large(body.len(), self.limits.max_frame_bytes));
        }
        json_in::decode_video_body(body, now, &self.limits, &mut self.interner)
    }
}

fn too_large(len: usize, max: usize) -> ProtocolError {
    ProtocolError::new(ErrorCode::TooLarge, format!("{len} bytes in one frame; at most {max} are taken"))
}

/// Encodes for one wire format, as whole WebSocket frames (head included).
#[derive(Debug)]
pub struct Encoder {
    format: WireFormat,
    scratch: Vec<u8>,
}

impl Encoder {
    /// An encoder of `format`.
    pub const fn new(format: WireFormat) -> Self {
        Self { format, scratch: Vec::new() }
    }

    /// The format it writes.
    pub const fn format(&self) -> WireFormat {
        self.format
    }

    /// Appends the frame of a sample published on `channel` (its text form) at `offset`.
    pub fn telemetry(&mut self, channel: &str, offset: u64, sample: &Sample, out: &mut BytesMut) {
        self.scratch.clear();
        match self.format {
            WireFormat::Json => json_out::telemetry(&mut self.scratch, channel, offset, sample),
            WireFormat::Rkyv => archive::telemetry(&mut self.scratch, channel, offset, sample),
        }
        ws::put_frame(out, self.format.opcode(), &self.scratch);
    }

    /// Appends the frame of an event published on `channel` (its text form) at `offset`.
    pub fn event(&mut self, channel: &str, offset: u64, event: &Event, out: &mut BytesMut) {
        self.scratch.clear();
        match self.format {
            WireFormat::Json => json_out::event(&mut self.scratch, channel, offset, event),
            WireFormat::Rkyv => archive::event(&mut self.scratch, channel, offset, event),
        }
        ws::put_frame(out, self.format.opcode(), &self.scratch);
    }

    /// The frame of a reply.
    pub fn reply(&mut self, reply: &Reply) -> Bytes {
        self.scratch.clear();
        match self.format {
            WireFormat::Json => json_out::reply(&mut self.scratch, reply),
            WireFormat::Rkyv => archive::reply(&mut self.scratch, reply),
        }
        ws::frame(self.format.opcode(), &self.scratch)
    }
}

/// One publication or reply without a WebSocket head, as clients of either format decode it: a JSON value.
///
/// Fails with [`ErrorCode::InvalidJson`] or [`ErrorCode::InvalidArchive`].
pub fn decode_server(format: WireFormat, payload: &[u8]) -> Result<serde_json::Value, ProtocolError> {
    match format {
        WireFormat::Json => serde_json::from_slice(payload).map_err(|e| ProtocolError::new(ErrorCode::InvalidJson, e.to_string())),
        WireFormat::Rkyv => archive::decode_server(payload),
    }
}

#[cfg(test)]
mod tests;
