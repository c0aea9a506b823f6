//! Which column of a table means what: by header convention, or as told.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use slipstream_protocol::SignalName;

use super::time::{self, TIME_COLUMNS, TimeForm};

const VEHICLE_COLUMNS: [&str; 8] = ["vehicle_id", "vehicleId", "driverId", "driver_id", "player_id", "car_id", "vehicle", "driver"];
const SESSION_COLUMNS: [&str; 2] = ["session_id", "sessionId"];
const FLEET_COLUMNS: [&str; 2] = ["fleet_id", "fleetId"];
/// Long tables: one row per signal.
const LONG_COLUMNS: [(&str, &str); 3] = [("telemetry_name", "telemetry_value"), ("signal", "value"), ("signal_name", "signal_value")];

/// What people say about columns: `vehicle=car,time=unix_s,speed_mps=Speed`.
///
/// The words `vehicle`, `time`, `session`, `fleet`, `name` and `value` (the last two of long
/// tables) name the column that holds it; any other word is the signal name to give a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnMap(BTreeMap<String, String>);

impl FromStr for ColumnMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').filter(|p| !p.trim().is_empty()).map(|pair| match pair.split_once('=') {
            Some((what, column)) if !what.trim().is_empty() && !column.trim().is_empty() => {
                Ok((what.trim().to_owned(), column.trim().to_owned()))
            }
            _ => Err(format!("'{pair}' is not what=column, as in vehicle=car,time=unix_s")),
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }
}

impl ColumnMap {
    fn get(&self, what: &str) -> Option<&str> {
        self.0.get(what).map(String::as_str)
    }
}

/// Where the values of a sample are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One column per signal.
    Wide,
    /// One row per signal.
    Long {
        /// Column of the signal's name.
        name: usize,
        /// Column of its value.
        value: usize,
    },
}

/// What each column of one table means.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) vehicle: Option<usize>,
    pub(super) time: (usize, TimeForm),
    pub(super) session: Option<usize>,
    pub(super) fleet: Option<usize>,
    pub(super) shape: Shape,
    /// Columns that are signals themselves.
    pub(super) signals: Vec<(usize, SignalName)>,
}

struct Header<'a> {
    names: &'a [String],
    map: &'a ColumnMap,
}

impl Header<'_> {
    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// The column told for `what`, or the first of the conventional ones that is there.
    fn column(&self, what: &str, conventional: &[&str]) -> Result<Option<usize>, String> {
        if let Some(told) = self.map.get(what) {
            let missing = || format!("there is no column '{told}'; the columns are {}", self.names.join(", "));
            return self.place(told).map(Some).ok_or_else(missing);
        }
        Ok(conventional.iter().find_map(|name| self.place(name)))
    }
}

impl Layout {
    /// The layout of a table with these column names.
    pub(super) fn of(names: &[String], map: &ColumnMap, vehicle_is_given: bool) -> Result<Self, String> {
        let header = Header { names, map };
        let times: Vec<&str> = TIME_COLUMNS.iter().map(|(n, _)| *n).collect();
        let time = header
            .column("time", &times)?
            .ok_or_else(|| format!("no time column among {}; name it with --map time=<column>", names.join(", ")))?;
        let vehicle = header.column("vehicle", &VEHICLE_COLUMNS)?;
        if vehicle.is_none() && !vehicle_is_given {
            return Err(format!(
                "no vehicle column among {}; name it with --map vehicle=<column>, or give --vehicle <id>",
                names.join(", ")
            ));
        }
        let session = header.column("session", &SESSION_COLUMNS)?;
        let fleet = header.column("fleet", &FLEET_COLUMNS)?;
        let shape = shape(&header)?;
        let mut used = vec![time];
        used.extend(vehicle.iter().chain(&session).chain(&fleet));
        if let Shape::Long { name, value } = shape {
            used.extend([name, value]);
        }
        let renamed = renames(&header)?;
        let signals = names
            .iter()
            .enumerate()
            .filter(|(place, name)| !used.contains(place) && !name.is_empty())
            // A second clock is not a measurement.
            .filter(|(place, name)| renamed.contains_key(place) || !times.contains(&name.as_str()))
            .map(|(place, name)| (place, Arc::from(renamed.get(&place).map_or(name.as_str(), String::as_str))))
            .collect();
        Ok(Self { vehicle, time: (time, time::form_of(&names[time])), session, fleet, shape, signals })
    }
}

fn shape(header: &Header<'_>) -> Result<Shape, String> {
    match (header.column("name", &[])?, header.column("value", &[])?) {
        (Some(name), Some(value)) => return Ok(Shape::Long { name, value }),
        (None, None) => {}
        _ => return Err("a long table needs both: --map name=<column>,value=<column>".into()),
    }
    let conventional = LONG_COLUMNS.iter().find_map(|(n, v)| Some(Shape::Long { name: header.place(n)?, value: header.place(v)? }));
    Ok(conventional.unwrap_or(Shape::Wide))
}

/// Signal names told for columns, by place.
fn renames(header: &Header<'_>) -> Result<BTreeMap<usize, String>, String> {
    let words = ["vehicle", "time", "session", "fleet", "name", "value"];
    let mut renamed = BTreeMap::new();
    for signal in header.map.0.keys().filter(|what| !words.contains(&what.as_str())) {
        if let Some(place) = header.column(signal, &[])? {
            renamed.insert(place, signal.clone());
        }
    }
    Ok(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(header: &str, map: &str) -> Result<Layout, String> {
        let names: Vec<String> = header.split(',').map(str::to_owned).collect();
        Layout::of(&names, &map.parse().unwrap(), false)
    }

    fn signals(layout: &Layout) -> Vec<&str> {
        layout.signals.iter().map(|(_, name)| &**name).collect()
    }

    #[test]
    fn the_conventional_header_needs_no_map() {
        let layout = layout("t_s,vehicle_id,lap,speed_mps", "").unwrap();
        assert_eq!((layout.time, layout.vehicle), ((0, TimeForm::RelativeSeconds), Some(1)));
        assert_eq!(signals(&layout), ["lap", "speed_mps"]);
    }

    #[test]
    fn of_two_clocks_the_sources_own_is_used_and_the_other_is_no_signal() {
        let layout = layout("meta_time,timestamp,vehicle_id,lap,telemetry_name,telemetry_value", "").unwrap();
        assert_eq!(layout.time, (1, TimeForm::Text));
        assert_eq!(layout.shape, Shape::Long { name: 4, value: 5 });
        assert_eq!(signals(&layout), ["lap"]);
    }

    #[test]
    fn a_map_names_columns_and_gives_signals_their_names() {
        let layout = layout("SessionTime,Car,Speed,RPM", "time=SessionTime,vehicle=Car,speed_mps=Speed").unwrap();
        assert_eq!(signals(&layout), ["speed_mps", "RPM"]);
        assert_eq!((layout.time.0, layout.vehicle), (0, Some(1)));
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        assert!(layout("a,b", "").unwrap_err().contains("--map time="));
        assert!(layout("t_s,b", "").unwrap_err().contains("--vehicle"));
        assert!(layout("t_s,vehicle_id", "speed=Speed").unwrap_err().contains("no column 'Speed'"));
        assert!("novalue".parse::<ColumnMap>().is_err());
    }
}
