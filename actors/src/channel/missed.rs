//! What a subscriber missed, handed over in portions: its connection's writer takes one after the other,
//! as fast as the reader reads, so a history of any length is no backlog.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use slipstream_protocol::{WireFormat, codec::Encoder};
use tokio::sync::OwnedSemaphorePermit;

use super::{ChannelName, MAX_RUN, history::Content};

/// Remembered publications that are still to be handed over; shared with the channel's history.
pub(crate) struct Missed {
    pub(crate) name: Arc<ChannelName>,
    /// Offset of the first publication, and the content; none is empty.
    entries: VecDeque<(u64, Content)>,
    /// How many of the front entry's publications are behind the reader.
    done: usize,
    /// One of the few its connection has, so that who does not read keeps little of what channels forget.
    _permit: Option<OwnedSemaphorePermit>,
}

/// A part of what was missed, small enough for one write. To be encoded outside of any lock.
pub(crate) struct Portion {
    name: Arc<ChannelName>,
    pieces: Vec<(u64, Content, Range<usize>)>,
}

impl Missed {
    /// What `entries` hold behind `offset`; `None` where that is nothing.
    pub(super) fn behind<'a>(
        offset: u64,
        name: &Arc<ChannelName>,
        entries: impl Iterator<Item = (u64, &'a Content)>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<Self> {
        let entries: VecDeque<_> = entries.map(|(first, content)| (first, content.clone())).collect();
        let done = (offset + 1).saturating_sub(entries.front()?.0) as usize;
        Some(Self { name: name.clone(), entries, done, _permit: permit })
    }

    /// Takes the next portion out.
    pub(crate) fn portion(&mut self) -> Portion {
        let (mut pieces, mut room) = (Vec::new(), MAX_RUN);
        while room > 0
            && let Some((first, content)) = self.entries.front()
        {
            let end = content.len().min(self.done + room);
            pieces.push((*first, content.clone(), self.done..end));
            room -= end - self.done;
            self.done = end;
            if end == content.len() {
                self.entries.pop_front();
                self.done = 0;
            }
        }
        Portion { name: self.name.clone(), pieces }
    }

    /// Whether everything has been handed over.
    pub(crate) fn is_done(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Portion {
    /// Whole frames back to back.
    pub(crate) fn encode(&self, format: WireFormat) -> Bytes {
        let (mut encoder, mut out) = (Encoder::new(format), BytesMut::new());
        for (first, content, range) in &self.pieces {
            match content {
                Content::Event(event) => encoder.event(&self.name.text, *first, event, &mut out),
                Content::Samples(samples) => {
                    for (at, sample) in samples.iter().enumerate().take(range.end).skip(range.start) {
                        encoder.telemetry(&self.name.text, first + at as u64, sample, &mut out);
                    }
                }
            }
        }
        out.freeze()
    }
}
