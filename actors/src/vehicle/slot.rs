//! What outlives the generations of a vehicle's actor.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use slipstream_engine::{coach::LapBook, twin::Twin, vehicle::Vehicle};
use slipstream_protocol::{ChannelKind, VehicleId};

use super::{VehicleActor, VehicleMessage};
use crate::{
    handle::Handle,
    registry::Registry,
    stats::Stats,
    supervision::{Lifeline, spawn},
};

pub(crate) struct VehicleSlot {
    pub(crate) id: VehicleId,
    pub(crate) handle: Handle<VehicleActor>,
    pub(crate) twin: ArcSwapOption<Twin>,
    pub(crate) laps: ArcSwapOption<LapBook>,
    /// The state of a vehicle that left memory for idleness.
    dormant: Mutex<Option<Box<Vehicle>>>,
}

impl VehicleSlot {
    pub(crate) fn new(id: VehicleId) -> Self {
        Self { id, handle: Handle::default(), twin: ArcSwapOption::empty(), laps: ArcSwapOption::empty(), dormant: Mutex::default() }
    }

    pub(crate) fn activate(self: &Arc<Self>, registry: &Arc<Registry>) {
        self.handle.activate(|| {
            let (slot, registry) = (self.clone(), registry.clone());
            let arbiter = registry.arbiter(&self.id).clone();
            let mailbox = registry.config.mailbox;
            registry.stats.vehicles.add(1);
            self.handle.touch(registry.now());
            spawn(&arbiter, mailbox, registry.clone(), move || VehicleActor::new(slot, registry))
        });
    }

    /// Leaves the vehicle's state for readers.
    pub(super) fn show(&self, vehicle: &Vehicle) {
        self.twin.store(Some(vehicle.twin().clone()));
        let shown = self.laps.load();
        let laps = vehicle.laps();
        if shown.as_ref().map(Arc::as_ptr) != laps.map(Arc::as_ptr) {
            self.laps.store(laps.cloned());
        }
    }

    /// Keeps the state of a vehicle whose actor ends now, unless messages still wait for it.
    pub(super) fn sleep(&self, vehicle: &Vehicle) -> bool {
        self.handle.retire(|| *self.dormant.lock() = Some(Box::new(vehicle.clone())))
    }

    /// The state kept by [`Self::sleep`], or a fresh one.
    pub(super) fn wake(&self) -> Vehicle {
        self.dormant.lock().take().map_or_else(Vehicle::default, |v| *v)
    }

    pub(crate) fn forget(&self, kind: ChannelKind, key: u64, stats: &Stats) {
        let _ = self.handle.try_send(VehicleMessage::Forget(kind, key), stats);
    }
}

impl Lifeline for VehicleSlot {
    fn restarted(&self) -> u64 {
        self.handle.restarted()
    }

    fn set_cooling(&self, cooling: bool) {
        self.handle.set_cooling(cooling);
    }
}
