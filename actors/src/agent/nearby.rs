//! Where vehicles are, for agents that look for who is ahead.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use slipstream_engine::{
    geo::Position,
    rl::live::{self, Nearby},
    twin::Twin,
};
use slipstream_protocol::VehicleId;

use crate::registry::Registry;

/// An index of vehicles by place. While no agent looks, vehicles pay one load for each batch.
#[derive(Default)]
pub(crate) struct NearbyVehicles {
    seekers: AtomicUsize,
    index: Mutex<Nearby<VehicleId>>,
}

/// The index is kept as long as one of these is there.
pub(super) struct Seeker(Arc<Registry>);

impl Seeker {
    pub(super) fn new(registry: &Arc<Registry>) -> Self {
        let nearby = &registry.nearby;
        if nearby.seekers.fetch_add(1, Ordering::SeqCst) == 0 {
            // Vehicles that report meanwhile are noted beside; each of their next batches mends what this overtakes.
            for slot in &registry.vehicles {
                if let Some(twin) = slot.twin.load_full().filter(|_| slot.handle.is_resident()) {
                    nearby.note(slot.key(), &twin);
                }
            }
        }
        Self(registry.clone())
    }
}

impl Drop for Seeker {
    fn drop(&mut self) {
        let nearby = &self.0.nearby;
        if nearby.seekers.fetch_sub(1, Ordering::SeqCst) == 1 {
            nearby.index.lock().clear();
        }
    }
}

impl NearbyVehicles {
    /// Notes where a vehicle is.
    pub(crate) fn note(&self, id: &VehicleId, twin: &Twin) {
        if self.seekers.load(Ordering::SeqCst) == 0 {
            return;
        }
        if let Some(position) = live::position_of(twin) {
            self.index.lock().put(id, position);
        }
    }

    /// A vehicle has left memory.
    pub(crate) fn forget(&self, id: &VehicleId) {
        if self.seekers.load(Ordering::SeqCst) > 0 {
            self.index.lock().remove(id);
        }
    }

    /// Vehicles within sight of a place, and some beyond.
    pub(super) fn around(&self, position: Position) -> Vec<VehicleId> {
        self.index.lock().around(position)
    }
}
