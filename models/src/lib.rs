//! Models of the hand-made synchronisation in `actors`, checked under every interleaving of their
//! threads with [loom](https://docs.rs/loom). The source files under test are compiled here as they are,
//! with loom's locks and atomics in place of the usual ones. Run them with `models/run`.
#![cfg(test)]
#![allow(dead_code, reason = "the files under test have more than the models use")]

#[path = "../../actors/src/residency.rs"]
mod residency;
#[path = "../../actors/src/channel/wildcards.rs"]
mod wildcards;

mod leaving_memory;
mod wildcard_lists;

/// In place of `actors::sync`: the locks have the names and forms of `parking_lot`.
mod sync {
    pub(crate) use loom::sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    };

    #[derive(Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("no model panics with a lock held")
        }
    }

    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
            self.0.read().expect("no model panics with a lock held")
        }

        pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
            self.0.write().expect("no model panics with a lock held")
        }
    }
}

/// In place of `actors::subscription`: what the list of wildcards asks of a subscription.
mod subscription {
    pub(crate) struct Subscription {
        pub(crate) key: u64,
        pub(crate) connection: u64,
    }

    impl Subscription {
        pub(crate) const fn key(&self) -> u64 {
            self.key
        }

        pub(crate) const fn connection(&self) -> u64 {
            self.connection
        }
    }
}
