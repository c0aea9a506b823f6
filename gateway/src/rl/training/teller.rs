//! What a training does, told: on the agent's channel and as time series; and what is done with its policy.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use slipstream_actors::AgentCommand;
use slipstream_engine::rl::agent::PlayedPolicy;
use slipstream_protocol::{
    AgentId, Id, Quality, Sample, Signal, SignalValue, VehicleId,
    server::{Event, RlNote},
};
use tokio::sync::mpsc;

use super::{
    Order, Training, TrainingCounters, TrainingOutcome, TrainingParts, TrainingState,
    store::Store,
    worker::{Ended, Told},
};
use crate::{pipelines::Sink, training::Moment};

/// Points that wait for the stores at most; newer ones are left out until there is room.
const POINTS_WAITING: u64 = 200;
/// How long the end waits for the stores.
const FLUSH: Duration = Duration::from_secs(5);

/// Hears a training's thread.
pub(super) struct Teller {
    training: Arc<Training>,
    agent: AgentId,
    store: Store,
    parts: TrainingParts,
    counters: Arc<TrainingCounters>,
    sink: Sink<Sample>,
}

impl Teller {
    pub(super) fn new(training: Arc<Training>, store: Store, parts: TrainingParts, counters: Arc<TrainingCounters>) -> Self {
        let agent = training.status.lock().agent.clone();
        let sink = Sink::series(parts.stores.clone(), &format!("training of {agent}"));
        Self { training, agent, store, parts, counters, sink }
    }

    pub(super) async fn run(mut self, mut heard: mpsc::Receiver<Told>) {
        self.tell_start().await;
        while let Some(told) = heard.recv().await {
            match told {
                Told::Moment(moment) => {
                    // A removed agent takes its training along, whoever removed it.
                    if self.parts.router.views().agent(self.agent.as_str()).is_none() {
                        let mut order = self.training.order.lock();
                        if *order == Order::GoOn {
                            *order = Order::Forget;
                        }
                    }
                    self.tell_moment(&moment).await;
                }
                Told::Ended(ended) => return self.end(*ended).await,
            }
        }
    }

    async fn publish(&self, update: Value) {
        let note = RlNote { agent: self.agent.clone(), update: update.to_string().into(), timestamp: self.parts.clock.now() };
        // Refused only while the server drains.
        if let Err(error) = self.parts.router.publish(Event::Rl(note)).await {
            tracing::debug!(agent = %self.agent, %error, "a training was not told");
        }
    }

    async fn tell_start(&self) {
        let update = {
            let status = self.training.status.lock();
            json!({
                "kind": "training_started",
                "training": status.id,
                "algorithm": status.plan.algorithm(),
                "environment": status.plan.environment,
                "seed": status.plan.seed,
                "of": status.plan.steps,
                "until": status.plan.until,
                "deploy": status.plan.deploy,
                "resumed_from": (status.resumed > 0).then_some(status.progress.steps),
            })
        };
        self.publish(update).await;
    }

    async fn tell_moment(&mut self, moment: &Moment) {
        let (id, of) = {
            let status = self.training.status.lock();
            (status.id.clone(), status.plan.steps)
        };
        let progress = &moment.progress;
        let update = json!({
            "kind": "training_progress",
            "training": id,
            "steps": progress.steps,
            "of": of,
            "episodes": progress.episodes,
            "updates": progress.updates,
            "episode_reward": progress.episode_reward,
            "loss": progress.loss,
            "epsilon": progress.epsilon,
            "learning_s": moment.learning.as_secs_f64(),
            "evaluation": moment.evaluation,
        });
        self.publish(update).await;
        if self.sink.waiting() >= POINTS_WAITING {
            self.counters.points_left_out.inc();
        } else {
            let now = self.parts.clock.now();
            let sample = Sample {
                vehicle: VehicleId::from(Id::from(self.agent.clone())),
                session: Some(id),
                fleet: None,
                seq: None,
                source_time: now,
                received_at: now,
                quality: Quality::Good,
                signals: signals(moment),
                raw: None,
            };
            self.sink.send(vec![sample]).await;
        }
    }

    async fn end(mut self, ended: Ended) {
        let order = self.training.order();
        let (state, outcome, message) = match ended {
            _ if order == Order::Forget => return self.forgotten(),
            // The next start reads what the thread wrote down.
            Ended::Suspended => {
                self.sink.flushed(FLUSH).await;
                return;
            }
            Ended::Failed(message) => (TrainingState::Failed, None, Some(message)),
            Ended::Trained { outcome, played, stopped } => self.put_to_use(outcome, played, stopped).await,
        };
        if let Some(why) = message.as_ref().filter(|_| state == TrainingState::Failed) {
            tracing::warn!(agent = %self.agent, why, "a training failed");
        }
        // Before its end is told: whoever hears of it and reads the series finds the last point.
        self.sink.flushed(FLUSH).await;
        self.close_status(state, outcome, message).await;
        self.counters.ended.get_or_create(&[("state", state.name())]).inc();
        let update = {
            let status = self.training.status.lock();
            json!({
                "kind": "training_ended",
                "training": status.id,
                "state": status.state,
                "steps": status.progress.steps,
                "outcome": status.outcome,
                "message": status.message,
            })
        };
        self.publish(update).await;
    }

    /// Lets the agent play what was learnt, where that was asked for.
    async fn put_to_use(
        &self,
        mut outcome: TrainingOutcome,
        played: PlayedPolicy,
        stopped: bool,
    ) -> (TrainingState, Option<TrainingOutcome>, Option<String>) {
        let (deploy, steps) = {
            let status = self.training.status.lock();
            (status.plan.deploy, status.progress.steps)
        };
        let mut message = None;
        if stopped {
            message = Some(super::stopped_at(steps));
        } else if deploy {
            match self.parts.router.command(&self.agent, AgentCommand::Swap(Some(played))).await {
                Ok(_) => outcome.deployed = true,
                Err(error) => {
                    message = Some(format!("the policy is kept as '{}', but the agent does not play it: {error}", outcome.model));
                }
            }
        }
        (if stopped { TrainingState::Stopped } else { TrainingState::Done }, Some(outcome), message)
    }

    async fn close_status(&self, state: TrainingState, outcome: Option<TrainingOutcome>, message: Option<String>) {
        let status = {
            let mut status = self.training.status.lock();
            (status.state, status.outcome, status.message) = (state, outcome, message);
            status.ended_at = Some(self.parts.clock.now());
            status.clone()
        };
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || store.keep(&status)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(agent = %self.agent, %error, "how a training ended could not be written down"),
            Err(error) => tracing::error!(%error, "writing down how a training ended panicked"),
        }
    }

    /// Its agent is no more.
    fn forgotten(&self) {
        if let Err(error) = self.store.forget(&self.agent) {
            tracing::warn!(agent = %self.agent, %error, "what was kept of a training could not be removed");
        }
        let mut status = self.training.status.lock();
        (status.state, status.message) = (TrainingState::Stopped, Some("the agent was removed".to_owned()));
        self.counters.ended.get_or_create(&[("state", TrainingState::Stopped.name())]).inc();
    }
}

/// A moment as signals of the time series.
fn signals(moment: &Moment) -> Vec<Signal> {
    let progress = &moment.progress;
    let evaluation = moment.evaluation.as_ref();
    let values = [
        ("training.steps", Some(progress.steps as f64)),
        ("training.episodes", Some(progress.episodes as f64)),
        ("training.episode_reward", progress.episode_reward),
        ("training.loss", progress.loss),
        ("training.epsilon", Some(progress.epsilon)),
        ("training.evaluated", evaluation.map(|e| e.mean)),
        ("training.evaluated_low", evaluation.map(|e| e.confidence_95.0)),
        ("training.evaluated_high", evaluation.map(|e| e.confidence_95.1)),
    ];
    let signal = |(name, value): (&'static str, Option<f64>)| Some(Signal { name: name.into(), value: SignalValue::Number(value?) });
    values.into_iter().filter_map(signal).collect()
}
