use serde::{Deserialize, Serialize};

/// The Adam optimizer (Kingma and Ba, 2015) with the usual decay rates, 0.9 and 0.999.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// Running mean of the gradient.
    pub(crate) mean: Vec<f32>,
    /// Running mean of its square.
    pub(crate) square: Vec<f32>,
    /// Steps taken.
    pub(crate) steps: u32,
}

const MEAN_DECAY: f32 = 0.9;
const SQUARE_DECAY: f32 = 0.999;
const EPSILON: f32 = 1e-8;

impl Adam {
    /// An optimizer of so many parameters, at its beginning.
    pub fn new(parameters: usize) -> Self {
        Self { mean: vec![0.0; parameters], square: vec![0.0; parameters], steps: 0 }
    }

    /// Moves the parameters one step against the gradient.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f32) {
        self.steps = self.steps.saturating_add(1);
        let exponent = i32::try_from(self.steps).unwrap_or(i32::MAX);
        // The means begin at 0: both corrections for that, folded into the rate and the epsilon.
        let square_correction = (1.0 - SQUARE_DECAY.powi(exponent)).sqrt();
        let rate = learning_rate * square_correction / (1.0 - MEAN_DECAY.powi(exponent));
        let epsilon = EPSILON * square_correction;
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, gradient), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *mean = MEAN_DECAY * *mean + (1.0 - MEAN_DECAY) * gradient;
            *square = SQUARE_DECAY * *square + (1.0 - SQUARE_DECAY) * gradient * gradient;
            *parameter -= rate * *mean / (square.sqrt() + epsilon);
        }
    }
}
