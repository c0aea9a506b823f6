//! Bounds on what comes in on an upgraded Socket.IO connection, kept below the crate that serves it: that one
//! announces `maxPayload` and reads 64 MiB.
//!
//! The stream is passed through; only the heads of the client's WebSocket frames are read on the way. A
//! message above the bound ends the connection before its payload is passed on, whether it comes in
//! one frame or in fragments. So does a binary message, since no command has an attachment and the
//! crate collects as many as a packet announces; and a client that sends nothing for too long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Most bytes of a frame's head.
const MAX_HEAD: usize = 14;
/// Most payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// What a client may not send here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("a message is larger than the {0} bytes that are taken")]
    TooLarge(u64),
    #[error("binary messages are not taken: no command has an attachment")]
    Binary,
    #[error("a frame breaks the WebSocket protocol")]
    Protocol,
}

/// Follows the frames in a stream of bytes.
#[derive(Debug)]
pub(super) struct FrameLengths {
    max: u64,
    head: [u8; MAX_HEAD],
    /// Bytes of the head that have arrived.
    filled: usize,
    /// Bytes of the frame's payload that are still to come.
    payload: u64,
    /// Bytes of the message so far.
    message: u64,
}

impl FrameLengths {
    /// Messages of at most `max` bytes.
    pub(super) const fn new(max: u64) -> Self {
        Self { max, head: [0; MAX_HEAD], filled: 0, payload: 0, message: 0 }
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let part = usize::try_from(self.payload).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.payload -= part as u64;
                bytes = &bytes[part..];
                continue;
            }
            self.head[self.filled] = bytes[0];
            self.filled += 1;
            bytes = &bytes[1..];
            if let Some(len) = self.whole_head() {
                self.begin(len)?;
            }
        }
        Ok(())
    }

    /// The payload's length, where the head is complete.
    fn whole_head(&self) -> Option<u64> {
        if self.filled < 2 {
            return None;
        }
        let (extra, mask) = match self.head[1] & 0x7F {
            126 => (2, self.head[1] & 0x80),
            127 => (8, self.head[1] & 0x80),
            _ => (0, self.head[1] & 0x80),
        };
        let whole = 2 + extra + if mask == 0 { 0 } else { 4 };
        if self.filled < whole {
            return None;
        }
        Some(match extra {
            0 => u64::from(self.head[1] & 0x7F),
            _ => self.head[2..2 + extra].iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
        })
    }

    fn begin(&mut self, len: u64) -> Result<(), Broken> {
        self.filled = 0;
        match self.head[0] & 0x0F {
            0x0 => self.message = self.message.saturating_add(len),
            0x1 => self.message = len,
            0x2 => return Err(Broken::Binary),
            0x8..=0xA if len <= MAX_CONTROL => {}
            _ => return Err(Broken::Protocol),
        }
        if self.message > self.max {
            return Err(Broken::TooLarge(self.max));
        }
        self.payload = len;
        Ok(())
    }
}

/// A stream whose incoming frames are bounded.
pub(super) struct FrameLimited<S> {
    stream: S,
    lengths: FrameLengths,
    quiet_for: Duration,
    quiet: Pin<Box<Sleep>>,
}

impl<S> FrameLimited<S> {
    /// Messages of at most `max` bytes on `stream`, and at least some bytes every `quiet_for`.
    pub(super) fn new(stream: S, max: u64, quiet_for: Duration) -> Self {
        Self { stream, lengths: FrameLengths::new(max), quiet_for, quiet: Box::pin(sleep(quiet_for)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameLimited<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_pending() {
            ready!(self.quiet.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client has sent nothing for too long")));
        }
        let until = Instant::now() + self.quiet_for;
        self.quiet.as_mut().reset(until);
        if let Err(broken) = self.lengths.take(&buf.filled()[before..]) {
            tracing::debug!(%broken, "a Socket.IO client is closed");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, broken)));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameLimited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn frame(first: u8, len: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match len {
            0..=125 => frame.push(0x80 | len as u8),
            126..=0xFFFF => {
                frame.push(0xFE);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            _ => {
                frame.push(0xFF);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[1, 2, 3, 4]);
        frame.resize(frame.len() + len, b'\n');
        frame
    }

    fn all(bytes: &[u8]) -> Result<(), Broken> {
        FrameLengths::new(100).take(bytes)
    }

    #[test]
    fn a_message_above_the_bound_is_refused_by_its_head_whole_or_in_fragments() {
        assert_eq!(all(&frame(0x81, 100)), Ok(()));
        for len in [101, 70_000, usize::MAX >> 1] {
            let head = &frame(0x81, len.min(200))[..2];
            let whole = match len {
                101 => frame(0x81, 101)[..6].to_vec(),
                70_000 => frame(0x81, 70_000)[..14].to_vec(),
                _ => [&[head[0], 0xFF][..], &(len as u64).to_be_bytes(), &[0; 4]].concat(),
            };
            assert_eq!(all(&whole), Err(Broken::TooLarge(100)), "{len}");
        }
        let fragments = |sizes: &[usize]| {
            let heads = std::iter::once(0x01).chain(std::iter::repeat(0x00));
            sizes.iter().zip(heads).flat_map(|(len, first)| frame(first, *len)).collect::<Vec<_>>()
        };
        assert_eq!(all(&fragments(&[50, 50])), Ok(()));
        assert_eq!(all(&fragments(&[50, 50, 1])), Err(Broken::TooLarge(100)));
        assert_eq!(all(&fragments(&[1; 101])), Err(Broken::TooLarge(100)));
    }

    #[test]
    fn messages_in_a_row_each_have_the_whole_bound_and_control_frames_count_for_none() {
        let mut bytes = Vec::new();
        for _ in 0..3 {
            bytes.extend(frame(0x01, 60));
            bytes.extend(frame(0x89, 125));
            bytes.extend(frame(0x80, 40));
        }
        assert_eq!(all(&bytes), Ok(()));
        assert_eq!(all(&frame(0x89, 126)), Err(Broken::Protocol));
        assert_eq!(all(&frame(0x83, 1)), Err(Broken::Protocol));
        assert_eq!(all(&frame(0x82, 1)), Err(Broken::Binary));
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_nothing(
            sizes in proptest::collection::vec(0_usize..140, 1..6), text in any::<bool>(), cut in 1_usize..50,
        ) {
            let first = if text { 0x81 } else { 0x89 };
            let bytes: Vec<u8> = sizes.iter().flat_map(|len| frame(first, *len)).collect();
            let mut lengths = FrameLengths::new(100);
            let pieces = bytes.chunks(cut).try_for_each(|piece| lengths.take(piece));
            prop_assert_eq!(pieces, all(&bytes));
        }
    }

    #[tokio::test]
    async fn a_client_that_sends_nothing_or_too_much_is_given_up() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut limited = FrameLimited::new(server, 100, Duration::from_millis(50));
        let mut buffer = vec![0; 4_096];
        client.write_all(&frame(0x81, 10)).await.unwrap();
        assert_eq!(limited.read(&mut buffer).await.unwrap(), 16);
        assert_eq!(limited.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        client.write_all(&frame(0x81, 101)).await.unwrap();
        assert_eq!(limited.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
