//! The vehicle's actor: a thin shell around [`slipstream_engine::vehicle::Vehicle`].

mod checkpoint;
mod counter;
mod parking;
mod slot;

use std::{collections::VecDeque, sync::Arc};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, Supervised, WrapFuture};
use bytes::{Bytes, BytesMut};
use slipstream_engine::vehicle::{Output, Vehicle};
use slipstream_protocol::{ChannelKind, Sample, SessionId, Timestamp, client::RequestId, codec::Numbering, server::Event};

use thin_vec::ThinVec;
use tokio::sync::oneshot;

use crate::{
    backlog::Held,
    channel::{Broadcast, HistoryRequest, Placed},
    handle::{OnDrop, Sent},
    health::PoisonedSample,
    registry::Registry,
    room::{ProcessedBatch, RoomMessage, RoomSlot},
    snapshot::{ChannelSnapshot, VehicleSnapshot},
    subscription::Subscription,
    supervision::{Lifeline, Supervisable},
};
use checkpoint::Checkpoint;
pub(crate) use counter::Numbered;
pub(crate) use slot::VehicleSlot;

/// What a vehicle's actor is told.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum VehicleMessage {
    /// Samples of this vehicle, to be published at their offsets.
    Routed(Numbered),
    /// Samples that the journal kept for a run before this one, where they were numbered.
    Replayed(Vec<Sample>, Option<Numbering>),
    /// Everything of the run before is replayed: a new epoch begins.
    Fork,
    Publish(Event),
    Subscribe(Arc<Subscription>),
    Unsubscribe(Arc<Subscription>, Option<RequestId>),
    Forget(ChannelKind, u64),
    History(ChannelKind, HistoryRequest),
    Snapshot(oneshot::Sender<VehicleSnapshot>),
    /// What the vehicle told so far is another drive's: its state begins anew. Answered when that is done.
    BeginAnew(oneshot::Sender<()>),
    Compact,
    Passivate,
}

/// A batch being applied; kept in the actor so that a panic leaves it behind.
struct InFlight {
    samples: Vec<Sample>,
    /// What they hold of the backlog.
    held: Option<Held>,
    /// Offset of the first of them.
    first: u64,
    /// How many of the first ones are not published.
    silent: usize,
    /// When they were published, where that was before.
    at: Option<Timestamp>,
    /// Offsets of those set aside.
    set_aside: Vec<u64>,
    /// How many are applied; the next one is the suspect after a panic.
    applied: usize,
    /// Outputs that stood before the suspect.
    outputs: usize,
}

pub(crate) struct VehicleActor {
    slot: Arc<VehicleSlot>,
    registry: Arc<Registry>,
    vehicle: Vehicle,
    checkpoint: Checkpoint,
    telemetry: Broadcast,
    /// `video`, `ai` and `alerts`, once somebody hears or speaks on them.
    others: ThinVec<(ChannelKind, Broadcast)>,
    /// Apart, because most vehicles are idle most of the time.
    work: Option<Box<Work>>,
}

/// What only a vehicle at work needs.
#[derive(Default)]
struct Work {
    outputs: Vec<Output>,
    in_flight: Option<InFlight>,
    /// The room of the newest session.
    room: Option<(SessionId, Arc<RoomSlot>)>,
    /// What a full room could not take yet.
    to_rooms: VecDeque<(SessionId, RoomMessage)>,
}

impl VehicleActor {
    fn new(slot: Arc<VehicleSlot>, registry: Arc<Registry>) -> Self {
        let dormant = slot.wake();
        let vehicle = dormant.vehicle;
        let mut others: ThinVec<_> =
            dormant.channels.into_iter().map(|c| (c.kind, Broadcast::restore(slot.id.id(), c, &registry))).collect();
        let telemetry = match others.iter().position(|(kind, _)| *kind == ChannelKind::Telemetry) {
            Some(at) => others.swap_remove(at).1,
            None => Broadcast::new(ChannelKind::Telemetry, slot.id.id(), Timestamp::from_micros(slot.counter.epoch() as i64)),
        };
        let checkpoint = Checkpoint::of(&vehicle);
        Self { slot, registry, vehicle, checkpoint, telemetry, others, work: None }
    }

    /// Applies what is in flight, then tells everyone.
    fn process(&mut self, ctx: &mut Context<Self>) {
        let (now, skew) = (self.registry.now(), self.registry.config.clock_skew);
        let Some(work) = &mut self.work else { return };
        let Some(flight) = &mut work.in_flight else { return };
        while let Some(sample) = flight.samples.get(flight.applied) {
            flight.outputs = work.outputs.len();
            if let Some(probe) = &self.registry.config.probe {
                probe.inspect(sample);
            }
            self.vehicle.take(sample, now, skew, &mut work.outputs);
            flight.applied += 1;
        }
        let outputs = std::mem::take(&mut work.outputs);
        let Some(InFlight { mut samples, held, first, silent, at, set_aside, .. }) =
            work.in_flight.take().filter(|f| !f.samples.is_empty())
        else {
            return;
        };
        self.slot.handle.touch(now);
        self.registry.stats.samples.add(samples.len() as u64);
        own_texts(&mut samples);
        let samples = Arc::new(samples);
        // Readers first: whoever hears a publication and then asks finds it.
        self.slot.show(&self.vehicle);
        let published = if silent == 0 { samples.clone() } else { Arc::new(samples.get(silent..).unwrap_or_default().to_vec()) };
        self.registry.nearby.note(&self.slot.id, self.vehicle.twin());
        if at.is_none() {
            // Before anyone hears of them, so that who advises on this vehicle has them first. What the journal tells of an
            // earlier run is nothing to advise on.
            self.registry.watchers.tell(&self.slot.id, &samples, &self.registry.stats);
        }
        for (first, part) in around(first, &published, &set_aside) {
            self.telemetry.publish_at(first, &part, at.unwrap_or(now), now, &self.registry);
        }
        self.tell_rooms(&samples, outputs, held, ctx);
        self.checkpoint.note(samples, &self.vehicle);
    }

    /// Takes samples of the journal: applies those the state does not hold yet, remembers the others.
    fn replay(&mut self, mut samples: Vec<Sample>, place: Option<Numbering>, ctx: &mut Context<Self>) {
        let mut flight = match place {
            None => InFlight::new(samples, self.telemetry.offset() + 1, None),
            Some(place) => {
                // Published earlier, while the journal kept nothing: a state that is behind has not seen them.
                let earlier = samples.len().saturating_sub(place.count as usize);
                let seen = place.first <= self.telemetry.offset() + 1;
                let placed = self.telemetry.placed(place, samples.len() - earlier);
                if seen || placed != Placed::New {
                    samples.drain(..earlier);
                }
                match placed {
                    Placed::New => InFlight { silent: if seen { 0 } else { earlier }, ..InFlight::new(samples, place.first, None) },
                    Placed::Forgotten => {
                        return self.telemetry.remember(place.first, samples, self.registry.now(), &self.registry);
                    }
                    Placed::Known => return,
                }
            }
        };
        flight.at = flight.samples.first().map(|s| s.received_at);
        self.work.get_or_insert_default().in_flight = Some(flight);
        self.process(ctx);
    }

    /// Hands samples on to the rooms of their sessions.
    fn tell_rooms(&mut self, samples: &Arc<Vec<Sample>>, outputs: Vec<Output>, held: Option<Held>, ctx: &mut Context<Self>) {
        let first = samples[0].session.as_ref();
        let held = held.map(Arc::new);
        if samples.iter().all(|s| s.session.as_ref() == first) {
            if let Some(session) = first.cloned() {
                let batch = ProcessedBatch {
                    vehicle: self.slot.id.clone(),
                    through: self.telemetry.offset(),
                    samples: samples.clone(),
                    outputs,
                    _held: held,
                };
                self.tell_room(&session, RoomMessage::Processed(batch), ctx);
            }
            return;
        }
        let mut outputs = outputs;
        let mut behind = samples.len() as u64;
        for part in samples.chunk_by(|a, b| a.session == b.session) {
            behind -= part.len() as u64;
            let Some(session) = part[0].session.clone() else { continue };
            let (theirs, rest) = outputs.into_iter().partition(|o| o.session() == Some(&session));
            outputs = rest;
            let batch = ProcessedBatch {
                vehicle: self.slot.id.clone(),
                through: self.telemetry.offset() - behind,
                samples: Arc::new(part.to_vec()),
                outputs: theirs,
                _held: held.clone(),
            };
            self.tell_room(&session, RoomMessage::Processed(batch), ctx);
        }
    }

    /// Hands one message to a room. While a room is full this actor waits, its own mailbox fills, and the door slows down.
    fn tell_room(&mut self, session: &SessionId, message: RoomMessage, ctx: &mut Context<Self>) {
        let work = self.work.get_or_insert_default();
        if !work.to_rooms.is_empty() {
            work.to_rooms.push_back((session.clone(), message));
            return;
        }
        let room = match &work.room {
            Some((id, room)) if id == session => room.clone(),
            _ => {
                let room = self.registry.room(session);
                work.room = Some((session.clone(), room.clone()));
                room
            }
        };
        match room.handle.try_send(message, &self.registry.stats) {
            Sent::Yes => {}
            Sent::Full(message) | Sent::Absent(message) => {
                work.to_rooms.push_back((session.clone(), message));
                self.wait_for_rooms(ctx);
            }
        }
    }

    fn wait_for_rooms(&mut self, ctx: &mut Context<Self>) {
        let Some((session, message)) = self.work.as_mut().and_then(|w| w.to_rooms.pop_front()) else { return };
        let registry = self.registry.clone();
        let waiting = async move {
            if registry.deliver(message, || registry.room(&session)).await.is_err() {
                tracing::warn!(%session, "the session room took no more: the system has stopped");
            }
        };
        ctx.wait(actix::fut::ActorFutureExt::map(waiting.into_actor(self), |(), actor, ctx| actor.wait_for_rooms(ctx)));
    }

    fn channel(&mut self, kind: ChannelKind) -> &mut Broadcast {
        if kind == ChannelKind::Telemetry {
            return &mut self.telemetry;
        }
        let at = self.others.iter().position(|(k, _)| *k == kind).unwrap_or_else(|| {
            self.others.push((kind, Broadcast::new(kind, self.slot.id.id(), self.registry.now())));
            self.others.len() - 1
        });
        &mut self.others[at].1
    }

    fn publish(&mut self, event: Event, ctx: &mut Context<Self>) {
        let (kind, session) = match &event {
            Event::Video(note) => (ChannelKind::Video, note.session.clone()),
            Event::Feedback(note) => (ChannelKind::Ai, note.session.clone()),
            Event::Alert(note) => (ChannelKind::Alerts, note.session.clone()),
            Event::Metrics(_) | Event::Health(_) | Event::Result(_) | Event::Rl(_) => return,
        };
        let now = self.registry.now();
        let registry = self.registry.clone();
        self.slot.handle.touch(now);
        self.channel(kind).publish_event(event.clone(), now, &registry);
        if let Some(session) = session {
            self.tell_room(&session, RoomMessage::Publish(event), ctx);
        }
    }

    fn compact(&mut self) {
        let now = self.registry.now();
        self.vehicle.compact(self.registry.now());
        self.checkpoint = Checkpoint::of(&self.vehicle);
        self.slot.show(&self.vehicle);
        self.telemetry.compact(now, &self.registry);
        for (_, channel) in &mut self.others {
            channel.compact(now, &self.registry);
        }
        // What is in flight has been applied, and while a room is waited for no message is handled.
        self.work = None;
    }

    fn channels(&self, with_history: bool) -> Vec<ChannelSnapshot> {
        std::iter::once(&self.telemetry).chain(self.others.iter().map(|(_, c)| c)).map(|c| c.save(with_history)).collect()
    }

    fn snapshot(&self) -> VehicleSnapshot {
        VehicleSnapshot { id: self.slot.id.clone(), state: self.vehicle.clone(), channels: self.channels(true) }
    }

    /// Whether nothing was ever heard of the vehicle: nobody misses it when it goes.
    fn is_blank(&self) -> bool {
        self.vehicle.twin().samples == 0 && self.telemetry.is_blank() && self.others.iter().all(|(_, c)| c.is_blank())
    }

    /// Ends the subscription of a channel of which `end` is told, and has the sweeper look at a blank vehicle again.
    fn subscriber_leaves(&mut self, kind: ChannelKind, end: impl FnOnce(&mut Broadcast)) {
        end(self.channel(kind));
        if self.is_blank() {
            self.slot.handle.touch(self.registry.now());
        }
    }

    fn passivate(&mut self, ctx: &mut Context<Self>) {
        if self.telemetry.has_subscribers() || self.others.iter().any(|(_, c)| c.has_subscribers()) {
            return;
        }
        if self.is_blank() {
            if self.slot.handle.retire(|| {}) {
                self.registry.stats.vehicles.sub(1);
                ctx.stop();
            }
            return;
        }
        self.vehicle.compact(self.registry.now());
        if self.slot.sleep(&self.vehicle, self.channels(false)) {
            self.registry.stats.vehicles.sub(1);
            self.registry.stats.passivated.add(1);
            self.registry.nearby.forget(&self.slot.id);
            ctx.stop();
        }
    }
}

impl InFlight {
    const fn new(samples: Vec<Sample>, first: u64, at: Option<Timestamp>) -> Self {
        Self { samples, held: None, first, silent: 0, at, set_aside: Vec::new(), applied: 0, outputs: 0 }
    }
}

/// Copies what was sent as `data` out of the frames it came in. A frame may hold samples of many vehicles, and
/// would stay in memory whole as long as one of them is remembered.
fn own_texts(samples: &mut [Sample]) {
    let bytes = samples.iter().filter_map(|s| s.raw.as_ref()).map(Bytes::len).sum();
    if bytes == 0 {
        return;
    }
    let mut own = BytesMut::with_capacity(bytes);
    for raw in samples.iter_mut().filter_map(|s| s.raw.as_mut()) {
        own.extend_from_slice(raw);
        *raw = own.split().freeze();
    }
}

/// The runs of `samples` between the offsets set aside, each with its first offset.
fn around(first: u64, samples: &Arc<Vec<Sample>>, set_aside: &[u64]) -> Vec<(u64, Arc<Vec<Sample>>)> {
    if set_aside.is_empty() && !samples.is_empty() {
        return vec![(first, samples.clone())];
    }
    let mut parts = Vec::new();
    let (mut next, mut rest) = (first, samples.as_slice());
    for hole in set_aside {
        let (part, behind) = rest.split_at(((hole - next) as usize).min(rest.len()));
        parts.push((next, Arc::new(part.to_vec())));
        (next, rest) = (hole + 1, behind);
    }
    parts.push((next, Arc::new(rest.to_vec())));
    parts.retain(|(_, part)| !part.is_empty());
    parts
}

impl Actor for VehicleActor {
    type Context = Context<Self>;

    /// Finishes what a panic interrupted, before the mailbox goes on.
    fn started(&mut self, ctx: &mut Context<Self>) {
        self.process(ctx);
        if self.work.as_ref().is_some_and(|w| !w.to_rooms.is_empty()) {
            self.wait_for_rooms(ctx);
        }
        self.slot.leave_parking(&self.registry);
    }
}

impl Supervised for VehicleActor {
    /// Sets the sample that caused the panic aside and rebuilds the state without it.
    fn restarting(&mut self, _: &mut Context<Self>) {
        let Some(work) = &mut self.work else { return };
        let Some(flight) = &mut work.in_flight else { return };
        if flight.applied < flight.samples.len() {
            let sample = flight.samples.remove(flight.applied);
            let before = flight.applied + flight.set_aside.len();
            match before.checked_sub(flight.silent) {
                Some(published) => flight.set_aside.push(flight.first + published as u64),
                None => flight.silent -= 1,
            }
            self.registry.note_poisoned(PoisonedSample { at: self.registry.now(), sample });
        }
        work.outputs.truncate(flight.outputs);
        self.vehicle = self.checkpoint.restore(&flight.samples[..flight.applied], self.registry.now(), self.registry.config.clock_skew);
    }
}

impl Supervisable for VehicleActor {
    fn lifeline(&self) -> Arc<dyn Lifeline> {
        self.slot.clone()
    }
}

impl Handler<VehicleMessage> for VehicleActor {
    type Result = ();

    fn handle(&mut self, message: VehicleMessage, ctx: &mut Context<Self>) {
        let (slot, registry) = (self.slot.clone(), self.registry.clone());
        let _handled = OnDrop(move || slot.handle.handled(&registry.stats));
        match message {
            VehicleMessage::Routed(Numbered { samples, first, held }) => {
                self.work.get_or_insert_default().in_flight = Some(InFlight { held, ..InFlight::new(samples, first, None) });
                self.process(ctx);
            }
            VehicleMessage::Replayed(samples, place) => self.replay(samples, place, ctx),
            VehicleMessage::Fork => {
                self.telemetry.fork(self.registry.now());
                self.slot.counter.set(self.telemetry.epoch(), self.telemetry.offset());
            }
            VehicleMessage::Publish(event) => self.publish(event, ctx),
            VehicleMessage::Subscribe(subscription) => {
                let registry = self.registry.clone();
                self.channel(subscription.channel().kind).subscribe(&subscription, &registry);
            }
            VehicleMessage::Unsubscribe(subscription, request) => {
                self.subscriber_leaves(subscription.channel().kind, |channel| channel.unsubscribe(&subscription, request));
            }
            VehicleMessage::Forget(kind, key) => self.subscriber_leaves(kind, |channel| channel.forget(key)),
            VehicleMessage::History(kind, request) => request.answer(self.channel(kind)),
            VehicleMessage::Snapshot(reply) => drop(reply.send(self.snapshot())),
            VehicleMessage::BeginAnew(done) => {
                self.vehicle = Vehicle::default();
                self.checkpoint = Checkpoint::of(&self.vehicle);
                self.slot.show(&self.vehicle);
                // Whoever waits may have left.
                let _ = done.send(());
            }
            VehicleMessage::Compact => self.compact(),
            VehicleMessage::Passivate => self.passivate(ctx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vehicles_context_is_one_piece_of_at_most_half_a_kibibyte() {
        let bytes = size_of::<actix::dev::ContextFut<VehicleActor, Context<VehicleActor>>>();
        assert!(bytes <= 512, "{bytes} bytes");
    }

    #[test]
    fn what_outlives_a_vehicles_actor_is_one_piece_of_at_most_224_bytes() {
        // With the two counts of its Arc; an allocator's next class is 256.
        let bytes = size_of::<VehicleSlot>() + 2 * size_of::<usize>();
        assert!(bytes <= 224, "{bytes} bytes");
    }
}
