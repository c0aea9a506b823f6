//! The one door into the actors.

mod agents;
mod replay;
mod sequence;
mod subscriber;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use slipstream_protocol::{
    Channel, ChannelKind, ErrorCode, ProtocolError, Sample, SampleBatch, SessionId, Target, Timestamp, VehicleId,
    client::{Refusal, RequestId, Since, SubscribeRequest},
    server::{Event, Reply},
};

use tokio::sync::oneshot;

use crate::{
    agent::AgentMessage,
    channel::{ChannelHistory, HistoryRequest},
    delivery::Undelivered,
    health::{HealthReport, PoisonedSample},
    outbox::Outbox,
    registry::Registry,
    room::RoomMessage,
    snapshot::Snapshot,
    stats::Stats,
    subscription::Subscription,
    topic::TopicMessage,
    vehicle::VehicleMessage,
    views::Views,
};

pub use sequence::Sequence;
pub use subscriber::Subscriber;

/// Cheap to clone; every door holds one.
#[derive(Clone)]
pub struct Router {
    pub(crate) registry: Arc<Registry>,
}

/// What waits for all connections together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Connections known.
    pub connections: usize,
    /// Bytes that wait.
    pub bytes: usize,
    /// Bytes that wait for the slowest connection.
    pub max_bytes: usize,
}

impl Router {
    /// Routes samples to their vehicles' actors, which are activated on first use. Order per vehicle
    /// is the order of calls. Waits where a mailbox is full: that is how back-pressure reaches a door.
    ///
    /// What is for a vehicle that cools down after too many panics waits for it, and the others go on.
    ///
    /// Refuses all of it with [`ErrorCode::Busy`] while draining, nothing else.
    pub async fn route(&self, batch: SampleBatch) -> Vec<Refusal> {
        self.sequence(&batch.samples).await.route(batch).await
    }

    /// Lets vehicles and their session begin anew, as if they had never reported: for a replay that goes back to where it was. What was
    /// routed before is applied before. Channels go on as they are.
    pub async fn begin_anew(&self, vehicles: &[VehicleId], session: &SessionId) {
        let mut answers = Vec::new();
        for id in vehicles {
            let (done, answer) = oneshot::channel();
            // Where the system has stopped there is nothing to begin anew.
            if self.registry.vehicle(id).deliver(VehicleMessage::BeginAnew(done), &self.registry).await.is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            // An actor that panics meanwhile has a fresh state or the one before; nothing to wait for.
            let _ = answer.await;
        }
        // The same holds for the session.
        let _ = self.registry.deliver(RoomMessage::BeginAnew, || self.registry.room(session)).await;
    }

    /// Whether the mailbox of a vehicle is full: who can come back later should.
    pub fn is_full(&self, vehicle: &VehicleId) -> bool {
        self.registry.vehicles.get(vehicle).is_some_and(|slot| slot.handle.depth() >= self.registry.config.mailbox)
    }

    /// Bytes of samples, roughly, that wait to be applied.
    pub fn backlog_bytes(&self) -> usize {
        self.registry.backlog.bytes()
    }

    /// What all channels together remember: bytes, roughly, the most they may be, and how many publications were
    /// given up to stay within that.
    pub fn histories(&self) -> (usize, usize, u64) {
        let histories = &self.registry.histories;
        (histories.used(), histories.most(), histories.evicted())
    }

    /// How many owners of channels are known, in memory or not, by kind.
    pub fn owners(&self) -> [(&'static str, usize); 4] {
        let registry = &self.registry;
        [
            ("vehicle", registry.vehicles.len()),
            ("session", registry.rooms.len()),
            ("rl", registry.agents.len()),
            ("topic", registry.topics.len()),
        ]
    }

    /// Publishes an event on its owner's channel (and the session's, when it has one).
    ///
    /// Fails with [`ErrorCode::Unavailable`] while draining.
    pub async fn publish(&self, event: Event) -> Result<(), ProtocolError> {
        if self.registry.is_draining() {
            return Err(ProtocolError::new(ErrorCode::Unavailable, "the server is draining, come back in a moment"));
        }
        let vehicle = match &event {
            Event::Video(note) => note.vehicle.clone(),
            Event::Feedback(note) => note.vehicle.clone(),
            Event::Alert(note) => note.vehicle.clone(),
            Event::Metrics(note) => {
                let channel = Channel::one(ChannelKind::Session, note.session.clone());
                return Ok(self.tell_owner(&channel, Told::Publish(event)).await?);
            }
            Event::Result(note) => {
                let channel = note.channel.clone();
                return Ok(self.tell_owner(&channel, Told::Publish(event)).await?);
            }
            Event::Rl(note) => {
                let channel = Channel::one(ChannelKind::Rl, note.agent.clone());
                return Ok(self.tell_owner(&channel, Told::Publish(event)).await?);
            }
            Event::Health(_) => {
                let channel = Channel::one(ChannelKind::System, slipstream_protocol::Id::new("health")?);
                return Ok(self.tell_owner(&channel, Told::Publish(event)).await?);
            }
        };
        let slot = self.registry.vehicle(&vehicle);
        Ok(slot.deliver(VehicleMessage::Publish(event), &self.registry).await?)
    }

    /// Makes a connection known.
    pub fn connect(&self, outbox: Arc<Outbox>) -> Subscriber {
        let connection = self.registry.next_key();
        self.registry.outboxes.insert(connection, Arc::downgrade(&outbox));
        self.registry.stats.connections.add(1);
        Subscriber { connection, outbox, subscriptions: Mutex::new(HashMap::new()), registry: self.registry.clone() }
    }

    /// Subscribes; the answer (`subscribed` or `error`) arrives in the outbox, before the channel's
    /// publications. Subscribing again replaces the older subscription without a gap. With `since` it may
    /// wait until the reader has taken what it missed of other channels, or its connection ends.
    pub async fn subscribe(&self, subscriber: &Subscriber, request: SubscribeRequest) {
        let channel = request.channel.clone();
        let resumes = request.since.is_some() && channel.target != Target::All;
        let full = {
            let subscriptions = subscriber.subscriptions.lock();
            subscriptions.len() >= self.registry.config.max_subscriptions && !subscriptions.contains_key(&channel)
        };
        if full {
            let max = self.registry.config.max_subscriptions;
            let message = format!("{max} subscriptions are the most one connection can hold");
            subscriber.outbox.reply(&Reply::Error { id: request.id, seq: None, index: None, code: ErrorCode::ValidationError, message });
            return;
        }
        let older = subscriber.subscriptions.lock().get(&channel).filter(|s| s.channel().target == Target::All).cloned();
        let subscription = match older {
            Some(older) => Subscription::replacing(&older, request),
            None => Subscription::new(self.registry.next_key(), subscriber.connection, subscriber.outbox.clone(), request),
        };
        subscriber.subscriptions.lock().insert(channel.clone(), subscription.clone());
        if channel.target == Target::All {
            let reply =
                Reply::Subscribed { channel: channel.clone(), id: subscription.request().cloned(), epoch: 0, offset: 0, recovered: false };
            subscriber.outbox.open(&subscription, &reply);
            self.registry.wildcards(channel.kind).add(subscription);
            return;
        }
        if resumes {
            let Some(permit) = subscriber.outbox.may_resume().await else { return };
            subscription.keep_permit(permit);
        }
        if let Err(error) = self.tell_owner(&channel, Told::Subscribe(subscription.clone())).await {
            subscriber.subscriptions.lock().remove(&channel);
            let reply = refusal(subscription.request().cloned(), error);
            subscriber.outbox.end(&subscription, Some(&reply));
        }
    }

    /// Unsubscribes; after the answer (`unsubscribed` or `error`) nothing of the channel arrives.
    pub async fn unsubscribe(&self, subscriber: &Subscriber, channel: &Channel, id: Option<RequestId>) {
        let Some(subscription) = subscriber.subscriptions.lock().remove(channel) else {
            let message = format!("{channel} is not subscribed on this connection");
            subscriber.outbox.reply(&Reply::Error { id, seq: None, index: None, code: ErrorCode::NotSubscribed, message });
            return;
        };
        if channel.target == Target::All {
            self.registry.wildcards(channel.kind).remove(subscription.key());
            let reply = Reply::Unsubscribed { channel: channel.clone(), id, epoch: 0, offset: 0 };
            subscriber.outbox.end(&subscription, Some(&reply));
            return;
        }
        if let Err(error) = self.tell_owner(channel, Told::Unsubscribe(subscription.clone(), id.clone())).await {
            subscriber.outbox.end(&subscription, Some(&refusal(id, error)));
        }
    }

    /// What the owner of `channel` remembers after `since`, as JSON texts, at most `limit`. A channel
    /// remembers little and for a short time: this is for a client that reconnects.
    ///
    /// Fails with [`ErrorCode::UnknownChannel`] for a wildcard, with [`ErrorCode::NotFound`] for a channel whose owner is
    /// not known, with [`ErrorCode::Unavailable`] where the owner does not answer: it is being restarted, or the system stops.
    pub async fn history(&self, channel: &Channel, since: Option<Since>, limit: usize) -> Result<ChannelHistory, ProtocolError> {
        let Target::One(id) = &channel.target else {
            return Err(ProtocolError::new(ErrorCode::UnknownChannel, "history is kept per channel: name one, not a wildcard"));
        };
        let known = match channel.kind {
            ChannelKind::Telemetry | ChannelKind::Video | ChannelKind::Ai | ChannelKind::Alerts => {
                self.registry.vehicles.contains_key(id.as_str())
            }
            ChannelKind::Session => self.registry.rooms.contains_key(id.as_str()),
            ChannelKind::Rl => self.registry.agents.contains_key(id.as_str()),
            ChannelKind::Cell | ChannelKind::Pipeline | ChannelKind::System => self.registry.topics.contains_key(channel),
        };
        let unknown = || ProtocolError::new(ErrorCode::NotFound, format!("nothing is remembered of {channel}"));
        if !known {
            return Err(unknown());
        }
        let (reply, answer) = oneshot::channel();
        self.tell_owner(channel, Told::History(HistoryRequest { since, limit, reply })).await?;
        answer.await.map_err(|_| Undelivered.into())
    }

    /// Tells the owner of a channel, whichever kind of actor that is.
    async fn tell_owner(&self, channel: &Channel, told: Told) -> Result<(), Undelivered> {
        let Target::One(id) = &channel.target else { return Ok(()) };
        let registry = &self.registry;
        match channel.kind {
            ChannelKind::Telemetry | ChannelKind::Video | ChannelKind::Ai | ChannelKind::Alerts => {
                let slot = registry.vehicle(&id.clone().into());
                let message = match told {
                    Told::Publish(event) => VehicleMessage::Publish(event),
                    Told::Subscribe(subscription) => VehicleMessage::Subscribe(subscription),
                    Told::Unsubscribe(subscription, id) => VehicleMessage::Unsubscribe(subscription, id),
                    Told::History(request) => VehicleMessage::History(channel.kind, request),
                };
                slot.deliver(message, registry).await
            }
            ChannelKind::Session => {
                let session = id.clone().into();
                let message = match told {
                    Told::Publish(event) => RoomMessage::Publish(event),
                    Told::Subscribe(subscription) => RoomMessage::Subscribe(subscription),
                    Told::Unsubscribe(subscription, id) => RoomMessage::Unsubscribe(subscription, id),
                    Told::History(request) => RoomMessage::History(request),
                };
                registry.deliver(message, || registry.room(&session)).await
            }
            ChannelKind::Rl => {
                let agent = id.clone().into();
                let message = match told {
                    Told::Publish(event) => AgentMessage::Publish(event),
                    Told::Subscribe(subscription) => AgentMessage::Subscribe(subscription),
                    Told::Unsubscribe(subscription, id) => AgentMessage::Unsubscribe(subscription, id),
                    Told::History(request) => AgentMessage::History(request),
                };
                registry.deliver(message, || registry.agent(&agent)).await
            }
            ChannelKind::Cell | ChannelKind::Pipeline | ChannelKind::System => {
                let message = match told {
                    Told::Publish(event) => TopicMessage::Publish(event),
                    Told::Subscribe(subscription) => TopicMessage::Subscribe(subscription),
                    Told::Unsubscribe(subscription, id) => TopicMessage::Unsubscribe(subscription, id),
                    Told::History(request) => TopicMessage::History(request),
                };
                registry.deliver(message, || registry.topic(channel.kind, id)).await
            }
        }
    }

    /// The state of every vehicle, session room and topic, each as of a moment of its own.
    pub async fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let stats = &self.registry.stats;
        let vehicles: Vec<_> = self.registry.vehicles.iter().map(|v| v.value().clone()).collect();
        for slot in vehicles {
            let (reply, answer) = oneshot::channel();
            let told = slot.handle.deliver(VehicleMessage::Snapshot(reply), stats).await.is_ok();
            let saved = if told { answer.await.ok() } else { slot.dormant() };
            snapshot.vehicles.extend(saved);
        }
        let rooms: Vec<_> = self.registry.rooms.iter().map(|r| r.value().clone()).collect();
        for slot in rooms {
            let (reply, answer) = oneshot::channel();
            let told = slot.handle.deliver(RoomMessage::Snapshot(reply), stats).await.is_ok();
            let saved = if told { answer.await.ok() } else { slot.dormant() };
            snapshot.rooms.extend(saved);
        }
        let topics: Vec<_> = self.registry.topics.iter().map(|t| t.value().clone()).collect();
        for slot in topics {
            let (reply, answer) = oneshot::channel();
            if slot.handle.deliver(TopicMessage::Snapshot(reply), stats).await.is_ok() {
                snapshot.topics.extend(answer.await.ok());
            }
        }
        let agents: Vec<_> = self.registry.agents.iter().map(|a| a.value().clone()).collect();
        for slot in agents {
            let (reply, answer) = oneshot::channel();
            if slot.handle.deliver(AgentMessage::Snapshot(reply), stats).await.is_ok() {
                snapshot.agents.extend(answer.await.ok());
            }
        }
        snapshot
    }

    /// Resolves when no message waits in any mailbox: all that was routed before is applied and published.
    pub async fn settled(&self) {
        while self.registry.stats.mailbox_depth.get() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Resolves when every restored agent can be read, or after `at_most`: their actors start on threads of their own.
    pub async fn agents_resumed(&self, at_most: Duration) {
        let all = async {
            while self.registry.agents.iter().any(|slot| slot.is_resuming()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(at_most, all).await.is_err() {
            tracing::warn!("some agents have not started yet");
        }
    }

    /// The views for readers.
    pub fn views(&self) -> Views<'_> {
        Views(&self.registry)
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.registry.stats
    }

    /// What waits for all connections.
    pub fn outbox_depth(&self) -> OutboxDepth {
        let mut depth = OutboxDepth::default();
        for outbox in self.registry.outboxes.iter().filter_map(|o| o.value().upgrade()) {
            let bytes = outbox.waiting_bytes();
            depth.connections += 1;
            depth.bytes += bytes;
            depth.max_bytes = depth.max_bytes.max(bytes);
        }
        depth
    }

    /// What restarted and why.
    pub fn health(&self) -> HealthReport {
        let stats = &self.registry.stats;
        HealthReport {
            incidents: self.registry.incidents(),
            vehicles: stats.vehicles.get(),
            rooms: stats.rooms.get(),
            restarts: stats.restarts.get(),
            poisoned: stats.poisoned.get(),
            given_up: stats.given_up.get(),
        }
    }

    /// The newest samples set aside, newest first, at most 64.
    pub fn poisoned(&self) -> Vec<PoisonedSample> {
        self.registry.poisoned()
    }

    /// Whether a vehicle is resident (not passivated, not unknown).
    pub fn is_resident(&self, vehicle: &VehicleId) -> bool {
        self.registry.vehicles.get(vehicle).is_some_and(|slot| slot.handle.is_resident())
    }

    /// A vehicle's generation: how often it was activated or restarted.
    pub fn generation(&self, vehicle: &VehicleId) -> u64 {
        self.registry.vehicles.get(vehicle).map_or(0, |slot| slot.handle.generation())
    }

    /// The current moment by the system's clock.
    pub fn now(&self) -> Timestamp {
        self.registry.now()
    }
}

/// The answer where the owner of a channel did not take a request.
fn refusal(id: Option<RequestId>, error: Undelivered) -> Reply {
    let error = ProtocolError::from(error);
    Reply::Error { id, seq: None, index: None, code: error.code, message: error.message }
}

/// What the owner of a channel can be told.
enum Told {
    Publish(Event),
    Subscribe(Arc<Subscription>),
    Unsubscribe(Arc<Subscription>, Option<RequestId>),
    History(HistoryRequest),
}

/// Samples of a mixed batch, by vehicle in order of first appearance, with their places in the batch.
fn by_vehicle(samples: Vec<Sample>) -> Vec<(VehicleId, Vec<Sample>)> {
    let mut places: HashMap<VehicleId, usize> = HashMap::new();
    let mut groups: Vec<(VehicleId, Vec<Sample>)> = Vec::new();
    for sample in samples {
        let at = if let Some(at) = places.get(&sample.vehicle) {
            *at
        } else {
            places.insert(sample.vehicle.clone(), groups.len());
            groups.push((sample.vehicle.clone(), Vec::new()));
            groups.len() - 1
        };
        groups[at].1.push(sample);
    }
    groups
}

#[cfg(test)]
mod owner_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tests;
