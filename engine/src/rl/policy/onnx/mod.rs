//! ONNX models of feed-forward networks: what PyTorch, scikit-learn, Keras and others export for a
//! multi-layer perceptron.
//!
//! Such a model becomes an [`Mlp`], so it is played as fast as any other policy here. A model that does
//! anything else is refused by the name of the operation (docs/adr/0013 tells why no general runtime).

mod external;
mod fold;
mod model;
mod wire;

use super::{Activation, Algorithm, Head, LoadError, Mlp, TrainedPolicy, bounds, mlp::Layer, tensors::Tensor};
use model::{Attribute, Graph, Node};

/// Whether the bytes may be a model: the first field is the version of the representation.
pub(super) fn is_onnx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, version, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..] if (1..=32).contains(version))
}

/// The policy a model describes. Where it ends in a softmax its scores are logits, otherwise Q-values.
pub(super) fn read(bytes: &[u8], beside: external::Beside<'_>) -> Result<TrainedPolicy, LoadError> {
    let graph = Graph::of_model(bytes, beside)?;
    let mut network = Network::default();
    // From the output back to the input: which operations matter, each with one origin.
    let mut steps = Vec::new();
    let mut value = *graph.outputs.first().ok_or(LoadError::Onnx("it has no output"))?;
    while !graph.inputs.contains(&value) {
        let node = graph.nodes.iter().find(|n| n.outputs.contains(&value)).ok_or(LoadError::Onnx("a value comes from nowhere"))?;
        if steps.len() == graph.nodes.len() {
            return Err(LoadError::Onnx("its values go in a circle"));
        }
        value = origin(&graph, node)?;
        steps.push(node);
    }
    for node in steps.into_iter().rev() {
        network.take(&graph, node)?;
    }
    network.finish()
}

/// Which input of an operation is computed, the others being weights.
fn origin<'a>(graph: &Graph<'a>, node: &Node<'a>) -> Result<&'a str, LoadError> {
    let mut computed = node.inputs.iter().filter(|name| !name.is_empty() && constant(graph, name).is_none());
    match (computed.next(), computed.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(LoadError::Unsupported(format!("{} of several values", node.operator))),
    }
}

/// A weight, the value of a `Constant`, or what is computed of those alone.
fn constant<'g>(graph: &'g Graph<'_>, name: &str) -> Option<&'g Tensor> {
    graph.weights.get(name).ok()
}

/// The network as it grows.
#[derive(Default)]
struct Network {
    /// Of the first layer.
    inputs: usize,
    layers: Vec<Layer>,
    /// What stands behind each layer.
    activations: Vec<Option<Activation>>,
    /// A softmax ended it.
    probabilities: bool,
    /// Nothing may follow.
    ended: bool,
}

impl Network {
    fn take(&mut self, graph: &Graph<'_>, node: &Node<'_>) -> Result<(), LoadError> {
        if self.ended && !matches!(node.operator, "ArgMax" | "Cast" | "Identity") {
            return Err(LoadError::Unsupported(format!("{} behind the end", node.operator)));
        }
        match node.operator {
            "Gemm" => self.gemm(graph, node),
            "MatMul" => {
                let weight = match node.inputs[..] {
                    [_, weight] => constant(graph, weight),
                    _ => None,
                };
                let weight = weight.ok_or_else(|| LoadError::Unsupported("MatMul of weights by values".to_owned()))?;
                self.dense(weight, false, None, 1.0, 1.0)
            }
            "Add" => {
                let bias = node.inputs.iter().find_map(|name| constant(graph, name));
                self.add(bias.ok_or_else(|| LoadError::Unsupported("Add of values".to_owned()))?)
            }
            "Relu" => self.activate(Activation::Relu),
            "Tanh" => self.activate(Activation::Tanh),
            "Sigmoid" => self.activate(Activation::Sigmoid),
            "Softmax" => {
                (self.probabilities, self.ended) = (true, true);
                Ok(())
            }
            // The index of the best action: the scores before it say the same and more.
            "ArgMax" => {
                self.ended = true;
                Ok(())
            }
            "Identity" | "Flatten" | "Cast" | "Dropout" => Ok(()),
            // Rows of numbers stay rows: what exporters write of `x.view(-1, n)`.
            "Reshape" => match node.inputs.get(1).and_then(|name| constant(graph, name)) {
                Some(shape) if shape.numbers.len() == 2 => Ok(()),
                _ => Err(LoadError::Unsupported("Reshape of values".to_owned())),
            },
            other => Err(LoadError::Unsupported(format!("operation {other}"))),
        }
    }

    fn gemm(&mut self, graph: &Graph<'_>, node: &Node<'_>) -> Result<(), LoadError> {
        let weight = node.inputs.get(1).and_then(|name| constant(graph, name));
        let weight = weight.ok_or_else(|| LoadError::Unsupported("Gemm of values".to_owned()))?;
        let bias = match node.inputs.get(2).filter(|name| !name.is_empty()) {
            Some(name) => Some(constant(graph, name).ok_or_else(|| LoadError::Unsupported("Gemm of values".to_owned()))?),
            None => None,
        };
        let int = |name| matches!(node.attributes.get(name), Some(Attribute::Int(n)) if *n != 0);
        let float = |name| match node.attributes.get(name) {
            Some(Attribute::Float(f)) => *f,
            _ => 1.0,
        };
        if int("transA") {
            return Err(LoadError::Unsupported("Gemm of transposed values".to_owned()));
        }
        self.dense(weight, int("transB"), bias, float("alpha"), float("beta"))
    }

    /// A layer whose weights are `[inputs, outputs]`, or the other way round where `by_output`.
    fn dense(&mut self, weight: &Tensor, by_output: bool, bias: Option<&Tensor>, alpha: f32, beta: f32) -> Result<(), LoadError> {
        let &[rows, columns] = &weight.shape[..] else {
            return Err(LoadError::WrongShape { name: "weight".to_owned(), found: weight.shape.clone(), expected: "a matrix".to_owned() });
        };
        let (inputs, outputs) = if by_output { (columns, rows) } else { (rows, columns) };
        if self.layers.len() == bounds::MAX_LAYERS {
            return Err(LoadError::Bound { what: "layers", limit: bounds::MAX_LAYERS });
        }
        let at = |i: usize| if by_output { i } else { (i % inputs) * outputs + i / inputs };
        let weights = (0..weight.numbers.len()).map(|i| weight.numbers[at(i)] * alpha).collect();
        if self.layers.is_empty() {
            self.inputs = inputs;
        }
        self.layers.push(Layer { weights, bias: vec![0.0; outputs] });
        self.activations.push(None);
        bias.map_or(Ok(()), |bias| self.add_scaled(bias, beta))
    }

    fn add(&mut self, bias: &Tensor) -> Result<(), LoadError> {
        self.add_scaled(bias, 1.0)
    }

    /// Adds to what the newest layer gives: one number for each output, or one for all.
    fn add_scaled(&mut self, bias: &Tensor, by: f32) -> Result<(), LoadError> {
        let (Some(layer), Some(None)) = (self.layers.last_mut(), self.activations.last()) else {
            return Err(LoadError::Unsupported("Add that follows no layer".to_owned()));
        };
        let outputs = layer.bias.len();
        // Leading dimensions of 1 broadcast.
        let row = bias.shape.iter().rev().skip(1).all(|n| *n == 1);
        if !row || !(bias.numbers.len() == outputs || bias.numbers.len() == 1) {
            return Err(LoadError::WrongShape { name: "bias".to_owned(), found: bias.shape.clone(), expected: format!("[{outputs}]") });
        }
        for (sum, more) in layer.bias.iter_mut().zip(bias.numbers.iter().cycle()) {
            *sum += more * by;
        }
        Ok(())
    }

    fn activate(&mut self, activation: Activation) -> Result<(), LoadError> {
        match self.activations.last_mut() {
            Some(behind @ None) => {
                *behind = Some(activation);
                Ok(())
            }
            _ => Err(LoadError::Unsupported("an activation that follows no layer".to_owned())),
        }
    }

    fn finish(self) -> Result<TrainedPolicy, LoadError> {
        let (last, hidden) = self.activations.split_last().ok_or(LoadError::Onnx("it has no layers"))?;
        if last.is_some() {
            return Err(LoadError::Unsupported("an activation behind the last layer".to_owned()));
        }
        let activation = hidden.first().map_or(Some(Activation::Relu), |first| *first);
        if hidden.iter().any(|a| *a != activation) {
            return Err(LoadError::Unsupported("different activations between its layers".to_owned()));
        }
        let activation = activation.ok_or_else(|| LoadError::Unsupported("layers without an activation between them".to_owned()))?;
        let head = if self.probabilities { Head::Logits } else { Head::QValues };
        Ok(TrainedPolicy::new(Algorithm::Unknown, head, Mlp::new(self.inputs, self.layers, activation)?, None))
    }
}
