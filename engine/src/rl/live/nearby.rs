//! Which vehicles are near a place, however many there are elsewhere.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use super::SIGHT_M;
use crate::geo::{EARTH_RADIUS_M, LatLon, Point, Position};

/// Length of a cell's side, m, at least: what is in sight of a place is in its cell or one of the eight around it.
const CELL_M: f64 = SIGHT_M * 1.25;

/// A patch of a plane, or of the Earth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Cell {
    on_earth: bool,
    row: i64,
    column: i64,
}

/// Vehicles by where they are.
#[derive(Clone, Debug)]
pub struct Nearby<Id> {
    cells: BTreeMap<Cell, Vec<Id>>,
    places: HashMap<Id, Cell>,
}

impl<Id> Default for Nearby<Id> {
    fn default() -> Self {
        Self { cells: BTreeMap::new(), places: HashMap::new() }
    }
}

impl<Id: Clone + Eq + Hash> Nearby<Id> {
    /// Notes where a vehicle is now. O(log cells) where it has left its cell, O(1) else.
    pub fn put(&mut self, id: &Id, position: Position) {
        let cell = cell_of(position);
        if self.places.get(id) == Some(&cell) {
            return;
        }
        self.remove(id);
        self.places.insert(id.clone(), cell);
        self.cells.entry(cell).or_default().push(id.clone());
    }

    /// Forgets a vehicle.
    pub fn remove(&mut self, id: &Id) {
        let Some(cell) = self.places.remove(id) else { return };
        let Some(there) = self.cells.get_mut(&cell) else { return };
        there.retain(|known| known != id);
        if there.is_empty() {
            self.cells.remove(&cell);
        }
    }

    /// Every vehicle within sight of a place, and some beyond.
    pub fn around(&self, position: Position) -> Vec<Id> {
        let mut cells = match position {
            Position::Track(_) => {
                let Cell { row, column, .. } = cell_of(position);
                let side = |at: i64| [at.saturating_sub(1), at, at.saturating_add(1)];
                side(row).into_iter().flat_map(|row| side(column).map(|column| Cell { on_earth: false, row, column })).collect()
            }
            Position::Earth(place) => {
                let row = row_of(place.lat_deg);
                let mut cells = Vec::new();
                for row in [row - 1, row, row + 1] {
                    let columns = columns_of(row);
                    let column = column_of(place.lon_deg, columns);
                    cells.extend([column - 1, column, column + 1].map(|c| Cell { on_earth: true, row, column: c.rem_euclid(columns) }));
                }
                cells
            }
        };
        // Around a pole one cell is its own neighbour.
        cells.sort_unstable();
        cells.dedup();
        cells.iter().filter_map(|cell| self.cells.get(cell)).flatten().cloned().collect()
    }

    /// How many vehicles have a place.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

fn cell_of(position: Position) -> Cell {
    match position {
        // Saturates for what is no number of a place; such a vehicle is alone there.
        Position::Track(Point { x_m, y_m }) => {
            Cell { on_earth: false, row: (y_m / CELL_M).floor() as i64, column: (x_m / CELL_M).floor() as i64 }
        }
        Position::Earth(LatLon { lat_deg, lon_deg }) => {
            let row = row_of(lat_deg);
            Cell { on_earth: true, row, column: column_of(lon_deg, columns_of(row)) }
        }
    }
}

fn row_of(lat_deg: f64) -> i64 {
    (lat_deg.to_radians() * EARTH_RADIUS_M / CELL_M).floor() as i64
}

/// Columns around the Earth in a row: whole ones, none narrower than a cell.
fn columns_of(row: i64) -> i64 {
    // The edge that is nearer to a pole is the shorter one.
    let edge = if row < 0 { row } else { row + 1 };
    let around_m = std::f64::consts::TAU * EARTH_RADIUS_M * (edge as f64 * CELL_M / EARTH_RADIUS_M).cos().max(0.0);
    ((around_m / CELL_M).floor() as i64).max(1)
}

fn column_of(lon_deg: f64, columns: i64) -> i64 {
    ((((lon_deg + 180.0) / 360.0) * columns as f64).floor() as i64).rem_euclid(columns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geo::LocalFrame;

    proptest! {
        #[test]
        fn whoever_is_in_sight_is_found_wherever_on_earth(
            lat in -89.9..89.9, lon in -180.0..180.0, way in 0.0..SIGHT_M, turn in 0.0..std::f64::consts::TAU
        ) {
            let here = LatLon { lat_deg: lat, lon_deg: lon };
            let there = LocalFrame::at(here).place(Point::new(way * turn.sin(), way * turn.cos()));
            prop_assume!(there.lat_deg.abs() <= 90.0 && here.distance_m(there) <= SIGHT_M);
            let mut nearby = Nearby::default();
            nearby.put(&1, Position::Earth(there));
            prop_assert_eq!(nearby.around(Position::Earth(here)), [1]);
        }

        #[test]
        fn whoever_is_in_sight_is_found_in_a_plane(x in -1e5..1e5, y in -1e5..1e5, dx in -SIGHT_M..SIGHT_M, dy in -SIGHT_M..SIGHT_M) {
            let mut nearby = Nearby::default();
            nearby.put(&1, Position::Track(Point::new(x + dx, y + dy)));
            prop_assert_eq!(nearby.around(Position::Track(Point::new(x, y))), [1]);
        }
    }

    #[test]
    fn a_vehicle_is_in_one_place_and_leaves_nothing_behind() {
        let mut nearby = Nearby::default();
        for x in 0..1_000 {
            nearby.put(&7, Position::Track(Point::new(f64::from(x) * 100.0, 0.0)));
        }
        assert_eq!((nearby.len(), nearby.cells.len()), (1, 1));
        assert!(nearby.around(Position::Track(Point::new(0.0, 0.0))).is_empty());
        nearby.remove(&7);
        assert!(nearby.is_empty() && nearby.cells.is_empty());
    }
}
