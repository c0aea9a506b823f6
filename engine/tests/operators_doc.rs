//! Every example in docs/book/look-up/operators.md is a pipeline that can be built.

#![allow(clippy::unwrap_used, reason = "a test")]

use slipstream_engine::pipeline::{Pipeline, operators};

const PAGE: &str = include_str!("../../docs/book/look-up/operators.md");

#[test]
fn every_example_builds() {
    let examples: Vec<&str> = PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 7);
    for example in examples {
        let document: serde_json::Value = toml::from_str(example).unwrap_or_else(|e| panic!("{e}\nin\n{example}"));
        if let Err(mistakes) = Pipeline::build(&document) {
            panic!("{mistakes}\nin\n{example}");
        }
    }
}

#[test]
fn every_operator_for_vehicles_and_players_is_on_the_page() {
    for verb in ["time_laps", "measure_motion", "find_trips", "fence", "alarm", "detect"] {
        assert!(operators::find(verb).is_some() && PAGE.contains(&format!("op = \"{verb}\"")), "{verb}");
    }
}
