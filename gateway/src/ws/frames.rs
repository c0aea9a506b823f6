//! Bytes of a client -> WebSocket messages (RFC 6455), with bounds.

use std::io::Cursor;

use bytes::{Buf, Bytes, BytesMut};
use slipstream_protocol::{CloseCode, WireFormat};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Payloads from this size on are cut out of the read buffer instead of copied. Smaller ones are
/// copied, because what is kept of them would pin the whole buffer.
const CUT_FROM: usize = 16 << 10;
/// Most payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A whole message; text is JSON, binary an archive. Text is not yet checked to be UTF-8.
    Message(WireFormat, Bytes),
    /// A ping to be answered with this payload.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The client closes; this code answers it.
    Close(CloseCode),
}

/// Cuts messages out of the byte stream.
#[derive(Debug)]
pub(super) struct FrameReader {
    buffer: BytesMut,
    /// Fragments of a message that has not ended.
    message: Option<(WireFormat, BytesMut)>,
    max_message: usize,
}

impl FrameReader {
    /// A reader that takes messages of at most `max_message` bytes and begins with `already_read`.
    pub(super) fn new(max_message: usize, already_read: &[u8]) -> Self {
        Self { buffer: BytesMut::from(already_read), message: None, max_message }
    }

    /// Where bytes are read into.
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Gives memory back that an idle connection does not need.
    pub(super) fn rest(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            self.buffer = BytesMut::new();
        }
    }

    /// The next message or control frame; `None` until more bytes arrive.
    ///
    /// Fails with the code the connection is to be closed with.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, CloseCode> {
        loop {
            let mut cursor = Cursor::new(&self.buffer[..]);
            let parsed = FrameHeader::parse(&mut cursor).map_err(|_| CloseCode::ProtocolError)?;
            let Some((head, len)) = parsed else { return Ok(None) };
            let head_len = cursor.position() as usize;
            self.check(&head, len)?;
            if head_len != shortest_head(len) {
                return Err(CloseCode::ProtocolError);
            }
            let len = len as usize;
            if self.buffer.len() < head_len + len {
                return Ok(None);
            }
            self.buffer.advance(head_len);
            let Some(mask) = head.mask else { return Err(CloseCode::ProtocolError) };
            let payload = self.payload(len, mask);
            match head.opcode {
                OpCode::Control(Control::Ping) => return Ok(Some(Incoming::Ping(payload.freeze()))),
                OpCode::Control(Control::Pong) => return Ok(Some(Incoming::Pong)),
                OpCode::Control(_) => return Ok(Some(Incoming::Close(closing(&payload)?))),
                OpCode::Data(kind) => {
                    if let Some(message) = self.assemble(kind, head.is_final, payload)? {
                        return Ok(Some(message));
                    }
                }
            }
        }
    }

    /// Refuses what the protocol forbids before any of it is kept.
    fn check(&self, head: &FrameHeader, len: u64) -> Result<(), CloseCode> {
        let broken = match head.opcode {
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => true,
            OpCode::Control(_) => !head.is_final || len > MAX_CONTROL,
            OpCode::Data(Data::Continue) => self.message.is_none(),
            OpCode::Data(_) => self.message.is_some(),
        };
        if broken || head.mask.is_none() || head.rsv1 || head.rsv2 || head.rsv3 {
            return Err(CloseCode::ProtocolError);
        }
        let kept = self.message.as_ref().map_or(0, |(_, m)| m.len() as u64);
        if matches!(head.opcode, OpCode::Data(_)) && kept.saturating_add(len) > self.max_message as u64 {
            return Err(CloseCode::TooLarge);
        }
        Ok(())
    }

    fn payload(&mut self, len: usize, mask: [u8; 4]) -> BytesMut {
        let mut payload = if len >= CUT_FROM {
            self.buffer.split_to(len)
        } else {
            let copy = BytesMut::from(&self.buffer[..len]);
            self.buffer.advance(len);
            copy
        };
        unmask(&mut payload, mask);
        payload
    }

    fn assemble(&mut self, kind: Data, is_final: bool, payload: BytesMut) -> Result<Option<Incoming>, CloseCode> {
        let (format, mut message) = match kind {
            Data::Text => (WireFormat::Json, payload),
            Data::Binary => (WireFormat::Rkyv, payload),
            _ => {
                let (format, mut begun) = self.message.take().ok_or(CloseCode::ProtocolError)?;
                begun.extend_from_slice(&payload);
                (format, begun)
            }
        };
        if is_final {
            return Ok(Some(Incoming::Message(format, message.split().freeze())));
        }
        self.message = Some((format, message));
        Ok(None)
    }
}

/// Bytes of the head of a masked frame with `len` bytes of payload: its length takes the fewest bytes that hold it
/// (RFC 6455, 5.2).
const fn shortest_head(len: u64) -> usize {
    match len {
        0..=125 => 6,
        126..=0xFFFF => 8,
        _ => 14,
    }
}

/// What answers a close frame with this payload.
///
/// Fails where it is none (RFC 6455, 5.5.1, 7.4 and 8.1).
fn closing(payload: &[u8]) -> Result<CloseCode, CloseCode> {
    match payload {
        [] => Ok(CloseCode::Normal),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(CloseCode::ProtocolError);
            }
            std::str::from_utf8(reason).map(|_| CloseCode::Echo(code)).map_err(|_| CloseCode::InvalidText)
        }
        [_] => Err(CloseCode::ProtocolError),
    }
}

/// Whether a code may stand in a close frame: those of RFC 6455 and IANA's registry, of libraries and of applications;
/// 1004 to 1006 and 1015 only ever stand for something else.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Undoes the client's masking, eight bytes at a time.
fn unmask(data: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = data.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | len as u8),
            len @ 126..=0xFFFF => {
                frame.push(0x80 | 0x7E);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 0x7F);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        frame
    }

    fn all(bytes: &[u8], max: usize) -> (Vec<Incoming>, Option<CloseCode>) {
        let mut reader = FrameReader::new(max, bytes);
        let mut found = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(incoming)) => found.push(incoming),
                Ok(None) => return (found, None),
                Err(code) => return (found, Some(code)),
            }
        }
    }

    #[test]
    fn control_frames_may_come_between_fragments() {
        let mut bytes = client_frame(0x01, b"hel");
        bytes.extend(client_frame(0x89, b"p"));
        bytes.extend(client_frame(0x80, b"lo"));
        let (found, error) = all(&bytes, 100);
        assert_eq!(error, None);
        assert_eq!(found, [Incoming::Ping("p".into()), Incoming::Message(WireFormat::Json, "hello".into())]);
    }

    #[test]
    fn what_the_protocol_forbids_is_refused() {
        let mut unmasked = client_frame(0x81, b"");
        unmasked[1] &= 0x7F;
        unmasked.truncate(2);
        let mut nested = client_frame(0x01, b"a");
        nested.extend(client_frame(0x01, b"b"));
        for (what, bytes) in [
            ("no mask", unmasked),
            ("reserved bit", client_frame(0xC1, b"x")),
            ("reserved opcode", client_frame(0x83, b"x")),
            ("reserved control opcode", client_frame(0x8B, b"x")),
            ("fragmented control", client_frame(0x09, b"x")),
            ("long control", client_frame(0x89, &[0; 126])),
            ("continuation of nothing", client_frame(0x80, b"x")),
            ("a message within a message", nested),
        ] {
            assert_eq!(all(&bytes, 100).1, Some(CloseCode::ProtocolError), "{what}");
        }
    }

    #[test]
    fn a_length_in_more_bytes_than_it_takes_is_refused() {
        let padded = |len: u8, form: &[u8]| {
            let mut frame = vec![0x81];
            frame.extend_from_slice(form);
            frame.extend_from_slice(&[0; 4]);
            frame.extend(std::iter::repeat_n(b'x', usize::from(len)));
            frame
        };
        for (len, form) in
            [(5, &[0xFE, 0, 5][..]), (125, &[0xFE, 0, 125]), (5, &[0xFF, 0, 0, 0, 0, 0, 0, 0, 5]), (200, &[0xFF, 0, 0, 0, 0, 0, 0, 0, 200])]
        {
            assert_eq!(all(&padded(len, form), 1_000).1, Some(CloseCode::ProtocolError), "{form:?}");
        }
        assert_eq!(all(&padded(126, &[0xFE, 0, 126]), 1_000).1, None);
    }

    #[test]
    fn a_close_is_answered_with_its_own_code_and_a_malformed_one_by_what_is_wrong() {
        let close = |payload: &[u8]| all(&client_frame(0x88, payload), 100);
        let with = |code: u16, reason: &[u8]| [&code.to_be_bytes()[..], reason].concat();
        assert_eq!(close(b"").0, [Incoming::Close(CloseCode::Normal)]);
        for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(close(&with(code, b"so long")).0, [Incoming::Close(CloseCode::Echo(code))], "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert_eq!(close(&with(code, b"")).1, Some(CloseCode::ProtocolError), "{code}");
        }
        assert_eq!(close(b"\x03").1, Some(CloseCode::ProtocolError), "half a code");
        assert_eq!(close(&with(1000, b"\xff")).1, Some(CloseCode::InvalidText));
    }

    #[test]
    fn oversized_messages_are_refused_by_their_head_whole_or_in_fragments() {
        let whole = client_frame(0x82, &[0; 101]);
        assert_eq!(all(&whole[..8], 100).1, Some(CloseCode::TooLarge), "before the payload arrives");
        let mut fragments = client_frame(0x02, &[0; 60]);
        fragments.extend(client_frame(0x80, &[0; 60]));
        assert_eq!(all(&fragments, 100).1, Some(CloseCode::TooLarge));
        assert_eq!(all(&client_frame(0x82, &[0; 100]), 100).1, None);
    }

    #[test]
    fn an_idle_reader_keeps_no_buffer() {
        let mut reader = FrameReader::new(100, &client_frame(0x81, b"x"));
        assert!(reader.next().unwrap().is_some());
        reader.rest();
        assert_eq!(reader.buffer().capacity(), 0);
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_nothing(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40_000), 1..4),
            cut in 1_usize..9_000,
        ) {
            let bytes: Vec<u8> = payloads.iter().flat_map(|p| client_frame(0x82, p)).collect();
            let mut reader = FrameReader::new(1 << 20, &[]);
            let mut found = Vec::new();
            for piece in bytes.chunks(cut) {
                reader.buffer().extend_from_slice(piece);
                while let Some(incoming) = reader.next().unwrap() {
                    found.push(incoming);
                }
            }
            let sent: Vec<_> = payloads.into_iter().map(|p| Incoming::Message(WireFormat::Rkyv, p.into())).collect();
            prop_assert_eq!(found, sent);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = all(&bytes, 100);
        }
    }
}
