//! Our own supervision: actix closes the mailbox of an actor whose handler panics and
//! `actix::Supervisor` does not bring it back (measured with actix 0.13).
//!
//! An actor's context is polled under `catch_unwind`. After a panic the same mailbox, with all that
//! waits in it, is given to the restarted actor: `restarting` rebuilds its state from a checkpoint,
//! `started` finishes what the panic interrupted. Restarts back off; too many of them within a
//! window cool the actor down; what is sent meanwhile waits for it.

use std::{any::Any, collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use actix::{
    Actor, Addr, Context, Supervised,
    dev::{ContextFut, channel::channel},
};
use actix_rt::ArbiterHandle;
use futures_util::FutureExt;
use slipstream_protocol::Timestamp;

use crate::{health::Incident, registry::Registry};

/// How restarts are paced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RestartPolicy {
    pub(crate) max_restarts: u32,
    pub(crate) window: Duration,
    pub(crate) backoff: Duration,
}

impl RestartPolicy {
    /// How long to wait before restart number `nth` (from 0) within the window.
    fn delay(&self, nth: usize) -> Duration {
        self.backoff.saturating_mul(1 << nth.min(6))
    }
}

/// An actor that can be supervised.
pub(crate) trait Supervisable: Actor<Context = Context<Self>> + Supervised + Unpin {
    /// What outlives its generations: tells senders of restarts.
    fn lifeline(&self) -> Arc<dyn Lifeline>;
}

/// The part of an actor's slot that supervision needs.
pub(crate) trait Lifeline: Send + Sync {
    /// `vehicle:ALB`
    fn name(&self) -> String;
    /// Counts a restart; tells the new generation.
    fn restarted(&self) -> u64;
    /// The actor is given up for a while: what is sent to it waits.
    fn cool_down(&self) {}
}

/// Starts a supervised actor on `arbiter`. The mailbox takes messages at once.
pub(crate) fn spawn<A: Supervisable>(
    arbiter: &ArbiterHandle,
    mailbox: usize,
    registry: Arc<Registry>,
    make: impl FnOnce() -> A + Send + 'static,
) -> Addr<A> {
    let (tx, rx) = channel(mailbox);
    let running = arbiter.spawn_fn(move || {
        let actor = make();
        let lifeline = actor.lifeline();
        // On the heap once: a future that holds it by value keeps room for it in each of its states.
        let context = Box::new(Context::with_receiver(rx).into_future(actor));
        actix_rt::spawn(supervise(context, lifeline, registry));
    });
    if !running {
        tracing::warn!("an arbiter has stopped: the actor will not run");
    }
    Addr::new(tx)
}

async fn supervise<A: Supervisable>(mut running: Box<ContextFut<A, Context<A>>>, lifeline: Arc<dyn Lifeline>, registry: Arc<Registry>) {
    let mut recent: VecDeque<Timestamp> = VecDeque::new();
    loop {
        let Err(panic) = AssertUnwindSafe(&mut running).catch_unwind().await else { return };
        let policy = registry.restart_policy();
        let now = registry.now();
        while recent.front().is_some_and(|at| now.since(*at) > policy.window) {
            recent.pop_front();
        }
        let given_up = recent.len() >= policy.max_restarts as usize;
        let generation = lifeline.restarted();
        registry.note_incident(Incident { at: now, actor: lifeline.name(), generation, reason: reason(&*panic), given_up });
        drop(panic);
        if given_up {
            lifeline.cool_down();
            tokio::time::sleep(policy.window).await;
            recent.clear();
        } else {
            tokio::time::sleep(policy.delay(recent.len())).await;
        }
        recent.push_back(now);
        if !std::panic::catch_unwind(AssertUnwindSafe(|| running.restart())).unwrap_or(false) {
            return;
        }
    }
}

/// What a panic said.
fn reason(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
