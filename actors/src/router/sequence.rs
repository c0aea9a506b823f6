//! Taking samples in: numbered, journalled and handed over in one order per vehicle.
//!
//! A vehicle's samples get their offsets in the order in which the journal keeps them, and its actor
//! publishes them in that order. After a crash the journal alone can then tell which publication had
//! which offset.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures_util::FutureExt;
use slipstream_protocol::{ErrorCode, ProtocolError, Sample, SampleBatch, VehicleId, client::Refusal, codec::Numbering};

use super::{Router, by_vehicle};
use crate::{
    backlog::{self, units},
    ports::{Journal, JournalTicket},
    vehicle::{Numbered, VehicleSlot},
};

/// The right to be next with samples of some vehicles. Others that have samples of the same vehicles
/// wait until it is routed or dropped.
pub struct Sequence {
    router: Router,
    /// In order of first appearance.
    held: Vec<Held>,
}

struct Held {
    slot: Arc<VehicleSlot>,
    /// Offsets given: the first, and how many.
    first: u64,
    count: u64,
    holding: bool,
}

impl Router {
    /// Waits for the turn of every vehicle in `samples`.
    pub async fn sequence(&self, samples: &[Sample]) -> Sequence {
        let mut sequence = Sequence { router: self.clone(), held: Vec::with_capacity(1) };
        let mut seen: HashSet<&VehicleId> = HashSet::new();
        let mut last = None;
        for sample in samples {
            // Most batches are one vehicle's: the set is for those that are not.
            if last == Some(&sample.vehicle) {
                continue;
            }
            if last.is_some() && seen.is_empty() {
                seen.insert(&samples[0].vehicle);
            }
            if last.is_none() || seen.insert(&sample.vehicle) {
                let slot = self.registry.vehicle_slot(&sample.vehicle);
                sequence.held.push(Held { slot, first: 0, count: 0, holding: false });
            }
            last = Some(&sample.vehicle);
        }
        // Everyone waits in the same order, so that nobody waits in a circle.
        let mut order: Vec<usize> = (0..sequence.held.len()).collect();
        order.sort_unstable_by(|a, b| sequence.held[*a].slot.id.cmp(&sequence.held[*b].slot.id));
        for at in order {
            let held = &mut sequence.held[at];
            held.slot.counter.hold().await;
            held.holding = true;
        }
        sequence
    }
}

impl Sequence {
    /// Appends `batch` to the journal with the offsets of its samples. Those with numbers up to `routed`
    /// the actors have had already: they get none. Where it is refused at once nothing has happened, and
    /// another append may follow.
    pub fn append(&mut self, batch: &SampleBatch, routed: Option<u64>, journal: &dyn Journal) -> JournalTicket {
        let numbering = self.number(&batch.samples, routed);
        let mut ticket = journal.append_numbered(batch, &numbering);
        let Some(outcome) = (&mut ticket).now_or_never() else { return ticket };
        if outcome.is_err() {
            for held in &mut self.held {
                held.slot.counter.give_back(std::mem::take(&mut held.count));
            }
        }
        Box::pin(std::future::ready(outcome))
    }

    /// Gives `samples` their offsets: one entry for each vehicle, in order of first appearance.
    pub(crate) fn number(&mut self, samples: &[Sample], routed: Option<u64>) -> Vec<Numbering> {
        // Where both kinds are mixed, which are behind which cannot be told: then no offsets are.
        let told = routed.is_none() || samples.iter().all(|s| s.seq.is_some());
        let mut order: Vec<(usize, u64)> = Vec::with_capacity(self.held.len());
        let places = self.places();
        let mut last: Option<(&VehicleId, usize)> = None;
        for sample in samples {
            let at = match last {
                Some((vehicle, at)) if *vehicle == sample.vehicle => at,
                _ => {
                    let Some(held) = places.find(&sample.vehicle) else { continue };
                    order.iter().position(|(h, _)| *h == held).unwrap_or_else(|| {
                        order.push((held, 0));
                        order.len() - 1
                    })
                }
            };
            order[at].1 += u64::from(told && (routed.is_none() || sample.seq > routed));
            last = Some((&sample.vehicle, at));
        }
        let number = |(at, count): (usize, u64)| {
            let held = &mut self.held[at];
            held.first = held.slot.counter.take(count);
            held.count = count;
            Numbering { epoch: held.slot.counter.epoch(), first: held.first, count: count as u32 }
        };
        order.into_iter().map(number).collect()
    }

    /// Routes samples to their vehicles' actors, as [`Router::route`] does: those that were numbered, or
    /// what was left of them.
    pub async fn route(mut self, batch: SampleBatch) -> Vec<Refusal> {
        let mut refused = Vec::new();
        if self.router.registry.is_draining() {
            let error = ProtocolError::new(ErrorCode::Busy, "the server is draining, reconnect");
            refused.extend(batch.samples.iter().enumerate().map(|(index, s)| Refusal { index, seq: s.seq, error: error.clone() }));
            return refused;
        }
        let mut held = self.router.registry.backlog.enter(units(&batch.samples)).await;
        let places = self.places();
        let one_vehicle = batch.samples.windows(2).all(|pair| pair[0].vehicle == pair[1].vehicle);
        if one_vehicle {
            if let Some(at) = batch.samples.first().and_then(|s| places.find(&s.vehicle)) {
                self.hand_over(at, batch.samples, held).await;
            }
            return refused;
        }
        for (vehicle, samples) in by_vehicle(batch.samples) {
            if let Some(at) = places.find(&vehicle) {
                let part = held.as_mut().and_then(|held| held.split(units(&samples).min(held.num_permits())));
                self.hand_over(at, samples, part).await;
            }
        }
        refused
    }

    async fn hand_over(&mut self, at: usize, samples: Vec<Sample>, held: Option<backlog::Held>) {
        let first = self.held[at].first_of(&samples);
        let slot = self.held[at].slot.clone();
        slot.activate(&self.router.registry);
        if slot.hand_over(Numbered { samples, first, held }, &self.router.registry).await.is_err() {
            tracing::debug!(vehicle = %slot.id, "samples wait in the journal for the next start");
        }
        self.held[at].release();
    }

    fn places(&self) -> Places {
        match &self.held[..] {
            [] | [_] => Places::One(self.held.first().map(|h| h.slot.clone())),
            several => Places::Several(several.iter().enumerate().map(|(at, h)| (h.slot.id.clone(), at)).collect()),
        }
    }
}

impl Held {
    /// Offset of the first of `samples`. Where they are not those numbered, they get offsets that the
    /// journal does not know.
    fn first_of(&mut self, samples: &[Sample]) -> u64 {
        let count = samples.len() as u64;
        if count == self.count { self.first } else { self.slot.counter.take(count) }
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.holding) {
            self.slot.counter.release();
        }
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        for held in &mut self.held {
            held.release();
        }
    }
}

/// Where each vehicle is among those held.
enum Places {
    One(Option<Arc<VehicleSlot>>),
    Several(HashMap<VehicleId, usize>),
}

impl Places {
    fn find(&self, vehicle: &VehicleId) -> Option<usize> {
        match self {
            Self::One(slot) => slot.as_ref().filter(|s| s.id == *vehicle).map(|_| 0),
            Self::Several(places) => places.get(vehicle).copied(),
        }
    }
}
