//! Directions: numbers that begin again after a full turn.
//!
//! The plain mean of 350° and 10° is 180°, the opposite of where both point. Directions are averaged as unit vectors, and
//! between two of them lies the shorter arc. Results keep the habit of the data: 0 up to a full turn, or around zero where
//! the data has negative values.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use crate::exact::ExactSum;

/// How much a full turn is, in the signal's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Turn {
    /// 360.
    Degrees,
    /// 2π.
    Radians,
}

/// Unit vectors whose mean is shorter than this point nowhere: opposite directions have no mean.
const NOWHERE: f64 = 1e-9;

impl Turn {
    /// The full turn.
    pub const fn full(self) -> f64 {
        match self {
            Self::Degrees => 360.0,
            Self::Radians => TAU,
        }
    }

    fn radians(self, value: f64) -> f64 {
        match self {
            Self::Degrees => (value % 360.0).to_radians(),
            Self::Radians => value % TAU,
        }
    }

    fn own(self, radians: f64) -> f64 {
        match self {
            Self::Degrees => radians.to_degrees(),
            Self::Radians => radians,
        }
    }

    /// `value` within one turn: from zero up to a full one, or (`signed`) above minus half up to half a one.
    pub fn within(self, value: f64, signed: bool) -> f64 {
        let full = self.full();
        let turned = value.rem_euclid(full);
        // Rounding may reach the full turn itself.
        let turned = if turned >= full { 0.0 } else { turned };
        if signed && turned > full / 2.0 { turned - full } else { turned }
    }

    /// The shorter way from `from` to `to`; positive is onward.
    pub fn difference(self, from: f64, to: f64) -> f64 {
        let full = self.full();
        let onward = (to - from).rem_euclid(full);
        if onward > full / 2.0 { onward - full } else { onward }
    }

    /// The direction `share` of the shorter way from `from` to `to`.
    pub fn between(self, from: f64, to: f64, share: f64) -> f64 {
        self.within(from + self.difference(from, to) * share, from < 0.0 || to < 0.0)
    }
}

/// Directions added up as vectors, without rounding: any order of the same directions gives the same bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Directions {
    sines: ExactSum,
    cosines: ExactSum,
    weight: ExactSum,
    signed: bool,
}

impl Directions {
    /// Adds a direction that counts `weight` times.
    #[inline]
    pub fn add(&mut self, turn: Turn, value: f64, weight: f64) {
        let (sine, cosine) = turn.radians(value).sin_cos();
        self.sines.add(sine * weight);
        self.cosines.add(cosine * weight);
        self.weight.add(weight);
        self.signed |= value < 0.0;
    }

    /// Adds other directions.
    pub fn merge(&mut self, other: &Self) {
        self.sines.merge(&other.sines);
        self.cosines.merge(&other.cosines);
        self.weight.merge(&other.weight);
        self.signed |= other.signed;
    }

    /// Where they point together; `None` where they cancel out, or there are none.
    pub fn mean(&self, turn: Turn) -> Option<f64> {
        let length = self.length()?;
        let angle = self.sines.value().atan2(self.cosines.value());
        (length > NOWHERE).then(|| tidy(turn.within(turn.own(angle), self.signed), turn, self.signed))
    }

    /// How far they spread: the circular standard deviation `sqrt(-2 ln R)` (Mardia), with R the length of the mean vector.
    /// For directions near one another it is the plain standard deviation. `None` where they cancel out, or there are none.
    pub fn standard_deviation(&self, turn: Turn) -> Option<f64> {
        let length = self.length()?;
        (length > NOWHERE).then(|| turn.own((-2.0 * length.min(1.0).ln()).max(0.0).sqrt()))
    }

    /// Memory held beside the value itself, bytes.
    pub const fn heap_bytes(&self) -> usize {
        self.sines.heap_bytes() + self.cosines.heap_bytes() + self.weight.heap_bytes()
    }

    /// Length of the mean vector, 0 to 1.
    fn length(&self) -> Option<f64> {
        let weight = self.weight.value();
        (weight > 0.0).then(|| self.sines.value().hypot(self.cosines.value()) / weight)
    }
}

/// Sines and cosines leave 359.99999999999994 for 0, and 89.99999999999999 for 90: rounded where nobody measures.
fn tidy(value: f64, turn: Turn, signed: bool) -> f64 {
    const GRAIN: f64 = 1e10;
    turn.within((value * GRAIN).round() / GRAIN, signed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mean(turn: Turn, values: &[f64]) -> Option<f64> {
        let mut directions = Directions::default();
        for value in values {
            directions.add(turn, *value, 1.0);
        }
        directions.mean(turn)
    }

    #[test]
    fn directions_across_north_are_averaged_where_they_point() {
        assert_eq!(mean(Turn::Degrees, &[350.0, 10.0]), Some(0.0));
        let three = mean(Turn::Degrees, &[350.0, 10.0, 12.0]).unwrap();
        assert!((three - 4.0).abs() < 0.05, "{three}");
        assert_eq!(mean(Turn::Degrees, &[90.0, 90.0]), Some(90.0));
        assert_eq!(mean(Turn::Degrees, &[-170.0, 170.0]), Some(180.0));
        assert_eq!(mean(Turn::Degrees, &[-10.0, -20.0]), Some(-15.0), "as the data counts");
        assert!((mean(Turn::Radians, &[6.2, 0.1]).unwrap() - 0.008_407_346).abs() < 1e-6);
    }

    #[test]
    fn opposite_directions_have_no_mean() {
        assert_eq!(mean(Turn::Degrees, &[0.0, 180.0]), None);
        assert_eq!(mean(Turn::Degrees, &[]), None);
    }

    #[test]
    fn between_two_directions_lies_the_shorter_arc() {
        let turn = Turn::Degrees;
        assert_eq!((turn.between(350.0, 10.0, 0.25), turn.between(350.0, 10.0, 0.75)), (355.0, 5.0));
        assert_eq!((turn.between(10.0, 350.0, 0.5), turn.between(-170.0, 170.0, 0.25)), (0.0, -175.0));
        assert_eq!((turn.difference(350.0, 10.0), turn.difference(10.0, 350.0)), (20.0, -20.0));
    }

    #[test]
    fn the_spread_of_near_directions_is_the_plain_one() {
        let mut directions = Directions::default();
        for value in [358.0, 0.0, 2.0] {
            directions.add(Turn::Degrees, value, 1.0);
        }
        // Around the mean as a population: sqrt(8 / 3).
        assert!((directions.standard_deviation(Turn::Degrees).unwrap() - (8.0_f64 / 3.0).sqrt()).abs() < 1e-3);
    }

    proptest! {
        #[test]
        fn turning_all_directions_turns_their_mean(values in prop::collection::vec(-80.0..80.0_f64, 1..30), by in 0.0..360.0_f64) {
            let before = mean(Turn::Degrees, &values).unwrap();
            let turned: Vec<f64> = values.iter().map(|v| (v + by).rem_euclid(360.0)).collect();
            let after = mean(Turn::Degrees, &turned).unwrap();
            prop_assert!(Turn::Degrees.difference(before + by, after).abs() < 1e-6);
        }
    }
}
