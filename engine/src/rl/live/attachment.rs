use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipstream_protocol::VehicleId;
use thiserror::Error;

use super::super::avoidance::{Road, Weather};

/// What binds an agent to a live vehicle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// The vehicle that is advised.
    pub vehicle: VehicleId,
    /// The vehicle in front. Where absent it is the one that the vehicle's samples name (`leader_id`), else the nearest
    /// ahead in its own lane.
    pub leader: Option<VehicleId>,
    /// The kind of road, where the samples do not tell (`road_type`).
    pub road: Road,
    /// The weather, where the samples do not tell (`weather`).
    pub weather: Weather,
    /// The driver's attention, 0 to 1, where the samples do not tell (`driver_attention`).
    pub attention: f64,
    /// The same advice is not repeated sooner than this.
    pub every: Duration,
}

/// Why an attachment is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// A vehicle in front of itself.
    #[error("vehicle '{0}' cannot be its own leader")]
    OwnLeader(VehicleId),
    /// An attention that is none.
    #[error("the driver's attention is a number from 0 (distracted) to 1 (alert)")]
    Attention,
}

impl AttachmentError {
    /// Whether the same attachment could be taken later: never.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

impl Attachment {
    /// What is taken where nothing is told: advice at most ten times a second.
    pub const EVERY: Duration = Duration::from_millis(100);

    /// Advice for `vehicle`, whoever is in front, in a city in clear weather with an alert driver.
    pub const fn of(vehicle: VehicleId) -> Self {
        Self { vehicle, leader: None, road: Road::City, weather: Weather::Clear, attention: 1.0, every: Self::EVERY }
    }

    /// Refuses what cannot be.
    pub fn check(&self) -> Result<(), AttachmentError> {
        if self.leader.as_ref() == Some(&self.vehicle) {
            return Err(AttachmentError::OwnLeader(self.vehicle.clone()));
        }
        if !(0.0..=1.0).contains(&self.attention) {
            return Err(AttachmentError::Attention);
        }
        Ok(())
    }
}
