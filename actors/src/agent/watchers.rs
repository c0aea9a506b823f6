//! Which agents hear which vehicles' samples.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use dashmap::{DashMap, Entry};
use slipstream_protocol::{Sample, VehicleId};

use super::{AgentMessage, AgentSlot};
use crate::{handle::Sent, stats::Stats};

/// Attached agents by the vehicles they watch.
#[derive(Default)]
pub(crate) struct Watchers {
    /// Vehicles watched: while there are none, vehicles pay one load for each batch.
    vehicles: AtomicUsize,
    by_vehicle: DashMap<VehicleId, Vec<Arc<AgentSlot>>>,
}

impl Watchers {
    /// `slot` hears `vehicle` from now on.
    pub(super) fn add(&self, vehicle: &VehicleId, slot: &Arc<AgentSlot>) {
        let mut watching = self.by_vehicle.entry(vehicle.clone()).or_default();
        if watching.is_empty() {
            self.vehicles.fetch_add(1, Ordering::Relaxed);
        }
        if !watching.iter().any(|known| Arc::ptr_eq(known, slot)) {
            watching.push(slot.clone());
        }
    }

    /// `slot` hears `vehicle` no longer.
    pub(super) fn remove(&self, vehicle: &VehicleId, slot: &Arc<AgentSlot>) {
        // Under one lock: an `add` in between would count the vehicle twice.
        let Entry::Occupied(mut watching) = self.by_vehicle.entry(vehicle.clone()) else { return };
        watching.get_mut().retain(|known| !Arc::ptr_eq(known, slot));
        if watching.get().is_empty() {
            watching.remove();
            self.vehicles.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Hands a vehicle's newest samples to who watches it. A vehicle never waits for an agent: where one's mailbox is
    /// full it misses these samples, which is counted, and newer ones follow.
    pub(crate) fn tell(&self, vehicle: &VehicleId, samples: &Arc<Vec<Sample>>, stats: &Stats) {
        if self.vehicles.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some(watching) = self.by_vehicle.get(vehicle) else { return };
        for slot in watching.iter() {
            if !matches!(slot.handle.try_send(AgentMessage::Samples(samples.clone()), stats), Sent::Yes) {
                stats.rl_advice_missed.add(1);
            }
        }
    }
}
