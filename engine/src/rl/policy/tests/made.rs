//! The files of `fuzz/corpus/policy_files`, which `fuzz/make/policy_files.py` made: one network as several
//! tools write it, and files that must be refused.

use std::path::Path;

use super::super::super::Policy as _;
use super::super::{fuzz::policy_files, *};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/policy_files")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn refused(name: &str) -> LoadError {
    load(&file(name)).unwrap_err()
}

fn scores(policy: &TrainedPolicy) -> Vec<f32> {
    policy.raw_scores(&[0.3, -0.7], &mut Scratch::default()).to_vec()
}

#[test]
fn the_same_network_plays_the_same_whichever_tool_wrote_it() {
    let reference = load(&file("torch")).unwrap();
    for name in [
        "torch-double",
        "torch-transposed",
        "torch-bare-numbers",
        "torch-words",
        "torch-target",
        "torch-checkpoint",
        "onnx-gemm",
        "onnx-folded",
        "safetensors",
    ] {
        assert_eq!(load(&file(name)).unwrap().actor(), reference.actor(), "{name}");
    }
    for name in ["torch-half", "onnx-half"] {
        let half = scores(&load(&file(name)).unwrap());
        assert!(half.iter().zip(scores(&reference)).all(|(a, b)| (a - b).abs() < 0.02), "{name}");
    }
}

#[test]
fn weights_in_a_file_beside_an_onnx_model_are_read_from_there_once() {
    let mut asked = Vec::new();
    let policy = load_beside(&file("onnx-external"), &mut |name| {
        asked.push(name.to_owned());
        Ok(file(name))
    });
    assert_eq!(policy.unwrap().actor(), load(&file("torch")).unwrap().actor());
    assert_eq!(asked, ["onnx-external.data"]);
}

#[test]
fn a_file_beside_that_is_missing_short_or_elsewhere_is_told_by_its_name() {
    let model = file("onnx-external");
    let told = |error: LoadError, name: &str, why: &str| {
        assert!(matches!(&error, LoadError::Beside { file, .. } if file == name), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    };
    told(load(&model).unwrap_err(), "onnx-external.data", "external_data=False");
    told(load_beside(&model, &mut |_| Err("it is missing".to_owned())).unwrap_err(), "onnx-external.data", "it is missing");
    for len in [0, 1, 50] {
        told(load_beside(&model, &mut |name| Ok(file(name)[..len].to_vec())).unwrap_err(), "onnx-external.data", "behind them");
    }
    // Whatever the name is, nothing but a plain one is asked for.
    let elsewhere = load_beside(&file("refused-onnx-elsewhere"), &mut |name| panic!("{name} was asked for")).unwrap_err();
    told(elsewhere, "../external.datax/", "a plain name");
    let large = load_beside(&model, &mut |_| Ok(vec![0; MAX_FILE_BYTES + 1])).unwrap_err();
    assert!(matches!(large, LoadError::TooLarge { .. }), "{large}");
}

#[test]
fn what_stable_baselines_calls_a_policys_state_dict_is_known_by_its_names() {
    let dqn = load(&file("torch-sb3-dqn-state")).unwrap();
    let zip = load(&file("sb3-dqn")).unwrap();
    assert_eq!((dqn.algorithm(), dqn.head(), dqn.actor()), (Algorithm::Dqn, Head::QValues, zip.actor()));
    let ppo = load(&file("torch-sb3-ppo-state")).unwrap();
    assert_eq!((ppo.head(), ppo.actor().activation(), ppo.critic().is_some()), (Head::Logits, Activation::Tanh, true));
    assert_eq!(load(&file("torch-target")).unwrap().algorithm(), Algorithm::Dqn);
}

#[test]
fn what_cannot_be_chosen_between_or_read_is_refused_with_what_to_do() {
    let several = refused("torch-two-networks").to_string();
    assert!(several.contains("\"one\", \"two\""), "{several}");
    let both = refused("refused-actor-critic").to_string();
    assert!(both.contains("\"critic\", \"actor\"") && both.contains("save the one that acts"), "{both}");
    let old = refused("refused-legacy");
    assert!(old == LoadError::LegacyTorch && old.to_string().contains("_use_new_zipfile_serialization"), "{old}");
}

#[test]
fn an_onnx_model_that_ends_in_a_softmax_gives_probabilities() {
    let (plain, soft) = (load(&file("onnx-gemm")).unwrap(), load(&file("onnx-matmul-softmax")).unwrap());
    assert_eq!((plain.head(), soft.head()), (Head::QValues, Head::Logits));
    assert_eq!(plain.actor(), soft.actor());
    let mut probabilities = [0.0; 3];
    soft.act(&[0.3, -0.7], &mut probabilities).unwrap();
    assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
}

#[test]
fn stable_baselines_tells_its_algorithm_and_activation() {
    let algorithms = ["sb3-dqn", "sb3-ppo", "sb3-a2c"].map(|name| load(&file(name)).unwrap().algorithm());
    assert_eq!(algorithms, [Algorithm::Dqn, Algorithm::Ppo, Algorithm::A2c]);
    let activations = ["sb3-dqn", "sb3-dqn-tanh", "sb3-ppo"].map(|name| load(&file(name)).unwrap().actor().activation());
    assert_eq!(activations, [Activation::Relu, Activation::Tanh, Activation::Tanh]);
    assert!(load(&file("sb3-a2c")).unwrap().critic().is_some());
}

#[test]
fn a_bare_state_dict_is_played_as_its_owner_says() {
    let tanh = load_torch(&file("torch"), Algorithm::Dqn, Head::QValues, Activation::Tanh).unwrap();
    assert_eq!((tanh.algorithm(), tanh.head(), tanh.actor().activation()), (Algorithm::Dqn, Head::QValues, Activation::Tanh));
}

#[test]
fn pickled_code_is_refused_by_name_and_not_executed() {
    // The files were pickled on a machine where `os` is `posix`.
    assert_eq!(refused("refused-code"), LoadError::ForbiddenGlobal("posix.system".to_owned()));
    assert!(matches!(refused("refused-code-protocol-4"), LoadError::Pickle { at: 2, .. }));
    assert!(!Path::new("/tmp/slipstream-was-here").exists());
}

#[test]
fn weights_that_are_no_numbers_and_shapes_that_do_not_fit_are_told() {
    assert_eq!(refused("refused-nan"), LoadError::NotFinite("net.2.bias".to_owned()));
    let LoadError::WrongShape { name, found, .. } = refused("refused-shape") else { panic!("a shape was wrong") };
    assert_eq!((name.as_str(), &found[..]), ("net.2.weight", &[3, 5][..]));
    let actions = LoadError::WrongEnvironment { what: "actions", found: 3, expected: 4 };
    assert_eq!(refused("refused-sb3-actions"), actions);
    assert_eq!(load(&file("torch")).unwrap().fits(2, 5), Err(LoadError::WrongEnvironment { what: "actions", found: 3, expected: 5 }));
}

#[test]
fn what_is_not_played_here_is_refused_by_its_name() {
    assert_eq!(refused("refused-long"), LoadError::Unsupported("whole numbers in tensor \"net.0.weight\"".to_owned()));
    assert_eq!(refused("refused-onnx-conv"), LoadError::Unsupported("operation Elu".to_owned()));
    assert!(matches!(refused("refused-deflated"), LoadError::NotStored(_)));
    assert!(matches!(refused("refused-onnx-cut"), LoadError::Onnx(_)));
    assert_eq!(refused("refused-safetensors-version"), LoadError::Unsupported("version 2 of our policies".to_owned()));
    assert!(matches!(refused("refused-safetensors-cut"), LoadError::Description(_)));
    assert!(matches!(refused("refused-cut"), LoadError::Archive(_)));
    assert_eq!(load(b"GIF89a"), Err(LoadError::UnknownFormat));
    assert_eq!(load(b""), Err(LoadError::UnknownFormat));
}

#[test]
fn every_file_of_the_corpus_keeps_to_the_properties() {
    let mut files = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        policy_files(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 20);
}
