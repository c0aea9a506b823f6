//! Identifiers: 1 to 128 characters of `A-Z a-z 0-9 . _ -`, cheap to clone.

use std::{borrow::Borrow, fmt, ops::Deref, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    error::{ErrorCode, ProtocolError},
    name::{self, NameFlaw},
};

/// The longest identifier, in bytes (all its characters are ASCII).
pub const MAX_ID_LEN: usize = 128;

/// A checked identifier. The typed wrappers ([`VehicleId`], [`SessionId`], ...) are what APIs take.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Arc<str>);

/// Whether `text` is a well-formed identifier.
#[must_use]
pub fn is_valid_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ID_LEN && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

impl Id {
    /// Checks `text` and keeps it.
    ///
    /// Fails with [`ErrorCode::ValidationError`] when it is empty, too long or has other characters.
    pub fn new(text: &str) -> Result<Self, ProtocolError> {
        if is_valid_id(text) {
            return Ok(Self(Arc::from(text)));
        }
        let shown: String = text.chars().take(40).collect();
        Err(ProtocolError::new(
            ErrorCode::ValidationError,
            format!("'{shown}' is not an id: 1 to {MAX_ID_LEN} letters (A-Z a-z), digits, '.', '_' or '-' are expected"),
        ))
    }

    /// The identifier of a name people gave: `text` itself where it is an identifier, else the one derived from it
    /// (`18/693` has `18_x2F_693`).
    ///
    /// Fails with [`ErrorCode::ValidationError`] when it is blank, has characters that cannot be printed, or when its
    /// identifier would be too long.
    pub fn of_name(text: &str) -> Result<Self, ProtocolError> {
        let shown = || text.chars().take(40).collect::<String>().escape_debug().to_string();
        name::id_of(text).map(|id| Self(Arc::from(&*id))).map_err(|flaw| {
            let why = match flaw {
                NameFlaw::Blank => "is blank".to_owned(),
                NameFlaw::Unprintable => "has characters that cannot be printed".to_owned(),
                NameFlaw::TooLong { length } => format!("is too long: as an id it has {length} characters, at most {MAX_ID_LEN} are taken"),
            };
            ProtocolError::new(ErrorCode::ValidationError, format!("the name '{}' {why}", shown()))
        })
    }

    /// The name this was derived from, for people; the identifier itself where it was not derived.
    pub fn name(&self) -> std::borrow::Cow<'_, str> {
        name::name_of(&self.0)
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = ProtocolError;
    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        Self::new(text)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(|e| serde::de::Error::custom(e.message))
    }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $read:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Id);

        impl $name {
            #[doc = concat!("Checks `text` and keeps it; see [`", stringify!($read), "`].")]
            pub fn new(text: &str) -> Result<Self, ProtocolError> {
                $read(text).map(Self)
            }

            /// The name this was derived from, for people; see [`Id::name`].
            pub fn name(&self) -> std::borrow::Cow<'_, str> {
                self.0.name()
            }

            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The identifier without its type.
            pub fn id(&self) -> &Id {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                self.0.as_str()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.0.as_str()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(|e| serde::de::Error::custom(e.message))
            }
        }

        impl FromStr for $name {
            type Err = ProtocolError;
            fn from_str(text: &str) -> Result<Self, ProtocolError> {
                Self::new(text)
            }
        }

        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Id {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

typed_id!(
    /// Anything that moves and reports: a car, a bus, a tracked player. On the wire `driverId` or `vehicleId`.
    VehicleId, Id::of_name
);
typed_id!(
    /// A session: a practice, a race, a match, a shift. On the wire `sessionId`.
    SessionId, Id::of_name
);
typed_id!(
    /// A group of vehicles under one owner; the tag `fleet_id` in the time series.
    FleetId, Id::of_name
);
typed_id!(
    /// A reinforcement-learning agent.
    AgentId, Id::new
);
typed_id!(
    /// A source of numbered samples. `(publisher, seq)` names a sample once and for all.
    PublisherId, Id::new
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_the_contracts_alphabet_and_length_and_nothing_else() {
        for good in ["a", "GR86-002-000", "car_7", "v1.2", &"x".repeat(128)] {
            assert!(AgentId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", "a:b", "*", &"x".repeat(129)] {
            assert!(AgentId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn vehicles_sessions_and_fleets_take_names_and_give_them_back() {
        let bus: VehicleId = serde_json::from_str("\"18/693\"").unwrap();
        assert_eq!((bus.as_str(), &*bus.name()), ("18_x2F_693", "18/693"));
        assert_eq!(VehicleId::new(bus.as_str()).unwrap(), bus, "the id may be given in place of the name");
        assert!(SessionId::new("Friday, P1").is_ok() && FleetId::new("Köln Süd").is_ok());
        for bad in ["", "  ", "a\nb", &"x".repeat(129)] {
            assert_eq!(VehicleId::new(bad).unwrap_err().code, ErrorCode::ValidationError, "{bad:?}");
        }
    }
}
