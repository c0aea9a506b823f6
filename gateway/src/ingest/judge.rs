//! What is late, said to the publisher before the actors have decided it.

use std::collections::HashMap;

use slipstream_engine::newest::Newest;
use slipstream_protocol::{Sample, SessionId, VehicleId, server::Lateness};

use crate::app::Services;

/// Most vehicles one connection is followed for. Beyond that it begins anew with what the actors show.
const MOST_VEHICLES: usize = 4_096;
/// Most sessions of one vehicle.
const MOST_SESSIONS: usize = 16;

/// Tells what of a publisher's samples is late: by what the actors show of the vehicles, and by what the publisher sent itself, which they
/// may not have applied yet. Of samples that another publisher has under way it knows nothing.
#[derive(Debug, Default)]
pub struct Judge {
    vehicles: HashMap<VehicleId, Progress>,
}

/// The newest of a vehicle, and of each session of it.
#[derive(Debug, Default)]
struct Progress {
    newest: Option<Newest>,
    sessions: Vec<(Option<SessionId>, Newest)>,
}

impl Progress {
    fn note(&mut self, session: Option<&SessionId>, newest: Newest) {
        raise(&mut self.newest, newest);
        if let Some(known) = self.sessions.iter_mut().find(|(id, _)| id.as_ref() == session) {
            if known.1.is_older_than(newest) {
                known.1 = newest;
            }
            return;
        }
        if self.sessions.len() >= MOST_SESSIONS {
            self.sessions.remove(0);
        }
        self.sessions.push((session.cloned(), newest));
    }
}

fn raise(known: &mut Option<Newest>, newest: Newest) {
    if known.is_none_or(|known| known.is_older_than(newest)) {
        *known = Some(newest);
    }
}

impl Judge {
    /// Judges samples that are about to be routed, in order.
    pub fn judge(&mut self, services: &Services, samples: &[Sample]) -> Lateness {
        let mut lateness = Lateness::default();
        let skew = services.config.limits.max_clock_skew;
        for part in samples.chunk_by(|a, b| a.vehicle == b.vehicle) {
            let progress = self.progress(services, &part[0].vehicle);
            for sample in part {
                if sample.is_ahead(skew) {
                    lateness.ahead += 1;
                    continue;
                }
                if progress.newest.is_some_and(|newest| newest.is_behind(sample)) {
                    lateness.late += 1;
                    let of_session = progress.sessions.iter().find(|(id, _)| *id == sample.session);
                    lateness.late_in_session += u64::from(of_session.is_some_and(|(_, newest)| newest.is_behind(sample)));
                }
                progress.note(sample.session.as_ref(), Newest::of(sample));
            }
        }
        lateness
    }

    fn progress(&mut self, services: &Services, vehicle: &VehicleId) -> &mut Progress {
        if self.vehicles.len() >= MOST_VEHICLES && !self.vehicles.contains_key(vehicle) {
            self.vehicles.clear();
        }
        let progress = self.vehicles.entry(vehicle.clone()).or_default();
        if let Some(twin) = services.router.views().vehicle(vehicle) {
            for known in &twin.earlier {
                progress.note(Some(&known.session), known.newest);
            }
            if let Some(newest) = twin.newest() {
                progress.note(twin.session.as_ref(), newest);
            }
        }
        progress
    }
}
