//! The newest sample of a source, and what is behind it.

use serde::{Deserialize, Serialize};
use slipstream_protocol::{Sample, Timestamp};

/// When the newest sample of a source was measured and when it arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest {
    /// By the source's clock.
    pub source_time: Timestamp,
    /// By the server's clock; the epoch where no door saw it.
    pub received_at: Timestamp,
}

impl Newest {
    /// Of a sample.
    pub const fn of(sample: &Sample) -> Self {
        Self { source_time: sample.source_time, received_at: sample.received_at }
    }

    /// See [`Sample::order`].
    fn order(self) -> (Timestamp, Timestamp) {
        let arrival = if self.received_at.micros() > 0 { self.received_at } else { self.source_time };
        (self.source_time.min(arrival), self.source_time)
    }

    /// Whether `other` is newer.
    pub fn is_older_than(self, other: Self) -> bool {
        self.order() < other.order()
    }

    /// Whether `sample` is late: measured before this one.
    pub fn is_behind(self, sample: &Sample) -> bool {
        sample.order() < self.order()
    }

    /// Whether `sample` is late, or a copy of this one.
    pub fn is_not_before(self, sample: &Sample) -> bool {
        sample.order() <= self.order()
    }
}

/// The newest sample of a source in a saved state. The first two variants are written as an `Option<Timestamp>` is, which is what
/// states held before times of arrival counted: so those are still read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SavedNewest {
    /// No sample yet.
    #[default]
    None,
    /// Of a sample whose arrival is not known.
    Measured(Timestamp),
    /// Of a sample.
    Sample(Newest),
}

impl SavedNewest {
    /// The newest sample, if there is one.
    pub const fn get(self) -> Option<Newest> {
        match self {
            Self::None => None,
            Self::Measured(source_time) => Some(Newest { source_time, received_at: Timestamp::from_micros(0) }),
            Self::Sample(newest) => Some(newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_held_an_optional_time_is_read() {
        for old in [None, Some(Timestamp::from_millis(7))] {
            let bytes = postcard::to_stdvec(&old).unwrap();
            let read: SavedNewest = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(read.get().map(|newest| newest.source_time), old);
        }
    }
}
