//! Bringing a fresh system to where a crash left the one before it.

use slipstream_protocol::{Sample, codec::Numbering};

use super::{Router, by_vehicle};
use crate::vehicle::VehicleMessage;

impl Router {
    /// Takes samples of one journal record: applies those that the state does not hold yet and
    /// publishes them at the offsets they had. `numbering` is the record's, one entry for each vehicle;
    /// without, the samples count as not seen yet.
    pub async fn replay(&self, samples: Vec<Sample>, numbering: &[Numbering]) {
        for (at, (vehicle, samples)) in by_vehicle(samples).into_iter().enumerate() {
            let slot = self.registry.vehicle(&vehicle);
            let message = VehicleMessage::Replayed(samples, numbering.get(at).copied());
            if slot.deliver(message, &self.registry).await.is_err() {
                tracing::error!(vehicle = %slot.id, "a vehicle did not take what the journal kept for it");
            }
        }
    }

    /// Begins a new epoch on every telemetry channel, which goes on where the replay brought it: what
    /// was published before the crash and not kept is then never taken for something else. To be called
    /// when all is replayed and before anything is taken in.
    pub async fn begin_epochs(&self) {
        let now = self.now();
        let slots: Vec<_> = self.registry.vehicles.iter().map(|v| v.value().clone()).collect();
        for slot in slots {
            if slot.handle.deliver(VehicleMessage::Fork, &self.registry.stats).await.is_err() {
                slot.fork_dormant(now);
            }
        }
        self.settled().await;
    }
}
