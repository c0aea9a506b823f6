//! Which column of a table means what: by header convention, or as told.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::Arc,
};

use slipstream_engine::pipeline::fields::meant;
use slipstream_protocol::SignalName;

use super::{
    text::shown,
    time::{self, CLOCKS, ELAPSED, TIME_COLUMNS, TimeForm},
};

const VEHICLE_COLUMNS: [&str; 11] =
    ["vehicle_id", "vehicleId", "driverId", "driver_id", "player_id", "car_id", "vehicle", "driver", "device_id", "bus_id", "car"];
const SESSION_COLUMNS: [&str; 2] = ["session_id", "sessionId"];
const FLEET_COLUMNS: [&str; 2] = ["fleet_id", "fleetId"];
/// Most column names a message lists.
const MAX_LISTED: usize = 40;
/// Long tables: one row per signal. These pairs are always meant so.
const LONG_COLUMNS: [(&str, &str); 3] = [("telemetry_name", "telemetry_value"), ("signal", "value"), ("signal_name", "signal_value")];
/// What the column of a signal's name is called elsewhere, the most telling first. In a wide table these may be signals.
const LONG_NAMES: [&str; 33] = [
    "signal",
    "signal_name",
    "telemetry_name",
    "metric",
    "metric_name",
    "variable",
    "variable_name",
    "parameter",
    "parameter_name",
    "param",
    "channel",
    "channel_name",
    "measurement",
    "measurement_name",
    "field",
    "field_name",
    "attribute",
    "key",
    "tag",
    "tag_name",
    "sensor",
    "sensor_name",
    "kanal",
    "messkanal",
    "messgröße",
    "messgroesse",
    "größe",
    "canal",
    "canale",
    "grandeur",
    "parametro",
    "parámetro",
    "name",
];
/// The same of its value.
const LONG_VALUES: [&str; 17] = [
    "value",
    "signal_value",
    "telemetry_value",
    "metric_value",
    "variable_value",
    "parameter_value",
    "channel_value",
    "measurement_value",
    "field_value",
    "sensor_value",
    "val",
    "reading",
    "wert",
    "messwert",
    "valor",
    "valeur",
    "valore",
];
/// Columns of long tables that hold the unit of each row's value.
const UNITS: [&str; 5] = ["unit", "units", "uom", "signal_unit", "unit_of_measurement"];

/// The words of a map that name no signal.
const WORDS: [&str; 6] = ["vehicle", "time", "session", "fleet", "name", "value"];

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
    pub(super) fn get(&self, what: &str) -> Option<&str> {
        self.0.get(what).map(String::as_str)
    }

    /// Signals and the columns they are in.
    pub(super) fn signals(&self) -> impl Iterator<Item = (&str, &str)> {
        let signals = self.0.iter().filter(|(what, _)| !WORDS.contains(&what.as_str()));
        signals.map(|(what, column)| (what.as_str(), column.as_str()))
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
        /// Column of its text, where there is no value: of tables that `slipstream export` wrote.
        text: Option<usize>,
    },
}

/// What each column of one table means.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) vehicle: Option<usize>,
    pub(super) time: (usize, TimeForm),
    pub(super) session: Option<usize>,
    pub(super) fleet: Option<usize>,
    /// The day of times that have none.
    pub(super) date: Option<usize>,
    /// Of tables that `slipstream export` wrote.
    pub(super) quality: Option<usize>,
    pub(super) shape: Shape,
    /// Columns that are signals themselves.
    pub(super) signals: Vec<(usize, SignalName)>,
    /// Columns without a name, which are not read.
    pub(super) unnamed: Vec<usize>,
    /// What was decided that the header does not say by itself, and how to decide otherwise.
    pub(super) notes: Vec<String>,
}

struct Header<'a> {
    names: &'a [String],
    map: &'a ColumnMap,
}

impl Header<'_> {
    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// The column told for `what`, or the first of the conventional ones that is there, however it is written.
    fn column(&self, what: &str, conventional: &[&str]) -> Result<Option<usize>, String> {
        if let Some(told) = self.map.get(what) {
            let missing = || format!("there is no column '{}'{}", shown(told), self.instead(told));
            return self.place(told).map(Some).ok_or_else(missing);
        }
        let exact = conventional.iter().find_map(|name| self.place(name));
        Ok(exact.or_else(|| {
            let plain: Vec<String> = if conventional.is_empty() { Vec::new() } else { self.names.iter().map(|n| time::plain(n)).collect() };
            conventional.iter().find_map(|name| plain.iter().position(|n| n == name))
        }))
    }

    /// What may be meant where `name` is not there.
    fn instead(&self, name: &str) -> String {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        format!("{}; the columns are {}", meant(name, &names), listed(self.names))
    }
}

/// Names for a message: bounded, and nothing that steers a terminal.
fn listed(names: &[String]) -> String {
    let mut listed: Vec<String> = names.iter().take(MAX_LISTED).map(|name| shown(name)).collect();
    if names.len() > MAX_LISTED {
        listed.push(format!("and {} more", names.len() - MAX_LISTED));
    }
    listed.join(", ")
}

/// Whether one of these names is that of a time.
pub(super) fn has_time(names: &[String], map: &ColumnMap) -> bool {
    let times: Vec<&str> = TIME_COLUMNS.iter().map(|(n, _)| *n).collect();
    matches!(Header { names, map }.column("time", &times), Ok(Some(_)))
}

/// Gives each repeated name a number (`speed`, `speed_2`) and says so; a repeated empty name stays one.
pub(crate) fn unique(names: &mut [String]) -> Vec<String> {
    let mut taken: BTreeSet<String> = names.iter().cloned().collect();
    let (mut seen, mut told) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
    for name in names.iter_mut().filter(|n| !n.is_empty()) {
        let called = seen.entry(name.clone()).or_default();
        if !called.is_empty() {
            let mut number = called.len() + 1;
            while taken.contains(&format!("{name}_{number}")) {
                number += 1;
            }
            *name = format!("{name}_{number}");
            taken.insert(name.clone());
        }
        called.push(name.clone());
    }
    for (name, called) in seen.into_iter().filter(|(_, called)| called.len() > 1) {
        told.push(format!("the column '{}' is there {} times; they are called {}", shown(&name), called.len(), listed(&called)));
    }
    told
}

/// Fails for signals that are asked for and that no column gives.
pub(super) fn check_wanted(layout: &Layout, names: &[String], wanted: &[String]) -> Result<(), String> {
    if layout.shape != Shape::Wide {
        return Ok(());
    }
    let signals: Vec<&str> = layout.signals.iter().map(|(_, name)| &**name).collect();
    match wanted.iter().find(|w| !signals.contains(&w.as_str())) {
        Some(missing) => {
            Err(format!("there is no column '{}'{}; the columns are {}", shown(missing), meant(missing, &signals), listed(names)))
        }
        None => Ok(()),
    }
}

impl Layout {
    /// The layout of a table with these column names.
    pub(super) fn of(names: &[String], map: &ColumnMap, vehicle_is_given: bool) -> Result<Self, String> {
        let header = Header { names, map };
        let times: Vec<&str> = TIME_COLUMNS.iter().map(|(n, _)| *n).collect();
        let time = header
            .column("time", &times)?
            .or_else(|| names.iter().position(|n| n.eq_ignore_ascii_case("date") || n == "__index_level_0__"))
            .ok_or_else(|| format!("no time column among {}; name it with --map time=<column>", listed(names)))?;
        let vehicle = header.column("vehicle", &VEHICLE_COLUMNS)?;
        if vehicle.is_none() && !vehicle_is_given {
            return Err(format!("no vehicle column among {}; name it with --map vehicle=<column>, or give --vehicle <id>", listed(names)));
        }
        let session = header.column("session", &SESSION_COLUMNS)?;
        let fleet = header.column("fleet", &FLEET_COLUMNS)?;
        let renamed = renames(&header)?;
        let taken: Vec<usize> = [Some(time), vehicle, session, fleet].into_iter().flatten().chain(renamed.keys().copied()).collect();
        let mut notes = Vec::new();
        let shape = shape(&header, &taken, &mut notes)?;
        let mut used = vec![time];
        used.extend(vehicle.iter().chain(&session).chain(&fleet));
        if let Shape::Long { name, value, text } = shape {
            used.extend([name, value]);
            used.extend(text);
            let mut units =
                names.iter().enumerate().filter(|(place, name)| !taken.contains(place) && UNITS.contains(&time::plain(name).as_str()));
            if let Some((unit, called)) = units.next() {
                used.push(unit);
                notes.push(format!("the column '{}' holds units, which are not read", shown(called)));
            }
        }
        let exported = matches!(shape, Shape::Long { text: Some(_), .. });
        let quality = exported.then(|| header.place("quality")).flatten();
        used.extend(quality);
        let date = names.iter().position(|n| n.eq_ignore_ascii_case("date")).filter(|date| *date != time);
        let unused = || names.iter().enumerate().filter(|(place, _)| !used.contains(place));
        let unnamed = unused().filter(|(_, name)| name.is_empty()).map(|(place, _)| place).collect();
        // A second clock is not a measurement.
        let is_clock = |place: usize, name: &str| !renamed.contains_key(&place) && times[..CLOCKS].contains(&name);
        notes.extend(unused().filter(|(place, name)| is_clock(*place, name)).map(|(_, name)| other_clock(&names[time], name)));
        let is_like_a_clock = |name: &str| times[..ELAPSED].contains(&time::plain(name).as_str());
        let kept = unused().filter(|(place, name)| {
            shape == Shape::Wide && !renamed.contains_key(place) && !is_clock(*place, name) && is_like_a_clock(name)
        });
        let kept: Vec<String> = kept.map(|(_, name)| name.clone()).collect();
        notes.extend((!kept.is_empty()).then(|| kept_clocks(&names[time], &kept)));
        let signals = unused()
            .filter(|(place, name)| !name.is_empty() && !is_clock(*place, name))
            .map(|(place, name)| (place, Arc::from(renamed.get(&place).map_or(name.as_str(), String::as_str))))
            .collect();
        let time = (time, time::form_of(&names[time]));
        Ok(Self { vehicle, time, session, fleet, date, quality, shape, signals, unnamed, notes })
    }
}

/// Says that `other` is a clock beside that of `time`, and how to read it.
fn other_clock(time: &str, other: &str) -> String {
    let (time, other) = (shown(time), shown(other));
    format!(
        "the times are those of the column '{time}'; '{other}' has times, too, and is not read: --map time={other} takes them instead, and \
         --map {other}_={other} makes a signal of them"
    )
}

/// Says that columns are called as times are, and are signals.
fn kept_clocks(time: &str, others: &[String]) -> String {
    let (time, first) = (shown(time), shown(&others[0]));
    let called =
        if others.len() == 1 { "is called as times are, too, and is a signal" } else { "are called as times are, too, and are signals" };
    format!("the times are those of the column '{time}'; {} {called}: --map time={first} takes the times there instead", listed(others))
}

fn shape(header: &Header<'_>, taken: &[usize], notes: &mut Vec<String>) -> Result<Shape, String> {
    match (header.column("name", &[])?, header.column("value", &[])?) {
        (Some(name), Some(value)) => return Ok(Shape::Long { name, value, text: None }),
        (None, None) => {}
        _ => return Err("a long table needs both: --map name=<column>,value=<column>".into()),
    }
    let conventional = LONG_COLUMNS.iter().find_map(|(n, v)| Some((header.place(n)?, header.place(v)?)));
    if let Some((name, value)) = conventional.filter(|(n, v)| !taken.contains(n) && !taken.contains(v)) {
        let exported = ["time", "vehicle_id", "signal", "value", "text", "quality"].iter().all(|n| header.place(n).is_some());
        return Ok(Shape::Long { name, value, text: if exported { header.place("text") } else { None } });
    }
    let plain: Vec<String> = header.names.iter().map(|name| time::plain(name)).collect();
    let all = |called: &[&str]| -> Vec<usize> {
        let places = called.iter().filter_map(|name| plain.iter().position(|n| n == name));
        places.filter(|place| !taken.contains(place)).collect()
    };
    let (calling, holding) = (all(&LONG_NAMES), all(&LONG_VALUES));
    let (Some((&name, others)), Some(&value)) = (calling.split_first(), holding.first()) else { return Ok(Shape::Wide) };
    let (called, holds) = (shown(&header.names[name]), shown(&header.names[value]));
    let others: Vec<String> = others.iter().map(|place| header.names[*place].clone()).collect();
    let beside = if others.is_empty() { String::new() } else { format!(", {} is a signal beside it", listed(&others)) };
    notes.push(format!(
        "one row per signal: '{called}' has its name and '{holds}' its value{beside}; --map name=<column>,value=<column> has others, \
         and --map {called}_={called} makes '{called}' a signal"
    ));
    Ok(Shape::Long { name, value, text: None })
}

/// Signal names told for columns, by place.
fn renames(header: &Header<'_>) -> Result<BTreeMap<usize, String>, String> {
    let mut renamed = BTreeMap::new();
    for (signal, _) in header.map.signals() {
        if let Some(place) = header.column(signal, &[])? {
            renamed.insert(place, signal.to_owned());
        }
    }
    Ok(renamed)
}

#[cfg(test)]
mod tests;
