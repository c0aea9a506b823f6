//! What must hold of the frame reader, whatever a client sends.
#![expect(clippy::missing_panics_doc, reason = "a check that fails panics: that is what it is for")]

use slipstream_protocol::CloseCode;

use super::frames::{FrameReader, Incoming};

/// Largest message of the reader under test.
const MAX_MESSAGE: usize = 4_096;

/// The bytes of a connection after its upgrade; the first byte says in which pieces they arrive.
pub fn ws_frames(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, usize::from(*piece) + 1), whole, "cutting the stream elsewhere changes nothing");
    let mut payloads = 0;
    for incoming in &whole.0 {
        match incoming {
            Incoming::Message(_, bytes) => {
                assert!(bytes.len() <= MAX_MESSAGE);
                payloads += bytes.len();
            }
            Incoming::Ping(bytes) => {
                assert!(bytes.len() <= 125);
                payloads += bytes.len();
            }
            Incoming::Pong | Incoming::Close(_) => {}
        }
    }
    assert!(payloads + whole.0.len() * 6 <= stream.len(), "nothing is made up: a frame's head has six bytes at least");
}

/// What is read of `stream` that arrives in pieces, and the code that ends it, as a session does it.
fn read(stream: &[u8], piece: usize) -> (Vec<Incoming>, Option<CloseCode>) {
    let mut reader = FrameReader::new(MAX_MESSAGE, &[]);
    let mut found = Vec::new();
    for bytes in stream.chunks(piece) {
        reader.buffer().extend_from_slice(bytes);
        loop {
            match reader.next() {
                Ok(Some(incoming)) => found.push(incoming),
                Ok(None) => break,
                Err(code) => return (found, Some(code)),
            }
        }
        reader.rest();
    }
    (found, None)
}
