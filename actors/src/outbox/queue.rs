//! The ordered part of an outbox: replies and runs of publications, bounded in bytes and frames.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use slipstream_protocol::{WireFormat, client::OnSlow, codec::Encoder, server::Reply};

use super::OutboxLimits;
use crate::{
    channel::{ChannelName, Missed, Portion, Run},
    subscription::Subscription,
};

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits.
    Waits,
    /// It waits, and so many older publications were dropped for it.
    DroppedOldest(u64),
    /// There is no room and nothing may be dropped.
    Full,
}

enum Item {
    Control(Bytes),
    Run {
        run: Run,
        subscription: u64,
        droppable: bool,
    },
    /// Handed over portion by portion; its publications are shared with the channel's history and count for nothing here.
    Missed(Box<Missed>, u64),
    /// In the place of the runs that were dropped: what comes before and after them tells where it belongs.
    Gap(Gap),
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Self::Control(bytes) => bytes.len(),
            Self::Run { run, .. } => run.bytes.len(),
            Self::Missed(..) | Self::Gap(_) => 0,
        }
    }

    const fn frames(&self) -> usize {
        match self {
            Self::Control(_) => 1,
            Self::Run { run, .. } => run.count as usize,
            Self::Missed(..) | Self::Gap(_) => 0,
        }
    }

    /// Whether it is about the same channel and subscription as `gap`.
    fn is_about(&self, gap: &Gap) -> bool {
        match self {
            Self::Control(_) => false,
            Self::Run { run, subscription, .. } => *subscription == gap.subscription && Arc::ptr_eq(&run.name, &gap.name),
            Self::Missed(missed, subscription) => *subscription == gap.subscription && Arc::ptr_eq(&missed.name, &gap.name),
            Self::Gap(other) => other.subscription == gap.subscription && Arc::ptr_eq(&other.name, &gap.name),
        }
    }
}

/// Publications dropped for one subscription, not yet told.
struct Gap {
    subscription: u64,
    name: Arc<ChannelName>,
    dropped: u64,
    from: u64,
    to: u64,
}

impl Gap {
    fn of(run: &Run, subscription: u64) -> Self {
        Self { subscription, name: run.name.clone(), dropped: u64::from(run.count), from: run.first, to: run.last() }
    }
}

pub(super) struct Queue {
    limits: OutboxLimits,
    items: VecDeque<Item>,
    bytes: usize,
    frames: usize,
}

impl Queue {
    pub(super) const fn new(limits: OutboxLimits) -> Self {
        Self { limits, items: VecDeque::new(), bytes: 0, frames: 0 }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push_control(&mut self, frame: Bytes) -> Pushed {
        // Replies answer what the client itself sends, so a little beyond the bound is enough for them.
        if self.bytes + frame.len() > self.limits.max_bytes.saturating_mul(2) {
            return Pushed::Full;
        }
        self.push(Item::Control(frame));
        Pushed::Waits
    }

    pub(super) fn push_run(&mut self, subscription: &Subscription, run: &Run) -> Pushed {
        let mut dropped = 0;
        while !self.has_room(run) {
            if subscription.on_slow() == OnSlow::Disconnect {
                return Pushed::Full;
            }
            match self.drop_oldest() {
                Some(count) => dropped += count,
                None => return Pushed::Full,
            }
        }
        let droppable = subscription.on_slow() == OnSlow::DropOldest;
        self.push(Item::Run { run: run.clone(), subscription: subscription.key(), droppable });
        if dropped > 0 { Pushed::DroppedOldest(dropped) } else { Pushed::Waits }
    }

    pub(super) fn push_missed(&mut self, subscription: &Subscription, missed: Missed) {
        self.items.push_back(Item::Missed(Box::new(missed), subscription.key()));
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// A single run larger than the bound is taken when nothing else waits.
    fn has_room(&self, run: &Run) -> bool {
        self.frames == 0
            || (self.bytes + run.bytes.len() <= self.limits.max_bytes && self.frames + run.count as usize <= self.limits.max_frames)
    }

    fn push(&mut self, item: Item) {
        self.bytes += item.len();
        self.frames += item.frames();
        self.items.push_back(item);
    }

    /// Drops the oldest run that may be dropped; tells how many publications it held.
    fn drop_oldest(&mut self) -> Option<u64> {
        let at = self.items.iter().position(|item| matches!(item, Item::Run { droppable: true, .. }))?;
        let item = self.items.get(at)?;
        let Item::Run { run, subscription, .. } = item else { return None };
        let gap = Gap::of(run, *subscription);
        let count = gap.dropped;
        self.bytes -= item.len();
        self.frames -= item.frames();
        match self.items.range_mut(..at).rev().find(|item| item.is_about(&gap)) {
            Some(Item::Gap(before)) => {
                before.dropped += count;
                before.to = gap.to;
                self.items.remove(at);
            }
            _ => self.items[at] = Item::Gap(gap),
        }
        Some(count)
    }

    /// Moves out what comes before the next portion of missed publications, which is to follow; everything
    /// where there is none.
    pub(super) fn drain(&mut self, format: WireFormat, into: &mut Vec<Bytes>) -> Option<Portion> {
        let mut encoder = Encoder::new(format);
        while let Some(item) = self.items.pop_front() {
            self.bytes -= item.len();
            self.frames -= item.frames();
            match item {
                Item::Control(bytes) => into.push(bytes),
                Item::Run { run, .. } => into.push(run.bytes),
                Item::Gap(gap) => {
                    let gap = Reply::Gap { channel: gap.name.channel.clone(), dropped: gap.dropped, from: gap.from, to: gap.to };
                    into.push(encoder.reply(&gap));
                }
                Item::Missed(mut missed, subscription) => {
                    let portion = missed.portion();
                    if !missed.is_done() {
                        self.items.push_front(Item::Missed(missed, subscription));
                    }
                    return Some(portion);
                }
            }
        }
        // An idle connection holds no buffer.
        if self.items.capacity() > 64 {
            self.items = VecDeque::new();
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.items = VecDeque::new();
        self.bytes = 0;
        self.frames = 0;
    }
}
