use serde::{Deserialize, Serialize};

/// Cells along each side of the grid.
pub const GRID: u8 = 15;

/// Cells of the route.
pub const ROUTE_LEN: usize = 29;

/// The busy stops, in the order in which the route meets them.
pub const STOPS: [Cell; 4] = [Cell { x: 4, y: 14 }, Cell { x: 8, y: 14 }, Cell { x: 14, y: 8 }, Cell { x: 14, y: 3 }];

/// A cell of the grid; in JSON a pair, `[x, y]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u8; 2]", into = "[u8; 2]")]
pub struct Cell {
    /// Column, 0 to 14 from Ubungo eastwards.
    pub x: u8,
    /// Row, 14 to 0 towards Posta.
    pub y: u8,
}

impl Cell {
    /// Its place on the route, where it is on the route.
    pub const fn position(self) -> Option<usize> {
        if self.y == GRID - 1 && self.x < GRID {
            Some(self.x as usize)
        } else if self.x == GRID - 1 && self.y < GRID {
            Some((GRID - 1) as usize + (GRID - 1 - self.y) as usize)
        } else {
            None
        }
    }
}

impl From<[u8; 2]> for Cell {
    fn from([x, y]: [u8; 2]) -> Self {
        Self { x, y }
    }
}

impl From<Cell> for [u8; 2] {
    fn from(cell: Cell) -> Self {
        [cell.x, cell.y]
    }
}

/// The route: along the top row, then down the last column.
pub(super) const CELLS: [Cell; ROUTE_LEN] = {
    let mut cells = [Cell { x: 0, y: 0 }; ROUTE_LEN];
    let mut position = 0;
    while position < ROUTE_LEN {
        let place = position as u8;
        cells[position] = if place < GRID { Cell { x: place, y: GRID - 1 } } else { Cell { x: GRID - 1, y: 2 * (GRID - 1) - place } };
        position += 1;
    }
    cells
};

/// No stop is at this place.
pub(super) const NO_STOP: u8 = u8::MAX;

/// Which stop is at each place of the route, or [`NO_STOP`].
pub(super) const STOP_AT: [u8; ROUTE_LEN] = {
    let mut at = [NO_STOP; ROUTE_LEN];
    let mut stop = 0;
    while stop < STOPS.len() {
        if let Some(position) = STOPS[stop].position() {
            at[position] = stop as u8;
        }
        stop += 1;
    }
    at
};

/// The places on the route that a hazard may take: all but the stops.
pub(super) const HAZARD_PLACES: [u8; ROUTE_LEN - STOPS.len()] = {
    let mut places = [0; ROUTE_LEN - STOPS.len()];
    let (mut position, mut count) = (0, 0);
    while position < ROUTE_LEN {
        if STOP_AT[position] == NO_STOP {
            places[count] = position as u8;
            count += 1;
        }
        position += 1;
    }
    places
};

/// The places of the stops on the route.
pub const STOP_POSITIONS: [usize; STOPS.len()] = {
    let mut positions = [0; STOPS.len()];
    let mut position = 0;
    while position < ROUTE_LEN {
        if STOP_AT[position] != NO_STOP {
            positions[STOP_AT[position] as usize] = position;
        }
        position += 1;
    }
    positions
};
