use serde::{Deserialize, Serialize};

/// The share of actions taken by chance: falls in a straight line, then stays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epsilon {
    /// At the beginning, 0 to 1.
    pub start: f64,
    /// In the end, 0 to 1.
    pub end: f64,
    /// Steps until then.
    pub over_steps: u64,
}

impl Epsilon {
    /// The share after so many steps.
    pub fn at(self, steps: u64) -> f64 {
        if steps >= self.over_steps {
            return self.end;
        }
        self.start + (self.end - self.start) * steps as f64 / self.over_steps as f64
    }

    pub(super) fn check(self) -> Result<(), super::LearnerError> {
        for (setting, value) in [("epsilon.start", self.start), ("epsilon.end", self.end)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(super::LearnerError::config(setting, value, "it is a share, 0 to 1"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_in_a_straight_line_and_stays() {
        let epsilon = Epsilon { start: 1.0, end: 0.1, over_steps: 100 };
        assert_eq!([0, 50, 100, 1000].map(|steps| epsilon.at(steps)), [1.0, 0.55, 0.1, 0.1]);
        assert_eq!(Epsilon { start: 1.0, end: 0.2, over_steps: 0 }.at(0), 0.2);
        assert!(Epsilon { start: f64::NAN, ..epsilon }.check().is_err());
    }
}
