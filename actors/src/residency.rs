//! Whether an actor is resident, and how many messages wait for it: what lets an idle actor leave memory
//! without losing a message that is sent at the same moment. Checked under every interleaving in `models/`.

use crate::sync::{AtomicU32, Ordering, RwLock};

/// The address of the generation that is alive, if one is.
pub(crate) struct Residency<T> {
    resident: RwLock<Option<T>>,
    /// Messages sent and not yet handled, whichever generation they were sent to: the message in which a
    /// generation retires is counted out only after that, when the next one may be resident already.
    depth: AtomicU32,
    generation: AtomicU32,
}

impl<T> Default for Residency<T> {
    fn default() -> Self {
        Self { resident: RwLock::new(None), depth: AtomicU32::new(0), generation: AtomicU32::new(0) }
    }
}

impl<T> Residency<T> {
    /// Sends `message` to the resident generation, which `send` is to do without waiting; gives it back
    /// where there is none. While it sends nobody retires.
    pub(crate) fn send<M, E>(&self, message: M, send: impl FnOnce(&T, M) -> Result<(), E>) -> Result<Result<(), E>, M> {
        let guard = self.resident.read();
        let Some(resident) = guard.as_ref() else { return Err(message) };
        self.depth.fetch_add(1, Ordering::AcqRel);
        let sent = send(resident, message);
        if sent.is_err() {
            self.depth.fetch_sub(1, Ordering::AcqRel);
        }
        Ok(sent)
    }

    /// Called by the actor after each message.
    pub(crate) fn handled(&self) {
        self.depth.fetch_sub(1, Ordering::AcqRel);
    }

    /// Makes a new generation with `spawn` unless one is resident.
    pub(crate) fn activate(&self, spawn: impl FnOnce() -> T) {
        if self.is_resident() {
            return;
        }
        let mut resident = self.resident.write();
        if resident.is_none() {
            self.generation.fetch_add(1, Ordering::AcqRel);
            *resident = Some(spawn());
        }
    }

    /// Ends the resident generation if nothing waits for it but the message now handled; `keep` runs before
    /// anyone can activate the next one.
    pub(crate) fn retire(&self, keep: impl FnOnce()) -> bool {
        let mut resident = self.resident.write();
        // The message now handled still counts.
        if self.depth() > 1 || resident.is_none() {
            return false;
        }
        keep();
        *resident = None;
        true
    }

    /// Clears the place of a generation that ended without [`Residency::retire`]. Tells how many messages ended with it.
    pub(crate) fn lost(&self) -> u32 {
        let mut resident = self.resident.write();
        *resident = None;
        // Nobody sends while the lock is held, and the generation that counted messages out is gone.
        self.depth.swap(0, Ordering::AcqRel)
    }

    pub(crate) fn is_resident(&self) -> bool {
        self.resident.read().is_some()
    }

    /// Messages sent and not yet handled.
    pub(crate) fn depth(&self) -> u32 {
        self.depth.load(Ordering::Acquire)
    }

    pub(crate) fn generation(&self) -> u64 {
        u64::from(self.generation.load(Ordering::Acquire))
    }

    /// Counts a restart; tells the new generation.
    pub(crate) fn restarted(&self) -> u64 {
        u64::from(self.generation.fetch_add(1, Ordering::AcqRel)) + 1
    }
}
