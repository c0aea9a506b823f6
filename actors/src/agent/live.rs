//! An agent attached to a live vehicle.

use std::sync::Arc;

use slipstream_engine::rl::{
    EnvironmentKind,
    agent::{AgentError, Update},
    live::{Advised, Attachment, Sighting, Watch},
};
use slipstream_protocol::{
    Sample, Timestamp, VehicleId,
    server::{Event, FeedbackNote},
};

use super::{CommandError, RlAgentActor, nearby::Seeker};
use crate::{handle::Sent, vehicle::VehicleMessage};

/// What an attached agent is up to.
pub(super) struct Live {
    watch: Watch,
    /// Whose samples it hears beside the vehicle's.
    heard: Option<VehicleId>,
    /// Where it looks for who is ahead, unless that is named.
    _seeker: Option<Seeker>,
    /// The newest advice, and when it was given.
    last: Option<(Arc<Advised>, Timestamp)>,
}

impl Live {
    pub(super) const fn attachment(&self) -> &Attachment {
        self.watch.attachment()
    }

    pub(super) fn last(&self) -> Option<Arc<Advised>> {
        self.last.as_ref().map(|(advised, _)| advised.clone())
    }

    /// Whether to say this now: other than before, or long enough after.
    fn is_due(&self, action: usize, leader: Option<&VehicleId>, now: Timestamp) -> bool {
        let Some((last, at)) = &self.last else { return true };
        last.action != action || last.leader.as_ref() != leader || now.since(*at) >= self.attachment().every
    }
}

impl RlAgentActor {
    /// Advises a live vehicle from now on; `None`: no longer.
    pub(super) fn attach(&mut self, attachment: Option<Attachment>) -> Result<(), CommandError> {
        let Some(attachment) = attachment else {
            self.detach();
            return Ok(());
        };
        let agent = self.agent.as_ref().ok_or(CommandError::Absent)?;
        if agent.kind() != EnvironmentKind::Avoidance {
            return Err(AgentError::NotForVehicles(agent.kind().name()).into());
        }
        if agent.policy().is_none() {
            return Err(AgentError::NoPolicy.into());
        }
        attachment.check().map_err(AgentError::from)?;
        self.detach();
        self.watch(attachment);
        Ok(())
    }

    /// Watches for an attachment that was checked.
    pub(super) fn watch(&mut self, attachment: Attachment) {
        self.registry.watchers.add(&attachment.vehicle, &self.slot);
        self.registry.stats.rl_attached.add(1);
        let seeker = attachment.leader.is_none().then(|| Seeker::new(&self.registry));
        self.live = Some(Box::new(Live { watch: Watch::new(attachment), heard: None, _seeker: seeker, last: None }));
        self.hear_leader();
    }

    pub(super) fn detach(&mut self) {
        let Some(live) = self.live.take() else { return };
        self.registry.stats.rl_attached.sub(1);
        for vehicle in std::iter::once(&live.attachment().vehicle).chain(&live.heard) {
            self.registry.watchers.remove(vehicle, &self.slot);
        }
    }

    /// Takes samples in and advises on the newest: what is behind it in the same batch is past. One whose clock is ahead says
    /// nothing about now.
    pub(super) fn hear(&mut self, samples: &[Sample]) {
        let skew = self.registry.config.clock_skew;
        let mut newest: Option<&Sample> = None;
        for sample in samples.iter().filter(|sample| !sample.is_ahead(skew)) {
            let Some(live) = &mut self.live else { return };
            if live.watch.note(sample) {
                newest = Some(sample);
            }
            self.hear_leader();
        }
        // First, so that what is seen is not what was there a second ago.
        if self.live.as_ref().is_some_and(|live| live.watch.wants_nearest()) {
            self.look_for_nearest();
        }
        let (Some(sample), Some(live)) = (newest, &mut self.live) else { return };
        match live.watch.see() {
            Some(seen) => self.advise(seen, sample),
            None => self.registry.stats.rl_not_known.add(1),
        }
    }

    /// Hears whoever is in front now, and whoever was no longer.
    fn hear_leader(&mut self) {
        let Some(live) = &mut self.live else { return };
        if live.watch.leader() == live.heard.as_ref() {
            return;
        }
        if let Some(gone) = live.heard.take() {
            self.registry.watchers.remove(&gone, &self.slot);
        }
        if let Some(leader) = live.watch.leader().cloned() {
            self.registry.watchers.add(&leader, &self.slot);
            if let Some(twin) = self.registry.vehicles.get(&leader).and_then(|slot| slot.twin.load_full()) {
                live.watch.seed_leader(&twin);
            }
            live.heard = Some(leader);
        }
    }

    fn look_for_nearest(&mut self) {
        let Some(live) = &mut self.live else { return };
        let Some(place) = live.watch.position() else { return };
        let near = self.registry.nearby.around(place).into_iter();
        let known = near.filter_map(|id| self.registry.vehicles.get(&id)?.twin.load_full().map(|twin| (id, twin)));
        live.watch.look_for_nearest(known);
        self.hear_leader();
    }

    fn advise(&mut self, seen: Sighting, sample: &Sample) {
        let (Some(live), Some(agent)) = (&self.live, &mut self.agent) else { return };
        let now = self.registry.now();
        let leader = seen.leader.clone();
        let times = (sample.source_time, sample.received_at);
        let advised = match Advised::by(agent, &self.slot.id, live.attachment(), seen, times, now) {
            Ok(advised) => Arc::new(advised),
            Err(error) => {
                self.registry.stats.rl_refused.add(1);
                tracing::debug!(agent = %self.slot.id, %error, "no advice");
                return;
            }
        };
        self.registry.stats.rl_shield_stopped.add(u64::from(advised.wanted.is_some()));
        if !live.is_due(advised.action, leader.as_ref(), now) {
            return;
        }
        let update = Update::Advised(advised.clone());
        self.tell_vehicle(&update, &advised, sample, now);
        if let Some(live) = &mut self.live {
            live.last = Some((advised, now));
        }
        self.tell(&[update]);
    }

    /// Says it on `ai:<vehicle>`, which the vehicle's actor owns: two actors never wait for each other.
    fn tell_vehicle(&self, update: &Update, advised: &Advised, sample: &Sample, now: Timestamp) {
        let stats = &self.registry.stats;
        let session = sample.session.clone().filter(|_| sample.vehicle == advised.vehicle);
        let note = FeedbackNote { vehicle: advised.vehicle.clone(), session, feedback: update.to_json().into(), timestamp: now };
        let message = VehicleMessage::Publish(Event::Feedback(note));
        match self.registry.vehicle(&advised.vehicle).handle.try_send(message, stats) {
            Sent::Yes => stats.rl_advised.add(1),
            Sent::Full(_) | Sent::Absent(_) => stats.rl_advice_missed.add(1),
        }
    }
}
