//! How long the journal waits for a pipeline that stands still.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Entry, Pipelines, consumer_name};
use crate::app::Services;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// Lets the journal go on without pipelines that stand still for too long, until `stop`.
pub async fn keep_bounds(services: Arc<Services>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => services.pipelines.release_held().await,
        }
    }
}

impl Pipelines {
    /// Tells what the journal keeps for pipelines that stand still, and keeps no more of it than the bounds allow.
    pub async fn release_held(&self) {
        let journal = self.parts.journal.stats();
        let now = self.parts.clock.now();
        let entries = self.entries.lock().await;
        for (name, entry) in entries.iter() {
            let consumer = journal.consumers.get(&consumer_name(name));
            let held = consumer.filter(|c| entry.stands_still() && c.lag > 0).map(|c| self.parts.journal.bytes_behind(c.position));
            note(entry, held.unwrap_or(0), journal.position);
            let Some(held) = held else { continue };
            let stood = entry.record.paused_at.map_or(Duration::ZERO, |since| now.since(since));
            if held > self.parts.bounds.hold_bytes || stood > self.parts.bounds.hold_age {
                tracing::error!(
                    pipeline = name,
                    held,
                    stood = ?stood,
                    "the pipeline stands still for too long: the journal is kept for it no longer; what is gone when it goes on, it will have missed"
                );
                self.forget_consumer(name);
                let mut stats = entry.stats.lock();
                (stats.released, stats.held_bytes) = (true, 0);
            }
        }
    }
}

fn note(entry: &Entry, held: u64, position: u64) {
    if !entry.stands_still() {
        return;
    }
    let mut stats = entry.stats.lock();
    stats.held_bytes = held;
    if stats.position > 0 {
        stats.lag_records = position.saturating_sub(stats.position);
    }
}
