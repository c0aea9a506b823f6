use slipstream_protocol::{Sample, Signal, SignalName, SignalValue, Timestamp, VehicleId};

use super::HEARD_WITHIN;
use crate::{
    geo::{LatLon, LocalFrame, Point, Position},
    signals::{Reading, Role, meaning},
    twin::Twin,
};

/// A way shorter than this tells no direction, m.
const SHORTEST_WAY_M: f64 = 0.5;

/// No road vehicle is faster, m/s: a higher speed is that of a broken sensor or of another unit, and counts as unknown.
pub(super) const MOST_SPEED_MPS: f64 = 150.0;

/// A sensor's zero may lie so far below, m/s; a lower speed is impossible.
const SPEED_NOISE_MPS: f64 = 0.5;

/// No direction is more than a turn either way, °.
const MOST_HEADING_DEG: f64 = 360.0;

/// No coordinate of a plane is larger, m: that is a quarter of the Earth's circumference.
const MOST_COORDINATE_M: f64 = 1e7;

/// No sensor measures a gap from farther away, m.
const MOST_GAP_M: f64 = 10_000.0;

/// What a sample reports that cannot be; it counts as unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Impossible {
    pub(super) position: bool,
    pub(super) speed: bool,
    pub(super) heading: bool,
}

impl Impossible {
    /// What cannot be, by name.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        [(self.position, "position"), (self.speed, "speed"), (self.heading, "heading")]
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| name)
    }

    /// Looks at a value in its role's own unit.
    fn look(&mut self, role: Role, value: f64) {
        let beyond = |most: f64| !value.is_finite() || value.abs() > most;
        match role {
            Role::Speed => self.speed |= possible_speed(value).is_none(),
            Role::Heading => self.heading |= beyond(MOST_HEADING_DEG),
            Role::Lat => self.position |= beyond(90.0),
            Role::Lon => self.position |= beyond(180.0),
            Role::X | Role::Y => self.position |= beyond(MOST_COORDINATE_M),
            _ => {}
        }
    }
}

/// A speed that can be, m/s.
fn possible_speed(mps: f64) -> Option<f64> {
    (-SPEED_NOISE_MPS..=MOST_SPEED_MPS).contains(&mps).then(|| mps.max(0.0))
}

/// Where a vehicle is and where it goes, as its newest sample tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track {
    pub(super) time: Timestamp,
    /// When that arrived, by the server's clock.
    pub(super) arrived: Timestamp,
    pub(super) position: Option<Position>,
    pub(super) speed_mps: Option<f64>,
    /// Clockwise from north, °.
    pub(super) heading_deg: Option<f64>,
    pub(super) impossible: Impossible,
    /// When and where it was before.
    before: Option<(Timestamp, Position)>,
    /// When position, speed and heading were told.
    told: [Timestamp; 3],
}

/// What only a vehicle itself tells of the one in front, and of its world.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) leader: Option<VehicleId>,
    pub(super) leader_gap_m: Option<f64>,
    pub(super) leader_speed_mps: Option<f64>,
    pub(super) road: Option<SignalValue>,
    pub(super) weather: Option<SignalValue>,
    pub(super) attention: Option<f64>,
}

/// Some signals.
trait Signals {
    fn values(&self) -> impl Iterator<Item = (&SignalName, &SignalValue)>;
}

impl Signals for [Signal] {
    fn values(&self) -> impl Iterator<Item = (&SignalName, &SignalValue)> {
        self.iter().map(|signal| (&signal.name, &signal.value))
    }
}

impl Signals for Twin {
    fn values(&self) -> impl Iterator<Item = (&SignalName, &SignalValue)> {
        // A value that newer samples do not repeat is no newest state for long.
        let is_fresh = |time: Timestamp| self.source_time.since(time) <= HEARD_WITHIN;
        self.signals.iter().filter(move |signal| is_fresh(signal.time)).map(|signal| (&signal.name, &signal.value))
    }
}

impl Track {
    /// What a sample tells.
    pub(super) fn of_sample(sample: &Sample) -> Self {
        Self::of((sample.source_time, sample.arrival()), sample.signals.as_slice())
    }

    /// What a vehicle's newest state tells.
    pub(super) fn of_twin(twin: &Twin) -> Self {
        Self::of((twin.source_time, twin.received_at), twin)
    }

    fn of((time, arrived): (Timestamp, Timestamp), signals: &(impl Signals + ?Sized)) -> Self {
        let (mut reading, mut impossible) = (Reading::default(), Impossible::default());
        for (name, value) in signals.values() {
            if let Some(meaning) = meaning(name) {
                reading.set(meaning, value);
                if let Some(number) = value.as_number() {
                    impossible.look(meaning.role, number * meaning.scale);
                }
            }
        }
        let speed_mps = reading.get(Role::Speed).and_then(possible_speed).filter(|_| !impossible.speed);
        let heading_deg = reading.get(Role::Heading).filter(|_| !impossible.heading);
        let position = reading.position().filter(|_| !impossible.position);
        Self { time, arrived, position, speed_mps, heading_deg, impossible, before: None, told: [time; 3] }
    }

    /// As [`Sample::order`]: one that a clock told that was ahead for a moment does not make the right ones after it late.
    pub(super) fn order(&self) -> (Timestamp, Timestamp) {
        (self.time.min(self.arrived), self.time)
    }

    /// Where it was at `time`, between its last two samples; `None` at any other time.
    pub(super) fn position_at(&self, time: Timestamp) -> Option<Position> {
        let to = self.position?;
        if time == self.time {
            return Some(to);
        }
        let (since, from) = self.before.filter(|(since, _)| (*since..self.time).contains(&time))?;
        let share = time.since(since).as_secs_f64() / self.time.since(since).as_secs_f64();
        let mix = |from: f64, to: f64| from + share * (to - from);
        match (from, to) {
            (Position::Track(from), Position::Track(to)) => Some(Position::Track(Point::new(mix(from.x_m, to.x_m), mix(from.y_m, to.y_m)))),
            (Position::Earth(from), Position::Earth(to)) if (from.lon_deg - to.lon_deg).abs() < 180.0 => {
                LatLon::new(mix(from.lat_deg, to.lat_deg), mix(from.lon_deg, to.lon_deg)).map(Position::Earth)
            }
            _ => None,
        }
    }

    /// Takes from the track before what this one does not tell, as long as it can still be true; a direction is also the way between
    /// the two.
    pub(super) fn follow(&mut self, before: &Self) {
        let is_fresh = |told: Timestamp| self.time.since(told) <= HEARD_WITHIN;
        let [place_told, speed_told, heading_told] = before.told;
        if self.heading_deg.is_none() {
            let way = before.position.zip(self.position).and_then(|(from, to)| between(from, to));
            let (long, short) = (|way: &Point| way.x_m.hypot(way.y_m) >= SHORTEST_WAY_M, way.is_some());
            let turned = way.filter(long).map(azimuth_deg);
            // Who stays in his place has not turned.
            let stays = short && turned.is_none();
            let kept = before.heading_deg.filter(|_| (stays || is_fresh(heading_told)) && !self.impossible.heading);
            self.told[2] = if turned.is_some() || stays { self.time } else { heading_told };
            self.heading_deg = turned.or(kept);
        }
        self.before = before.position.map(|place| (before.time, place)).filter(|_| before.time < self.time).or(before.before);
        // A sensor that is broken now is not what it was a moment ago.
        if self.speed_mps.is_none() && !self.impossible.speed {
            self.speed_mps = before.speed_mps.filter(|_| is_fresh(speed_told));
            self.told[1] = speed_told;
        }
        if self.position.is_none() && !self.impossible.position {
            self.position = before.position.filter(|_| is_fresh(place_told));
            self.told[0] = place_told;
        }
    }

    /// Its velocity, m/s east and north.
    pub(super) fn velocity(&self) -> Option<Point> {
        let speed = self.speed_mps?;
        // Who stands needs no direction.
        let heading = if speed == 0.0 { 0.0 } else { self.heading_deg? }.to_radians();
        Some(Point::new(speed * heading.sin(), speed * heading.cos()))
    }
}

/// From one place to another, m east and north; `None` between frames.
pub(super) fn between(from: Position, to: Position) -> Option<Point> {
    match (from, to) {
        (Position::Track(from), Position::Track(to)) => Some(Point::new(to.x_m - from.x_m, to.y_m - from.y_m)),
        (Position::Earth(from), Position::Earth(to)) => Some(LocalFrame::at(from).point(to)),
        _ => None,
    }
}

/// Where a way leads, ° clockwise from north.
pub(super) fn azimuth_deg(way: Point) -> f64 {
    way.x_m.atan2(way.y_m).to_degrees()
}

impl Told {
    /// What a sample tells.
    pub(super) fn of(sample: &Sample) -> Self {
        let mut told = Self::default();
        for signal in &sample.signals {
            let number = || signal.value.as_number().filter(|value| value.is_finite());
            match &*signal.name {
                "leader_id" => {
                    told.leader = match &signal.value {
                        SignalValue::Text(text) => VehicleId::new(text).ok(),
                        _ => None,
                    };
                }
                "leader_gap_m" => told.leader_gap_m = number().filter(|gap| (0.0..=MOST_GAP_M).contains(gap)),
                "leader_speed_mps" => told.leader_speed_mps = number().and_then(possible_speed),
                "road_type" => told.road = Some(signal.value.clone()),
                "weather" => told.weather = Some(signal.value.clone()),
                "driver_attention" => told.attention = number().filter(|attention| (0.0..=1.0).contains(attention)),
                _ => {}
            }
        }
        told
    }
}
