//! Idle actors give memory back, then leave it; owners of channels that nobody misses are forgotten.
//!
//! Who subscribes to a channel makes its owner known, whatever the name. An owner of which nothing was ever
//! published goes when its last subscriber has gone, so that names cost memory only while they are used.

use std::{hash::Hash, sync::Arc, time::Duration};

use actix::{Actor, Context};
use dashmap::DashMap;
use slipstream_protocol::{ChannelKind, Timestamp};

use crate::{
    agent::AgentMessage, handle::Handle, registry::Registry, room::RoomMessage, stats::Stats, topic::TopicMessage, vehicle::VehicleMessage,
};

/// How often the sweeper looks.
const EVERY: Duration = Duration::from_secs(1);

/// A map with fewer places than this is not worth shrinking.
const SHRINK_FROM: usize = 4_096;

/// Looks over all resident actors for ever. One sweeper serves a million actors without a timer each.
pub(crate) async fn sweep_forever(registry: Arc<Registry>) {
    let mut ticks = tokio::time::interval(EVERY.min(registry.config.compact_after.max(Duration::from_millis(10))));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        sweep(&registry);
    }
}

/// The moments before which an owner counts as idle, by what it then gives up.
struct Before {
    compact: Timestamp,
    passivate: Timestamp,
}

/// One look. A full mailbox is a busy actor: there is nothing to sweep.
fn sweep(registry: &Registry) {
    let now = registry.now();
    let before = Before { compact: now.minus(registry.config.compact_after), passivate: now.minus(registry.config.passivate_after) };
    vehicles(registry, &before);
    rooms(registry, &before);
    topics(registry, &before);
    agents(registry, &before);
}

fn vehicles(registry: &Registry, before: &Before) {
    let history = &registry.config.history;
    // Once when it falls idle, and again when what it remembers is too old to be kept: most of it, then all.
    let forgotten_before = before.compact.minus(history.of(ChannelKind::Telemetry).age);
    let all_forgotten_before = before.compact.minus(history.longest_of_a_vehicle());
    let mut disposable = Vec::new();
    for entry in &registry.vehicles {
        let handle = &entry.value().handle;
        let active = handle.last_active();
        if active > before.compact {
            continue;
        }
        if !handle.is_resident() {
            if entry.value().is_blank() {
                disposable.push(entry.key().clone());
            }
        } else if active <= before.passivate || (entry.value().is_blank() && handle.take_compaction(1)) {
            let _ = handle.try_send(VehicleMessage::Passivate, &registry.stats);
        } else if handle.take_compaction(1 + u32::from(active <= forgotten_before) + u32::from(active <= all_forgotten_before)) {
            let _ = handle.try_send(VehicleMessage::Compact, &registry.stats);
        }
    }
    forget(&registry.vehicles, disposable, &registry.stats, |slot| !slot.handle.is_resident() && slot.is_blank());
}

fn rooms(registry: &Registry, before: &Before) {
    let forgotten_before = before.compact.minus(registry.config.history.of(ChannelKind::Session).age);
    let mut disposable = Vec::new();
    for entry in &registry.rooms {
        let handle = &entry.value().handle;
        let active = handle.last_active();
        if active > before.compact {
            continue;
        }
        if !handle.is_resident() {
            if entry.value().is_blank() {
                disposable.push(entry.key().clone());
            }
        } else if active <= before.passivate || (entry.value().is_blank() && handle.take_compaction(1)) {
            let _ = handle.try_send(RoomMessage::Passivate, &registry.stats);
        } else if handle.take_compaction(if active <= forgotten_before { 2 } else { 1 }) {
            let _ = handle.try_send(RoomMessage::Compact, &registry.stats);
        }
    }
    forget(&registry.rooms, disposable, &registry.stats, |slot| !slot.handle.is_resident() && slot.is_blank());
}

fn topics(registry: &Registry, before: &Before) {
    let mut disposable = Vec::new();
    for entry in &registry.topics {
        let slot = entry.value();
        let forgotten_before = before.compact.minus(registry.config.history.of(entry.key().kind).age);
        if let Some(message) = look(&slot.handle, before, forgotten_before, TopicMessage::Leave, || TopicMessage::Compact) {
            let _ = slot.handle.try_send(message, &registry.stats);
        } else if slot.handle.last_active() <= before.compact && slot.is_disposable(slot.handle.last_active() <= before.passivate) {
            disposable.push(entry.key().clone());
        }
    }
    forget(&registry.topics, disposable, &registry.stats, |slot| slot.is_disposable(slot.handle.last_active() <= before.passivate));
}

fn agents(registry: &Registry, before: &Before) {
    let forgotten_before = before.compact.minus(registry.config.history.of(ChannelKind::Rl).age);
    let mut disposable = Vec::new();
    for entry in &registry.agents {
        let slot = entry.value();
        if let Some(message) = look(&slot.handle, before, forgotten_before, AgentMessage::Leave, || AgentMessage::Compact) {
            let _ = slot.handle.try_send(message, &registry.stats);
        } else if slot.handle.last_active() <= before.compact && slot.is_disposable(slot.handle.last_active() <= before.passivate) {
            disposable.push(entry.key().clone());
        }
    }
    forget(&registry.agents, disposable, &registry.stats, |slot| slot.is_disposable(slot.handle.last_active() <= before.passivate));
}

/// What an idle owner whose state is its channel is told: to leave where nothing was published, once in its idle
/// time and again and again when it is old; to give memory back where what it remembered is forgotten.
fn look<A: Actor<Context = Context<A>>, M>(
    handle: &Handle<A>,
    before: &Before,
    forgotten_before: Timestamp,
    leave: impl FnOnce(bool) -> M,
    compact: impl FnOnce() -> M,
) -> Option<M> {
    let active = handle.last_active();
    if active > before.compact || !handle.is_resident() {
        return None;
    }
    if active <= before.passivate {
        return Some(leave(true));
    }
    if handle.take_compaction(1) {
        return Some(leave(false));
    }
    (active <= forgotten_before && handle.take_compaction(2)).then(compact)
}

/// Removes those of `keys` whose owner still `is_disposable` and that nobody holds: whoever has got hold of a slot
/// may send to it, and would then speak to another owner than those who come later.
fn forget<K: Eq + Hash, V>(map: &DashMap<K, Arc<V>>, keys: Vec<K>, stats: &Stats, is_disposable: impl Fn(&V) -> bool) {
    let mut forgotten = 0;
    for key in keys {
        // Under the map's lock nobody can get hold of it.
        forgotten += u64::from(map.remove_if(&key, |_, slot| Arc::strong_count(slot) == 1 && is_disposable(slot)).is_some());
    }
    if forgotten == 0 {
        return;
    }
    stats.owners_forgotten.add(forgotten);
    if map.capacity() > SHRINK_FROM && map.capacity() / 4 > map.len() {
        map.shrink_to_fit();
    }
}
