//! What a token says: who, which role, what it may hear and for whom it may publish.

use serde::{Deserialize, Serialize};

use crate::{
    channel::{Channel, ChannelKind, Target},
    id::VehicleId,
};

/// What a token's bearer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Admin,
    /// May hear everything, publish for every vehicle, and change what concerns more than one vehicle.
    Engineer,
    /// May hear everything, and publish for its own id.
    Driver,
    /// May hear everything, publishes nothing.
    Viewer,
    /// A relay agent: publishes for the ids it names, or for all where it names none.
    Relay,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Admin, Self::Engineer, Self::Driver, Self::Viewer, Self::Relay];

    /// The word in the token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Engineer => "engineer",
            Self::Driver => "driver",
            Self::Viewer => "viewer",
            Self::Relay => "relay",
        }
    }
}

/// The claims of a Slipstream token (HS256 JWT).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    pub sub: String,
    /// End of life, seconds since the Unix epoch.
    pub exp: i64,
    /// Start of life, seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// What the bearer is.
    pub role: Role,
    /// Patterns this token may hear; `None`: all channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<Channel>>,
    /// Vehicle ids it may publish for, `*` for all; `None`: what the role gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<String>>,
}

impl Claims {
    /// Whether this token may hear `channel`.
    pub fn may_hear(&self, channel: &Channel) -> bool {
        self.role == Role::Admin || self.channels.as_ref().is_none_or(|patterns| patterns.iter().any(|p| p.covers(channel)))
    }

    /// Whether this token may publish for `vehicle`.
    pub fn may_publish(&self, vehicle: &VehicleId) -> bool {
        match (&self.publish, self.role) {
            (_, Role::Viewer) => false,
            (_, Role::Admin) | (None, Role::Engineer | Role::Relay) => true,
            (Some(ids), _) => ids.iter().any(|id| id == "*" || names(id, vehicle)),
            (None, Role::Driver) => names(&self.sub, vehicle),
        }
    }

    /// Whether this token may change what concerns more than one vehicle: pipelines, replays, what-ifs, records, API keys.
    ///
    /// An engineer whose token is narrowed may not: each of these reads or writes data of every vehicle. It keeps what its
    /// channels and publish ids allow.
    pub fn may_manage(&self) -> bool {
        match self.role {
            Role::Admin => true,
            Role::Engineer => !self.is_narrowed(),
            Role::Driver | Role::Viewer | Role::Relay => false,
        }
    }

    /// Whether this token may open sessions of `vehicle`, ask for feedback for it and acknowledge its alarms.
    pub fn may_manage_vehicle(&self, vehicle: &VehicleId) -> bool {
        self.may_manage() || self.may_publish(vehicle)
    }

    /// Whether this token may command reinforcement-learning agents; which ones, `rl:<agent>` among its channels decides.
    pub const fn may_drive(&self) -> bool {
        matches!(self.role, Role::Admin | Role::Engineer)
    }

    /// Whether this token may hear any channel of `vehicle`: then it may know what is kept of it.
    pub fn may_hear_of(&self, vehicle: &VehicleId) -> bool {
        let kinds = [ChannelKind::Telemetry, ChannelKind::Alerts, ChannelKind::Ai, ChannelKind::Video];
        kinds.into_iter().any(|kind| self.may_hear(&Channel::one(kind, vehicle.clone())))
    }

    /// The vehicles that [`Self::may_hear_of`] covers where they can be counted; `None`: every vehicle.
    pub fn vehicles_heard_of(&self) -> Option<Vec<VehicleId>> {
        let channels = self.channels.as_ref().filter(|_| self.role != Role::Admin)?;
        let of_vehicles = channels
            .iter()
            .filter(|channel| matches!(channel.kind, ChannelKind::Telemetry | ChannelKind::Alerts | ChannelKind::Ai | ChannelKind::Video));
        let mut vehicles = Vec::new();
        for channel in of_vehicles {
            match &channel.target {
                Target::All => return None,
                Target::One(id) => vehicles.push(VehicleId::from(id.clone())),
            }
        }
        vehicles.sort_unstable();
        vehicles.dedup();
        Some(vehicles)
    }

    /// Whether this token may hear every channel of every kind.
    pub fn hears_everything(&self) -> bool {
        ChannelKind::ALL.into_iter().all(|kind| self.may_hear(&Channel::all(kind)))
    }

    /// Whether its channels or publish ids take away from what its role gives.
    pub fn is_narrowed(&self) -> bool {
        let publishes_for_all = self.publish.as_ref().is_none_or(|ids| ids.iter().any(|id| id == "*"));
        !self.hears_everything() || !publishes_for_all
    }
}

/// Whether `text` is the vehicle's id, or the name its id is derived from.
fn names(text: &str, vehicle: &VehicleId) -> bool {
    *text == **vehicle || *text == *vehicle.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(role: Role) -> Claims {
        Claims { sub: "ALB".into(), exp: 0, iat: None, role, channels: None, publish: None }
    }

    #[test]
    fn each_role_publishes_for_whom_it_should() {
        let (own, other) = (VehicleId::new("ALB").unwrap(), VehicleId::new("HAM").unwrap());
        assert!(claims(Role::Driver).may_publish(&own) && !claims(Role::Driver).may_publish(&other));
        assert!(claims(Role::Relay).may_publish(&other));
        assert!(!claims(Role::Viewer).may_publish(&own));
        let named = Claims { publish: Some(vec!["HAM".into()]), ..claims(Role::Relay) };
        assert!(named.may_publish(&other) && !named.may_publish(&own));
    }

    #[test]
    fn a_vehicles_name_stands_for_its_id() {
        let bus = VehicleId::new("18/693").unwrap();
        let driver = Claims { sub: "18/693".into(), ..claims(Role::Driver) };
        let relay = Claims { publish: Some(vec!["18_x2F_693".into()]), ..claims(Role::Relay) };
        assert!(driver.may_publish(&bus) && relay.may_publish(&bus));
        assert!(!driver.may_publish(&VehicleId::new("18/694").unwrap()));
    }

    #[test]
    fn an_engineer_manages_unless_its_token_is_narrowed() {
        let channels = |list: &[&str]| Some(list.iter().map(|c| c.parse().unwrap()).collect());
        let ids = |list: &[&str]| Some(list.iter().map(|&id| id.to_owned()).collect());
        let engineer = claims(Role::Engineer);
        assert!(engineer.may_manage() && Claims { publish: ids(&["*"]), ..engineer.clone() }.may_manage());
        let every: Vec<String> = ChannelKind::ALL.iter().map(|kind| format!("{kind}:*")).collect();
        let every: Vec<&str> = every.iter().map(String::as_str).collect();
        assert!(Claims { channels: channels(&every), ..engineer.clone() }.may_manage(), "all it could hear anyway");
        for narrowed in [
            Claims { channels: channels(&["telemetry:*"]), ..engineer.clone() },
            Claims { channels: channels(&[]), ..engineer.clone() },
            Claims { publish: ids(&["ALB"]), ..engineer.clone() },
            Claims { publish: ids(&[]), ..engineer },
        ] {
            assert!(narrowed.is_narrowed() && !narrowed.may_manage() && narrowed.may_drive(), "{narrowed:?}");
        }
        let (own, other) = (VehicleId::new("ALB").unwrap(), VehicleId::new("HAM").unwrap());
        let hears = Claims { channels: channels(&["ai:ALB", "telemetry:ALB", "session:q1"]), ..claims(Role::Engineer) };
        assert!(hears.may_hear_of(&own) && !hears.may_hear_of(&other));
        assert_eq!(hears.vehicles_heard_of(), Some(vec![own.clone()]));
        assert_eq!(Claims { channels: channels(&["video:*"]), ..hears }.vehicles_heard_of(), None);
        let narrowed = Claims { publish: ids(&["ALB"]), ..claims(Role::Engineer) };
        assert!(narrowed.may_manage_vehicle(&own) && !narrowed.may_manage_vehicle(&other));
        assert!(claims(Role::Admin).may_manage() && !claims(Role::Viewer).may_manage() && !claims(Role::Viewer).may_drive());
    }

    #[test]
    fn channel_patterns_bound_what_is_heard() {
        let only = Claims { channels: Some(vec!["telemetry:ALB".parse().unwrap(), "session:*".parse().unwrap()]), ..claims(Role::Viewer) };
        assert!(only.may_hear(&"telemetry:ALB".parse().unwrap()));
        assert!(only.may_hear(&"session:q1".parse().unwrap()));
        assert!(!only.may_hear(&"telemetry:*".parse().unwrap()));
    }
}
