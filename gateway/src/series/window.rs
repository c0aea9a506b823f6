//! Windows that are added up here, point by point.

use slipstream_engine::{
    angle::Directions,
    signals::{cycle::Cycle, direction::turn_of},
};
use slipstream_ports::Aggregate;

/// How a signal's windows are averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Averaging {
    /// Not, or as numbers.
    Plain,
    /// As what goes round.
    Round(Cycle),
}

impl Averaging {
    /// How windows of the signal `name` are averaged for `aggregate`.
    pub(super) fn of(aggregate: Aggregate, name: &str) -> Self {
        match aggregate {
            Aggregate::CircularMean => Self::Round(Cycle::Direction(turn_of(name))),
            Aggregate::Mean => Cycle::of(name).map_or(Self::Plain, Self::Round),
            _ => Self::Plain,
        }
    }
}

/// What a window has so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    points: u64,
    numbers: u64,
    sum: f64,
    min: f64,
    max: f64,
    first: f64,
    last: f64,
    directions: Option<Box<Directions>>,
}

impl Window {
    /// Takes a point in, in order of time; `None` is text.
    pub(super) fn add(&mut self, number: Option<f64>, averaging: Averaging) {
        self.points += 1;
        let Some(number) = number else { return };
        if self.numbers == 0 {
            (self.min, self.max, self.first) = (number, number, number);
        }
        self.numbers += 1;
        self.sum += number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.last = number;
        if let Averaging::Round(cycle) = averaging {
            self.directions.get_or_insert_default().add(cycle.turn(), number, 1.0);
        }
    }

    /// `None` where there is nothing to tell: text has no numbers, opposite directions have no mean.
    pub(super) fn value(&self, aggregate: Aggregate, averaging: Averaging) -> Option<f64> {
        if aggregate == Aggregate::Count {
            return Some(self.points as f64);
        }
        if self.numbers == 0 {
            return None;
        }
        match (aggregate, averaging) {
            (Aggregate::Mean | Aggregate::CircularMean, Averaging::Round(cycle)) if cycle.averages_as_vectors(self.min, self.max) => {
                self.directions.as_ref()?.mean(cycle.turn())
            }
            (Aggregate::Mean | Aggregate::CircularMean, _) => Some(self.sum / self.numbers as f64),
            (Aggregate::Min, _) => Some(self.min),
            (Aggregate::Max, _) => Some(self.max),
            (Aggregate::Sum, _) => Some(self.sum),
            (Aggregate::First, _) => Some(self.first),
            (Aggregate::Last, _) => Some(self.last),
            (Aggregate::Count, _) => Some(self.points as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(aggregate: Aggregate, name: &str, numbers: &[f64]) -> Option<f64> {
        let (averaging, mut window) = (Averaging::of(aggregate, name), Window::default());
        for number in numbers {
            window.add(Some(*number), averaging);
        }
        window.value(aggregate, averaging)
    }

    #[test]
    fn directions_are_averaged_by_name_or_where_somebody_says_so() {
        assert_eq!(value(Aggregate::Mean, "heading_deg", &[350.0, 10.0]), Some(0.0));
        assert_eq!(value(Aggregate::Mean, "speed_mps", &[350.0, 10.0]), Some(180.0));
        assert_eq!(value(Aggregate::Mean, "lon_deg", &[179.9, -179.9]), Some(180.0), "across the date line");
        assert_eq!(value(Aggregate::Mean, "lon_deg", &[10.25, 10.75]), Some(10.5));
        assert_eq!(value(Aggregate::CircularMean, "vane", &[350.0, 10.0]), Some(0.0));
        assert_eq!(value(Aggregate::Max, "heading_deg", &[350.0, 10.0]), Some(350.0));
        assert_eq!(value(Aggregate::Mean, "course_deg", &[0.0, 180.0]), None);
    }
}
