//! Who hears every channel of a kind.

use crate::{
    subscription::Subscription,
    sync::{Arc, AtomicU64, Mutex, Ordering},
};

/// The wildcard subscriptions of one kind. Owners of channels keep a copy and compare versions: one
/// relaxed load a publication while nothing changes.
#[derive(Default)]
pub(crate) struct Wildcards {
    version: AtomicU64,
    list: Mutex<Vec<Arc<Subscription>>>,
}

impl Wildcards {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The version and the list that belongs to it.
    pub(crate) fn snapshot(&self) -> (u64, Vec<Arc<Subscription>>) {
        let list = self.list.lock();
        (self.version.load(Ordering::Acquire), list.clone())
    }

    /// Adds a subscription, in place of an older one of the same connection.
    pub(crate) fn add(&self, subscription: Arc<Subscription>) {
        let mut list = self.list.lock();
        list.retain(|s| s.connection() != subscription.connection());
        list.push(subscription);
        self.version.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn remove(&self, key: u64) {
        let mut list = self.list.lock();
        let before = list.len();
        list.retain(|s| s.key() != key);
        if list.len() != before {
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}
