//! `slipstream rl play`

use std::{fmt::Write as _, thread, time::Duration};

use clap::Args;
use serde_json::json;
use slipstream_engine::rl::{AnyEnvironment, Decision, Environment, EnvironmentKind, Selection, SplitMix64, Step, check_fits, select};

use super::{environment, policy_of};
use crate::cli::{Outcome, exit::Exit, print::out, token::duration};

#[derive(Args, Clone, Debug)]
pub(super) struct PlayArgs {
    /// The file of a policy, or `random`, or `rules`
    #[arg(value_name = "POLICY")]
    policy: String,

    /// Where it plays: daladala or avoidance
    #[arg(long = "env", value_name = "NAME", value_parser = environment, default_value = "daladala")]
    environment: EnvironmentKind,

    /// Names the episode
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Draw actions by the policy's probabilities instead of taking the best
    #[arg(long)]
    sampled: bool,

    /// Wait this long between two steps, as in 200ms
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pace: Option<Duration>,

    /// One JSON object a step, with the whole state
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PlayArgs) -> Outcome {
    let policy = policy_of(&args.policy, args.environment)?;
    let mut environment = args.environment.environment();
    check_fits(&*policy, &environment)?;
    let mut observation = vec![0.0; environment.observation_len()];
    let mut scores = vec![0.0; environment.action_count()];
    let mut random = SplitMix64::new(args.seed);
    let selection = if args.sampled || args.policy == super::RANDOM { Selection::Sampled } else { Selection::Greedy };
    environment.reset(args.seed, &mut observation)?;
    let mut total = 0.0;
    if !args.json {
        out!("{}", heading(&environment));
    }
    for number in 1.. {
        let decision = policy.act(&observation, &mut scores)?;
        let action = select(decision, &scores, selection, &mut random);
        let step = environment.step(action, &mut observation)?;
        total += step.reward;
        let told = Told { number, action, decision, scores: &scores, step, total };
        out!("{}", if args.json { told.json(&environment)? } else { told.line(&environment) });
        if step.is_last() {
            break;
        }
        thread::sleep(args.pace.unwrap_or_default());
    }
    if !args.json {
        let best = environment.best_return().map_or_else(String::new, |best| format!(", {best} was possible"));
        out!("return {total}{best}");
    }
    Ok(Exit::Done)
}

/// The heading of [`Told::line`]: each action's score stands under its name's first letters.
fn heading(environment: &AnyEnvironment) -> String {
    let mut heading = format!("{:>3}  {:<22} {:>8} {:>9}  ", "no", "action", "reward", "return");
    for name in environment.action_names() {
        // Writing into a string cannot fail.
        let _ = write!(heading, "  {name:<5.5}");
    }
    heading
}

/// One step, to be printed.
struct Told<'s> {
    number: u32,
    action: usize,
    decision: Decision,
    scores: &'s [f32],
    step: Step,
    total: f64,
}

impl Told<'_> {
    fn line(&self, environment: &AnyEnvironment) -> String {
        let mut line =
            format!("{:>3}  {:<22} {:>+8.2} {:>9.2}  ", self.number, environment.action_names()[self.action], self.step.reward, self.total);
        for (action, score) in self.scores.iter().enumerate() {
            // Writing into a string cannot fail.
            let _ = write!(line, " {}{score:.3}", if action == self.action { "*" } else { " " });
        }
        if self.step.terminated {
            line.push_str("  terminated");
        } else if self.step.truncated {
            line.push_str("  truncated");
        }
        line
    }

    fn json(&self, environment: &AnyEnvironment) -> serde_json::Result<String> {
        serde_json::to_string(&json!({
            "step": self.number,
            "action": self.action,
            "actionName": environment.action_names()[self.action],
            "scoreKind": self.decision.scores,
            "scores": self.scores,
            "reward": self.step.reward,
            "totalReward": self.total,
            "terminated": self.step.terminated,
            "truncated": self.step.truncated,
            "state": environment.state(),
        }))
    }
}
