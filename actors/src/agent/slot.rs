use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use slipstream_protocol::AgentId;

use super::{AgentMessage, AgentView, RlAgentActor};
use crate::{
    delivery::Slot,
    handle::Handle,
    registry::Registry,
    snapshot::AgentSnapshot,
    stats::Stats,
    supervision::{Lifeline, spawn},
};

/// Outlives the generations of an agent's actor.
pub(crate) struct AgentSlot {
    pub(crate) id: AgentId,
    pub(crate) handle: Handle<RlAgentActor>,
    view: ArcSwapOption<AgentView>,
    /// The agent of a system before this one.
    saved: Mutex<Option<AgentSnapshot>>,
    /// It was restored, and no actor has taken it up yet.
    resuming: AtomicBool,
}

impl AgentSlot {
    pub(crate) fn new(id: AgentId) -> Self {
        Self { id, handle: Handle::default(), view: ArcSwapOption::empty(), saved: Mutex::default(), resuming: AtomicBool::new(false) }
    }

    pub(crate) fn activate(self: &Arc<Self>, registry: &Arc<Registry>) {
        self.handle.activate(|| {
            let (slot, registry) = (self.clone(), registry.clone());
            let arbiter = registry.arbiter(self.id.as_str()).clone();
            let mailbox = registry.config.mailbox;
            self.handle.touch(registry.now());
            spawn(&arbiter, mailbox, registry.shared.clone(), move || RlAgentActor::new(slot, registry))
        });
    }

    /// A slot with the agent of a system before this one.
    pub(crate) fn restore(saved: AgentSnapshot) -> Self {
        let slot = Self::new(saved.id.clone());
        *slot.saved.lock() = Some(saved);
        slot.resuming.store(true, Ordering::Release);
        slot
    }

    pub(super) fn take_saved(&self) -> Option<AgentSnapshot> {
        self.saved.lock().take()
    }

    /// Where the agent stands, if there is one.
    pub(crate) fn view(&self) -> Option<Arc<AgentView>> {
        self.view.load_full()
    }

    /// Whether the agent was restored and its actor has not taken it up yet: readers find none.
    pub(crate) fn is_resuming(&self) -> bool {
        self.resuming.load(Ordering::Acquire)
    }

    /// Leaves where the agent stands for readers; gives back where it stood.
    pub(super) fn show(&self, view: Option<AgentView>) -> Option<Arc<AgentView>> {
        let before = self.view.swap(view.map(Arc::new));
        self.resuming.store(false, Ordering::Release);
        before
    }

    /// Whether nobody misses the slot; `old`: it has been idle for long.
    pub(crate) fn is_disposable(&self, old: bool) -> bool {
        let nothing_saved = || self.saved.lock().as_ref().is_none_or(|saved| saved.state.is_none() && (old || saved.channel.offset == 0));
        !self.handle.is_resident() && self.view.load().is_none() && nothing_saved()
    }

    pub(crate) fn forget(&self, key: u64, stats: &Stats) {
        let _ = self.handle.try_send(AgentMessage::Forget(key), stats);
    }
}

impl Slot for AgentSlot {
    type Actor = RlAgentActor;

    fn handle(&self) -> &Handle<RlAgentActor> {
        &self.handle
    }
}

impl Lifeline for AgentSlot {
    fn name(&self) -> String {
        format!("rl:{}", self.id)
    }

    fn restarted(&self) -> u64 {
        self.handle.restarted()
    }

    fn ended(&self, stats: &Stats) {
        if self.view.swap(None).is_some() {
            stats.rl_agents.sub(1);
        }
        self.handle.lost(stats);
    }
}
