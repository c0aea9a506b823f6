//! A feed-forward network of dense layers, played without allocating.

use super::super::network::dense;
use super::{
    LoadError, bounds,
    tensors::{Tensor, Tensors},
};

/// What stands behind every dense layer but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x)
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x)
    Sigmoid,
}

impl Activation {
    /// `relu`, `tanh` or `sigmoid`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        }
    }

    /// The activation of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Relu, Self::Tanh, Self::Sigmoid].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    fn apply(self, values: &mut [f32]) {
        match self {
            Self::Relu => values.iter_mut().for_each(|v| *v = v.max(0.0)),
            Self::Tanh => values.iter_mut().for_each(|v| *v = v.tanh()),
            Self::Sigmoid => values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        }
    }
}

/// One dense layer: y = W x + b.
#[derive(Clone, Debug, PartialEq)]
struct Dense {
    inputs: usize,
    outputs: usize,
    /// All weights of the first input, then all of the second ...: one input's share is added to all
    /// outputs at once, which vectorises without changing the order in which each output is summed.
    by_input: Vec<f32>,
    bias: Vec<f32>,
    /// The same for single rows, where the outputs are not whole chunks: filled up with 0.
    padded: Option<(Vec<f32>, Vec<f32>)>,
}

/// Outputs summed together at least: the numbers of an AVX register.
const CHUNK: usize = 8;

impl Dense {
    fn new(inputs: usize, outputs: usize, by_input: Vec<f32>, bias: Vec<f32>) -> Self {
        let fill = |row: &[f32]| {
            let mut row = row.to_vec();
            row.resize(outputs.next_multiple_of(CHUNK), 0.0);
            row
        };
        let padded = (!outputs.is_multiple_of(CHUNK)).then(|| (by_input.chunks_exact(outputs).flat_map(fill).collect(), fill(&bias)));
        Self { inputs, outputs, by_input, bias, padded }
    }

    /// Places that a row of its outputs takes.
    const fn width(&self) -> usize {
        self.outputs.next_multiple_of(CHUNK)
    }

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let (weights, bias) = self.padded.as_ref().map_or((&self.by_input, &self.bias), |(weights, bias)| (weights, bias));
        y.copy_from_slice(bias);
        add_inputs(weights, x, y);
    }
}

/// Adds to each output its share of every input; `y` is whole chunks. Compiled for AVX2 as well, which is taken where the
/// processor has it; without fused multiplication, so that all processors give the same sums.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn add_inputs(weights: &[f32], x: &[f32], y: &mut [f32]) {
    let at = add_chunks::<{ 4 * CHUNK }>(weights, x, y, 0);
    add_chunks::<CHUNK>(weights, x, y, at);
}

/// Adds the inputs' shares to the outputs from `at` on, as far as there are `N` of them at a time, which stay in
/// registers meanwhile; tells how far it came.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it must become a part of each version of its caller")]
fn add_chunks<const N: usize>(weights: &[f32], x: &[f32], y: &mut [f32], mut at: usize) -> usize {
    let width = y.len();
    for chunk in y[at..].as_chunks_mut::<N>().0 {
        let mut sums = *chunk;
        for (row, x) in weights.chunks_exact(width).zip(x) {
            // A whole chunk of outputs has a whole chunk of weights.
            let Some(weights) = row[at..].first_chunk::<N>() else { break };
            for (sum, w) in sums.iter_mut().zip(weights) {
                *sum += x * w;
            }
        }
        *chunk = sums;
        at += N;
    }
    at
}

/// A network of dense layers with one activation between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    layers: Vec<Dense>,
    activation: Activation,
}

/// The space that [`Mlp::forward`] works in. Made once, used for every step.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    from: Vec<f32>,
    to: Vec<f32>,
}

/// One layer as it is handed in or out: weights by output (row-major, outputs x inputs) and bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Weights, `outputs * inputs` of them, all of the first output first.
    pub weights: Vec<f32>,
    /// One number for each output.
    pub bias: Vec<f32>,
}

impl Mlp {
    /// The network of these layers, the first one taking `inputs` numbers.
    ///
    /// Fails where shapes do not fit, numbers are not finite, or there is no layer.
    pub fn new(inputs: usize, layers: Vec<Layer>, activation: Activation) -> Result<Self, LoadError> {
        if layers.is_empty() {
            return Err(LoadError::MissingTensor("0.weight".to_owned()));
        }
        if layers.len() > bounds::MAX_LAYERS {
            return Err(LoadError::Bound { what: "layers", limit: bounds::MAX_LAYERS });
        }
        let mut width = inputs;
        let mut dense = Vec::with_capacity(layers.len());
        for (at, Layer { weights, bias }) in layers.into_iter().enumerate() {
            let outputs = bias.len();
            if width == 0 || outputs == 0 || width.checked_mul(outputs) != Some(weights.len()) {
                let expected = format!("{outputs} outputs of {width} inputs");
                return Err(LoadError::WrongShape { name: format!("{at}.weight"), found: vec![weights.len()], expected });
            }
            if !weights.iter().chain(&bias).all(|w| w.is_finite()) {
                return Err(LoadError::NotFinite(format!("{at}.weight")));
            }
            let by_input = (0..weights.len()).map(|i| weights[(i % outputs) * width + i / outputs]).collect();
            dense.push(Dense::new(width, outputs, by_input, bias));
            width = outputs;
        }
        Ok(Self { layers: dense, activation })
    }

    /// The network whose layers are `<name>.weight` and, unless it adds nothing, `<name>.bias` for every name, in order.
    pub(super) fn of_tensors(tensors: &Tensors, names: &[String], activation: Activation) -> Result<Self, LoadError> {
        let first = names.first().ok_or_else(|| LoadError::MissingTensor("0.weight".to_owned()))?;
        let mut width = match tensors.get(&format!("{first}.weight"))?.shape[..] {
            [_, inputs] => inputs,
            ref other => return Err(wrong_shape(first, other, "a matrix".to_owned())),
        };
        let inputs = width;
        let mut layers = Vec::with_capacity(names.len());
        for name in names {
            let weight = tensors.get(&format!("{name}.weight"))?;
            let none = || Tensor { shape: vec![weight.shape[0]], numbers: vec![0.0; weight.shape[0]] };
            let bias = match tensors.get(&format!("{name}.bias")) {
                Ok(bias) => bias,
                Err(_) if weight.shape.len() == 2 => &none(),
                Err(missing) => return Err(missing),
            };
            match (&weight.shape[..], &bias.shape[..]) {
                (&[outputs, inputs], &[biases]) if inputs == width && biases == outputs => width = outputs,
                (&[outputs, inputs], other) if inputs == width => {
                    return Err(LoadError::WrongShape {
                        name: format!("{name}.bias"),
                        found: other.to_vec(),
                        expected: format!("[{outputs}]"),
                    });
                }
                (other, _) => return Err(wrong_shape(name, other, format!("[.., {width}]"))),
            }
            layers.push(Layer { weights: weight.numbers.clone(), bias: bias.numbers.clone() });
        }
        Self::new(inputs, layers, activation)
    }

    /// How many numbers it takes.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// How many numbers it gives.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// What stands between its layers.
    pub const fn activation(&self) -> Activation {
        self.activation
    }

    /// Its shape for a reader: `14-64-64-5 relu`.
    pub fn architecture(&self) -> String {
        let widths = std::iter::once(self.inputs()).chain(self.layers.iter().map(|l| l.outputs));
        let widths: Vec<_> = widths.map(|w| w.to_string()).collect();
        format!("{} {}", widths.join("-"), self.activation.name())
    }

    /// Its layers, as [`Mlp::new`] takes them.
    pub fn layers(&self) -> Vec<Layer> {
        let by_output = |d: &Dense| (0..d.by_input.len()).map(|i| d.by_input[(i % d.inputs) * d.outputs + i / d.inputs]).collect();
        self.layers.iter().map(|d| Layer { weights: by_output(d), bias: d.bias.clone() }).collect()
    }

    /// Plays the network. `input` has [`Mlp::inputs`] numbers; missing ones count as 0, further ones are not
    /// looked at. Allocates only when `scratch` is used for the first time.
    pub fn forward<'s>(&self, input: &[f32], scratch: &'s mut Scratch) -> &'s [f32] {
        let widest = self.layers.iter().map(Dense::width).max().unwrap_or(0);
        if scratch.to.len().min(scratch.from.len()) < widest {
            scratch.from.resize(widest, 0.0);
            scratch.to.resize(widest, 0.0);
        }
        // There always is a last layer: `new` sees to it.
        let Some((last, hidden)) = self.layers.split_last() else { return &[] };
        let mut width = 0;
        for (at, layer) in hidden.iter().enumerate() {
            let x = if at == 0 { input } else { &scratch.from[..width] };
            layer.forward(x, &mut scratch.to[..layer.width()]);
            self.activation.apply(&mut scratch.to[..layer.outputs]);
            width = layer.outputs;
            std::mem::swap(&mut scratch.from, &mut scratch.to);
        }
        let x = if hidden.is_empty() { input } else { &scratch.from[..width] };
        last.forward(x, &mut scratch.to[..last.width()]);
        &scratch.to[..last.outputs]
    }

    /// Plays the network for many inputs, one after the other, as one product of matrices for each layer: sums are
    /// the same as [`Mlp::forward`]'s up to rounding. `inputs` has whole rows of [`Mlp::inputs`] numbers.
    pub fn forward_batch<'s>(&self, inputs: &[f32], scratch: &'s mut Scratch) -> &'s [f32] {
        let rows = inputs.len() / self.inputs();
        let last = self.layers.len() - 1;
        for (at, layer) in self.layers.iter().enumerate() {
            scratch.to.resize(rows * layer.outputs, 0.0);
            let x = if at == 0 { &inputs[..rows * layer.inputs] } else { &scratch.from[..rows * layer.inputs] };
            dense(&layer.by_input, &layer.bias, x, &mut scratch.to);
            if at < last {
                self.activation.apply(&mut scratch.to);
            }
            std::mem::swap(&mut scratch.from, &mut scratch.to);
        }
        &scratch.from[..rows * self.outputs()]
    }
}

fn wrong_shape(name: &str, found: &[usize], expected: String) -> LoadError {
    LoadError::WrongShape { name: format!("{name}.weight"), found: found.to_vec(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(weights: &[f32], bias: &[f32]) -> Layer {
        Layer { weights: weights.to_vec(), bias: bias.to_vec() }
    }

    #[test]
    fn layers_are_applied_in_order_with_the_activation_between_but_not_behind() {
        let net = Mlp::new(
            2,
            vec![layer(&[1.0, 2.0, -1.0, 1.0, 0.0, 1.0], &[0.5, 0.0, -3.0]), layer(&[1.0, 10.0, 100.0], &[-20.0])],
            Activation::Relu,
        )
        .unwrap();
        // Hidden: 1+4+0.5 = 5.5; -1+2 = 1; 2-3 = -1 -> 0. Out: 5.5 + 10 + 0 - 20.
        assert_eq!(net.forward(&[1.0, 2.0], &mut Scratch::default()), [-4.5]);
    }

    #[test]
    fn one_scratch_serves_networks_of_all_sizes_by_row_and_in_batches() {
        let wide = Mlp::new(1, vec![layer(&[1.0; 9], &[0.0; 9]), layer(&[1.0; 9], &[0.5])], Activation::Relu).unwrap();
        let slim = Mlp::new(1, vec![layer(&[2.0], &[0.0])], Activation::Relu).unwrap();
        let scratch = &mut Scratch::default();
        for _ in 0..2 {
            assert_eq!(wide.forward(&[2.0], scratch), [18.5]);
            assert_eq!(slim.forward_batch(&[1.0], scratch), [2.0]);
            assert_eq!(wide.forward_batch(&[1.0, 2.0, -1.0], scratch), [9.5, 18.5, 0.5]);
            assert_eq!(slim.forward(&[3.0], scratch), [6.0]);
        }
    }

    #[test]
    fn layers_come_out_as_they_went_in() {
        let layers = vec![layer(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0.1, 0.2, 0.3]), layer(&[7.0, 8.0, 9.0], &[0.4])];
        assert_eq!(Mlp::new(2, layers.clone(), Activation::Tanh).unwrap().layers(), layers);
    }

    #[test]
    fn shapes_that_do_not_fit_and_weights_that_are_no_numbers_are_refused() {
        let odd = Mlp::new(2, vec![layer(&[1.0, 2.0, 3.0], &[0.0])], Activation::Relu);
        assert!(matches!(odd, Err(LoadError::WrongShape { .. })), "{odd:?}");
        let nan = Mlp::new(1, vec![layer(&[f32::NAN], &[0.0])], Activation::Relu);
        assert!(matches!(nan, Err(LoadError::NotFinite(_))), "{nan:?}");
        assert!(Mlp::new(0, vec![layer(&[], &[0.0])], Activation::Relu).is_err());
        assert!(Mlp::new(1, vec![], Activation::Relu).is_err());
    }
}
