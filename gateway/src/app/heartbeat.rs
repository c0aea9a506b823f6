//! Tells `system:health` how the server is.

use std::{sync::Arc, time::Duration};

use slipstream_protocol::server::{Event, HealthNote};
use tokio_util::sync::CancellationToken;

use super::Services;
use crate::http::Health;

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// Publishes the health report until `stop`.
pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let health = Health::of(&services).await;
        let Ok(text) = serde_json::to_string(&health) else { continue };
        let note = HealthNote { health: text.into(), timestamp: services.clock.now() };
        if services.router.publish(Event::Health(note)).await.is_err() {
            // Draining: nobody is told anything more.
            return;
        }
    }
}
