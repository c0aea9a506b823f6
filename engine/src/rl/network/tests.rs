use super::*;
use crate::rl::Policy;

fn network() -> Network {
    Network::new(&[3, 7, 6, 2], &mut SplitMix64::new(1)).unwrap()
}

fn inputs(rows: usize) -> Vec<f32> {
    let mut random = SplitMix64::new(2);
    (0..rows * 3).map(|_| random.range(-1.0, 1.0) as f32).collect()
}

/// Half the squared distance of the outputs from 1.
fn loss(network: &Network, inputs: &[f32]) -> f32 {
    let mut activations = Activations::default();
    network.forward(inputs, &mut activations);
    activations.output().iter().map(|value| 0.5 * (value - 1.0).powi(2)).sum()
}

fn gradient(network: &Network, inputs: &[f32]) -> Gradient {
    let (mut activations, mut gradient) = (Activations::default(), Gradient::default());
    network.forward(inputs, &mut activations);
    let by_output = gradient.output_mut(network, inputs.len() / network.inputs());
    by_output.iter_mut().zip(activations.output()).for_each(|(by, value)| *by = value - 1.0);
    gradient.find(network, inputs, &activations);
    gradient
}

#[test]
fn the_gradient_is_the_slope_of_the_loss_by_every_parameter() {
    let (network, inputs) = (network(), inputs(5));
    let found = gradient(&network, &inputs);
    for (place, expected) in found.values().iter().enumerate() {
        let mut moved = [network.clone(), network.clone()];
        moved[0].parameters_mut()[place] -= 1e-2;
        moved[1].parameters_mut()[place] += 1e-2;
        let slope = (loss(&moved[1], &inputs) - loss(&moved[0], &inputs)) / 2e-2;
        assert!((slope - expected).abs() < 2e-2 * expected.abs().max(1.0), "{place}: {slope} {expected}");
    }
}

#[test]
fn the_policy_of_a_network_gives_what_the_network_gives() {
    let (network, inputs) = (network(), inputs(9));
    let policy = network.to_policy(Algorithm::Dqn).unwrap();
    let mut activations = Activations::default();
    network.forward(&inputs, &mut activations);
    for (input, expected) in inputs.chunks(3).zip(activations.output().chunks(2)) {
        let mut scores = [0.0; 2];
        policy.act(input, &mut scores).unwrap();
        assert!(scores.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{scores:?} {expected:?}");
    }
}

#[test]
fn adam_brings_the_loss_down() {
    let (mut network, inputs) = (network(), inputs(5));
    let before = loss(&network, &inputs);
    let mut adam = Adam::new(network.parameters().len());
    for _ in 0..300 {
        let gradient = gradient(&network, &inputs);
        adam.step(network.parameters_mut(), gradient.values(), 0.01);
    }
    assert!(loss(&network, &inputs) < before / 100.0);
}

#[test]
fn impossible_shapes_are_refused() {
    for widths in [&[3][..], &[3, 0, 2], &[3, MAX_WIDTH + 1, 2]] {
        assert!(Network::zeros(widths).is_none());
    }
}
