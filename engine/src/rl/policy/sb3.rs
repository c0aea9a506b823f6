//! What Stable-Baselines3 writes: an archive with `policy.pth` (a state dict) and `data` (JSON about the
//! training). The pickles inside `data` are never decoded.

use serde_json::{Map, Value};

use super::{Activation, Algorithm, Head, LoadError, Mlp, TrainedPolicy, bounds, tensors::Tensors, torch, zip::Archive};

const WEIGHTS: &str = "policy.pth";
const DATA: &str = "data";

/// Whether an archive is one of Stable-Baselines3's.
pub(super) fn is_sb3(archive: &Archive<'_>) -> bool {
    archive.contains(WEIGHTS)
}

/// The policy that was trained.
pub(super) fn read(archive: &Archive<'_>) -> Result<TrainedPolicy, LoadError> {
    let tensors = torch::read(&Archive::open(archive.entry(WEIGHTS)?)?)?;
    let data = Description::read(archive.entry(DATA)?)?;
    if let Some(other) = tensors.names().find(|n| n.starts_with("features_extractor.") || n.starts_with("lstm_")) {
        return Err(LoadError::Unsupported(other.to_owned()));
    }
    let policy = if tensors.layers("q_net.q_net").is_empty() { actor_critic(&tensors, &data)? } else { q_network(&tensors, &data)? };
    check("observations", data.observations()?, policy.observations())?;
    check("actions", data.actions()?, policy.actions())?;
    Ok(policy)
}

/// The policy in what `policy.state_dict()` gives, known by its names; `None` where they are others. The activations are those
/// that the algorithms have unless told otherwise: the state dict does not tell.
pub(super) fn of_state_dict(tensors: &Tensors) -> Result<Option<TrainedPolicy>, LoadError> {
    let data = Description(Map::new());
    if !tensors.layers("q_net.q_net").is_empty() {
        return q_network(tensors, &data).map(Some);
    }
    if tensors.get("action_net.weight").is_err() || tensors.get("value_net.weight").is_err() {
        return Ok(None);
    }
    if let Some(other) = tensors.names().find(|n| *n == "log_std" || n.starts_with("features_extractor.") || n.starts_with("lstm_")) {
        return Err(LoadError::Unsupported(other.to_owned()));
    }
    actor_critic(tensors, &data).map(Some)
}

fn q_network(tensors: &Tensors, data: &Description) -> Result<TrainedPolicy, LoadError> {
    let actor = Mlp::of_tensors(tensors, &chain(tensors, "q_net.q_net"), data.activation(Activation::Relu)?)?;
    Ok(TrainedPolicy::new(Algorithm::Dqn, Head::QValues, actor, None))
}

/// PPO and A2C: layers that both share (older versions), layers of each, and a head of each.
fn actor_critic(tensors: &Tensors, data: &Description) -> Result<TrainedPolicy, LoadError> {
    let activation = data.activation(Activation::Tanh)?;
    let network = |own: &str, head: &str| {
        let mut names = chain(tensors, "mlp_extractor.shared_net");
        names.extend(chain(tensors, own));
        names.push(head.to_owned());
        Mlp::of_tensors(tensors, &names, activation)
    };
    let actor = network("mlp_extractor.policy_net", "action_net")?;
    let critic = network("mlp_extractor.value_net", "value_net")?;
    // The two share a policy class; only PPO clips.
    let algorithm = match (data.0.is_empty(), data.0.contains_key("clip_range")) {
        (true, _) => Algorithm::Unknown,
        (false, true) => Algorithm::Ppo,
        (false, false) => Algorithm::A2c,
    };
    Ok(TrainedPolicy::new(algorithm, Head::Logits, actor, Some(critic)))
}

/// The names of the layers `<prefix>.<n>`.
fn chain(tensors: &Tensors, prefix: &str) -> Vec<String> {
    tensors.layers(prefix).into_iter().map(|n| format!("{prefix}.{n}")).collect()
}

/// What `data` tells in plain text.
struct Description(Map<String, Value>);

impl Description {
    fn read(bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.len() > bounds::MAX_DESCRIPTION {
            return Err(LoadError::Bound { what: "bytes of description", limit: bounds::MAX_DESCRIPTION });
        }
        serde_json::from_slice(bytes).map(Self).map_err(|_| LoadError::Description("`data` is not a JSON object"))
    }

    /// The activation that was chosen, or the algorithm's own.
    fn activation(&self, default: Activation) -> Result<Activation, LoadError> {
        let Some(class) = self.0.get("policy_kwargs").and_then(|k| k.get("activation_fn")).and_then(Value::as_str) else {
            return Ok(default);
        };
        let name = class.trim_end_matches("'>").rsplit('.').next().unwrap_or_default();
        Activation::of_name(name).ok_or_else(|| LoadError::Unsupported(format!("activation {class}")))
    }

    /// How many numbers an observation has.
    fn observations(&self) -> Result<usize, LoadError> {
        let shape = self.0.get("observation_space").and_then(|s| s.get("_shape"));
        let shape = shape.ok_or(LoadError::Description("the observation space has no shape"))?;
        let text = shape.as_str().map_or_else(|| shape.to_string(), str::to_owned);
        // `[14]`, or as Python writes a tuple: `(14,)`.
        let inner = text.trim_matches(['[', ']', '(', ')', ',', ' ']);
        inner.parse().map_err(|_| LoadError::Unsupported(format!("observations of shape {text}")))
    }

    /// How many actions there are.
    fn actions(&self) -> Result<usize, LoadError> {
        let space = self.0.get("action_space").ok_or(LoadError::Description("there is no action space"))?;
        let n = space.get("n").ok_or_else(|| LoadError::Unsupported("an action space that is not discrete".to_owned()))?;
        // Numpy's numbers are written as texts.
        let text = n.as_str().map_or_else(|| n.to_string(), str::to_owned);
        text.parse().map_err(|_| LoadError::Description("the number of actions is unreadable"))
    }
}

fn check(what: &'static str, expected: usize, found: usize) -> Result<(), LoadError> {
    if expected == found { Ok(()) } else { Err(LoadError::WrongEnvironment { what, found, expected }) }
}
