//! The one door into the actors.

use std::sync::Arc;

use slipstream_protocol::{
    Channel, ProtocolError, SampleBatch, Timestamp, VehicleId,
    client::{RequestId, SubscribeRequest},
    server::Event,
};

use crate::{health::HealthReport, outbox::Outbox, stats::Stats, views::Views};

/// Cheap to clone; every door holds one.
#[derive(Clone)]
pub struct Router {}

/// One connection as the actors know it. Dropping it ends its subscriptions.
pub struct Subscriber {}

/// An actor's mailbox is full: slow down and try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actor's mailbox is full, try again")]
pub struct Busy;

impl Router {
    /// Routes samples to their vehicles' actors, which are activated on first use. Order per vehicle
    /// is the order of calls. Waits where a mailbox is full: that is how back-pressure reaches a door.
    ///
    /// Fails with [`slipstream_protocol::ErrorCode::Busy`] while draining or when the resident
    /// vehicles reach their limit, and with `Unavailable` for a vehicle that supervision gave up.
    pub async fn route(&self, _batch: SampleBatch) -> Result<(), ProtocolError> {
        todo!()
    }

    /// Publishes an event on its owner's channel (and the session's, when it has one).
    pub async fn publish(&self, _event: Event) -> Result<(), ProtocolError> {
        todo!()
    }

    /// Makes a connection known.
    pub fn connect(&self, _outbox: Arc<Outbox>) -> Subscriber {
        todo!()
    }

    /// Subscribes; the answer (`subscribed` or `error`) arrives in the outbox, before the channel's publications.
    pub async fn subscribe(&self, _subscriber: &Subscriber, _request: SubscribeRequest) {
        todo!()
    }

    /// Unsubscribes; after the answer (`unsubscribed` or `error`) nothing of the channel arrives.
    pub async fn unsubscribe(&self, _subscriber: &Subscriber, _channel: &Channel, _id: Option<RequestId>) {
        todo!()
    }

    /// The views for readers.
    pub fn views(&self) -> &Views {
        todo!()
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        todo!()
    }

    /// What restarted and why.
    pub fn health(&self) -> HealthReport {
        todo!()
    }

    /// Whether a vehicle is resident (not passivated, not unknown).
    pub fn is_resident(&self, _vehicle: &VehicleId) -> bool {
        todo!()
    }

    /// The current moment by the system's clock.
    pub fn now(&self) -> Timestamp {
        todo!()
    }
}
