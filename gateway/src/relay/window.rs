//! What was sent, or is about to be, and is not acknowledged: the in-flight window.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

/// One frame of samples with consecutive numbers.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Number of the first sample.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// The encoded message; resent as it is.
    pub payload: Bytes,
    /// When it was last handed to a connection.
    sent_at: Option<Instant>,
    /// Whether it was handed to an earlier connection.
    resend: bool,
}

impl Frame {
    /// A frame of samples `first..=last`.
    pub const fn new(first: u64, last: u64, payload: Bytes) -> Self {
        Self { first, last, payload, sent_at: None, resend: false }
    }

    /// How many samples it carries.
    pub const fn samples(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Frames in order of number, the oldest first; bounded in samples and bytes.
#[derive(Debug)]
pub struct Window {
    frames: VecDeque<Frame>,
    /// How many of them were handed to the present connection.
    handed: usize,
    samples: u64,
    bytes: usize,
    max_samples: u64,
    max_bytes: usize,
    acked: u64,
}

/// What an acknowledgement moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Numbers newly covered: from, inclusive.
    pub from: u64,
    /// To, inclusive; below `from` when nothing moved.
    pub to: u64,
    /// When the newest wholly covered frame was handed over.
    pub sent_at: Option<Instant>,
}

impl Window {
    /// An empty window; `first` is the first number to come.
    pub const fn new(first: u64, max_samples: u64, max_bytes: usize) -> Self {
        Self { frames: VecDeque::new(), handed: 0, samples: 0, bytes: 0, max_samples, max_bytes, acked: first - 1 }
    }

    /// Whether another frame may enter. One always may when it is empty, however large.
    pub fn has_room(&self) -> bool {
        self.frames.is_empty() || (self.samples < self.max_samples && self.bytes < self.max_bytes)
    }

    /// Whether nothing waits for an acknowledgement.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Samples not acknowledged.
    pub fn unacknowledged(&self) -> u64 {
        self.frames.back().map_or(0, |f| f.last.saturating_sub(self.acked))
    }

    /// The highest acknowledged number.
    pub const fn acked(&self) -> u64 {
        self.acked
    }

    /// Takes a frame in.
    pub fn push(&mut self, frame: Frame) {
        self.samples += frame.samples();
        self.bytes += frame.payload.len();
        self.frames.push_back(frame);
    }

    /// The next frame the present connection was not given.
    pub fn unsent(&self) -> Option<&Frame> {
        self.frames.get(self.handed)
    }

    /// The next unsent frame was handed over; true when an earlier connection had it before.
    pub fn mark_sent(&mut self, now: Instant) -> bool {
        let Some(frame) = self.frames.get_mut(self.handed) else { return false };
        frame.sent_at = Some(now);
        self.handed += 1;
        std::mem::replace(&mut frame.resend, true)
    }

    /// The connection is gone: everything not acknowledged is to be sent again.
    pub fn rewind(&mut self) {
        self.handed = 0;
    }

    /// The server has everything up to and including `seq`.
    pub fn acknowledge(&mut self, seq: u64) -> Acked {
        let from = self.acked + 1;
        let mut sent_at = None;
        while let Some(frame) = self.frames.front().filter(|f| f.last <= seq) {
            self.samples -= frame.samples();
            self.bytes -= frame.payload.len();
            self.acked = frame.last;
            sent_at = frame.sent_at.or(sent_at);
            self.handed = self.handed.saturating_sub(1);
            self.frames.pop_front();
        }
        // An acknowledgement within a frame covers its first part; the frame stays for a resend.
        if let Some(frame) = self.frames.front().filter(|f| f.first <= seq && f.sent_at.is_some()) {
            self.acked = self.acked.max(seq.min(frame.last));
        }
        Acked { from, to: self.acked, sent_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        let mut window = Window::new(1, 10, 1_000);
        for first in [1, 4, 7] {
            window.push(Frame::new(first, first + 2, Bytes::from_static(b"xx")));
        }
        window
    }

    #[test]
    fn acknowledged_frames_leave_and_the_rest_is_sent_again_after_a_reconnect() {
        let mut window = window();
        let now = Instant::now();
        assert!(!window.mark_sent(now) && !window.mark_sent(now));
        let acked = window.acknowledge(4);
        assert_eq!((acked.from, acked.to), (1, 4));
        assert_eq!(window.unacknowledged(), 5);
        window.rewind();
        assert_eq!(window.unsent().unwrap().first, 4, "a half-acknowledged frame is sent again");
        assert!(window.mark_sent(now), "told as a resend");
        assert!(!window.mark_sent(now), "never handed over before");
        let acked = window.acknowledge(9);
        assert_eq!((acked.from, acked.to), (5, 9));
        assert!(window.is_empty() && window.has_room());
    }

    #[test]
    fn repeated_and_old_acknowledgements_move_nothing() {
        let mut window = window();
        window.mark_sent(Instant::now());
        window.acknowledge(3);
        for seq in [3, 1, 0] {
            let acked = window.acknowledge(seq);
            assert!(acked.to < acked.from);
        }
    }

    #[test]
    fn the_window_is_bounded_but_never_refuses_the_first_frame() {
        let mut window = Window::new(1, 2, 1);
        assert!(window.has_room());
        window.push(Frame::new(1, 5, Bytes::from_static(b"large")));
        assert!(!window.has_room());
    }
}
