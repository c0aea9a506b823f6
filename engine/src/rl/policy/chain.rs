//! Finds the chain of dense layers in a bare state dict, whatever its parameters are called.
//!
//! `0.weight` of a `Sequential`, `net.0.weight`, `fc1`, `fc2`, `out`, `layer1` to `layer3`: PyTorch takes any names. The state dict
//! holds them in the order in which the module made them, which is nearly always the order in which it plays them; whether
//! it is, the shapes tell.

use super::{Activation, Algorithm, Head, LoadError, Mlp, TrainedPolicy, sb3, tensors::Tensors};

/// The policy of a state dict. `Stable-Baselines3`'s `policy.state_dict()` is known by its names; anything else is one chain, of
/// which `settings` says what the file does not.
pub(super) fn read(tensors: &Tensors, settings: Option<(Algorithm, Head, Activation)>) -> Result<TrainedPolicy, LoadError> {
    if settings.is_none()
        && let Some(policy) = sb3::of_state_dict(tensors)?
    {
        return Ok(policy);
    }
    let target = has_target(tensors);
    let layers = layers(tensors)?;
    let names = ordered(tensors, layers)?;
    let (algorithm, head, activation) = settings.unwrap_or_else(|| {
        let q = target || names.iter().any(|name| parts(name).any(|part| Q_NETWORKS.contains(&part)));
        if q { (Algorithm::Dqn, Head::QValues, Activation::Relu) } else { (Algorithm::Reinforce, Head::Logits, Activation::Relu) }
    });
    Ok(TrainedPolicy::new(algorithm, head, Mlp::of_tensors(tensors, &names, activation)?, None))
}

/// Parts of names that say that the network gives Q-values.
const Q_NETWORKS: [&str; 6] = ["q_net", "qnet", "q_network", "qnetwork", "online_net", "policy_net"];

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('.')
}

/// Whether a tensor is of a target network, which learning lags behind with and nobody plays.
fn is_target(name: &str) -> bool {
    parts(name).any(|part| part == "target" || part.starts_with("target_") || part.ends_with("_target"))
}

fn has_target(tensors: &Tensors) -> bool {
    tensors.in_order().any(is_target) && !tensors.in_order().all(is_target)
}

/// The names of the layers in the order of the file, those of a target network left out.
fn layers(tensors: &Tensors) -> Result<Vec<String>, LoadError> {
    let skip = has_target(tensors);
    let mut layers: Vec<String> = Vec::new();
    for name in tensors.in_order().filter(|name| !(skip && is_target(name))) {
        let shape = &tensors.get(name)?.shape;
        let unsupported = |what: &str| Err(LoadError::Unsupported(format!("tensor {name:?} of shape {shape:?}, {what}")));
        let Some((layer, parameter)) = name.rsplit_once('.') else { return unsupported("which belongs to no layer") };
        match (parameter, shape.len()) {
            ("weight", 2) => layers.push(layer.to_owned()),
            ("weight", 1) => return unsupported("a normalisation"),
            ("weight", _) => return unsupported("no dense layer"),
            // A bias belongs to a weight, which is told by itself; without one it is no layer of ours.
            ("bias", 1) if tensors.get(&format!("{layer}.weight")).is_ok() => {}
            _ => return unsupported("which no dense layer has"),
        }
    }
    if layers.is_empty() { Err(LoadError::MissingTensor("<name>.weight".to_owned())) } else { Ok(layers) }
}

/// Puts the layers into the order in which they are played.
fn ordered(tensors: &Tensors, layers: Vec<String>) -> Result<Vec<String>, LoadError> {
    let mut counted = layers.clone();
    counted.sort_by_cached_key(|name| natural(name));
    let numbered = |name: &String| name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    // Numbers of one `Sequential` say the order; of other names the file does, and where it does not, the names may.
    let prefix = |name: &String| name.rsplit_once('.').map(|(prefix, _)| prefix.to_owned());
    let one_sequence = layers.iter().all(|name| numbered(name) && prefix(name) == prefix(&layers[0]));
    let candidates = if one_sequence { [counted, layers] } else { [layers, counted] };
    let mut told = None;
    for names in candidates {
        match break_in(tensors, &names)? {
            None => return Ok(names),
            Some(at) => told = told.or_else(|| Some(explain(tensors, &names, at))),
        }
    }
    Err(told.unwrap_or_else(|| LoadError::NoChain("there is none".to_owned())))
}

/// Where one layer does not take what the one before it gives.
fn break_in(tensors: &Tensors, names: &[String]) -> Result<Option<usize>, LoadError> {
    for (at, pair) in names.windows(2).enumerate() {
        if widths(tensors, &pair[0])?.1 != widths(tensors, &pair[1])?.0 {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// What a layer takes and gives.
fn widths(tensors: &Tensors, name: &str) -> Result<(usize, usize), LoadError> {
    let shape = &tensors.get(&format!("{name}.weight"))?.shape;
    Ok((shape.get(1).copied().unwrap_or(0), shape.first().copied().unwrap_or(0)))
}

fn explain(tensors: &Tensors, names: &[String], at: usize) -> LoadError {
    let (left, right) = (&names[at], &names[at + 1]);
    let group = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
    let mut groups: Vec<String> = names.iter().map(group).collect();
    groups.dedup();
    if groups.len() > 1 && groups.len() < names.len() {
        let groups: Vec<_> = groups.iter().map(|name| format!("{name:?}")).collect();
        return LoadError::NoChain(format!(
            "there are several ({}): save the one that acts, as torch.save(model.actor.state_dict(), file)",
            groups.join(", ")
        ));
    }
    let given = widths(tensors, left).map_or(0, |(_, outputs)| outputs);
    let taken = widths(tensors, right).map_or(0, |(inputs, _)| inputs);
    // A matrix that fits neither way is told by its name and shape.
    let found = tensors.get(&format!("{right}.weight")).map(|tensor| tensor.shape.clone()).unwrap_or_default();
    if names.len() == 2 {
        return LoadError::WrongShape { name: format!("{right}.weight"), found, expected: format!("[.., {given}]") };
    }
    LoadError::NoChain(format!("{left:?} gives {given} numbers and {right:?} takes {taken}"))
}

/// A name as people sort it: numbers by their value.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts: Vec<(String, u64)> = vec![(String::new(), 0)];
    let mut in_number = false;
    for c in name.chars() {
        match (c.to_digit(10), parts.last_mut()) {
            (Some(digit), Some(part)) => {
                part.1 = part.1.saturating_mul(10).saturating_add(u64::from(digit));
                in_number = true;
            }
            (None, Some(part)) if !in_number => part.0.push(c),
            _ => {
                parts.push((c.to_string(), 0));
                in_number = false;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state dict of these layers: name, inputs, outputs.
    fn of(layers: &[(&str, usize, usize)]) -> Tensors {
        let mut tensors = Tensors::default();
        for (at, (name, inputs, outputs)) in layers.iter().enumerate() {
            let weights = (0..inputs * outputs).map(|i| (i + at) as f32 / 7.0).collect();
            tensors.insert(&format!("{name}.weight"), vec![*outputs, *inputs], weights).unwrap();
            tensors.insert(&format!("{name}.bias"), vec![*outputs], vec![0.5; *outputs]).unwrap();
        }
        tensors
    }

    fn widths_of(layers: &[(&str, usize, usize)]) -> Result<(String, Algorithm), LoadError> {
        read(&of(layers), None).map(|policy| (policy.actor().architecture(), policy.algorithm()))
    }

    #[test]
    fn any_names_that_form_a_chain_are_taken() {
        for names in [
            ["0", "2", "4"],
            ["net.0", "net.2", "net.4"],
            ["net.8", "net.10", "net.12"],
            ["fc1", "fc2", "out"],
            ["layer1", "layer2", "layer3"],
            ["actor.input", "actor.hidden", "actor.head"],
            ["linear_relu_stack.0", "linear_relu_stack.2", "linear_relu_stack.4"],
            ["network.1", "network.3", "network.5"],
            ["zeta", "beta", "alpha"],
            ["module.fc1", "module.fc2", "module.fc3"],
        ] {
            let layers = [(names[0], 14, 32), (names[1], 32, 16), (names[2], 16, 5)];
            assert_eq!(widths_of(&layers).unwrap(), ("14-32-16-5 relu".to_owned(), Algorithm::Reinforce), "{names:?}");
        }
        // Made in another order than they are played in.
        assert_eq!(widths_of(&[("fc3", 16, 5), ("fc1", 14, 32), ("fc2", 32, 16)]).unwrap().0, "14-32-16-5 relu");
        assert_eq!(widths_of(&[("net.10", 16, 5), ("net.0", 14, 32), ("net.2", 32, 16)]).unwrap().0, "14-32-16-5 relu");
    }

    #[test]
    fn a_target_network_is_left_out_and_tells_that_values_are_scored() {
        for (own, target) in [("q_net", "q_net_target"), ("net", "target_net"), ("q_network", "target_network"), ("online", "target")] {
            let layers =
                [(format!("{own}.0"), 4, 8), (format!("{own}.2"), 8, 3), (format!("{target}.0"), 4, 8), (format!("{target}.2"), 8, 3)];
            let layers: Vec<_> = layers.iter().map(|(name, inputs, outputs)| (name.as_str(), *inputs, *outputs)).collect();
            assert_eq!(widths_of(&layers).unwrap(), ("4-8-3 relu".to_owned(), Algorithm::Dqn), "{own}");
        }
        assert_eq!(widths_of(&[("target.0", 4, 8), ("target.2", 8, 3)]).unwrap().0, "4-8-3 relu", "nothing else is there");
    }

    #[test]
    fn a_layer_without_a_bias_adds_nothing() {
        let mut tensors = of(&[("a", 4, 8)]);
        tensors.insert("b.weight", vec![3, 8], vec![0.25; 24]).unwrap();
        let policy = read(&tensors, None).unwrap();
        assert_eq!((policy.actor().architecture().as_str(), &policy.actor().layers()[1].bias[..]), ("4-8-3 relu", &[0.0; 3][..]));
    }

    #[test]
    fn what_is_no_chain_is_refused_with_the_reason() {
        let told = |layers: &[(&str, usize, usize)]| widths_of(layers).unwrap_err().to_string();
        let several = told(&[("critic.0", 4, 8), ("critic.2", 8, 1), ("actor.0", 4, 8), ("actor.2", 8, 3)]);
        assert!(several.contains("\"critic\", \"actor\"") && several.contains("save the one that acts"), "{several}");
        let gap = told(&[("fc1", 4, 8), ("fc2", 9, 8), ("out", 8, 3)]);
        assert!(gap.contains("\"fc1\" gives 8") && gap.contains("\"fc2\" takes 9"), "{gap}");
        let with = |name: &str, shape: Vec<usize>| {
            let mut tensors = of(&[("fc1", 4, 8), ("out", 8, 3)]);
            let count = shape.iter().product();
            tensors.insert(name, shape, vec![1.0; count]).unwrap();
            read(&tensors, None).unwrap_err().to_string()
        };
        assert!(with("conv.weight", vec![2, 1, 3, 3]).contains("\"conv.weight\" of shape [2, 1, 3, 3], no dense layer"));
        assert!(with("norm.weight", vec![8]).contains("a normalisation"));
        assert!(with("log_std", vec![2]).contains("\"log_std\""));
        assert!(with("lstm.weight_ih_l0", vec![32, 4]).contains("\"lstm.weight_ih_l0\""));
        assert!(matches!(read(&Tensors::default(), None), Err(LoadError::MissingTensor(_))));
    }
}
