//! What the spool remembers beside the logs: whose stream it is, what was dropped, where the source is.

use std::{io, path::Path};

use serde::{Deserialize, Serialize};
use slipstream_protocol::{PublisherId, Timestamp};

use super::Origin;
use slipstream_journal::{read_replaced, replace};

const NAME: &str = "book";

/// How far a source is taken in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) origin: Origin,
    /// When it was first read, in microseconds.
    pub(super) started_us: i64,
    /// Numbers that the lanes were to give next when it began: what they gave since is its samples.
    pub(super) live: u64,
    pub(super) backlog: u64,
}

/// Kept in one file, which is replaced as a whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) publisher: PublisherId,
    /// The first number of either lane.
    pub(super) first: u64,
    /// Samples dropped and not yet told in a final report.
    pub(super) dropped: u64,
    /// Samples of the backlog up to this number are dropped or under way.
    pub(super) dropped_to: u64,
    /// How many were under way at the last drop: after a crash nothing is known of them.
    pub(super) in_doubt: u64,
    /// The source that is being read, where it can be read again.
    pub(super) place: Option<Place>,
}

impl Book {
    pub(super) fn new(publisher: PublisherId, now: Timestamp) -> Self {
        let first = u64::try_from(now.micros()).unwrap_or(1).max(1);
        Self { publisher, first, dropped: 0, dropped_to: 0, in_doubt: 0, place: None }
    }

    pub(super) fn load(dir: &Path) -> io::Result<Option<Self>> {
        Ok(read_replaced(dir, NAME)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        replace(dir, NAME, &serde_json::to_vec(self)?)
    }
}
