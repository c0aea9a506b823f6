//! `slipstream rl eval`

use std::path::Path;

use clap::Args;
use serde_json::json;
use slipstream_engine::rl::{EnvironmentKind, Selection, evaluate};

use super::{HEADING, environment, policy_of, row};
use crate::cli::{Outcome, exit::Exit, print::out, progress::Progress};

#[derive(Args, Clone, Debug)]
pub(super) struct EvalArgs {
    /// Files of policies, or `random`, or `rules`
    #[arg(value_name = "POLICY", required = true)]
    policies: Vec<String>,

    /// Where they play: daladala or avoidance
    #[arg(long = "env", value_name = "NAME", value_parser = environment, default_value = "daladala")]
    environment: EnvironmentKind,

    /// Episodes of each
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    episodes: u32,

    /// Names the episodes: all policies play the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Draw actions by the policy's probabilities instead of taking the best
    #[arg(long)]
    sampled: bool,

    /// One JSON object a policy
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &EvalArgs) -> Outcome {
    let environment = args.environment.environment();
    // Read before anything is printed or played: a name that is wrong ends the command at once.
    let policies = args.policies.iter().map(|source| policy_of(source, args.environment)).collect::<anyhow::Result<Vec<_>>>()?;
    if !args.json {
        out!("{HEADING}");
    }
    let mut progress = Progress::new("evaluate", args.json || args.policies.len() < 2);
    for (place, (source, policy)) in args.policies.iter().zip(policies).enumerate() {
        progress.update(Some(place as f64 / args.policies.len() as f64), || source.clone());
        // Chance has no best action.
        let selection = if args.sampled || source == super::RANDOM { Selection::Sampled } else { Selection::Greedy };
        let evaluation = evaluate(&*policy, &environment, args.episodes as usize, args.seed, selection)?;
        if args.json {
            out!("{}", json!({ "policy": source, "description": policy.description(), "evaluation": evaluation }));
        } else {
            let name = Path::new(source).file_name().map_or_else(|| source.clone(), |name| name.to_string_lossy().into_owned());
            out!("{}", row(&name, &evaluation));
        }
    }
    progress.finish();
    Ok(Exit::Done)
}
