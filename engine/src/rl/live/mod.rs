//! Live vehicles as an avoidance agent sees them: the samples of a vehicle and of the one in front of it become the
//! [`Situation`] that a policy decides on.
//!
//! The gap and the speed at which it closes are taken from what the vehicle measures itself (`leader_id`,
//! `leader_gap_m`, as radars and simulators tell them), else from both vehicles' places, speeds and headings. Reported
//! speeds are compared with how the distance changed within the last second; where the two contradict
//! each other the distance is believed, because a broken speed sensor, which is a known cause of false alarms,
//! cannot bend it. A speed below zero or above 150 m/s, a heading of more than a turn and a position that is nowhere count as
//! unknown; so nothing is advised on them.

mod advised;
mod approach;
mod attachment;
mod nearby;
#[cfg(test)]
mod tests;
mod track;

use std::{sync::Arc, time::Duration};

use slipstream_protocol::{Sample, SignalValue, Timestamp, VehicleId};

use self::{
    approach::Approach,
    track::{Told, Track, azimuth_deg, between},
};
use super::avoidance::{
    Road, SIGHT_M, Situation, VEHICLE_LENGTH_M, Weather,
    physics::{LANE_WIDTH_M, drac_mps2, time_to_collision_s},
};
use crate::{
    geo::{Point, Position},
    twin::Twin,
};

pub use advised::{Advised, Confidence};
pub use attachment::{Attachment, AttachmentError};
pub use nearby::Nearby;

/// A vehicle that was not heard for so long is where nobody knows.
pub const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// How often the nearest vehicle ahead is looked for, where none is named.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Reported and measured closing speeds that differ by more contradict each other, m/s.
const CONTRADICTION_MPS: f64 = 3.0;

/// A vehicle watched for an agent, and the one in front of it.
#[derive(Clone, Debug)]
pub struct Watch {
    attachment: Attachment,
    own: Option<Track>,
    told: Told,
    leader: Option<VehicleId>,
    /// The vehicle's own samples name it.
    is_told: bool,
    other: Option<Track>,
    approach: Approach,
    looked_at: Option<Timestamp>,
    /// Somebody near sends now and tells of another time: who is ahead is not known.
    is_unsure: bool,
}

/// What a sample showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The situation, for a policy.
    pub situation: Situation,
    /// The vehicle in front; `None`: nobody within sight.
    pub leader: Option<VehicleId>,
    /// Time to collision, s; `None` where nothing closes.
    pub ttc_s: Option<f64>,
    /// The deceleration that avoids a collision, m/s².
    pub drac_mps2: f64,
    /// What a reader should know of how it was measured.
    pub remarks: Vec<String>,
}

/// The way to the vehicle in front.
struct Way {
    gap_m: f64,
    closing_mps: f64,
    bearing_deg: f64,
}

impl Watch {
    /// Watches for an attachment.
    pub fn new(attachment: Attachment) -> Self {
        let leader = attachment.leader.clone();
        Self {
            attachment,
            own: None,
            told: Told::default(),
            leader,
            is_told: false,
            other: None,
            approach: Approach::default(),
            looked_at: None,
            is_unsure: false,
        }
    }

    /// What it watches for.
    pub const fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// The vehicle in front, whose samples are wanted as well.
    pub const fn leader(&self) -> Option<&VehicleId> {
        self.leader.as_ref()
    }

    /// Takes a sample of either vehicle in, and tells what it shows: [`Watch::note`] and [`Watch::see`] in one.
    pub fn take(&mut self, sample: &Sample) -> Option<Sighting> {
        if self.note(sample) { self.see() } else { None }
    }

    /// Takes a sample of either vehicle in. Whether it did: what is late or of anyone else is not looked at.
    pub fn note(&mut self, sample: &Sample) -> bool {
        let mut track = Track::of_sample(sample);
        let own = sample.vehicle == self.attachment.vehicle;
        let before = if own {
            &mut self.own
        } else if self.leader.as_ref() == Some(&sample.vehicle) {
            &mut self.other
        } else {
            return false;
        };
        if let Some(before) = before.as_ref() {
            if track.order() < before.order() {
                return false;
            }
            track.follow(before);
        }
        *before = Some(track);
        if own {
            self.told = Told::of(sample);
            self.told.leader = self.told.leader.take().filter(|leader| *leader != self.attachment.vehicle);
            // Who was named and is not any more has turned off.
            if self.attachment.leader.is_none() && (self.is_told || self.told.leader.is_some()) {
                self.is_told = self.told.leader.is_some();
                self.follow(self.told.leader.clone());
            }
        }
        true
    }

    /// Where the vehicle is, as far as it told.
    pub fn position(&self) -> Option<Position> {
        self.own.as_ref()?.position
    }

    /// Whether it is time to look for the nearest vehicle ahead: nobody names a leader.
    pub fn wants_nearest(&self) -> bool {
        let Some(own) = &self.own else { return false };
        let due = self.looked_at.is_none_or(|looked| own.time.since(looked) >= LOOK_EVERY || own.time < looked);
        due && self.attachment.leader.is_none() && self.told.leader.is_none() && own.position.is_some() && own.heading_deg.is_some()
    }

    /// Takes the nearest of `candidates` ahead in the same lane for the leader. These are to be all vehicles within sight
    /// ([`Nearby::around`]), or more.
    pub fn look_for_nearest(&mut self, candidates: impl Iterator<Item = (VehicleId, Arc<Twin>)>) {
        let Some(own) = &self.own else { return };
        self.looked_at = Some(own.time);
        self.is_unsure = false;
        let mut nearest: Option<(f64, VehicleId)> = None;
        for (id, twin) in candidates.filter(|(id, _)| *id != self.attachment.vehicle) {
            let other = Track::of_twin(&twin);
            let Some(distance) = ahead_m(own, &other) else { continue };
            if apart(own.time, other.time) > HEARD_WITHIN {
                // A clock that is off, or samples that were held up: it may be there now or not.
                self.is_unsure |= apart(own.arrived, other.arrived) <= HEARD_WITHIN;
            } else if nearest.as_ref().is_none_or(|(least, known)| (distance, &id) < (*least, known)) {
                nearest = Some((distance, id));
            }
        }
        self.follow(nearest.map(|(_, id)| id));
    }

    /// Tells where a leader is that was not heard yet.
    pub fn seed_leader(&mut self, twin: &Twin) {
        if self.other.is_none() {
            self.other = Some(Track::of_twin(twin));
        }
    }

    fn follow(&mut self, leader: Option<VehicleId>) {
        if self.leader != leader {
            self.leader = leader;
            self.other = None;
            self.approach.clear();
        }
    }

    /// What is known now. Nothing where it is not known who is ahead, or where: no advice is better than a wrong one.
    pub fn see(&mut self) -> Option<Sighting> {
        let own = self.own.clone()?;
        let mut remarks = Vec::new();
        let heard = self.other.clone().filter(|other| apart(own.time, other.time) <= HEARD_WITHIN);
        let way = self.told_way(&own, heard.as_ref()).or_else(|| self.measured_way(&own, heard.as_ref()?, &mut remarks));
        if way.is_none() && (self.leader.is_some() || !self.knows_that_nobody_is_ahead(&own)) {
            return None;
        }
        if way.is_some() && own.heading_deg.is_none() && self.told.leader_gap_m.is_none() {
            remarks.push("the vehicle's heading is not known: its leader is taken to be straight ahead".to_owned());
        }
        remarks.extend(impossible(&own, heard.as_ref().filter(|_| way.is_some())));
        let way = way.filter(|way| way.gap_m < SIGHT_M);
        let leader = way.as_ref().and_then(|_| self.leader.clone());
        let Way { gap_m, closing_mps, bearing_deg } = way.unwrap_or(Way { gap_m: SIGHT_M, closing_mps: 0.0, bearing_deg: 0.0 });
        let (road, weather, attention) = self.conditions();
        let situation = Situation::measured(gap_m, closing_mps, bearing_deg, road, weather, hour_of(own.time), attention);
        let ttc_s = Some(time_to_collision_s(gap_m, closing_mps)).filter(|ttc| ttc.is_finite());
        Some(Sighting { situation, leader, ttc_s, drac_mps2: drac_mps2(gap_m, closing_mps), remarks })
    }

    /// Whether it was looked for, from where the vehicle is and in the direction it heads.
    fn knows_that_nobody_is_ahead(&self, own: &Track) -> bool {
        let is_known = own.position.is_some() && own.heading_deg.is_some() && own.speed_mps.is_some();
        is_known && !self.is_unsure && self.looked_at.is_some_and(|looked| apart(own.time, looked) <= LOOK_EVERY)
    }

    /// The way as the vehicle measures it itself.
    fn told_way(&self, own: &Track, other: Option<&Track>) -> Option<Way> {
        let of_leader = self.told.leader.is_some() && self.told.leader == self.leader;
        let gap_m = self.told.leader_gap_m.filter(|_| of_leader)?;
        let leader_mps = other.and_then(|o| o.speed_mps).or(self.told.leader_speed_mps)?;
        Some(Way { gap_m, closing_mps: own.speed_mps? - leader_mps, bearing_deg: 0.0 })
    }

    /// The way as both vehicles' places, speeds and headings tell.
    fn measured_way(&mut self, own: &Track, other: &Track, remarks: &mut Vec<String>) -> Option<Way> {
        let apart_m = between(own.position?, other.position?)?;
        let (own_mps, other_mps) = (own.velocity(), other.velocity());
        // Both as of the newer of the two samples: the older one has gone on meanwhile.
        let behind_s = (own.time.micros() - other.time.micros()) as f64 * 1e-6;
        let moved = |velocity: Option<Point>, s: f64| velocity.map_or(Point::new(0.0, 0.0), |v| Point::new(v.x_m * s, v.y_m * s));
        let (mine, theirs) = (moved(own_mps, (-behind_s).max(0.0)), moved(other_mps, behind_s.max(0.0)));
        let way = Point::new(apart_m.x_m + theirs.x_m - mine.x_m, apart_m.y_m + theirs.y_m - mine.y_m);
        let distance_m = way.x_m.hypot(way.y_m);
        self.note_distance(own, other);
        let reported = own_mps
            .zip(other_mps)
            .filter(|_| distance_m > 0.0)
            .map(|(mine, theirs)| ((mine.x_m - theirs.x_m) * way.x_m + (mine.y_m - theirs.y_m) * way.y_m) / distance_m);
        let seen = self.approach.closing_mps();
        let closing_mps = match (reported, seen) {
            (Some(reported), Some(seen)) if (reported - seen).abs() > CONTRADICTION_MPS => {
                remarks.push(format!(
                    "the reported speeds close the gap at {reported:.1} m/s, the distance shrinks at {seen:.1} m/s: the distance is believed"
                ));
                seen
            }
            (Some(closing), _) | (None, Some(closing)) => closing,
            (None, None) => return None,
        };
        let bearing_deg = own.heading_deg.map_or(0.0, |heading| turned(heading - azimuth_deg(way)));
        Some(Way { gap_m: (distance_m - VEHICLE_LENGTH_M).max(0.0), closing_mps, bearing_deg })
    }

    /// Remembers how far apart they were when both were last heard of: between samples of the one heard later, so that
    /// neither told speeds nor the order in which the samples come say anything in it.
    fn note_distance(&mut self, own: &Track, other: &Track) {
        let time = own.time.min(other.time);
        let places = own.position_at(time).zip(other.position_at(time));
        if let Some(way) = places.and_then(|(mine, theirs)| between(mine, theirs)) {
            self.approach.note(time, way.x_m.hypot(way.y_m));
        }
    }

    /// Road, weather and attention: as the newest sample tells them, else as the attachment has them.
    fn conditions(&self) -> (Road, Weather, f64) {
        let road = self.told.road.as_ref().and_then(|told| chosen(told, &Road::ALL));
        let weather = self.told.weather.as_ref().and_then(|told| chosen(told, &Weather::ALL));
        let Attachment { road: usual_road, weather: usual_weather, attention, .. } = self.attachment;
        (road.unwrap_or(usual_road), weather.unwrap_or(usual_weather), self.told.attention.unwrap_or(attention))
    }
}

/// What the two report that cannot be, in words.
fn impossible(own: &Track, other: Option<&Track>) -> Vec<String> {
    let of = |track: &Track, who: &str| -> Vec<String> {
        track.impossible.names().map(|what| format!("{who} reports an impossible {what}, which counts as unknown")).collect()
    };
    let mut words = of(own, "the vehicle");
    words.extend(other.iter().flat_map(|other| of(other, "its leader")));
    words
}

/// How far `other` is ahead of `own` in its lane, m; `None` where it is beside, behind, comes the other way or is out of sight.
fn ahead_m(own: &Track, other: &Track) -> Option<f64> {
    let heading = own.heading_deg?;
    let way = between(own.position?, other.position?)?;
    let (sin, cos) = heading.to_radians().sin_cos();
    let (along_m, across_m) = (way.x_m * sin + way.y_m * cos, way.x_m * cos - way.y_m * sin);
    let same_way = other.heading_deg.is_none_or(|theirs| turned(theirs - heading).abs() <= 60.0);
    (same_way && across_m.abs() <= LANE_WIDTH_M / 2.0 && along_m > 0.0 && along_m < SIGHT_M).then_some(along_m)
}

/// Where a vehicle's newest state says it is.
pub fn position_of(twin: &Twin) -> Option<Position> {
    Track::of_twin(twin).position
}

fn apart(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}

/// An angle between -180 and 180°.
fn turned(degrees: f64) -> f64 {
    (degrees + 180.0).rem_euclid(360.0) - 180.0
}

/// The hour of the day (UTC).
fn hour_of(time: Timestamp) -> u8 {
    (time.micros().div_euclid(3_600_000_000)).rem_euclid(24) as u8
}

/// One of several kinds by its name or number.
fn chosen<T: Copy + serde::Serialize>(told: &SignalValue, all: &[T]) -> Option<T> {
    match told {
        SignalValue::Text(name) => {
            all.iter().copied().find(|kind| serde_json::to_value(kind).is_ok_and(|known| known.as_str() == Some(name)))
        }
        SignalValue::Number(number) if number.fract() == 0.0 && *number >= 0.0 => all.get(*number as usize).copied(),
        _ => None,
    }
}
