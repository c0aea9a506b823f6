//! The agent's actor: a thin shell around [`slipstream_engine::rl::agent::Agent`].
//!
//! It owns the channel `rl:<id>` whether there is an agent behind it or not: who subscribes before the
//! agent is made hears it from its first step on.

mod command;
mod live;
mod nearby;
mod observer;
mod slot;
#[cfg(test)]
mod tests;
mod view;
mod watchers;

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle, Supervised};
use slipstream_engine::rl::agent::{Agent, AgentState, Update};
use slipstream_protocol::{
    ChannelKind, Sample,
    client::RequestId,
    server::{Event, RlNote},
};
use tokio::sync::oneshot;

use crate::{
    channel::{Broadcast, HistoryRequest},
    handle::OnDrop,
    registry::Registry,
    snapshot::AgentSnapshot,
    subscription::Subscription,
    supervision::{Lifeline, Supervisable},
};
pub use command::{AgentCommand, CommandError};
use live::Live;
pub(crate) use nearby::NearbyVehicles;
pub use observer::AgentObserver;
pub(crate) use slot::AgentSlot;
pub use view::{AgentView, ShieldView};
pub(crate) use watchers::Watchers;

/// A command's outcome: where the agent stands then.
type Outcome = Result<Arc<AgentView>, CommandError>;

/// What an agent's actor is told.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum AgentMessage {
    Command(AgentCommand, oneshot::Sender<Outcome>),
    /// Samples of a vehicle that is watched.
    Samples(Arc<Vec<Sample>>),
    Publish(Event),
    Subscribe(Arc<Subscription>),
    Unsubscribe(Arc<Subscription>, Option<RequestId>),
    Forget(u64),
    History(HistoryRequest),
    Snapshot(oneshot::Sender<AgentSnapshot>),
    Compact,
    /// To end where there is no agent and nobody misses the channel; `true` for one that has been idle for long.
    Leave(bool),
}

pub(crate) struct RlAgentActor {
    slot: Arc<AgentSlot>,
    registry: Arc<Registry>,
    channel: Broadcast,
    agent: Option<Agent>,
    /// The agent after the newest thing it did whole: a panic goes back to it.
    checkpoint: Option<AgentState>,
    /// It plays by itself, one step every so long.
    playing: Option<Duration>,
    timer: Option<SpawnHandle>,
    /// The live vehicle it is attached to.
    live: Option<Box<Live>>,
}

impl RlAgentActor {
    fn new(slot: Arc<AgentSlot>, registry: Arc<Registry>) -> Self {
        let saved = slot.take_saved();
        let channel = match saved.as_ref().map(|s| s.channel.clone()) {
            Some(channel) => Broadcast::restore(slot.id.id(), channel, &registry),
            None => Broadcast::new(ChannelKind::Rl, slot.id.id(), registry.now()),
        };
        let playing = saved.as_ref().and_then(|s| s.play_every);
        let attached = saved.as_ref().and_then(|s| s.attached.clone());
        let state = saved.and_then(|s| s.state);
        let agent = state.as_ref().and_then(|state| {
            Agent::restore(state).inspect_err(|error| tracing::error!(agent = %slot.id, %error, "an agent is lost")).ok()
        });
        let mut actor = Self { slot, registry, channel, agent, checkpoint: state, playing, timer: None, live: None };
        if actor.agent.is_some() {
            actor.registry.stats.rl_agents.add(1);
            if let Some(attachment) = attached {
                actor.watch(attachment);
            }
        }
        actor.show();
        actor
    }

    /// Does as told and tells everyone; the answer is where the agent stands then.
    fn execute(&mut self, command: AgentCommand, ctx: &mut Context<Self>) -> Outcome {
        if self.registry.is_draining() && !matches!(command, AgentCommand::State) {
            return Err(CommandError::Draining);
        }
        let mut updates = Vec::new();
        match command {
            AgentCommand::Create { environment, seed } => {
                if self.agent.is_some() {
                    return Err(CommandError::Exists);
                }
                self.agent = Some(Agent::new(environment, seed));
                self.registry.stats.rl_agents.add(1);
            }
            AgentCommand::Remove => {
                self.agent.take().ok_or(CommandError::Absent)?;
                self.registry.stats.rl_agents.sub(1);
                self.play(None, ctx);
                self.detach();
                let last = self.slot.show(None);
                self.checkpoint = None;
                return last.ok_or(CommandError::Absent);
            }
            AgentCommand::Play { every } => {
                let agent = self.agent.as_mut().ok_or(CommandError::Absent)?;
                if agent.policy().is_none() {
                    return Err(CommandError::Agent(slipstream_engine::rl::agent::AgentError::NoPolicy));
                }
                self.play(Some(every), ctx);
            }
            AgentCommand::Pause => self.play(None, ctx),
            AgentCommand::Attach(attachment) => self.attach(attachment).inspect_err(|_| self.registry.stats.rl_refused.add(1))?,
            AgentCommand::State => {}
            other => {
                let agent = self.agent.as_mut().ok_or(CommandError::Absent)?;
                act(agent, other, &mut updates, &self.slot, &self.registry)?;
            }
        }
        self.tell(&updates);
        self.slot.view().ok_or(CommandError::Absent)
    }

    /// Keeps what the agent is now, leaves it for readers and publishes what it did.
    fn tell(&mut self, updates: &[Update]) {
        let now = self.registry.now();
        self.checkpoint = self.agent.as_ref().map(Agent::save);
        self.count(updates);
        // Readers first: whoever hears a publication and then asks finds it.
        self.show();
        for update in updates {
            let note = RlNote { agent: self.slot.id.clone(), update: update.to_json().into(), timestamp: now };
            self.channel.publish_event(Event::Rl(note), now, &self.registry);
        }
        if !updates.is_empty()
            && let (Some(observer), Some(view)) = (&self.registry.config.agents, self.slot.view())
        {
            observer.changed(&view, updates);
        }
    }

    fn count(&self, updates: &[Update]) {
        let stats = &self.registry.stats;
        for update in updates {
            match update {
                Update::Step(step) => {
                    stats.rl_steps.add(1);
                    stats.rl_shield_stopped.add(u64::from(step.wanted.is_some()));
                }
                Update::ShadowDiffers { .. } => stats.rl_shadow_differed.add(1),
                Update::EpisodeEnded(_) => stats.rl_episodes.add(1),
                Update::PolicySwapped { .. } => stats.rl_swaps.add(1),
                _ => {}
            }
        }
    }

    fn show(&mut self) {
        let view = self.agent.as_ref().map(|agent| AgentView::of(self.slot.id.clone(), agent, self.playing, self.live.as_deref()));
        self.slot.show(view);
    }

    /// Plays by itself from now on, or no longer.
    fn play(&mut self, every: Option<Duration>, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.playing = every;
        self.schedule(ctx);
    }

    fn schedule(&mut self, ctx: &mut Context<Self>) {
        self.timer = self.playing.map(|every| ctx.run_later(every, Self::tick));
    }

    /// One step by itself: the next one, or the next episode's beginning.
    fn tick(&mut self, ctx: &mut Context<Self>) {
        let Some(agent) = self.agent.as_mut().filter(|_| !self.registry.is_draining()) else {
            self.timer = None;
            return;
        };
        let next = if agent.is_over() { AgentCommand::Start { seed: None } } else { AgentCommand::Step { action: None } };
        let mut updates = Vec::new();
        if let Err(error) = act(agent, next, &mut updates, &self.slot, &self.registry) {
            tracing::warn!(agent = %self.slot.id, %error, "the agent plays by itself no longer");
            self.playing = None;
        }
        self.tell(&updates);
        self.schedule(ctx);
    }

    fn snapshot(&self) -> AgentSnapshot {
        AgentSnapshot {
            id: self.slot.id.clone(),
            state: self.agent.as_ref().map(Agent::save),
            play_every: self.playing,
            attached: self.live.as_ref().map(|live| live.attachment().clone()),
            channel: self.channel.save(true),
        }
    }
}

/// What only the agent itself is concerned with.
fn act(
    agent: &mut Agent,
    command: AgentCommand,
    updates: &mut Vec<Update>,
    slot: &AgentSlot,
    registry: &Registry,
) -> Result<(), CommandError> {
    let refused = |error| {
        registry.stats.rl_refused.add(1);
        CommandError::Agent(error)
    };
    let update = match command {
        AgentCommand::Start { seed } => agent.start(seed),
        AgentCommand::Reset { seed } => agent.reset(seed),
        AgentCommand::Swap(policy) => agent.swap(policy),
        AgentCommand::Shadow(policy) => agent.set_shadow(policy),
        AgentCommand::Shield(rules) => agent.set_shield(rules),
        AgentCommand::Step { action } => {
            if let Some(probe) = &registry.config.probe {
                probe.inspect_step(&slot.id, agent.counts().steps);
            }
            return agent.step(action, updates).map_err(refused);
        }
        _ => return Ok(()),
    };
    updates.push(update.map_err(refused)?);
    Ok(())
}

impl Actor for RlAgentActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.schedule(ctx);
    }
}

impl Supervised for RlAgentActor {
    /// Goes back to the newest thing that was done whole. Policies are immutable: they stay.
    fn restarting(&mut self, _: &mut Context<Self>) {
        // Timers end with the generation that panicked.
        self.timer = None;
        let (Some(checkpoint), Some(agent)) = (&self.checkpoint, &self.agent) else { return };
        match Agent::restore_with(checkpoint, agent.policy().cloned(), agent.shadow().cloned()) {
            Ok(agent) => self.agent = Some(agent),
            Err(error) => tracing::error!(agent = %self.slot.id, %error, "the agent goes on as its panic left it"),
        }
    }
}

impl Supervisable for RlAgentActor {
    fn lifeline(&self) -> Arc<dyn Lifeline> {
        self.slot.clone()
    }
}

impl Handler<AgentMessage> for RlAgentActor {
    type Result = ();

    fn handle(&mut self, message: AgentMessage, ctx: &mut Context<Self>) {
        let (slot, registry) = (self.slot.clone(), self.registry.clone());
        let _handled = OnDrop(move || slot.handle.handled(&registry.stats));
        match message {
            // Who asked and has gone needs no answer; a panic drops the sender, which is an answer, too.
            AgentMessage::Command(command, reply) => {
                self.slot.handle.touch(self.registry.now());
                drop(reply.send(self.execute(command, ctx)));
            }
            AgentMessage::Samples(samples) => self.hear(&samples),
            AgentMessage::Publish(event) => {
                let now = self.registry.now();
                self.slot.handle.touch(now);
                self.channel.publish_event(event, now, &self.registry);
            }
            AgentMessage::Subscribe(subscription) => self.channel.subscribe(&subscription, &self.registry),
            AgentMessage::Unsubscribe(subscription, request) => {
                self.channel.unsubscribe(&subscription, request);
                self.slot.handle.touch(self.registry.now());
            }
            AgentMessage::Forget(key) => {
                self.channel.forget(key);
                self.slot.handle.touch(self.registry.now());
            }
            AgentMessage::History(request) => request.answer(&self.channel),
            AgentMessage::Snapshot(reply) => drop(reply.send(self.snapshot())),
            AgentMessage::Compact => self.channel.compact(self.registry.now(), &self.registry),
            AgentMessage::Leave(old) => {
                let disposable = self.agent.is_none() && self.live.is_none();
                if disposable && self.channel.is_disposable(old, self.registry.now(), &self.registry) && self.slot.handle.retire(|| {}) {
                    ctx.stop();
                }
            }
        }
    }
}
