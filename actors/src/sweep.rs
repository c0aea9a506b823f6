//! Idle actors give memory back, then leave it.

use std::{sync::Arc, time::Duration};

use slipstream_protocol::ChannelKind;

use crate::{registry::Registry, room::RoomMessage, vehicle::VehicleMessage};

/// How often the sweeper looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks over all resident actors for ever. One sweeper serves a million actors without a timer each.
pub(crate) async fn sweep_forever(registry: Arc<Registry>) {
    let mut ticks = tokio::time::interval(EVERY.min(registry.config.compact_after.max(Duration::from_millis(10))));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        sweep(&registry);
    }
}

/// One look. A full mailbox is a busy actor: there is nothing to sweep.
fn sweep(registry: &Registry) {
    let now = registry.now();
    let compact_before = now.minus(registry.config.compact_after);
    let history = &registry.config.history;
    // Once when it falls idle, and again when what it remembers is too old to be kept: most of it, then all.
    let forgotten_before = compact_before.minus(history.of(ChannelKind::Telemetry).age);
    let all_forgotten_before = compact_before.minus(history.longest_of_a_vehicle());
    let room_forgotten_before = compact_before.minus(history.of(ChannelKind::Session).age);
    let passivate_before = now.minus(registry.config.passivate_after);
    for entry in &registry.vehicles {
        let handle = &entry.value().handle;
        let active = handle.last_active();
        if active > compact_before || !handle.is_resident() {
            continue;
        }
        if active <= passivate_before {
            let _ = handle.try_send(VehicleMessage::Passivate, &registry.stats);
        } else if handle.take_compaction(1 + u32::from(active <= forgotten_before) + u32::from(active <= all_forgotten_before)) {
            let _ = handle.try_send(VehicleMessage::Compact, &registry.stats);
        }
    }
    for entry in &registry.rooms {
        let handle = &entry.value().handle;
        let active = handle.last_active();
        if active > compact_before || !handle.is_resident() {
            continue;
        }
        if active <= passivate_before {
            let _ = handle.try_send(RoomMessage::Passivate, &registry.stats);
        } else if handle.take_compaction(if active <= room_forgotten_before { 2 } else { 1 }) {
            let _ = handle.try_send(RoomMessage::Compact, &registry.stats);
        }
    }
}
