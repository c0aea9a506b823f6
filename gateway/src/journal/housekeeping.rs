//! The thread that saves consumers' positions and removes segments everyone has passed.

use std::{
    fs,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{files, positions::Positions, state::Shared};

/// How often. A position lost with a crash costs a repeated write, which overwrites itself.
const PERIOD: Duration = Duration::from_millis(250);

/// Runs until the journal is closed, then once more. Unparking the thread makes it look at once.
pub(super) fn run(shared: &Arc<Shared>) {
    loop {
        let closed = shared.is_closed();
        round(shared);
        if closed {
            shared.spare.give_up();
            return;
        }
        shared.spare.prepare(|| shared.is_closed());
        std::thread::park_timeout(PERIOD);
    }
}

pub(super) fn round(shared: &Shared) {
    let (snapshot, dirty) = {
        let mut positions = shared.positions.lock();
        (positions.snapshot(), std::mem::take(&mut positions.dirty))
    };
    if dirty && let Err(error) = Positions::save(&shared.dir, &snapshot) {
        tracing::warn!(%error, "the consumers' positions could not be saved");
        shared.positions.lock().dirty = true;
        return;
    }
    // What is not saved may be asked for again after a crash.
    let saved = shared.publishers_through.load(Ordering::Acquire);
    let passed = snapshot.values().copied().min().unwrap_or(u64::MAX).min(saved);
    remove_passed(shared, passed);
}

fn remove_passed(shared: &Shared, passed: u64) {
    loop {
        let oldest = {
            let segments = shared.segments.lock();
            let total: u64 = segments.iter().map(|s| s.bytes).sum();
            match segments.front() {
                Some(s) if segments.len() > 1 && s.last <= passed && total > shared.config.retain_bytes => s.first,
                _ => return,
            }
        };
        if let Err(error) = fs::remove_file(files::segment_path(&shared.dir, oldest)) {
            tracing::warn!(%error, segment = oldest, "a journal segment could not be removed");
            return;
        }
        shared.segments.lock().pop_front();
        shared.counters.segments_removed.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(segment = oldest, "a journal segment everyone has passed is removed");
    }
}
