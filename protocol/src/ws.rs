//! WebSocket frame heads (RFC 6455, section 5.2), for frames that are encoded once and sent to many.

use bytes::{BufMut, Bytes, BytesMut};

use crate::close::CloseCode;

/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 0x2;
/// Opcode of a close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a ping frame.
pub const PING: u8 = 0x9;
/// Opcode of a pong frame.
pub const PONG: u8 = 0xA;

/// Appends one whole, unmasked (server to client) frame.
pub fn put_frame(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    out.put_u8(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.put_u8(len as u8),
        len @ 126..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(len as u16);
        }
        len => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
    out.put_slice(payload);
}

/// One whole, unmasked frame.
pub fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    put_frame(&mut out, opcode, payload);
    out.freeze()
}

/// The payload of one whole, unmasked frame.
pub fn payload(frame: &Bytes) -> Bytes {
    let head = match frame.get(1) {
        None => frame.len(),
        Some(126) => 4,
        Some(127) => 10,
        Some(_) => 2,
    };
    frame.slice(head.min(frame.len())..)
}

/// The close frame for `code`.
pub fn close_frame(code: CloseCode) -> Bytes {
    let mut payload = Vec::with_capacity(64);
    payload.extend_from_slice(&code.code().to_be_bytes());
    payload.extend_from_slice(code.reason().as_bytes());
    frame(CLOSE, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_form_is_used_where_the_rfc_says() {
        for (len, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = frame(BINARY, &vec![7; len]);
            assert_eq!(frame.len(), head + len);
            assert_eq!(frame[0], 0x82);
            assert_eq!(frame[1] & 0x80, 0, "server frames are not masked");
            assert_eq!(payload(&frame).len(), len);
        }
    }

    #[test]
    fn close_reasons_fit_a_control_frame() {
        for code in CloseCode::ALL {
            assert!(close_frame(code).len() <= 127, "{code:?}");
        }
    }
}
