//! `fence`: who enters, leaves and stays in polygons, circles and corridors.
//!
//! Rows out, by their text `event`: `enter`, `leave` and `dwell`, with `fence` (its name), and for the last two `since_s` (s since 1970)
//! and `stay_s`. Where several happen at once: what was due earlier, then leaving, then entering.

mod config;
#[cfg(test)]
mod tests;

use slipstream_protocol::Timestamp;

use crate::{
    geofence::{FenceEvent, FenceRule, FenceSet, Presence},
    pipeline::{
        Key, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Timers,
        roles::Roles,
        state::{load_version, save},
    },
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "fence",
    about: "tells who enters, leaves and stays in polygons, circles and corridors",
    ordered: true,
    keeps_order: true,
    sided: false,
    build: config::build,
};

struct Fence {
    set: FenceSet,
    rule: FenceRule,
    names: Names,
    roles: Roles,
    vehicles: Keyed<Presence>,
    timers: Timers,
    told: Vec<FenceEvent>,
}

struct Names {
    event: SignalId,
    fence: SignalId,
    since: SignalId,
    stay: SignalId,
}

impl Fence {
    fn due(&mut self, now: Timestamp, out: &mut Output) {
        while let Some(next) = self.timers.next().filter(|next| *next <= now) {
            for (at, key) in self.timers.due(next, &out.scope.keys) {
                let Some(presence) = self.vehicles.get_mut(key) else { continue };
                presence.advance(&self.rule, at.micros(), &mut self.told);
                self.tell(key, out);
            }
        }
    }

    fn tell(&mut self, key: Key, out: &mut Output) {
        for event in self.told.drain(..) {
            let row = self.names.row(key, &event, out);
            out.emit(row);
        }
        if let Some(due) = self.vehicles.get(key).and_then(|p| p.next_due(&self.rule)) {
            self.timers.set(Timestamp::from_micros(due), key);
        }
    }
}

impl Names {
    fn row(&self, key: Key, event: &FenceEvent, out: &mut Output) -> Row {
        let (word, fence, at, since) = match event {
            FenceEvent::Enter { fence, at } => ("enter", fence, *at, None),
            FenceEvent::Dwell { fence, at, since } => ("dwell", fence, *at, Some(*since)),
            FenceEvent::Leave { fence, at, since } => ("leave", fence, *at, Some(*since)),
        };
        let mut row = out.row(key, Timestamp::from_micros(at));
        row.add(self.event, word);
        row.add(self.fence, fence.as_str());
        if let Some(since) = since {
            row.add(self.since, since as f64 / 1e6);
            row.add(self.stay, (at - since) as f64 / 1e6);
        }
        row
    }
}

impl Operator for Fence {
    fn push(&mut self, row: Row, out: &mut Output) {
        self.due(row.time, out);
        if let Some(position) = self.roles.read(&row, &out.scope).position() {
            let presence = self.vehicles.entry(row.key, Presence::default);
            presence.apply(&self.set, &self.rule, row.time.micros(), position, &mut self.told);
            self.tell(row.key, out);
        }
        out.recycle(row);
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        self.due(watermark, out);
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&(&self.vehicles, &self.timers), bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        (self.vehicles, self.timers) = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.vehicles.heap_bytes() + self.timers.heap_bytes() + self.vehicles.values().map(Presence::heap_bytes).sum::<usize>()
    }
}
