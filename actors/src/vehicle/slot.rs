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
    snapshot::{ChannelSnapshot, VehicleSnapshot},
    stats::Stats,
    supervision::{Lifeline, spawn},
};

pub(crate) struct VehicleSlot {
    pub(crate) id: VehicleId,
    pub(crate) handle: Handle<VehicleActor>,
    pub(crate) twin: ArcSwapOption<Twin>,
    pub(crate) laps: ArcSwapOption<LapBook>,
    /// The state of a vehicle that left memory, for idleness or with a system before this one.
    dormant: Mutex<Option<Box<Dormant>>>,
}

/// What a vehicle's next actor begins with.
#[derive(Default)]
pub(super) struct Dormant {
    pub(super) vehicle: Vehicle,
    pub(super) channels: Vec<ChannelSnapshot>,
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
    pub(super) fn sleep(&self, vehicle: &Vehicle, channels: Vec<ChannelSnapshot>) -> bool {
        self.handle.retire(|| *self.dormant.lock() = Some(Box::new(Dormant { vehicle: vehicle.clone(), channels })))
    }

    /// What was kept for the next actor, or a fresh beginning.
    pub(super) fn wake(&self) -> Dormant {
        self.dormant.lock().take().map_or_else(Dormant::default, |d| *d)
    }

    /// A slot with the state of a system before this one.
    pub(crate) fn restore(saved: VehicleSnapshot) -> Self {
        let slot = Self::new(saved.id);
        slot.show(&saved.state);
        *slot.dormant.lock() = Some(Box::new(Dormant { vehicle: saved.state, channels: saved.channels }));
        slot
    }

    /// The state of a vehicle that is not resident.
    pub(crate) fn dormant(&self) -> Option<VehicleSnapshot> {
        let dormant = self.dormant.lock();
        dormant.as_ref().map(|d| VehicleSnapshot { id: self.id.clone(), state: d.vehicle.clone(), channels: d.channels.clone() })
    }

    pub(crate) fn forget(&self, kind: ChannelKind, key: u64, stats: &Stats) {
        let _ = self.handle.try_send(VehicleMessage::Forget(kind, key), stats);
    }
}

impl Lifeline for VehicleSlot {
    fn name(&self) -> String {
        format!("vehicle:{}", self.id)
    }

    fn restarted(&self) -> u64 {
        self.handle.restarted()
    }

    fn set_cooling(&self, cooling: bool) {
        self.handle.set_cooling(cooling);
    }
}
