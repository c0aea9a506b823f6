//! A channel as its owner holds it: offsets, subscribers, history, and publications encoded once.

mod bounds;
mod budget;
mod history;
mod missed;
mod wildcards;

use std::{cell::RefCell, sync::Arc};

use bytes::{Bytes, BytesMut};
use slipstream_protocol::{
    Channel, ChannelKind, Id, Sample, Timestamp, WireFormat,
    client::{RequestId, Since},
    codec::{Encoder, Numbering},
    server::{Event, Reply},
    ws,
};

use thin_vec::ThinVec;
use tokio::sync::oneshot;

use crate::{
    outbox::Delivered,
    shared_state::SharedState,
    snapshot::{ChannelSnapshot, Fork, Remembered, fork, later_epoch},
    subscription::Subscription,
};
pub use bounds::{HistoryBound, HistoryBounds};
pub(crate) use budget::HistoryBudget;
use history::{Content, History};
pub(crate) use missed::{Missed, Portion};
pub(crate) use wildcards::Wildcards;

/// A channel's name, in both forms.
#[derive(Debug)]
pub(crate) struct ChannelName {
    pub(crate) channel: Channel,
    pub(crate) text: Box<str>,
}

/// Publications of one channel in one wire format, as whole WebSocket frames back to back.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) name: Arc<ChannelName>,
    /// Offset of the first publication.
    pub(crate) first: u64,
    /// How many; at least one.
    pub(crate) count: u32,
    pub(crate) bytes: Bytes,
    /// Where the last publication's frame starts.
    pub(crate) last_start: usize,
}

impl Run {
    pub(crate) fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }

    pub(crate) fn last_frame(&self) -> Bytes {
        self.bytes.slice(self.last_start..)
    }
}

/// Part of what a channel remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelHistory {
    /// The channel's life.
    pub epoch: u64,
    /// Offset before the first publication given.
    pub offset: u64,
    /// Offset of the channel's newest publication.
    pub newest: u64,
    /// Whether it starts exactly where the caller stopped.
    pub recovered: bool,
    /// Publications as JSON text, oldest first.
    pub publications: Vec<Bytes>,
}

/// A reader's question about what a channel remembers.
pub(crate) struct HistoryRequest {
    pub(crate) since: Option<Since>,
    pub(crate) limit: usize,
    pub(crate) reply: oneshot::Sender<ChannelHistory>,
}

impl HistoryRequest {
    pub(crate) fn answer(self, channel: &Broadcast) {
        // A reader that has gone needs no answer.
        let _ = self.reply.send(channel.history(self.since, self.limit));
    }
}

/// More publications than this never share one run, so that a bound on an outbox means something.
const MAX_RUN: usize = 128;

thread_local! {
    /// Encoders keep scratch space: one pair a thread serves every actor on it.
    static ENCODERS: RefCell<[Encoder; 2]> = const { RefCell::new([Encoder::new(WireFormat::Json), Encoder::new(WireFormat::Rkyv)]) };
}

/// What samples of the journal are to a channel that follows a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// Behind all that it had.
    New,
    /// Published before and not remembered.
    Forgotten,
    /// Remembered, or of another life.
    Known,
}

/// One channel with its subscribers. Owned by exactly one actor.
pub(crate) struct Broadcast {
    name: Arc<ChannelName>,
    epoch: u64,
    /// Offset of the newest publication; the first one is 1.
    offset: u64,
    /// Earlier epochs whose numbers this one goes on with; boxed, because there rarely are any.
    #[expect(clippy::box_collection, reason = "a million idle channels hold a pointer each, not a vector")]
    forks: Option<Box<Vec<Fork>>>,
    own: ThinVec<Arc<Subscription>>,
    /// Own subscribers and those of the wildcard, each connection once.
    targets: ThinVec<Arc<Subscription>>,
    /// Version of the wildcard list that `targets` was made from.
    seen: u64,
    history: History,
}

impl Broadcast {
    pub(crate) fn new(kind: ChannelKind, id: &Id, epoch: Timestamp) -> Self {
        let channel = Channel::one(kind, id.clone());
        let text = channel.to_string().into();
        Self {
            name: Arc::new(ChannelName { channel, text }),
            epoch: epoch.micros().unsigned_abs(),
            offset: 0,
            forks: None,
            own: ThinVec::new(),
            targets: ThinVec::new(),
            seen: 0,
            history: History::default(),
        }
    }

    /// The channel as it was saved.
    pub(crate) fn restore(id: &Id, saved: ChannelSnapshot, shared: &SharedState) -> Self {
        let mut channel = Self::new(saved.kind, id, Timestamp::default());
        channel.epoch = saved.epoch;
        channel.offset = saved.offset;
        channel.forks = (!saved.forks.is_empty()).then(|| Box::new(saved.forks));
        channel.history = History::restore(saved.history, &shared.histories);
        channel
    }

    /// The channel's life so far, with what it remembers or without.
    pub(crate) fn save(&self, with_history: bool) -> ChannelSnapshot {
        let history = if with_history { self.history.save() } else { Vec::new() };
        ChannelSnapshot { kind: self.name.channel.kind, epoch: self.epoch, offset: self.offset, forks: self.forks().to_vec(), history }
    }

    fn forks(&self) -> &[Fork] {
        self.forks.as_ref().map_or(&[], |forks| forks.as_slice())
    }

    /// The channel's life.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Offset of the newest publication.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn has_subscribers(&self) -> bool {
        self.own.iter().any(|s| s.is_active() && s.outbox().closing().is_none())
    }

    /// Whether nothing was ever published on it: nobody misses it when it goes.
    pub(crate) const fn is_blank(&self) -> bool {
        self.offset == 0
    }

    /// Whether its owner may go: nobody subscribes, and nothing was ever published, or, for an `old` one that has been
    /// idle for long, nothing published is remembered any more. The next owner begins a new epoch.
    pub(crate) fn is_disposable(&mut self, old: bool, now: Timestamp, shared: &SharedState) -> bool {
        self.compact(now, shared);
        !self.has_subscribers() && (self.is_blank() || (old && self.history.is_empty()))
    }

    /// Publishes samples, each at its own offset.
    pub(crate) fn publish_samples(&mut self, samples: &Arc<Vec<Sample>>, now: Timestamp, shared: &SharedState) {
        self.publish(&Content::Samples(samples.clone()), now, now, shared);
    }

    /// Publishes samples at the offsets they were given when they were taken in, the first at `first`.
    /// Offsets given to samples that never arrived are told as a gap.
    pub(crate) fn publish_at(&mut self, first: u64, samples: &Arc<Vec<Sample>>, at: Timestamp, now: Timestamp, shared: &SharedState) {
        if first > self.offset + 1 {
            self.refresh(shared);
            let (from, to) = (self.offset + 1, first - 1);
            for subscription in &self.targets {
                subscription.outbox().tell_gap(subscription, &self.name.channel, from, to);
            }
            self.history.clear();
            self.offset = to;
        }
        self.publish(&Content::Samples(samples.clone()), at, now, shared);
    }

    /// What `count` samples that the journal kept at `place` are to this channel; takes over their epoch
    /// where that is later.
    pub(crate) fn placed(&mut self, place: Numbering, count: usize) -> Placed {
        if self.offset == 0 {
            self.epoch = place.epoch;
        } else if place.epoch > self.epoch {
            if place.first > self.offset {
                let (epoch, through) = (self.epoch, self.offset);
                fork(self.forks.get_or_insert_default(), epoch, through);
            } else {
                // Another life, which knew nothing of this one.
                self.forks = None;
                self.history.clear();
                self.offset = place.first.saturating_sub(1);
            }
            self.epoch = place.epoch;
        }
        if place.epoch == self.epoch && place.first > self.offset {
            return Placed::New;
        }
        if count == 0 {
            return Placed::Known;
        }
        let last = (place.first + count as u64).saturating_sub(1);
        let holds = |f: &Fork| f.epoch == place.epoch && last <= f.through;
        let ours = (place.epoch == self.epoch && last <= self.offset) || self.forks().iter().any(holds);
        if ours && self.history.last_offset().is_none_or(|known| place.first > known) { Placed::Forgotten } else { Placed::Known }
    }

    /// Remembers samples that were published before.
    pub(crate) fn remember(&mut self, first: u64, samples: Vec<Sample>, now: Timestamp, shared: &SharedState) {
        let at = samples.first().map_or(now, |s| s.received_at);
        let bound = shared.config.history.of(self.name.channel.kind);
        self.history.push(first, Content::Samples(Arc::new(samples)), at, now, bound, &shared.histories);
    }

    /// Begins a new epoch that goes on where this one is.
    pub(crate) fn fork(&mut self, now: Timestamp) {
        // The newest publications were lost: what is remembered before them helps nobody to go on.
        if self.history.last_offset().is_some_and(|last| last != self.offset) {
            self.history.clear();
        }
        let (epoch, through) = (self.epoch, self.offset);
        fork(self.forks.get_or_insert_default(), epoch, through);
        self.epoch = later_epoch(epoch, now);
    }

    /// Publishes an event.
    pub(crate) fn publish_event(&mut self, event: Event, now: Timestamp, shared: &SharedState) {
        self.publish(&Content::Event(Arc::new(event)), now, now, shared);
    }

    fn publish(&mut self, content: &Content, at: Timestamp, now: Timestamp, shared: &SharedState) {
        let first = self.offset + 1;
        self.offset += content.len() as u64;
        shared.stats.publications.add(content.len() as u64);
        self.refresh(shared);
        if !self.targets.is_empty() {
            self.fan_out(first, content, shared);
        }
        let bound = shared.config.history.of(self.name.channel.kind);
        self.history.push(first, content.clone(), at, now, bound, &shared.histories);
    }

    /// Takes in changes of the wildcard's list.
    fn refresh(&mut self, shared: &SharedState) {
        let wildcards = shared.wildcards(self.name.channel.kind);
        if wildcards.version() != self.seen {
            let (version, list) = wildcards.snapshot();
            self.seen = version;
            self.retarget(&list);
        }
    }

    fn retarget(&mut self, wild: &[Arc<Subscription>]) {
        self.targets = self.own.clone();
        // A connection that asked for this channel by name and by wildcard hears it once.
        let named = |s: &Arc<Subscription>| self.own.iter().any(|own| own.connection() == s.connection());
        self.targets.extend(wild.iter().filter(|s| !named(s)).cloned());
    }

    fn fan_out(&mut self, first: u64, content: &Content, shared: &SharedState) {
        let mut gone = false;
        let (mut deliveries, mut dropped, mut skipped, mut slow) = (0, 0, 0, 0);
        for format in WireFormat::ALL {
            if !self.targets.iter().any(|s| s.outbox().format() == format) {
                continue;
            }
            for run in encode(&self.name, first, content, format) {
                for subscription in self.targets.iter().filter(|s| s.outbox().format() == format) {
                    deliveries += u64::from(run.count);
                    match subscription.outbox().push(subscription, &run) {
                        Delivered::Waits => {}
                        Delivered::Dropped(n) => dropped += n,
                        Delivered::Conflated(n) => skipped += n,
                        Delivered::Slow => {
                            slow += 1;
                            gone = true;
                        }
                        Delivered::Gone => gone = true,
                    }
                }
            }
        }
        shared.stats.deliveries.add(deliveries);
        shared.stats.dropped_slow.add(dropped);
        shared.stats.conflated.add(skipped);
        shared.stats.slow_disconnects.add(slow);
        if gone {
            self.own.retain(|s| s.outbox().closing().is_none());
            self.targets.retain(|s| s.is_active() && s.outbox().closing().is_none());
        }
    }

    /// Starts a subscription: the answer first, then what was missed, then (from the next publication on) live.
    pub(crate) fn subscribe(&mut self, subscription: &Arc<Subscription>, shared: &SharedState) {
        for replaced in self.own.extract_if(.., |s| s.connection() == subscription.connection()) {
            replaced.outbox().end(&replaced, None);
        }
        self.own.push(subscription.clone());
        let (version, list) = shared.wildcards(self.name.channel.kind).snapshot();
        self.seen = version;
        self.retarget(&list);
        // As of one moment: what is remembered may go at any other.
        let remembered = if subscription.since().is_some() { self.history.save() } else { Vec::new() };
        let (from, recovered) = subscription.since().map_or((self.offset, false), |since| self.resume_from(since, &remembered));
        let reply = Reply::Subscribed {
            channel: self.name.channel.clone(),
            id: subscription.request().cloned(),
            epoch: self.epoch,
            offset: from,
            recovered,
        };
        subscription.outbox().open(subscription, &reply);
        if let Some(missed) = Missed::behind(from, &self.name, after(&remembered, from), subscription.take_permit()) {
            subscription.outbox().push_missed(subscription, missed);
        }
    }

    /// After which offset a client that stopped at `since` goes on, and whether that is all it missed.
    fn resume_from(&self, since: Since, remembered: &[Remembered]) -> (u64, bool) {
        let oldest = remembered.first().map_or(self.offset, |entry| entry.first - 1);
        let here = since.epoch == self.epoch && since.offset <= self.offset;
        let before = || self.forks().iter().any(|f| f.epoch == since.epoch && since.offset <= f.through);
        // Another life of the channel, or an offset it never had: what is remembered is what there is.
        if !(here || before()) {
            return (oldest, false);
        }
        if since.offset >= oldest { (since.offset, true) } else { (oldest, false) }
    }

    /// What is remembered after `since` (all of it where absent), oldest first, at most `limit` publications.
    pub(crate) fn history(&self, since: Option<Since>, limit: usize) -> ChannelHistory {
        let remembered = self.history.save();
        let oldest = remembered.first().map_or(self.offset, |entry| entry.first - 1);
        let (from, recovered) = since.map_or((oldest, false), |since| self.resume_from(since, &remembered));
        let mut publications = Vec::new();
        for (first, content) in after(&remembered, from) {
            let skip = (from + 1).saturating_sub(first) as usize;
            for at in skip..content.len() {
                if publications.len() == limit {
                    return ChannelHistory { epoch: self.epoch, offset: from, newest: self.offset, recovered, publications };
                }
                publications.push(encode_one(&self.name, first + at as u64, content, at));
            }
        }
        ChannelHistory { epoch: self.epoch, offset: from, newest: self.offset, recovered, publications }
    }

    /// Ends a subscription of `connection`; the answer is the last it hears of the channel.
    pub(crate) fn unsubscribe(&mut self, subscription: &Subscription, request: Option<RequestId>) {
        self.forget(subscription.key());
        let reply = Reply::Unsubscribed { channel: self.name.channel.clone(), id: request, epoch: self.epoch, offset: self.offset };
        subscription.outbox().end(subscription, Some(&reply));
        // The wildcard of the same connection, if there is one, hears this channel again from the next publication on.
        self.seen = u64::MAX;
    }

    /// Drops a subscription whose connection is gone.
    pub(crate) fn forget(&mut self, key: u64) {
        self.own.retain(|s| s.key() != key);
        self.targets.retain(|s| s.key() != key);
    }

    /// Gives back memory that idle channels do not need.
    pub(crate) fn compact(&mut self, now: Timestamp, shared: &SharedState) {
        self.history.expire(now, shared.config.history.of(self.name.channel.kind).age);
        self.history.shrink();
        self.own.retain(|s| s.is_active() && s.outbox().closing().is_none());
        self.own.shrink_to_fit();
        self.targets.retain(|s| s.is_active() && s.outbox().closing().is_none());
        self.targets.shrink_to_fit();
    }
}

/// Everything with publications beyond `offset`, oldest first, with its first offset.
fn after(remembered: &[Remembered], offset: u64) -> impl Iterator<Item = (u64, &Content)> {
    remembered.iter().filter(move |e| e.last() > offset).map(|e| (e.first, &e.content))
}

/// One publication as JSON text.
fn encode_one(name: &Arc<ChannelName>, offset: u64, content: &Content, at: usize) -> Bytes {
    ENCODERS.with_borrow_mut(|encoders| {
        let mut out = BytesMut::new();
        match content {
            Content::Event(event) => encoders[0].event(&name.text, offset, event, &mut out),
            Content::Samples(samples) => {
                if let Some(sample) = samples.get(at) {
                    encoders[0].telemetry(&name.text, offset, sample, &mut out);
                }
            }
        }
        ws::payload(&out.freeze())
    })
}

/// Encodes `content`, whose first publication has offset `first`.
fn encode(name: &Arc<ChannelName>, first: u64, content: &Content, format: WireFormat) -> Vec<Run> {
    ENCODERS.with_borrow_mut(|encoders| {
        let encoder = &mut encoders[usize::from(format == WireFormat::Rkyv)];
        match content {
            Content::Event(event) => {
                let mut out = BytesMut::with_capacity(512);
                encoder.event(&name.text, first, event, &mut out);
                vec![Run { name: name.clone(), first, count: 1, bytes: out.freeze(), last_start: 0 }]
            }
            Content::Samples(samples) => samples
                .chunks(MAX_RUN)
                .enumerate()
                .map(|(i, chunk)| encode_run(name, first + (i * MAX_RUN) as u64, chunk, encoder))
                .collect(),
        }
    })
}

fn encode_run(name: &Arc<ChannelName>, first: u64, samples: &[Sample], encoder: &mut Encoder) -> Run {
    let mut out = BytesMut::with_capacity(samples.len() * 512);
    let mut last_start = 0;
    for (index, sample) in samples.iter().enumerate() {
        last_start = out.len();
        encoder.telemetry(&name.text, first + index as u64, sample, &mut out);
    }
    Run { name: name.clone(), first, count: samples.len() as u32, bytes: out.freeze(), last_start }
}

#[cfg(test)]
mod properties;
