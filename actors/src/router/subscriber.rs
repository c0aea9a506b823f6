//! A connection as the actors know it.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use slipstream_protocol::Channel;

use crate::{outbox::Outbox, registry::Registry, subscription::Subscription};

/// One connection as the actors know it. Dropping it ends its subscriptions.
pub struct Subscriber {
    pub(crate) connection: u64,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) subscriptions: Mutex<HashMap<Channel, Arc<Subscription>>>,
    pub(crate) registry: Arc<Registry>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        for (_, subscription) in self.subscriptions.get_mut().drain() {
            self.outbox.end(&subscription, None);
            self.registry.forget_subscription(&subscription);
        }
        self.registry.disconnected(self.connection);
    }
}
