//! What waits for a connection leaves in as few writes as possible.

use std::{
    io::{self, IoSlice},
    sync::Arc,
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use slipstream_actors::{Outbox, outbox::Drained};
use slipstream_protocol::{CloseCode, ws};
use tokio::{io::AsyncWriteExt, net::tcp::OwnedWriteHalf, time::timeout};

use crate::app::{CodeLabel, Services};

/// Most frames in one vectored write (the kernel takes 1024).
const SLICES: usize = 256;
/// How long a reader that was too slow may take for its close frame.
const GOODBYE: Duration = Duration::from_secs(5);
/// Room for frames an idle connection keeps.
const KEPT_ROOM: usize = 32;

/// Sends what arrives in `outbox` until it is closed or the peer is gone.
pub(super) async fn run(mut stream: OwnedWriteHalf, outbox: Arc<Outbox>, services: Arc<Services>) {
    let stall = services.config.ws.stall_timeout;
    let mut waiting = Vec::new();
    loop {
        let drained = outbox.drain(&mut waiting).await;
        if let Drained::Closed(code) = drained {
            waiting.push(ws::close_frame(code));
        }
        if let Err(error) = send(&stream, &outbox, &waiting, stall, &services).await {
            tracing::debug!(%error, "the peer does not take what is sent");
            outbox.close(CloseCode::Normal);
            // The end of the stream, where the peer still reads.
            let _ = stream.shutdown().await;
            return;
        }
        waiting.clear();
        waiting.shrink_to(KEPT_ROOM);
        if let Drained::Closed(code) = drained {
            tracing::debug!(?code, "closed");
            services.counters.ws_closed.get_or_create(&CodeLabel { code: close_label(code) }).inc();
            if let Err(error) = stream.shutdown().await {
                tracing::debug!(%error, "the peer was gone before the end");
            }
            return;
        }
    }
}

async fn send(stream: &OwnedWriteHalf, outbox: &Outbox, frames: &[Bytes], stall: Duration, services: &Services) -> io::Result<()> {
    let mut place = Place { frame: 0, byte: 0 };
    while place.frame < frames.len() {
        // Bound first: the slices must not be kept (4 KiB in every connection's task) while waiting.
        let outcome = match &frames[place.frame..] {
            // Live channels at moderate rates: one frame at a time, and no slices to lay out.
            [frame] => stream.try_write(&frame[place.byte..]),
            _ => stream.try_write_vectored(&place.slices(frames)[..place.count(frames)]),
        };
        match outcome {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => {
                services.counters.ws_writes.inc();
                services.counters.ws_bytes_out.inc_by(sent as u64);
                place.advance(frames, sent);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::select! {
                    ready = timeout(stall, stream.writable()) => ready.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
                    () = outbox.cut() => {
                        // Boxed: rare, and its timer would otherwise be kept in every connection's task.
                        Box::pin(say_goodbye(stream, outbox, frames[place.frame].slice(place.byte..), place.byte > 0, services)).await;
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    services.counters.ws_frames_out.inc_by(frames.len() as u64);
    Ok(())
}

/// Tells a reader that was too slow why it is dropped, behind the `rest` of the frame that is half sent, if it is. The
/// reader has a little time to take that, and nothing else is kept for it meanwhile.
async fn say_goodbye(stream: &OwnedWriteHalf, outbox: &Outbox, rest: Bytes, half_sent: bool, services: &Services) {
    let code = outbox.closing().unwrap_or(CloseCode::SlowConsumer);
    services.counters.ws_closed.get_or_create(&CodeLabel { code: close_label(code) }).inc();
    let last = [if half_sent { rest } else { Bytes::new() }, ws::close_frame(code)];
    let sent = timeout(GOODBYE, async {
        for mut bytes in last {
            while !bytes.is_empty() {
                stream.writable().await?;
                match stream.try_write(&bytes) {
                    Ok(sent) => bytes.advance(sent),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    });
    if !matches!(sent.await, Ok(Ok(()))) {
        tracing::debug!("the slow reader did not take its close frame");
    }
}

/// How far the frames have been sent.
struct Place {
    frame: usize,
    byte: usize,
}

impl Place {
    fn count(&self, frames: &[Bytes]) -> usize {
        (frames.len() - self.frame).min(SLICES)
    }

    fn slices<'a>(&self, frames: &'a [Bytes]) -> [IoSlice<'a>; SLICES] {
        let mut slices = [IoSlice::new(&[]); SLICES];
        for (slice, frame) in slices.iter_mut().zip(&frames[self.frame..]) {
            *slice = IoSlice::new(frame);
        }
        slices[0] = IoSlice::new(&frames[self.frame][self.byte..]);
        slices
    }

    fn advance(&mut self, frames: &[Bytes], mut sent: usize) {
        while sent > 0 {
            let left = frames[self.frame].len() - self.byte;
            if sent < left {
                self.byte += sent;
                return;
            }
            sent -= left;
            self.frame += 1;
            self.byte = 0;
        }
    }
}

/// A close code's name in metrics.
const fn close_label(code: CloseCode) -> &'static str {
    match code {
        // The client's own end, whatever its code.
        CloseCode::Normal | CloseCode::Echo(_) => "normal",
        CloseCode::GoingAway => "going_away",
        CloseCode::ProtocolError => "protocol_error",
        CloseCode::InvalidText => "invalid_text",
        CloseCode::TooLarge => "too_large",
        CloseCode::TooManyErrors => "too_many_errors",
        CloseCode::SlowConsumer => "slow_consumer",
        CloseCode::TokenExpired => "token_expired",
        CloseCode::IdleTimeout => "idle_timeout",
        CloseCode::Internal => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_writes_go_on_where_they_stopped() {
        let frames: Vec<Bytes> = ["abc", "", "defg", "h"].into_iter().map(Bytes::from).collect();
        for step in 1..=8 {
            let (mut place, mut sent) = (Place { frame: 0, byte: 0 }, Vec::new());
            while place.frame < frames.len() {
                let slices = place.slices(&frames);
                let pending: Vec<u8> = slices[..place.count(&frames)].iter().flat_map(|s| s.to_vec()).collect();
                if pending.is_empty() {
                    break;
                }
                let taken = step.min(pending.len());
                sent.extend_from_slice(&pending[..taken]);
                place.advance(&frames, taken);
            }
            assert_eq!(sent, b"abcdefgh", "in steps of {step}");
        }
    }
}
