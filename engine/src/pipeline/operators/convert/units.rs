//! The units there are.

/// A unit: its dimension, and how a number of it becomes the dimension's SI unit (`si = number * factor + offset`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    pub(super) dimension: &'static str,
    pub(super) factor: f64,
    pub(super) offset: f64,
}

/// Every unit's names, by dimension.
const UNITS: &[(&str, &[&str], f64, f64)] = &[
    ("speed", &["m/s", "mps"], 1.0, 0.0),
    ("speed", &["km/h", "kph"], 1.0 / 3.6, 0.0),
    ("speed", &["mph"], 0.447_04, 0.0),
    ("speed", &["kn", "knot", "knots"], 1_852.0 / 3_600.0, 0.0),
    ("length", &["m"], 1.0, 0.0),
    ("length", &["km"], 1_000.0, 0.0),
    ("length", &["mi", "mile", "miles"], 1_609.344, 0.0),
    ("length", &["ft"], 0.304_8, 0.0),
    ("time", &["s"], 1.0, 0.0),
    ("time", &["ms"], 1e-3, 0.0),
    ("time", &["min"], 60.0, 0.0),
    ("time", &["h"], 3_600.0, 0.0),
    ("temperature", &["K"], 1.0, 0.0),
    ("temperature", &["C", "°C"], 1.0, 273.15),
    ("temperature", &["F", "°F"], 5.0 / 9.0, 273.15 - 32.0 * 5.0 / 9.0),
    ("pressure", &["Pa"], 1.0, 0.0),
    ("pressure", &["kPa"], 1e3, 0.0),
    ("pressure", &["bar"], 1e5, 0.0),
    ("pressure", &["psi"], 6_894.757_293_168, 0.0),
    ("angle", &["rad"], 1.0, 0.0),
    ("angle", &["deg", "°"], std::f64::consts::PI / 180.0, 0.0),
    ("acceleration", &["m/s2", "m/s²"], 1.0, 0.0),
    ("acceleration", &["g"], 9.806_65, 0.0),
    ("volume", &["m3", "m³"], 1.0, 0.0),
    ("volume", &["l", "L"], 1e-3, 0.0),
    ("volume", &["gal"], 3.785_411_784e-3, 0.0),
    ("ratio", &["1"], 1.0, 0.0),
    ("ratio", &["%"], 0.01, 0.0),
    ("energy", &["J"], 1.0, 0.0),
    ("energy", &["kWh"], 3.6e6, 0.0),
    ("power", &["W"], 1.0, 0.0),
    ("power", &["kW"], 1e3, 0.0),
    ("power", &["hp"], 745.699_871_582_27, 0.0),
    ("mass", &["kg"], 1.0, 0.0),
    ("mass", &["lb"], 0.453_592_37, 0.0),
];

/// The unit of that name.
pub(super) fn find(name: &str) -> Option<Unit> {
    let (dimension, _, factor, offset) = UNITS.iter().find(|(_, names, ..)| names.contains(&name))?;
    Some(Unit { dimension, factor: *factor, offset: *offset })
}

/// The first name of every unit, or of those of one dimension.
pub(super) fn names(dimension: Option<&str>) -> String {
    let fitting = UNITS.iter().filter(|u| dimension.is_none_or(|d| u.0 == d));
    fitting.map(|u| u.1[0]).collect::<Vec<_>>().join(", ")
}
