//! Small feed-forward networks that learn: dense layers with ReLU between them, gradients by hand, Adam.
//!
//! Matrices are ndarray's, whose multiplication picks the widest kernel the processor has. A tensor
//! library with automatic differentiation was tried first and measured: for two hidden layers of
//! 64 and a batch of 64, one step of DQN cost candle 340 µs of processor time (dispatch, a fresh
//! tensor per operation, and an optimizer of a dozen of them per parameter) and PyTorch 1,300 µs; this
//! takes 76 µs, because nothing is allocated and the optimizer is one pass. The same weights and inputs
//! give the same numbers on one kind of processor; another kind may round the last bit otherwise.

mod adam;
mod gradient;
#[cfg(test)]
mod tests;

use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};
use serde::{Deserialize, Serialize};

use super::SplitMix64;
use super::policy::{self, Activation, Algorithm, Head, LoadError, Mlp, TrainedPolicy};
pub use adam::Adam;
pub use gradient::Gradient;

/// The widest layer.
pub const MAX_WIDTH: usize = 512;

/// Dense layers with ReLU between them, and none after the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    widths: Vec<usize>,
    /// Layer after layer: the weights, all of the first input first, then the biases.
    parameters: Vec<f32>,
}

/// One layer's place among the parameters.
#[derive(Clone, Copy)]
struct Layer {
    inputs: usize,
    outputs: usize,
    start: usize,
}

impl Layer {
    fn weights(self) -> std::ops::Range<usize> {
        self.start..self.start + self.inputs * self.outputs
    }

    fn biases(self) -> std::ops::Range<usize> {
        let end = self.weights().end;
        end..end + self.outputs
    }
}

/// A rows x columns view of numbers, row after row.
fn matrix(numbers: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), numbers).expect("callers cut the slice to rows x columns")
}

fn matrix_mut(numbers: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), numbers).expect("callers cut the slice to rows x columns")
}

/// Plays one dense layer for as many rows as `inputs` has: `weights` hold all of the first input first.
pub(super) fn dense(weights: &[f32], biases: &[f32], inputs: &[f32], outputs: &mut [f32]) {
    let (width, rows) = (biases.len(), outputs.len() / biases.len());
    let input_width = weights.len() / width;
    outputs.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(biases));
    let mut product = matrix_mut(outputs, rows, width);
    general_mat_mul(1.0, &matrix(inputs, rows, input_width), &matrix(weights, input_width, width), 1.0, &mut product);
}

/// What each layer gave for a batch; kept for the way back, and reused so that nothing is allocated.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    layers: Vec<Vec<f32>>,
    rows: usize,
}

impl Activations {
    /// The last layer's numbers, row after row.
    pub fn output(&self) -> &[f32] {
        self.layers.last().map_or(&[], Vec::as_slice)
    }
}

impl Network {
    /// A network of these widths (inputs, hidden layers, outputs; at least two, each 1 to [`MAX_WIDTH`], else
    /// `None`), with weights and biases drawn evenly from ±1 / sqrt(inputs), as PyTorch does.
    pub fn new(widths: &[usize], random: &mut SplitMix64) -> Option<Self> {
        let mut network = Self::zeros(widths)?;
        for layer in network.layers().collect::<Vec<_>>() {
            let bound = 1.0 / (layer.inputs as f64).sqrt();
            let end = layer.biases().end;
            network.parameters[layer.start..end].fill_with(|| random.range(-bound, bound) as f32);
        }
        Some(network)
    }

    /// A network whose parameters are all 0, or `None` as for [`new`](Self::new).
    pub fn zeros(widths: &[usize]) -> Option<Self> {
        if widths.len() < 2 || widths.iter().any(|width| !(1..=MAX_WIDTH).contains(width)) {
            return None;
        }
        let count = widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        Some(Self { widths: widths.to_vec(), parameters: vec![0.0; count] })
    }

    /// Inputs, hidden layers, outputs.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Numbers it takes.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Numbers it gives.
    pub fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// All weights and biases: layer after layer, the weights (all of the first input first), then the biases.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The same, to be changed.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// The same network as a policy plays it: its outputs are Q-values.
    pub fn to_policy(&self, algorithm: Algorithm) -> Result<TrainedPolicy, LoadError> {
        let layers = self.layers().map(|layer| {
            let weights = matrix(&self.parameters[layer.weights()], layer.inputs, layer.outputs);
            // By output, row after row, as PyTorch keeps them.
            policy::Layer { weights: weights.t().iter().copied().collect(), bias: self.parameters[layer.biases()].to_vec() }
        });
        let mlp = Mlp::new(self.inputs(), layers.collect(), Activation::Relu)?;
        Ok(TrainedPolicy::new(algorithm, Head::QValues, mlp, None))
    }

    fn layer(&self, place: usize) -> Layer {
        let start = self.widths.windows(2).take(place).map(|pair| (pair[0] + 1) * pair[1]).sum();
        Layer { inputs: self.widths[place], outputs: self.widths[place + 1], start }
    }

    fn layers(&self) -> impl Iterator<Item = Layer> + use<'_> {
        (0..self.widths.len() - 1).map(|place| self.layer(place))
    }

    /// Plays a batch: `inputs` holds whole rows.
    pub fn forward(&self, inputs: &[f32], activations: &mut Activations) {
        let rows = inputs.len() / self.inputs();
        activations.rows = rows;
        activations.layers.resize_with(self.widths.len() - 1, Vec::new);
        for (place, layer) in self.layers().enumerate() {
            let (before, after) = activations.layers.split_at_mut(place);
            let output = &mut after[0];
            output.resize(rows * layer.outputs, 0.0);
            let input = before.last().map_or_else(|| &inputs[..rows * layer.inputs], Vec::as_slice);
            dense(&self.parameters[layer.weights()], &self.parameters[layer.biases()], input, output);
            if place + 2 < self.widths.len() {
                for value in output.iter_mut() {
                    *value = value.max(0.0);
                }
            }
        }
    }
}
