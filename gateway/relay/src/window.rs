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
    /// Position in the spool that is done with when this frame is acknowledged.
    position: Option<u64>,
    /// When it was last handed to a connection.
    sent_at: Option<Instant>,
    /// Whether it was handed to an earlier connection.
    resend: bool,
}

impl Frame {
    /// A frame of samples `first..=last`.
    pub const fn new(first: u64, last: u64, payload: Bytes) -> Self {
        Self { first, last, payload, position: None, sent_at: None, resend: false }
    }

    /// The same, as the last of the spool's record at `position`; `None` where more of it follows.
    #[must_use]
    pub const fn kept_at(mut self, position: Option<u64>) -> Self {
        self.position = position;
        self
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
    /// Numbers among them that no frame carried: the spool had dropped those samples.
    pub missing: u64,
    /// Position in the spool that is done with, where it moved.
    pub position: Option<u64>,
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
        self.frames.iter().map(|f| f.last.saturating_sub(self.acked.max(f.first - 1))).sum()
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
        let (mut sent_at, mut position, mut missing) = (None, None, 0);
        while let Some(frame) = self.frames.front().filter(|f| f.last <= seq) {
            self.samples -= frame.samples();
            self.bytes -= frame.payload.len();
            missing += frame.first.saturating_sub(self.acked + 1);
            position = frame.position.or(position);
            self.acked = frame.last;
            sent_at = frame.sent_at.or(sent_at);
            self.handed = self.handed.saturating_sub(1);
            self.frames.pop_front();
        }
        // An acknowledgement within a frame covers its first part; the frame stays for a resend.
        if let Some(frame) = self.frames.front().filter(|f| f.first <= seq && f.sent_at.is_some()) {
            missing += frame.first.saturating_sub(self.acked + 1);
            self.acked = self.acked.max(seq.min(frame.last));
        }
        Acked { from, to: self.acked, missing, position, sent_at }
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
    fn numbers_that_no_frame_carries_are_told_and_positions_move_with_whole_records() {
        let mut window = Window::new(1, 100, 1_000);
        let frame = |first, last, position| Frame::new(first, last, Bytes::from_static(b"xx")).kept_at(position);
        for frame in [frame(1, 2, Some(7)), frame(11, 12, None), frame(13, 13, Some(9))] {
            window.push(frame);
            window.mark_sent(Instant::now());
        }
        assert_eq!(window.unacknowledged(), 5);
        let acked = window.acknowledge(12);
        assert_eq!((acked.from, acked.to, acked.missing, acked.position), (1, 12, 8, Some(7)), "record 9 is not done with yet");
        assert_eq!(window.acknowledge(13).position, Some(9));
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
