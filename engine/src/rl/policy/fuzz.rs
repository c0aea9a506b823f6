//! What must hold of every policy file, whatever its bytes are. Built for the fuzz target and the tests.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a property says that it does not hold")]

use super::{
    super::{Policy as _, PolicyError},
    LoadError, TrainedPolicy, load, to_safetensors,
};

/// A file that claims to be a policy, in any of the formats.
pub fn policy_files(bytes: &[u8]) {
    match load(bytes) {
        Ok(policy) => check(&policy),
        Err(error) => refused(&error),
    }
}

fn refused(error: &LoadError) {
    assert!(!error.is_retryable() && !error.to_string().is_empty());
}

/// It can be played, and written and read again.
fn check(policy: &TrainedPolicy) {
    let observation: Vec<f32> = (0..policy.observations()).map(|i| (i % 7) as f32 / 3.0 - 1.0).collect();
    let mut scores = vec![0.0; policy.actions()];
    match policy.act(&observation, &mut scores) {
        Ok(decision) => {
            assert!(decision.action < policy.actions());
            assert!(scores.iter().all(|s| !s.is_nan()));
        }
        // Finite weights can still overflow on their way.
        Err(error) => assert_eq!(error, PolicyError::NotANumber),
    }
    let written = to_safetensors(policy);
    let again = load(&written).expect("what was read can be written and read again");
    assert_eq!(&again, policy);
    assert_eq!(to_safetensors(&again), written, "the same policy gives the same bytes");
}
