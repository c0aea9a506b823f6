//! Subscriptions: which connection hears which channel, and how.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use slipstream_protocol::{
    Channel,
    client::{Delivery, OnSlow, RequestId, Since, SubscribeRequest},
};
use tokio::sync::OwnedSemaphorePermit;

use crate::outbox::Outbox;

/// One connection's interest in one channel (or in all of a kind).
pub(crate) struct Subscription {
    key: u64,
    connection: u64,
    channel: Channel,
    delivery: Delivery,
    on_slow: OnSlow,
    since: Option<Since>,
    request: Option<RequestId>,
    outbox: Arc<Outbox>,
    /// Written and read under the outbox's lock, so that nothing follows `unsubscribed`.
    active: Arc<AtomicBool>,
    /// The right to be handed what was missed.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Subscription {
    pub(crate) fn new(key: u64, connection: u64, outbox: Arc<Outbox>, request: SubscribeRequest) -> Arc<Self> {
        Arc::new(Self {
            key,
            connection,
            channel: request.channel,
            delivery: request.delivery,
            on_slow: request.on_slow,
            since: request.since,
            request: request.id,
            outbox,
            active: Arc::default(),
            permit: Mutex::default(),
        })
    }

    /// A wildcard subscription in place of `older`, of the same connection and channel. They begin and
    /// end as one: an owner that publishes at this very moment may still deliver through the older one.
    pub(crate) fn replacing(older: &Self, request: SubscribeRequest) -> Arc<Self> {
        Arc::new(Self {
            key: older.key,
            connection: older.connection,
            channel: request.channel,
            delivery: request.delivery,
            on_slow: request.on_slow,
            since: request.since,
            request: request.id,
            outbox: older.outbox.clone(),
            active: older.active.clone(),
            permit: Mutex::default(),
        })
    }

    pub(crate) const fn key(&self) -> u64 {
        self.key
    }

    pub(crate) const fn connection(&self) -> u64 {
        self.connection
    }

    pub(crate) const fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) const fn delivery(&self) -> Delivery {
        self.delivery
    }

    pub(crate) const fn on_slow(&self) -> OnSlow {
        self.on_slow
    }

    pub(crate) const fn since(&self) -> Option<Since> {
        self.since
    }

    pub(crate) const fn request(&self) -> Option<&RequestId> {
        self.request.as_ref()
    }

    pub(crate) const fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Keeps the right to be handed what was missed until the owner of the channel takes it.
    pub(crate) fn keep_permit(&self, permit: OwnedSemaphorePermit) {
        *self.permit.lock() = Some(permit);
    }

    pub(crate) fn take_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.permit.lock().take()
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    pub(crate) fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
    }
}
