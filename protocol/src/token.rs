//! What a token says: who, which role, what it may hear and for whom it may publish.

use serde::{Deserialize, Serialize};

use crate::{channel::Channel, id::VehicleId};

/// What a token's bearer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Admin,
    /// May hear everything, publish for every vehicle, and change sessions.
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

    /// Whether this token may create or change sessions and other records.
    pub const fn may_manage(&self) -> bool {
        matches!(self.role, Role::Admin | Role::Engineer)
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
    fn channel_patterns_bound_what_is_heard() {
        let only = Claims { channels: Some(vec!["telemetry:ALB".parse().unwrap(), "session:*".parse().unwrap()]), ..claims(Role::Viewer) };
        assert!(only.may_hear(&"telemetry:ALB".parse().unwrap()));
        assert!(only.may_hear(&"session:q1".parse().unwrap()));
        assert!(!only.may_hear(&"telemetry:*".parse().unwrap()));
    }
}
