//! Slipstream's side.

use std::time::Instant;

use anyhow::Result;
use slipstream_benches::cpu::seconds_of_this_thread;
use slipstream_engine::rl::{
    Decision, Environment, EnvironmentKind, Selection, SplitMix64, VectorEnvironment,
    daladala::{Daladala, OBSERVATION_LEN},
    evaluate,
    learners::{DqnConfig, LearnerConfig, begin},
};

use super::{Marks, Plan, Timed};

fn timed(work: impl FnOnce() -> Result<u64>) -> Result<Timed> {
    let (wall, cpu) = (Instant::now(), seconds_of_this_thread()?);
    let steps = work()?;
    Ok(Timed { steps, wall_s: wall.elapsed().as_secs_f64(), cpu_s: seconds_of_this_thread()? - cpu })
}

/// Random actions, episode after episode.
pub(crate) fn environment(steps: u64) -> Result<Timed> {
    timed(|| {
        let (mut bus, mut observation, mut random) = (Daladala::new(), [0.0; OBSERVATION_LEN], SplitMix64::new(1));
        bus.reset(random.next_u64(), &mut observation)?;
        for _ in 0..steps {
            if bus.step(random.below(5), &mut observation)?.is_last() {
                bus.reset(random.next_u64(), &mut observation)?;
            }
        }
        std::hint::black_box(observation);
        Ok(steps)
    })
}

/// A network decides every step: row by row, or for many environments at once.
pub(crate) fn inference(steps: u64, count: usize) -> Result<Timed> {
    let kind = EnvironmentKind::Daladala;
    let policy = begin(kind, &LearnerConfig::dqn(kind), 1)?.policy()?;
    if count == 1 {
        return timed(|| {
            let (mut bus, mut observation, mut scores) = (Daladala::new(), [0.0; OBSERVATION_LEN], [0.0; 5]);
            bus.reset(0, &mut observation)?;
            for step in 0..steps {
                let action = policy.act(&observation, &mut scores)?.action;
                if bus.step(action, &mut observation)?.is_last() {
                    bus.reset(step, &mut observation)?;
                }
            }
            Ok(steps)
        });
    }
    let mut buses = VectorEnvironment::new(&Daladala::new(), count, 1)?;
    let (mut scores, mut decisions, mut actions) = (vec![0.0; count * 5], vec![Decision::default(); count], vec![0; count]);
    let rounds = steps / count as u64;
    timed(|| {
        for _ in 0..rounds {
            policy.act_batch(buses.observations(), &mut scores, &mut decisions)?;
            for (action, decision) in actions.iter_mut().zip(&decisions) {
                *action = decision.action;
            }
            buses.step(&actions)?;
            buses.drain_finished();
        }
        Ok(rounds * count as u64)
    })
}

/// Trains until 99 % of the episodes are optimal; looking is not counted.
pub(crate) fn train(config: &DqnConfig, seed: u64, plan: &Plan) -> Result<Marks> {
    let mut learner = begin(EnvironmentKind::Daladala, &LearnerConfig::Dqn(config.clone()), seed)?;
    let mut spent = Timed { steps: 0, wall_s: 0.0, cpu_s: 0.0 };
    let mut marks = Marks::default();
    while spent.steps < plan.max_training_steps && marks.optimal.is_none() {
        let more = timed(|| Ok(learner.advance(plan.look_every)?.steps))?;
        spent = Timed { steps: more.steps, wall_s: spent.wall_s + more.wall_s, cpu_s: spent.cpu_s + more.cpu_s };
        let looked = evaluate(&*learner.policy()?, &Daladala::new(), plan.episodes, 99, Selection::Greedy)?;
        if looked.mean >= 420.0 {
            marks.mean_420.get_or_insert(spent);
        }
        if looked.optimal_share >= Some(0.99) {
            marks.optimal.get_or_insert(spent);
        }
    }
    Ok(marks)
}
