//! Starting and draining the actor system.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use actix::{Arbiter, System};
use slipstream_protocol::Channel;

use crate::{
    agent::AgentSlot, ports::Clock, registry::Registry, room::RoomSlot, router::Router, snapshot::Snapshot, sweep::sweep_forever,
    system_config::SystemConfig, topic::TopicSlot, vehicle::VehicleSlot,
};

/// How long the message an actor is at may take when the system stops.
const LAST_MESSAGE: Duration = Duration::from_secs(2);

/// The running actor system.
pub struct ActorSystem {
    registry: Arc<Registry>,
    system: System,
    thread: Option<JoinHandle<()>>,
}

impl ActorSystem {
    /// Starts the arbiters, each on a thread of its own.
    ///
    /// # Panics
    /// When the operating system gives no threads: nothing can run then.
    pub fn start(config: SystemConfig, clock: Arc<dyn Clock>) -> Self {
        let arbiters = match config.arbiters {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let (tx, rx) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("actors".into())
            .spawn(move || {
                let runner = System::new();
                let arbiters: Vec<Arbiter> = runner.block_on(async { (0..arbiters).map(|_| Arbiter::new()).collect() });
                let handles = arbiters.iter().map(Arbiter::handle).collect();
                let registry = Arc::new(Registry::new(config, clock, handles));
                runner.block_on(async {
                    // The sweeper runs as long as the system does.
                    drop(actix_rt::spawn(sweep_forever(registry.clone())));
                });
                // The starter waits right below; it cannot be gone.
                let _ = tx.send((registry, System::current()));
                if let Err(error) = runner.run() {
                    tracing::error!(%error, "the actor system ended badly");
                }
                for arbiter in arbiters {
                    arbiter.stop();
                    let _ = arbiter.join();
                }
            })
            .expect("the operating system gives a thread");
        let (registry, system) = rx.recv().expect("the actor thread starts");
        Self { registry, system, thread: Some(thread) }
    }

    /// The door into it.
    pub fn router(&self) -> Router {
        Router { registry: self.registry.clone() }
    }

    /// Takes over the state of a system before this one. To be called before anything is routed.
    pub fn restore(&self, snapshot: Snapshot) {
        let registry = &self.registry;
        for saved in snapshot.vehicles {
            registry.vehicles.insert(saved.id.clone(), Arc::new(VehicleSlot::restore(saved, registry.now())));
        }
        for saved in snapshot.rooms {
            registry.rooms.insert(saved.id.clone(), Arc::new(RoomSlot::restore(saved, registry.now())));
        }
        for saved in snapshot.topics {
            let channel = Channel::one(saved.channel.kind, saved.id.clone());
            registry.topics.insert(channel, Arc::new(TopicSlot::restore(saved, registry.now())));
        }
        for saved in snapshot.agents {
            let slot = Arc::new(AgentSlot::restore(saved));
            registry.agents.insert(slot.id.clone(), slot.clone());
            // It may play by itself.
            slot.activate(registry);
        }
    }

    /// Stops taking samples, lets mailboxes run empty (at most `deadline`), then stops the arbiters.
    /// Outboxes keep what was published for their sessions to send. Tells what the next system needs to
    /// go on; nothing when the deadline passed, because then it would not be the whole.
    pub async fn drain(mut self, deadline: Duration) -> Option<Snapshot> {
        self.registry.start_draining();
        let finish = async {
            self.router().settled().await;
            let mut snapshot = self.router().snapshot().await;
            snapshot.skip_unpublished(|id| self.registry.vehicles.get(id).map(|slot| slot.counter.offset()));
            snapshot
        };
        let snapshot = tokio::time::timeout(deadline, finish).await.ok();
        if snapshot.is_none() {
            tracing::warn!(waiting = self.registry.stats.mailbox_depth.get(), "drained only in part: the deadline passed");
        }
        self.system.stop();
        if let Some(thread) = self.thread.take() {
            // A handler that does not return must not keep the server: its thread ends with the process.
            let joined = tokio::time::timeout(LAST_MESSAGE, tokio::task::spawn_blocking(move || thread.join())).await;
            if joined.is_err() {
                tracing::error!("an actor does not return from a message; the system stops without it");
            }
        }
        snapshot
    }
}
