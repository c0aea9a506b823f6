//! Channels that neither a vehicle nor a session owns: `system:health`, and rooms for cells, agents
//! and pipelines.

use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler, Message, Supervised};
use slipstream_protocol::{ChannelKind, Id, Timestamp, client::RequestId, server::Event};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{
    channel::{Broadcast, HistoryRequest},
    delivery::Slot,
    handle::{Handle, OnDrop},
    registry::Registry,
    snapshot::{ChannelSnapshot, TopicSnapshot},
    stats::Stats,
    subscription::Subscription,
    supervision::{Lifeline, Supervisable, spawn},
};

/// What a topic's actor is told.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum TopicMessage {
    Publish(Event),
    Subscribe(Arc<Subscription>),
    Unsubscribe(Arc<Subscription>, Option<RequestId>),
    Forget(u64),
    History(HistoryRequest),
    Snapshot(oneshot::Sender<TopicSnapshot>),
    Compact,
    /// To end where nobody misses the channel; `true` for one that has been idle for long.
    Leave(bool),
}

/// Outlives the generations of a topic's actor.
pub(crate) struct TopicSlot {
    kind: ChannelKind,
    id: Id,
    pub(crate) handle: Handle<TopicActor>,
    /// The channel of a system before this one.
    saved: Mutex<Option<ChannelSnapshot>>,
}

impl TopicSlot {
    pub(crate) fn new(kind: ChannelKind, id: Id) -> Self {
        Self { kind, id, handle: Handle::default(), saved: Mutex::default() }
    }

    pub(crate) fn activate(self: &Arc<Self>, registry: &Arc<Registry>) {
        self.handle.activate(|| {
            let (slot, registry) = (self.clone(), registry.clone());
            let arbiter = registry.arbiter(self.id.as_str()).clone();
            let mailbox = registry.config.mailbox;
            self.handle.touch(registry.now());
            spawn(&arbiter, mailbox, registry.shared.clone(), move || {
                let channel = match slot.saved.lock().take() {
                    Some(saved) => Broadcast::restore(&slot.id, saved, &registry),
                    None => Broadcast::new(slot.kind, &slot.id, registry.now()),
                };
                TopicActor { slot, registry, channel }
            })
        });
    }

    /// A slot with the channel of a system before this one.
    pub(crate) fn restore(saved: TopicSnapshot, now: Timestamp) -> Self {
        let slot = Self::new(saved.channel.kind, saved.id);
        slot.handle.touch(now);
        *slot.saved.lock() = Some(saved.channel);
        slot
    }

    /// Whether nobody misses the slot; `old`: it has been idle for long.
    pub(crate) fn is_disposable(&self, old: bool) -> bool {
        !self.handle.is_resident() && self.saved.lock().as_ref().is_none_or(|saved| old || saved.offset == 0)
    }

    pub(crate) fn forget(&self, key: u64, stats: &Stats) {
        let _ = self.handle.try_send(TopicMessage::Forget(key), stats);
    }
}

impl Slot for TopicSlot {
    type Actor = TopicActor;

    fn handle(&self) -> &Handle<TopicActor> {
        &self.handle
    }
}

impl Lifeline for TopicSlot {
    fn name(&self) -> String {
        format!("{}:{}", self.kind, self.id)
    }

    fn restarted(&self) -> u64 {
        self.handle.restarted()
    }

    fn ended(&self, stats: &Stats) {
        self.handle.lost(stats);
    }
}

pub(crate) struct TopicActor {
    slot: Arc<TopicSlot>,
    registry: Arc<Registry>,
    channel: Broadcast,
}

impl Actor for TopicActor {
    type Context = Context<Self>;
}

impl Supervised for TopicActor {}

impl Supervisable for TopicActor {
    fn lifeline(&self) -> Arc<dyn Lifeline> {
        self.slot.clone()
    }
}

impl Handler<TopicMessage> for TopicActor {
    type Result = ();

    fn handle(&mut self, message: TopicMessage, ctx: &mut Context<Self>) {
        let (slot, registry) = (self.slot.clone(), self.registry.clone());
        let _handled = OnDrop(move || slot.handle.handled(&registry.stats));
        match message {
            TopicMessage::Publish(event) => {
                let now = self.registry.now();
                self.slot.handle.touch(now);
                self.channel.publish_event(event, now, &self.registry);
            }
            TopicMessage::Subscribe(subscription) => self.channel.subscribe(&subscription, &self.registry),
            TopicMessage::Unsubscribe(subscription, request) => {
                self.channel.unsubscribe(&subscription, request);
                self.slot.handle.touch(self.registry.now());
            }
            TopicMessage::Forget(key) => {
                self.channel.forget(key);
                self.slot.handle.touch(self.registry.now());
            }
            TopicMessage::Compact => self.channel.compact(self.registry.now(), &self.registry),
            TopicMessage::Leave(old) => {
                if self.channel.is_disposable(old, self.registry.now(), &self.registry) && self.slot.handle.retire(|| {}) {
                    ctx.stop();
                }
            }
            TopicMessage::Snapshot(reply) => {
                drop(reply.send(TopicSnapshot { id: self.slot.id.clone(), channel: self.channel.save(true) }));
            }
            TopicMessage::History(request) => request.answer(&self.channel),
        }
    }
}
