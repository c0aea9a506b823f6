//! What outlives the generations of a vehicle's actor.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use slipstream_engine::{coach::LapBook, twin::Twin, vehicle::Vehicle};
use slipstream_protocol::{ChannelKind, Timestamp, VehicleId};

use super::{
    Numbered, VehicleActor, VehicleMessage,
    counter::Counter,
    parking::{Parked, Parking},
};
use crate::{
    delivery::{Slot, Undelivered},
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
    /// Gives samples their offsets, in the order of the journal.
    pub(crate) counter: Counter,
    /// The state of a vehicle that left memory, for idleness or with a system before this one.
    dormant: Mutex<Option<Box<Dormant>>>,
    /// Made when the vehicle first cools down: few ever do.
    parking: OnceLock<Box<Parking>>,
}

/// How often a door looks whether a full parking has room again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What a vehicle's next actor begins with.
#[derive(Default)]
pub(super) struct Dormant {
    pub(super) vehicle: Vehicle,
    pub(super) channels: Vec<ChannelSnapshot>,
}

impl VehicleSlot {
    /// A slot whose channel begins its life `now`.
    pub(crate) fn new(id: VehicleId, now: Timestamp) -> Self {
        Self {
            id,
            handle: Handle::default(),
            twin: ArcSwapOption::empty(),
            laps: ArcSwapOption::empty(),
            counter: Counter::new(now.micros().unsigned_abs(), 0),
            dormant: Mutex::default(),
            parking: OnceLock::new(),
        }
    }

    pub(crate) fn activate(self: &Arc<Self>, registry: &Arc<Registry>) {
        self.handle.activate(|| {
            let (slot, registry) = (self.clone(), registry.clone());
            let arbiter = registry.arbiter(&self.id).clone();
            let mailbox = registry.config.mailbox;
            registry.stats.vehicles.add(1);
            self.handle.touch(registry.now());
            spawn(&arbiter, mailbox, registry.shared.clone(), move || VehicleActor::new(slot, registry))
        });
    }

    /// Puts a message into the mailbox, waiting for space; activates the actor where none is resident.
    pub(crate) async fn deliver(self: &Arc<Self>, message: VehicleMessage, registry: &Arc<Registry>) -> Result<(), Undelivered> {
        let find = || {
            self.activate(registry);
            self.clone()
        };
        registry.deliver(message, find).await
    }

    /// Hands samples to the actor. They are refused only where the system has stopped: what a door hands over is in the
    /// journal, and the next system takes it from there.
    pub(crate) async fn hand_over(self: &Arc<Self>, mut numbered: Numbered, registry: &Arc<Registry>) -> Result<(), Undelivered> {
        while let Some(parking) = self.parking.get() {
            numbered = match parking.park(numbered) {
                Parked::Yes => {
                    registry.stats.mailbox_depth.add(1);
                    return Ok(());
                }
                Parked::NotNeeded(numbered) => {
                    return self.deliver(VehicleMessage::Routed(numbered), registry).await;
                }
                Parked::Full(_) if registry.is_draining() => return Err(Undelivered),
                Parked::Full(numbered) => numbered,
            };
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.deliver(VehicleMessage::Routed(numbered), registry).await
    }

    /// Takes what waited while the actor cooled down to its mailbox, before anything that is sent from now on.
    pub(super) fn leave_parking(self: &Arc<Self>, registry: &Arc<Registry>) {
        if !self.parking.get().is_some_and(|parking| parking.start_leaving()) {
            return;
        }
        let (slot, registry) = (self.clone(), registry.clone());
        // Runs beside the actor on its own thread, and ends when nothing waits.
        drop(actix_rt::spawn(async move {
            while let Some(numbered) = slot.parking.get().and_then(|parking| parking.next()) {
                // It is in the journal: the next system takes it from there.
                let _ = slot.deliver(VehicleMessage::Routed(numbered), &registry).await;
                registry.stats.mailbox_depth.sub(1);
            }
        }));
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
    pub(crate) fn restore(saved: VehicleSnapshot, now: Timestamp) -> Self {
        let slot = Self::new(saved.id, now);
        if let Some(channel) = saved.channels.iter().find(|c| c.kind == ChannelKind::Telemetry) {
            slot.counter.set(channel.epoch, channel.offset);
        }
        slot.show(&saved.state);
        slot.handle.touch(now);
        *slot.dormant.lock() = Some(Box::new(Dormant { vehicle: saved.state, channels: saved.channels }));
        slot
    }

    /// The state of a vehicle that is not resident.
    pub(crate) fn dormant(&self) -> Option<VehicleSnapshot> {
        let dormant = self.dormant.lock();
        dormant.as_ref().map(|d| VehicleSnapshot { id: self.id.clone(), state: d.vehicle.clone(), channels: d.channels.clone() })
    }

    /// Begins a new epoch of a vehicle that is not resident, from where it is.
    pub(crate) fn fork_dormant(&self, now: Timestamp) {
        let mut dormant = self.dormant.lock();
        let channels = dormant.iter_mut().flat_map(|d| &mut d.channels);
        for channel in channels.filter(|c| c.kind == ChannelKind::Telemetry) {
            channel.fork(now);
            self.counter.set(channel.epoch, channel.offset);
        }
    }

    /// Whether nothing was ever heard of the vehicle, as far as can be seen from outside its actor.
    pub(crate) fn is_blank(&self) -> bool {
        let nothing_kept = |d: &Dormant| d.vehicle.twin().samples == 0 && d.channels.iter().all(|c| c.offset == 0);
        self.counter.offset() == 0
            && self.twin.load().as_ref().is_none_or(|twin| twin.samples == 0)
            && self.dormant.lock().as_deref().is_none_or(nothing_kept)
    }

    pub(crate) fn forget(&self, kind: ChannelKind, key: u64, stats: &Stats) {
        let _ = self.handle.try_send(VehicleMessage::Forget(kind, key), stats);
    }
}

impl Slot for VehicleSlot {
    type Actor = VehicleActor;

    fn handle(&self) -> &Handle<VehicleActor> {
        &self.handle
    }
}

impl Lifeline for VehicleSlot {
    fn name(&self) -> String {
        format!("vehicle:{}", self.id)
    }

    fn restarted(&self) -> u64 {
        self.handle.restarted()
    }

    fn ended(&self, stats: &Stats) {
        self.handle.lost(stats);
        stats.vehicles.sub(1);
    }

    fn cool_down(&self) {
        self.parking.get_or_init(Box::default).open();
    }
}
