use ndarray::linalg::general_mat_mul;

use super::{Activations, Network, matrix, matrix_mut};

/// The gradient of a loss by every parameter, in the parameters' order; and the space to find it in.
#[derive(Clone, Debug, Default)]
pub struct Gradient {
    values: Vec<f32>,
    /// The loss by each layer's numbers, for the batch.
    layers: Vec<Vec<f32>>,
}

impl Gradient {
    /// The gradient by every parameter.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Where the gradient by the network's outputs is to be written before [`find`](Self::find): `rows` rows, all 0.
    pub fn output_mut(&mut self, network: &Network, rows: usize) -> &mut [f32] {
        self.layers.resize_with(network.widths.len() - 1, Vec::new);
        let output = self.layers.len() - 1;
        let output = &mut self.layers[output];
        output.clear();
        output.resize(rows * network.outputs(), 0.0);
        output
    }

    /// Goes back through the network: from the gradient by its outputs to that by its parameters.
    pub fn find(&mut self, network: &Network, inputs: &[f32], activations: &Activations) {
        let rows = activations.rows;
        self.values.resize(network.parameters.len(), 0.0);
        for place in (0..network.widths.len() - 1).rev() {
            let layer = network.layer(place);
            let (before, after) = self.layers.split_at_mut(place);
            let by_output = matrix(&after[0], rows, layer.outputs);
            let input = if place == 0 { &inputs[..rows * layer.inputs] } else { &activations.layers[place - 1] };
            let input = matrix(input, rows, layer.inputs);
            let mut by_weights = matrix_mut(&mut self.values[layer.weights()], layer.inputs, layer.outputs);
            general_mat_mul(1.0, &input.t(), &by_output, 0.0, &mut by_weights);
            let by_biases = &mut self.values[layer.biases()];
            by_biases.fill(0.0);
            for row in after[0].chunks_exact(layer.outputs) {
                by_biases.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            if let Some(by_input) = before.last_mut() {
                by_input.resize(rows * layer.inputs, 0.0);
                let weights = matrix(&network.parameters[layer.weights()], layer.inputs, layer.outputs);
                general_mat_mul(1.0, &by_output, &weights.t(), 0.0, &mut matrix_mut(by_input, rows, layer.inputs));
                // A ReLU passes nothing back where it passed nothing on.
                for (value, activation) in by_input.iter_mut().zip(&activations.layers[place - 1]) {
                    *value = if *activation > 0.0 { *value } else { 0.0 };
                }
            }
        }
    }
}
