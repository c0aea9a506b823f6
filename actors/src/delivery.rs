//! Bringing a message to the actor that owns a slot, whichever generation of it is alive.
//!
//! A mailbox may be closed: its actor left memory a moment ago, ended for good, or the system has
//! stopped. The first is over with the next look, the second after the slot was cleared, the third
//! never. No sender looks more often than [`LOOKS`], so that none of them keeps a thread busy.

use std::{sync::Arc, time::Duration};

use actix::{Actor, Context, Handler, Message};
use slipstream_protocol::{ErrorCode, ProtocolError};

use crate::{handle::Handle, shared_state::SharedState};

/// How often a sender looks for a living actor.
const LOOKS: u32 = 100;
/// How often it does while the system drains: nothing that has ended comes back then.
const LOOKS_WHILE_DRAINING: u32 = 3;
/// Pause between two looks; there is none before the second, which usually is enough.
const PAUSE: Duration = Duration::from_millis(10);

/// No actor took the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the owner does not answer, the server stops or restarts it; come back in a moment")]
pub(crate) struct Undelivered;

impl From<Undelivered> for ProtocolError {
    fn from(error: Undelivered) -> Self {
        Self::new(ErrorCode::Unavailable, error.to_string())
    }
}

/// What outlives the generations of an actor and leads to the one that is alive.
pub(crate) trait Slot {
    /// The actor.
    type Actor: Actor<Context = Context<Self::Actor>>;

    /// The way to its mailbox.
    fn handle(&self) -> &Handle<Self::Actor>;
}

impl SharedState {
    /// Puts `message` into the mailbox of the slot that `find` yields, waiting for space. `find` is to activate the
    /// actor where none is resident.
    pub(crate) async fn deliver<S, M>(&self, mut message: M, find: impl Fn() -> Arc<S>) -> Result<(), Undelivered>
    where
        S: Slot,
        S::Actor: Handler<M>,
        M: Message<Result = ()> + Send + 'static,
    {
        let mut looks = 0;
        while let Err(back) = find().handle().deliver(message, &self.stats).await {
            message = back;
            looks += 1;
            if looks >= if self.is_draining() { LOOKS_WHILE_DRAINING } else { LOOKS } {
                self.stats.undelivered.add(1);
                return Err(Undelivered);
            }
            if looks > 1 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use actix::Supervised;
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        handle::OnDrop,
        harness::{batch, config, in_session, read_until, request, sample, system, wait_for},
        outbox::{Outbox, OutboxLimits},
        stats::Stats,
        supervision::{Lifeline, Supervisable, spawn},
    };
    use slipstream_protocol::{WireFormat, client::RequestId};

    #[derive(Default)]
    struct FragileSlot {
        handle: Handle<Fragile>,
    }

    /// Panics when it is told to, and again when it is to be restarted.
    struct Fragile {
        slot: Arc<FragileSlot>,
        registry: Arc<crate::registry::Registry>,
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    enum Asked {
        Boom,
        Ping(oneshot::Sender<()>),
    }

    impl Slot for FragileSlot {
        type Actor = Fragile;

        fn handle(&self) -> &Handle<Fragile> {
            &self.handle
        }
    }

    impl Lifeline for FragileSlot {
        fn name(&self) -> String {
            "fragile".to_owned()
        }

        fn restarted(&self) -> u64 {
            self.handle.restarted()
        }

        fn ended(&self, stats: &Stats) {
            self.handle.lost(stats);
        }
    }

    impl Actor for Fragile {
        type Context = Context<Self>;
    }

    impl Supervised for Fragile {
        fn restarting(&mut self, _: &mut Context<Self>) {
            panic!("there is nothing to restart from");
        }
    }

    impl Supervisable for Fragile {
        fn lifeline(&self) -> Arc<dyn Lifeline> {
            self.slot.clone()
        }
    }

    impl Handler<Asked> for Fragile {
        type Result = ();

        fn handle(&mut self, asked: Asked, _: &mut Context<Self>) {
            let (slot, registry) = (self.slot.clone(), self.registry.clone());
            let _handled = OnDrop(move || slot.handle.handled(&registry.stats));
            match asked {
                Asked::Boom => panic!("as told"),
                Asked::Ping(reply) => reply.send(()).unwrap(),
            }
        }
    }

    #[tokio::test]
    async fn an_actor_that_cannot_be_restarted_is_made_anew_by_the_next_message() {
        let (system, _) = system(config());
        let registry = system.router().registry;
        let slot = Arc::<FragileSlot>::default();
        let find = || {
            let (made, shared) = (slot.clone(), registry.clone());
            slot.handle.activate(|| {
                let arbiter = shared.arbiter("fragile").clone();
                spawn(&arbiter, 16, shared.shared.clone(), move || Fragile { slot: made, registry: shared })
            });
            slot.clone()
        };
        for round in 1..=3 {
            registry.deliver(Asked::Boom, find).await.unwrap();
            // What waits behind the panic ends with the actor, and is not counted as waiting any more.
            let (lost, _gone) = oneshot::channel();
            registry.deliver(Asked::Ping(lost), find).await.unwrap();
            wait_for("the end of the actor", || registry.stats.given_up.get() >= round).await;
            let (reply, answer) = oneshot::channel();
            registry.deliver(Asked::Ping(reply), find).await.unwrap();
            answer.await.unwrap();
        }
        wait_for("the last message to be counted out", || slot.handle.depth() == 0 && registry.stats.mailbox_depth.get() == 0).await;
        system.drain(Duration::from_secs(5)).await.unwrap();
    }

    #[tokio::test]
    async fn every_owner_of_a_stopped_system_answers_that_it_is_unavailable() {
        let (system, _) = system(config());
        let router = system.router();
        let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
        let subscriber = router.connect(outbox.clone());
        router.route(batch(vec![in_session(sample("v1", 0), "q1")])).await;
        let channels = ["telemetry:v1", "session:q1", "rl:bus-1", "cell:x", "pipeline:x", "system:health", "ai:v2"];
        for channel in channels {
            router.subscribe(&subscriber, request(channel)).await;
        }
        read_until(&outbox, |m| m.iter().filter(|m| m["type"] == "subscribed").count() == channels.len()).await;
        system.drain(Duration::from_secs(5)).await.unwrap();

        for (n, channel) in channels.into_iter().enumerate() {
            let error = router.history(&channel.parse().unwrap(), None, 10).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Unavailable, "{channel}");
            let id = RequestId::from_number(n as u64);
            let renewed = slipstream_protocol::client::SubscribeRequest { id: Some(id.clone()), ..request(channel) };
            router.subscribe(&subscriber, renewed).await;
            router.unsubscribe(&subscriber, &channel.parse().unwrap(), Some(id)).await;
        }
        let answers = read_until(&outbox, |m| m.iter().filter(|m| m["type"] == "error").count() == 2 * channels.len()).await;
        for (n, channel) in channels.into_iter().enumerate() {
            let codes: Vec<_> =
                answers.iter().filter(|m| m["id"] == n && m["type"] == "error").map(|m| m["code"].as_str().unwrap()).collect();
            assert_eq!(codes, ["UNAVAILABLE", "NOT_SUBSCRIBED"], "{channel}");
        }
        assert!(router.stats().undelivered.get() >= channels.len() as u64);
    }
}
