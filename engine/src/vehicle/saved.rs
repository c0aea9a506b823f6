//! How a vehicle is saved.
//!
//! Snapshots of servers that followed one session at a time had an `Option` of a tracker where [`SavedDriving`] stands now. Its first
//! two variants are written as that `Option` was, so those snapshots are still read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use slipstream_protocol::{SessionId, Timestamp};

use super::{
    Vehicle,
    sessions::{Driving, Followed},
};
use crate::{
    laps::{LapBook, LapBookOfVersion4, LapTracker},
    newest::Newest,
    twin::Twin,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedVehicle {
    twin: Arc<Twin>,
    laps: Option<Arc<LapBook>>,
    driving: SavedDriving,
    touched: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum SavedDriving {
    /// No laps are counted, and no clock was ahead.
    None,
    /// Of one session.
    Tracker(Box<LapTracker>),
    /// Of several, with the samples whose clock was ahead.
    Sessions(u64, Option<Box<SavedSessions>>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedSessions {
    session: Option<SessionId>,
    newest: Newest,
    tracker: LapTracker,
    earlier: Vec<Followed>,
}

/// A [`Vehicle`] as snapshots of version 4 hold it.
#[derive(Deserialize)]
pub struct VehicleOfVersion4 {
    twin: Arc<Twin>,
    laps: Option<LapBookOfVersion4>,
    driving: SavedDriving,
    touched: Timestamp,
}

impl From<VehicleOfVersion4> for Vehicle {
    fn from(old: VehicleOfVersion4) -> Self {
        let VehicleOfVersion4 { twin, laps, driving, touched } = old;
        SavedVehicle { twin, laps: laps.map(|book| Arc::new(book.into())), driving, touched }.into()
    }
}

impl From<SavedVehicle> for Vehicle {
    fn from(saved: SavedVehicle) -> Self {
        let SavedVehicle { mut twin, laps, driving, touched } = saved;
        let driving = match driving {
            SavedDriving::None => None,
            SavedDriving::Tracker(tracker) => {
                Some(Box::new(Driving::resume(twin.session.clone(), twin.newest().unwrap_or_default(), *tracker, Vec::new())))
            }
            SavedDriving::Sessions(ahead_samples, sessions) => {
                Arc::make_mut(&mut twin).ahead_samples = ahead_samples;
                sessions.map(|s| Box::new(Driving::resume(s.session, s.newest, s.tracker, s.earlier)))
            }
        };
        if let Some(driving) = driving.as_deref().filter(|driving| driving.has_earlier()) {
            driving.show_earlier(&mut Arc::make_mut(&mut twin).earlier);
        }
        Self { twin, laps, driving, touched }
    }
}

impl From<Vehicle> for SavedVehicle {
    fn from(vehicle: Vehicle) -> Self {
        let Vehicle { twin, laps, driving, touched } = vehicle;
        let sessions = driving.map(|driving| {
            let (session, newest, tracker, earlier) = driving.into_parts();
            Box::new(SavedSessions { session, newest, tracker, earlier })
        });
        let driving = match (twin.ahead_samples, sessions) {
            (0, None) => SavedDriving::None,
            (ahead_samples, sessions) => SavedDriving::Sessions(ahead_samples, sessions),
        };
        Self { twin, laps, driving, touched }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was written before.
    #[derive(Serialize)]
    struct Old {
        twin: Twin,
        laps: Option<Arc<LapBook>>,
        driving: Option<LapTracker>,
        touched: Timestamp,
    }

    #[test]
    fn a_vehicle_saved_by_an_earlier_server_is_read() {
        for driving in [None, Some(LapTracker::default())] {
            let twin = Twin { samples: 3, source_time: Timestamp::from_millis(5), session: SessionId::new("q1").ok(), ..Twin::default() };
            let is_driving = driving.is_some();
            let old = Old { twin: twin.clone(), laps: None, driving, touched: Timestamp::from_millis(6) };
            let vehicle: Vehicle = postcard::from_bytes(&postcard::to_stdvec(&old).unwrap()).unwrap();
            assert_eq!((&**vehicle.twin(), vehicle.touched(), vehicle.driving.is_some()), (&twin, old.touched, is_driving));
        }
    }
}
