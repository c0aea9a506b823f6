//! Our own supervision: actix closes the mailbox of an actor whose handler panics and
//! `actix::Supervisor` does not bring it back (measured with actix 0.13).
//!
//! An actor's context is polled under `catch_unwind`. After a panic the same mailbox, with all that
//! waits in it, is given to the restarted actor: `restarting` rebuilds its state from a checkpoint,
//! `started` finishes what the panic interrupted. Restarts back off; too many of them within a
//! window cool the actor down; what is sent meanwhile waits for it.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
    time::Duration,
};

use actix::{
    Actor, Addr, Context, Supervised,
    dev::{ContextFut, channel::channel},
};
use actix_rt::ArbiterHandle;
use slipstream_protocol::Timestamp;
use tokio::time::Sleep;

use crate::{health::Incident, shared_state::SharedState, stats::Stats, system_config::SystemConfig};

/// How restarts are paced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RestartPolicy {
    pub(crate) max_restarts: u32,
    pub(crate) window: Duration,
    pub(crate) backoff: Duration,
}

impl RestartPolicy {
    const fn of(config: &SystemConfig) -> Self {
        Self { max_restarts: config.max_restarts, window: config.restart_window, backoff: config.restart_backoff }
    }
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
    /// The actor could not be restarted and has ended: the next message makes a new one.
    fn ended(&self, stats: &Stats);
    /// The actor is given up for a while: what is sent to it waits.
    fn cool_down(&self) {}
}

/// Starts a supervised actor on `arbiter`. The mailbox takes messages at once.
pub(crate) fn spawn<A: Supervisable>(
    arbiter: &ArbiterHandle,
    mailbox: usize,
    shared: Arc<SharedState>,
    make: impl FnOnce() -> A + Send + 'static,
) -> Addr<A> {
    let (tx, rx) = channel(mailbox);
    let running = arbiter.spawn_fn(move || {
        let actor = make();
        let lifeline = actor.lifeline();
        let context = Box::new(Context::with_receiver(rx).into_future(actor));
        actix_rt::spawn(Supervision { running: Some(context), lifeline, shared, restarts: None });
    });
    if !running {
        tracing::warn!("an arbiter has stopped: the actor will not run");
    }
    Addr::new(tx)
}

/// Polls an actor and brings it back after a panic. A future by hand: an idle vehicle keeps it for
/// ever, and an `async fn` would keep room for all that only a panic needs.
struct Supervision<A: Supervisable> {
    /// Absent once it has ended.
    running: Option<Box<ContextFut<A, Context<A>>>>,
    lifeline: Arc<dyn Lifeline>,
    shared: Arc<SharedState>,
    /// Made with the first panic.
    restarts: Option<Box<Restarts>>,
}

/// The panics of one actor.
#[derive(Default)]
struct Restarts {
    recent: VecDeque<Timestamp>,
    /// The rest after the newest panic, and when that was.
    pause: Option<(Pin<Box<Sleep>>, Timestamp)>,
    /// Whether this pause is for panicking too often.
    given_up: bool,
}

impl<A: Supervisable> Future for Supervision<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let Some(running) = &mut this.running else { return Poll::Ready(()) };
            if let Some(restarts) = &mut this.restarts
                && let Some((sleep, at)) = &mut restarts.pause
            {
                ready!(sleep.as_mut().poll(cx));
                if std::mem::take(&mut restarts.given_up) {
                    restarts.recent.clear();
                }
                restarts.recent.push_back(*at);
                restarts.pause = None;
                match catch_unwind(AssertUnwindSafe(|| running.restart())) {
                    Ok(true) => {}
                    // Nobody holds its address: nobody waits for it.
                    Ok(false) => return Poll::Ready(()),
                    Err(panic) => {
                        this.end(&*panic);
                        return Poll::Ready(());
                    }
                }
            }
            let running = AssertUnwindSafe(|| Pin::new(&mut **running).poll(cx));
            match catch_unwind(running) {
                Ok(outcome) => return outcome,
                Err(panic) => this.rest_after(&*panic),
            }
        }
    }
}

impl<A: Supervisable> Supervision<A> {
    /// Ends an actor whose state could not be rebuilt. Its slot is cleared, so that the next message begins anew.
    fn end(&mut self, panic: &(dyn Any + Send)) {
        // The mailbox first: whoever finds it closed looks again until the slot is cleared.
        self.running = None;
        self.lifeline.ended(&self.shared.stats);
        let (actor, generation) = (self.lifeline.name(), self.lifeline.restarted());
        let reason = format!("its state could not be rebuilt after a panic, it begins anew: {}", reason(panic));
        self.shared.note_incident(Incident { at: self.shared.now(), actor, generation, reason, given_up: true });
    }

    /// Notes a panic and lets the actor rest: a little, or long where it panics too often.
    fn rest_after(&mut self, panic: &(dyn Any + Send)) {
        let policy = RestartPolicy::of(&self.shared.config);
        let now = self.shared.now();
        let restarts = self.restarts.get_or_insert_default();
        while restarts.recent.front().is_some_and(|at| now.since(*at) > policy.window) {
            restarts.recent.pop_front();
        }
        let given_up = restarts.recent.len() >= policy.max_restarts as usize;
        let rest = if given_up { policy.window } else { policy.delay(restarts.recent.len()) };
        restarts.pause = Some((Box::pin(tokio::time::sleep(rest)), now));
        restarts.given_up = given_up;
        let generation = self.lifeline.restarted();
        self.shared.note_incident(Incident { at: now, actor: self.lifeline.name(), generation, reason: reason(panic), given_up });
        if given_up {
            self.lifeline.cool_down();
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
