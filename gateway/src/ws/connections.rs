//! The connections there are, and how they are told to end.

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use serde::Serialize;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longest self-description kept, bytes.
const MAX_DESCRIPTION: usize = 4_096;

/// Every WebSocket connection.
#[derive(Default)]
pub struct Connections {
    next: AtomicU64,
    described: DashMap<u64, Box<str>>,
    /// Tells readers to take nothing more.
    pub(super) stop_reading: CancellationToken,
    /// Tells connections to send what waits and close.
    pub(super) close: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// A client as it described itself.
#[derive(Clone, Debug, Serialize)]
pub struct Described {
    /// The connection's number.
    pub connection: u64,
    /// Its newest `config` frame.
    pub config: Box<serde_json::value::RawValue>,
}

impl Connections {
    /// A number for a new connection.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Remembers how a client described itself; too long ones are cut off whole.
    pub(super) fn describe(&self, connection: u64, config: String) {
        if config.len() <= MAX_DESCRIPTION {
            self.described.insert(connection, config.into());
        }
    }

    pub(super) fn forget(&self, connection: u64) {
        self.described.remove(&connection);
    }

    /// How clients described themselves.
    pub fn described(&self) -> Vec<Described> {
        let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).ok();
        let mut list: Vec<Described> =
            self.described.iter().filter_map(|e| Some(Described { connection: *e.key(), config: raw(e.value())? })).collect();
        list.sort_by_key(|d| d.connection);
        list
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.tasks.len()
    }

    /// Whether the doors are closing.
    pub fn is_draining(&self) -> bool {
        self.stop_reading.is_cancelled()
    }

    /// From now on nothing more is read.
    pub fn stop_reading(&self) {
        self.stop_reading.cancel();
        self.tasks.close();
    }

    /// Sends what waits, closes every connection and waits until all are gone.
    pub async fn close(&self) {
        self.close.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
