//! Reinforcement learning beside Python: environment steps, steps with DQN's inference, training a DQN.
//!
//! `cargo bench --bench rl [socketio] [steps] [training]` runs both sides in turn on one thread each, with the same rules and the same settings. The peer
//! (`benches/peer/rl/`) is an environment with gymnasium's interface and DQN in PyTorch; `SLIPSTREAM_BENCH_PYTHON`
//! names the Python that has `numpy` and `torch`. Without it only Slipstream is measured, and that is said.

mod ours;
mod peer;
mod socketio;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use slipstream_benches::median_of;
use slipstream_engine::rl::{EnvironmentKind, learners::DqnConfig};

use peer::Peer;

/// Steps taken, and what they took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Timed {
    steps: u64,
    wall_s: f64,
    cpu_s: f64,
}

impl Timed {
    fn per_cpu_second(self) -> f64 {
        self.steps as f64 / self.cpu_s
    }

    fn per_wall_second(self) -> f64 {
        self.steps as f64 / self.wall_s
    }
}

/// When training reached its marks; looking (evaluation) is not counted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Marks {
    /// A mean return of 420 over the evaluation's episodes.
    #[serde(default)]
    mean_420: Option<Timed>,
    /// 99 % of the episodes optimal.
    #[serde(default)]
    optimal: Option<Timed>,
}

/// One of the marks.
type Mark = fn(&Marks) -> Option<Timed>;

/// How long and how often.
struct Plan {
    rounds: u64,
    environment_steps: u64,
    inference_steps: u64,
    /// Ours are this much longer, or they would be over before the clock moves.
    ours_longer: u64,
    max_training_steps: u64,
    look_every: u64,
    episodes: usize,
}

fn main() -> Result<()> {
    // Cargo passes `--bench`; libtest's flags are not ours.
    let quick = std::env::args().any(|argument| argument == "--quick");
    let plan = Plan {
        rounds: if quick { 1 } else { 5 },
        environment_steps: if quick { 50_000 } else { 300_000 },
        inference_steps: if quick { 5_000 } else { 30_000 },
        ours_longer: 50,
        max_training_steps: 60_000,
        look_every: 1_000,
        episodes: 2_000,
    };
    let wants = |part: &str| {
        let parts: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
        parts.is_empty() || parts.iter().any(|named| named == part)
    };
    if wants("socketio") {
        socketio::rows(plan.rounds.min(3), if quick { 1.0 } else { 3.0 })?;
    }
    let mut peer = if wants("steps") || wants("training") { Peer::start() } else { None };
    if wants("steps") {
        steps(&plan, &mut peer)?;
    }
    if wants("training") {
        training(&plan, &mut peer)?;
    }
    Ok(())
}

/// The rows of steps per second.
fn steps(plan: &Plan, peer: &mut Option<Peer>) -> Result<()> {
    let hidden = DqnConfig::of(EnvironmentKind::Daladala).hidden;
    println!("| steps per second on one thread (median of {}) | slipstream | python | by CPU seconds | by wall seconds |", plan.rounds);
    println!("|---|---|---|---|---|");
    row(
        "environment, random actions",
        plan.rounds,
        peer,
        || ours::environment(plan.environment_steps * plan.ours_longer),
        |peer| peer.environment(plan.environment_steps),
    )?;
    for count in [1, 64] {
        let label = format!("environment and DQN's inference, {count} side by side");
        let (ours_steps, theirs) = (plan.inference_steps * plan.ours_longer, plan.inference_steps * if count == 1 { 1 } else { 5 });
        row(&label, plan.rounds, peer, || ours::inference(ours_steps, count), |peer| peer.inference(theirs, &hidden, count))?;
    }
    println!();
    Ok(())
}

fn row(
    label: &str,
    rounds: u64,
    peer: &mut Option<Peer>,
    mut ours: impl FnMut() -> Result<Timed>,
    mut theirs: impl FnMut(&mut Peer) -> Result<Timed>,
) -> Result<()> {
    let (mut our_rounds, mut their_rounds) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        our_rounds.push(ours()?);
        if let Some(peer) = peer {
            their_rounds.push(theirs(peer)?);
        }
    }
    let rate = |rounds: &[Timed]| (median_of(rounds, |timed| timed.per_cpu_second()), median_of(rounds, |timed| timed.per_wall_second()));
    let (cpu, wall) = rate(&our_rounds);
    if their_rounds.is_empty() {
        println!("| {label} | {cpu:.0} | skipped | | |");
        return Ok(());
    }
    let (their_cpu, their_wall) = rate(&their_rounds);
    println!("| {label} | {cpu:.0} | {their_cpu:.0} | {:.0} x | {:.0} x |", cpu / their_cpu, wall / their_wall);
    Ok(())
}

/// The rows of training: the same settings on both sides, several seeds.
fn training(plan: &Plan, peer: &mut Option<Peer>) -> Result<()> {
    let config = DqnConfig::of(EnvironmentKind::Daladala);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for seed in 1..=plan.rounds {
        ours.push(ours::train(&config, seed, plan)?);
        if let Some(peer) = peer {
            theirs.push(peer.train(&config, seed, plan)?);
        }
    }
    println!("| training DQN from scratch, until | side | seeds that got there | steps | wall s | CPU s |");
    println!("|---|---|---|---|---|---|");
    let marks: [(&str, Mark); 2] =
        [("a mean return of 420", |marks: &Marks| marks.mean_420), ("99 % of 2,000 episodes are optimal", |marks: &Marks| marks.optimal)];
    for (label, mark) in marks {
        for (side, rounds) in [("slipstream", &ours), ("python", &theirs)] {
            let reached: Vec<Timed> = rounds.iter().filter_map(mark).collect();
            if reached.is_empty() {
                println!("| {label} | {side} | {} of {} | | | |", reached.len(), rounds.len());
                continue;
            }
            println!(
                "| {label} | {side} | {} of {} | {:.0} | {:.3} | {:.3} |",
                reached.len(),
                rounds.len(),
                median_of(&reached, |timed| timed.steps as f64),
                median_of(&reached, |timed| timed.wall_s),
                median_of(&reached, |timed| timed.cpu_s),
            );
        }
    }
    Ok(())
}
