//! Session rooms: members, leaderboard, numbers, and the channel `session:<id>`.

use std::{collections::HashMap, sync::Arc};

use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle, Supervised};
use arc_swap::ArcSwapOption;
use slipstream_engine::{session::Session, vehicle::Output};
use slipstream_protocol::{
    ChannelKind, Sample, SessionId, Timestamp, VehicleId,
    client::RequestId,
    server::{Event, MetricsNote, SessionMetrics},
};

use tokio::sync::oneshot;

use crate::{
    backlog::Held,
    channel::{Broadcast, HistoryRequest},
    delivery::Slot,
    handle::{Handle, OnDrop},
    registry::Registry,
    snapshot::RoomSnapshot,
    stats::Stats,
    subscription::Subscription,
    supervision::{Lifeline, Supervisable, spawn},
};

/// Samples of one member that its vehicle has processed, with what they told.
pub(crate) struct ProcessedBatch {
    pub(crate) vehicle: VehicleId,
    /// Offset of the newest of them on the vehicle's channel.
    pub(crate) through: u64,
    pub(crate) samples: Arc<Vec<Sample>>,
    pub(crate) outputs: Vec<Output>,
    /// What the samples hold of the backlog, until the room is done with them.
    pub(crate) _held: Option<Arc<Held>>,
}

/// What a session room is told.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum RoomMessage {
    Processed(ProcessedBatch),
    Publish(Event),
    Subscribe(Arc<Subscription>),
    Unsubscribe(Arc<Subscription>, Option<RequestId>),
    Forget(u64),
    History(HistoryRequest),
    Snapshot(oneshot::Sender<RoomSnapshot>),
    /// What the members told so far is another run's: the numbers begin anew.
    BeginAnew,
    Compact,
    Passivate,
}

/// Outlives the generations of a session room.
pub(crate) struct RoomSlot {
    pub(crate) id: SessionId,
    pub(crate) handle: Handle<SessionRoomActor>,
    pub(crate) metrics: ArcSwapOption<SessionMetrics>,
    /// The state of a room that left memory, for idleness or with a system before this one.
    dormant: parking_lot::Mutex<Option<Box<RoomSnapshot>>>,
}

impl RoomSlot {
    pub(crate) fn new(id: SessionId) -> Self {
        Self { id, handle: Handle::default(), metrics: ArcSwapOption::empty(), dormant: parking_lot::Mutex::default() }
    }

    pub(crate) fn activate(self: &Arc<Self>, registry: &Arc<Registry>) {
        self.handle.activate(|| {
            let (slot, registry) = (self.clone(), registry.clone());
            let arbiter = registry.arbiter(&self.id).clone();
            let mailbox = registry.config.mailbox;
            registry.stats.rooms.add(1);
            self.handle.touch(registry.now());
            spawn(&arbiter, mailbox, registry.shared.clone(), move || SessionRoomActor::new(slot, registry))
        });
    }

    /// A slot with the state of a system before this one.
    pub(crate) fn restore(saved: RoomSnapshot, now: Timestamp) -> Self {
        let slot = Self::new(saved.id.clone());
        slot.metrics.store(Some(Arc::new(saved.state.metrics())));
        slot.handle.touch(now);
        *slot.dormant.lock() = Some(Box::new(saved));
        slot
    }

    /// The state of a room that is not resident.
    pub(crate) fn dormant(&self) -> Option<RoomSnapshot> {
        self.dormant.lock().as_deref().cloned()
    }

    /// Whether nothing ever happened in the room, as far as can be seen from outside its actor.
    pub(crate) fn is_blank(&self) -> bool {
        let nothing_saved = |saved: &RoomSnapshot| saved.through.is_empty() && saved.channel.as_ref().is_none_or(|c| c.offset == 0);
        self.metrics.load().as_ref().is_none_or(|m| m.samples == 0) && self.dormant.lock().as_deref().is_none_or(nothing_saved)
    }

    /// Has the sweeper look at a room that nothing ever happened in when a subscriber leaves it.
    fn look_again(&self, is_blank: bool, now: Timestamp) {
        if is_blank {
            self.handle.touch(now);
        }
    }

    pub(crate) fn forget(&self, key: u64, stats: &Stats) {
        let _ = self.handle.try_send(RoomMessage::Forget(key), stats);
    }
}

impl Slot for RoomSlot {
    type Actor = SessionRoomActor;

    fn handle(&self) -> &Handle<SessionRoomActor> {
        &self.handle
    }
}

impl Lifeline for RoomSlot {
    fn name(&self) -> String {
        format!("session:{}", self.id)
    }

    fn restarted(&self) -> u64 {
        self.handle.restarted()
    }

    fn ended(&self, stats: &Stats) {
        self.handle.lost(stats);
        stats.rooms.sub(1);
    }
}

pub(crate) struct SessionRoomActor {
    slot: Arc<RoomSlot>,
    registry: Arc<Registry>,
    session: Session,
    channel: Broadcast,
    /// Offset of the newest sample taken of each member: after a crash the journal tells some again.
    through: HashMap<VehicleId, u64>,
    told_at: Timestamp,
    /// A publication of the numbers is due; this timer brings it.
    pending: Option<SpawnHandle>,
}

impl SessionRoomActor {
    fn new(slot: Arc<RoomSlot>, registry: Arc<Registry>) -> Self {
        let (session, channel, through) = slot.dormant.lock().take().map_or_else(Default::default, |d| (d.state, d.channel, d.through));
        let channel = match channel {
            Some(saved) => Broadcast::restore(slot.id.id(), saved, &registry),
            None => Broadcast::new(ChannelKind::Session, slot.id.id(), registry.now()),
        };
        Self { slot, registry, session, channel, through, told_at: Timestamp::default(), pending: None }
    }

    fn take(&mut self, batch: &ProcessedBatch, ctx: &mut Context<Self>) {
        match self.through.get_mut(&batch.vehicle) {
            Some(known) if batch.through <= *known => return,
            Some(known) => *known = batch.through,
            None => drop(self.through.insert(batch.vehicle.clone(), batch.through)),
        }
        for sample in batch.samples.iter() {
            if sample.is_ahead(self.registry.config.clock_skew) {
                self.session.apply_ahead();
            } else {
                self.session.apply(sample);
            }
        }
        for output in &batch.outputs {
            self.session.note(&batch.vehicle, output);
        }
        let now = self.registry.now();
        self.slot.handle.touch(now);
        self.channel.publish_samples(&batch.samples, now, &self.registry);
        if now.since(self.told_at) >= self.registry.config.metrics_every {
            self.tell();
        } else if self.pending.is_none() {
            self.pending = Some(ctx.run_later(self.registry.config.metrics_every, |room, _| room.tell()));
        }
    }

    /// Publishes the numbers and leaves them for readers.
    fn tell(&mut self) {
        self.pending = None;
        let now = self.registry.now();
        self.told_at = now;
        let metrics = Arc::new(self.session.metrics());
        self.slot.metrics.store(Some(metrics.clone()));
        let note = MetricsNote { session: self.slot.id.clone(), metrics, timestamp: self.session.newest() };
        self.channel.publish_event(Event::Metrics(note), now, &self.registry);
    }

    fn passivate(&mut self, ctx: &mut Context<Self>) {
        if self.channel.has_subscribers() || self.pending.is_some() {
            return;
        }
        let slot = self.slot.clone();
        let kept = (!self.is_blank()).then(|| Box::new(self.snapshot(false)));
        if slot.handle.retire(|| *slot.dormant.lock() = kept) {
            self.registry.stats.rooms.sub(1);
            actix::ActorContext::stop(ctx);
        }
    }

    /// Whether nothing ever happened in it: nobody misses it when it goes.
    fn is_blank(&self) -> bool {
        self.channel.is_blank() && self.through.is_empty()
    }

    fn snapshot(&self, with_history: bool) -> RoomSnapshot {
        RoomSnapshot {
            id: self.slot.id.clone(),
            state: self.session.clone(),
            channel: Some(self.channel.save(with_history)),
            through: self.through.clone(),
        }
    }
}

impl Actor for SessionRoomActor {
    type Context = Context<Self>;
}

impl Supervised for SessionRoomActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        // Timers end with the generation that panicked.
        self.pending = None;
    }
}

impl Supervisable for SessionRoomActor {
    fn lifeline(&self) -> Arc<dyn Lifeline> {
        self.slot.clone()
    }
}

impl Handler<RoomMessage> for SessionRoomActor {
    type Result = ();

    fn handle(&mut self, message: RoomMessage, ctx: &mut Context<Self>) {
        let (slot, registry) = (self.slot.clone(), self.registry.clone());
        let _handled = OnDrop(move || slot.handle.handled(&registry.stats));
        match message {
            RoomMessage::Processed(batch) => self.take(&batch, ctx),
            RoomMessage::Publish(event) => self.channel.publish_event(event, self.registry.now(), &self.registry),
            RoomMessage::Subscribe(subscription) => self.channel.subscribe(&subscription, &self.registry),
            RoomMessage::Unsubscribe(subscription, request) => {
                self.channel.unsubscribe(&subscription, request);
                self.slot.look_again(self.is_blank(), self.registry.now());
            }
            RoomMessage::Forget(key) => {
                self.channel.forget(key);
                self.slot.look_again(self.is_blank(), self.registry.now());
            }
            RoomMessage::History(request) => request.answer(&self.channel),
            RoomMessage::Snapshot(reply) => drop(reply.send(self.snapshot(true))),
            RoomMessage::BeginAnew => {
                self.session = Session::default();
                self.tell();
            }
            RoomMessage::Compact => self.channel.compact(self.registry.now(), &self.registry),
            RoomMessage::Passivate => self.passivate(ctx),
        }
    }
}
