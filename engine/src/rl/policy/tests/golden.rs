use std::path::PathBuf;

use serde_json::Value;

use super::super::super::{Policy as _, ScoreKind};
use super::super::*;

const TOLERANCE: f32 = 1e-4;

/// A file of the reference data; where there is none the test says so and passes.
fn golden(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("SLIPSTREAM_DATA").map_or_else(|| PathBuf::from("../../shared"), PathBuf::from);
    let path = root.join("golden/daladala").join(name);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        println!("skipped: there is no {}", path.display());
    }
    bytes
}

fn model(name: &str) -> Option<TrainedPolicy> {
    golden(&format!("models/{name}")).map(|bytes| load(&bytes).unwrap())
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect()
}

fn close(found: &[f32], expected: &[f32]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= TOLERANCE)
}

/// The reference pairs of one model agree: raw scores, published scores, value, greedy action.
fn agrees(model: &TrainedPolicy, pairs: &str) {
    let Some(pairs) = golden(pairs) else { return };
    let pairs: Vec<Value> = serde_json::from_slice(&pairs).unwrap();
    assert_eq!(pairs.len(), 100);
    let mut scratch = Scratch::default();
    for pair in &pairs {
        let observation = numbers(&pair["obs"]);
        let mut scores = [0.0; 5];
        let decision = model.act(&observation, &mut scores).unwrap();
        assert_eq!(decision.action as u64, pair["action"].as_u64().unwrap());
        let (raw, shown) = match decision.scores {
            ScoreKind::QValues => ("q", "q"),
            ScoreKind::Probabilities => ("logits", "probs"),
        };
        let found = model.raw_scores(&observation, &mut scratch);
        assert!(close(found, &numbers(&pair[raw])), "{found:?} {}", pair[raw]);
        assert!(close(&scores, &numbers(&pair[shown])), "{scores:?} {}", pair[shown]);
        assert_eq!(decision.value.is_some(), pair.get("value").is_some());
        if let Some(value) = decision.value {
            assert!(close(&[value], &[pair["value"].as_f64().unwrap() as f32]), "{value} {}", pair["value"]);
        }
    }
}

#[test]
fn dqn_of_stable_baselines_agrees_with_its_reference() {
    let Some(model) = model("best_dqn.zip") else { return };
    assert_eq!((model.algorithm(), model.head()), (Algorithm::Dqn, Head::QValues));
    assert_eq!(model.description().architecture, "14-64-64-5 relu");
    agrees(&model, "dqn.pairs.json");
}

#[test]
fn ppo_of_stable_baselines_agrees_with_its_reference() {
    let Some(model) = model("best_ppo.zip") else { return };
    assert_eq!((model.algorithm(), model.head()), (Algorithm::Ppo, Head::Logits));
    agrees(&model, "ppo.pairs.json");
}

#[test]
fn a2c_of_stable_baselines_agrees_with_its_reference() {
    let Some(model) = model("best_a2c.zip") else { return };
    assert_eq!((model.algorithm(), model.head()), (Algorithm::A2c, Head::Logits));
    agrees(&model, "a2c.pairs.json");
}

#[test]
fn reinforce_of_a_bare_state_dict_agrees_with_its_reference() {
    let Some(model) = model("best_reinforce_policy.pth") else { return };
    assert_eq!((model.algorithm(), model.head()), (Algorithm::Reinforce, Head::Logits));
    agrees(&model, "reinforce.pairs.json");
}

#[test]
fn what_is_written_as_safetensors_is_read_again_bit_by_bit() {
    let mut versions = Vec::new();
    for name in ["best_dqn.zip", "best_ppo.zip", "best_a2c.zip", "best_reinforce_policy.pth"] {
        let Some(model) = model(name) else { return };
        assert_eq!(load(&to_safetensors(&model)).unwrap(), model);
        versions.push(model.description().version.clone());
    }
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 4, "every policy has a version of its own");
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for name in ["best_ppo.zip", "best_reinforce_policy.pth"] {
        let Some(bytes) = golden(&format!("models/{name}")) else { return };
        for len in (0..bytes.len()).step_by(97).chain(bytes.len() - 40..bytes.len()) {
            load(&bytes[..len]).unwrap_err();
        }
    }
}

#[test]
fn a_changed_byte_is_told_or_changes_nothing_that_is_played() {
    let Some(bytes) = golden("models/best_reinforce_policy.pth") else { return };
    let model = load(&bytes).unwrap();
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(101) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        match load(&damaged) {
            Ok(read) => assert_eq!(read, model, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > bytes.len() / 101 / 2);
}
