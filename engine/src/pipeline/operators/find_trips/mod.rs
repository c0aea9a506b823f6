//! `find_trips`: trips and stops of vehicles on the road, found while they drive and never revised.
//!
//! Rows out, by their text `event`: `set_off` and `stopped` (it has begun, since `from_s`), `trip` (`trip`, `from_s`, `to_s`, `distance_m`,
//! `idle_s`, `max_speed_mps`, `ended` = stop or silence, `from_lat_deg` .. `to_lon_deg`) and `stop` (`stop`, `from_s`, `to_s`, `lat_deg`,
//! `lon_deg`). In a plane of their own places are `from_x_m` and so on. A row's time is that of the sample that made it certain;
//! of a trip that ended in silence, `max_gap` after its last sample. At the end of a recording what goes on is told as far as it has come.

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use slipstream_protocol::Timestamp;

use crate::{
    geo::Position,
    pipeline::{
        Key, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Timers,
        roles::Roles,
        state::{load_version, save},
    },
    signals::Role,
    trips::{Ended, TripConfig, TripDetector, TripEvent},
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "find_trips",
    about: "finds trips and stops of road vehicles, incrementally",
    ordered: true,
    keeps_order: true,
    sided: false,
    build: config::build,
};

struct FindTrips {
    config: TripConfig,
    names: Names,
    roles: Roles,
    vehicles: Keyed<Box<TripDetector>>,
    /// When somebody has to look whether a vehicle on its way has fallen silent: at most one for each.
    timers: Timers,
    /// Vehicles that have a timer.
    awaited: Keyed<()>,
    newest: Timestamp,
    told: Vec<TripEvent>,
}

impl FindTrips {
    /// Tells the trips of vehicles that have been silent for too long at `now`, in the order of event time and then of names.
    fn due(&mut self, now: Timestamp, out: &mut Output) {
        while let Some(next) = self.timers.next().filter(|next| *next <= now) {
            for (at, key) in self.timers.due(next, &out.scope.keys) {
                self.awaited.remove(key);
                let Some(vehicle) = self.vehicles.get_mut(key) else { continue };
                vehicle.pass(&self.config, at.micros(), &mut self.told);
                self.tell(key, at.minus(TICK), out);
                self.wait_for(key);
            }
        }
    }

    /// Sets a timer for a vehicle on its way that has none.
    fn wait_for(&mut self, key: Key) {
        let Some(deadline) = self.vehicles.get(key).and_then(|v| v.deadline(&self.config)) else { return };
        if self.awaited.get(key).is_none() {
            self.awaited.entry(key, || ());
            self.timers.set(Timestamp::from_micros(deadline).plus(TICK), key);
        }
    }

    /// Hands on what was told of `key`.
    fn tell(&mut self, key: Key, time: Timestamp, out: &mut Output) {
        for told in self.told.drain(..) {
            let result = self.names.row(key, time, &told, out);
            out.emit(result);
        }
    }

    /// The recording has ended.
    fn finish(&mut self, out: &mut Output) {
        for key in self.vehicles.in_order(&out.scope.keys) {
            let Some(vehicle) = self.vehicles.get_mut(key) else { continue };
            vehicle.finish(&self.config, &mut self.told);
            self.tell(key, self.newest, out);
        }
        (self.timers, self.awaited) = (Timers::default(), Keyed::default());
    }
}

/// A sample at the deadline itself is not late.
const TICK: Duration = Duration::from_micros(1);

struct Names {
    event: SignalId,
    trip: SignalId,
    stop: SignalId,
    from: SignalId,
    to: SignalId,
    distance: SignalId,
    idle: SignalId,
    max_speed: SignalId,
    ended: SignalId,
    /// Latitude, longitude, x, y of a trip's beginning.
    began: [SignalId; 4],
    /// Of its end.
    end: [SignalId; 4],
    /// Of a stop.
    place: [SignalId; 4],
}

impl Names {
    fn row(&self, key: Key, time: Timestamp, told: &TripEvent, out: &mut Output) -> Row {
        let mut row = out.row(key, time);
        match told {
            TripEvent::SetOff { from, place } => {
                row.add(self.event, "set_off");
                row.add(self.from, seconds(*from));
                add_place(&mut row, &self.place, *place);
            }
            TripEvent::Stopped { from, place } => {
                row.add(self.event, "stopped");
                row.add(self.from, seconds(*from));
                add_place(&mut row, &self.place, *place);
            }
            TripEvent::Stop(stop) => {
                row.add(self.event, "stop");
                row.add(self.stop, f64::from(stop.number));
                row.add(self.from, seconds(stop.from));
                row.add(self.to, seconds(stop.to));
                add_place(&mut row, &self.place, stop.place);
            }
            TripEvent::Trip(trip) => {
                row.add(self.event, "trip");
                row.add(self.trip, f64::from(trip.number));
                row.add(self.from, seconds(trip.from));
                row.add(self.to, seconds(trip.to));
                row.add(self.distance, trip.distance_m);
                row.add(self.idle, trip.idle_s);
                row.add(self.max_speed, trip.max_speed_mps);
                let ended = match trip.ended {
                    Ended::Stop => "stop",
                    Ended::Silence => "silence",
                    Ended::Running => "running",
                };
                row.add(self.ended, ended);
                add_place(&mut row, &self.began, trip.from_place);
                add_place(&mut row, &self.end, trip.to_place);
            }
        }
        row
    }
}

fn add_place(row: &mut Row, names: &[SignalId; 4], place: Option<Position>) {
    match place {
        Some(Position::Earth(place)) => {
            row.add(names[0], place.lat_deg);
            row.add(names[1], place.lon_deg);
        }
        Some(Position::Track(point)) => {
            row.add(names[2], point.x_m);
            row.add(names[3], point.y_m);
        }
        None => {}
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

impl Operator for FindTrips {
    fn push(&mut self, row: Row, out: &mut Output) {
        self.due(row.time, out);
        self.newest = self.newest.max(row.time);
        let reading = self.roles.read(&row, &out.scope);
        let vehicle = self.vehicles.entry(row.key, Box::default);
        vehicle.apply(&self.config, row.time.micros(), reading.position(), reading.get(Role::Speed), &mut self.told);
        self.tell(row.key, row.time, out);
        self.wait_for(row.key);
        out.recycle(row);
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        if watermark.micros() == i64::MAX {
            // What was silent for long before the end is told at its own time.
            self.due(self.newest, out);
            self.finish(out);
        } else {
            self.due(watermark, out);
        }
    }

    fn state_version(&self) -> u16 {
        4
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&(&self.vehicles, self.newest), bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        (self.vehicles, self.newest) = load_version(version, self.state_version(), bytes)?;
        for key in self.vehicles.keys() {
            self.wait_for(key);
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let timers = self.timers.heap_bytes() + self.awaited.heap_bytes();
        timers + self.vehicles.heap_bytes() + self.vehicles.values().map(|v| size_of::<TripDetector>() + v.heap_bytes()).sum::<usize>()
    }
}
