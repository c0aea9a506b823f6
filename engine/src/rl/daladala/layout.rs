use serde::{Deserialize, Serialize};

use super::super::SplitMix64;
use super::route::{CELLS, Cell, HAZARD_PLACES, NO_STOP, STOP_AT};

const POLICE: usize = 3;
const LIGHTS: usize = 4;

/// Where an episode's hazards are; they stay for the whole episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Police checkpoints.
    pub police: [Cell; POLICE],
    /// Traffic lights.
    pub lights: [Cell; LIGHTS],
    /// Whether each light is red.
    pub light_red: [bool; LIGHTS],
}

impl Layout {
    /// Draws seven of the 25 cells that are not stops, without repetition, and each light's colour.
    pub fn draw(random: &mut SplitMix64) -> Self {
        let mut places = HAZARD_PLACES;
        // The first seven steps of a Fisher-Yates shuffle.
        for taken in 0..POLICE + LIGHTS {
            let other = taken + random.below(places.len() - taken);
            places.swap(taken, other);
        }
        let cell = |index: usize| CELLS[places[index] as usize];
        let colours = random.next_u64();
        Self {
            police: std::array::from_fn(cell),
            lights: std::array::from_fn(|light| cell(POLICE + light)),
            light_red: std::array::from_fn(|light| colours >> (63 - light) & 1 == 1),
        }
    }

    /// Says what is impossible about this layout.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut taken = 0_u32;
        for cell in self.police.iter().chain(&self.lights) {
            let at = || format!("({}, {})", cell.x, cell.y);
            let place = cell.position().ok_or_else(|| format!("{} is not on the route", at()))?;
            if STOP_AT[place] != NO_STOP {
                return Err(format!("{} is a stop", at()));
            }
            if taken >> place & 1 == 1 {
                return Err(format!("{} holds two hazards", at()));
            }
            taken |= 1 << place;
        }
        Ok(())
    }

    /// The same as bits along the route.
    pub(super) fn hazards(&self) -> Hazards {
        // A layout is checked before it gets here: every cell is on the route.
        let bit = |cell: &Cell| cell.position().map_or(0, |place| 1_u32 << place);
        let police = self.police.iter().fold(0, |bits, cell| bits | bit(cell));
        let lights = self.lights.iter().fold(0, |bits, cell| bits | bit(cell));
        let red = self.lights.iter().zip(self.light_red).fold(0, |bits, (cell, red)| if red { bits | bit(cell) } else { bits });
        Hazards { police, lights, red }
    }
}

/// One bit per place of the route, the first lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hazards {
    pub(super) police: u32,
    pub(super) lights: u32,
    red: u32,
}

impl Hazards {
    pub(super) fn police_at(self, position: usize) -> bool {
        self.police >> position & 1 == 1
    }

    pub(super) fn red_at(self, position: usize) -> bool {
        self.red >> position & 1 == 1
    }

    pub(super) fn must_stop_at(self, position: usize) -> bool {
        (self.police | self.red) >> position & 1 == 1
    }

    pub(super) fn must_stop_count(self) -> u32 {
        (self.police | self.red).count_ones()
    }
}
