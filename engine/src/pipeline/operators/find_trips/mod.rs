//! `find_trips`: trips and stops of vehicles on the road, found while they drive and never revised.
//!
//! Rows out, by their text `event`: `set_off` and `stopped` (it has begun, since `from_s`), `trip` (`trip`, `from_s`, `to_s`, `distance_m`,
//! `idle_s`, `max_speed_mps`, `ended` = stop or silence, `from_lat_deg` .. `to_lon_deg`) and `stop` (`stop`, `from_s`, `to_s`, `lat_deg`,
//! `lon_deg`). In a plane of their own places are `from_x_m` and so on. A row's time is that of the sample that made it certain.

mod config;
#[cfg(test)]
mod tests;

use slipstream_protocol::Timestamp;

use crate::{
    geo::Position,
    pipeline::{
        Key, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError,
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
    told: Vec<TripEvent>,
}

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
        let reading = self.roles.read(&row, &out.scope);
        let vehicle = self.vehicles.entry(row.key, Box::default);
        vehicle.apply(&self.config, row.time.micros(), reading.position(), reading.get(Role::Speed), &mut self.told);
        for told in self.told.drain(..) {
            let result = self.names.row(row.key, row.time, &told, out);
            out.emit(result);
        }
        out.recycle(row);
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&self.vehicles, bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        self.vehicles = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.vehicles.heap_bytes() + self.vehicles.values().map(|v| size_of::<TripDetector>() + v.heap_bytes()).sum::<usize>()
    }
}
