//! The thread that saves consumers' positions, removes segments everyone has passed, gives up what waits for a
//! sink beyond the bound, and looks whether a disk that failed takes writes again.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{files, positions::Positions, state::Shared};

/// How often. A position lost with a crash costs a repeated write, which overwrites itself.
const PERIOD: Duration = Duration::from_millis(250);

/// How often it looks whether a disk that failed takes writes again.
const PROBE_PERIOD: Duration = Duration::from_secs(1);

/// Bytes that a disk must take to count as well again.
const PROBE_BYTES: usize = 1 << 20;

/// Runs until the journal is closed, then once more. Unparking the thread makes it look at once.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut keeper = Keeper::default();
    loop {
        let closed = shared.is_closed();
        keeper.round(shared);
        if closed {
            shared.spare.give_up();
            return;
        }
        shared.spare.prepare(|| shared.is_closed());
        std::thread::park_timeout(PERIOD);
    }
}

/// What the thread knows from one round to the next.
#[derive(Default)]
pub(super) struct Keeper {
    /// Positions as they are on the disk.
    saved: BTreeMap<String, u64>,
    probed: Option<Instant>,
}

impl Keeper {
    pub(super) fn round(&mut self, shared: &Shared) {
        give_up_unsent(shared);
        if shared.counters.write_error().is_some() && self.probed.is_none_or(|at| at.elapsed() >= PROBE_PERIOD) {
            self.probed = Some(Instant::now());
            probe(shared);
        }
        let (snapshot, dirty) = {
            let mut positions = shared.positions.lock();
            (positions.snapshot(), std::mem::take(&mut positions.dirty))
        };
        if !dirty {
            self.saved = snapshot;
        } else if let Err(error) = Positions::save(&shared.dir, &snapshot) {
            tracing::warn!(%error, "the consumers' positions could not be saved");
            shared.positions.lock().dirty = true;
        } else {
            self.saved = snapshot;
        }
        if self.saved.is_empty() && shared.positions.lock().dirty {
            // Nothing was saved by this run yet: what may go is not known.
            return;
        }
        // What is not saved may be asked for again after a crash.
        let saved = shared.publishers_through.load(Ordering::Acquire);
        let passed = self.saved.values().copied().min().unwrap_or(u64::MAX).min(saved);
        remove_passed(shared, passed);
    }
}

/// Moves sinks that are behind by more than the bound past the oldest segments.
fn give_up_unsent(shared: &Shared) {
    let most = shared.config.unsent_bytes;
    let segments: Vec<_> = shared.segments.lock().iter().copied().collect();
    if segments.iter().map(|s| s.bytes).sum::<u64>() <= most {
        return;
    }
    let mut positions = shared.positions.lock();
    let mut changed = false;
    for (sink, progress) in positions.consumers.iter_mut().filter(|(_, progress)| progress.sink) {
        let mut behind: u64 = segments.iter().filter(|s| s.last > progress.position).map(|s| s.bytes).sum();
        let from = progress.position;
        // The newest segment is written to: it stays.
        for segment in segments.iter().take(segments.len() - 1).filter(|s| s.last > from) {
            if behind <= most {
                break;
            }
            behind -= segment.bytes;
            progress.position = segment.last;
        }
        if progress.position == from {
            continue;
        }
        changed = true;
        let records = progress.position - from;
        progress.given_up += records;
        shared.counters.given_up.fetch_add(records, Ordering::Relaxed);
        shared.unstored.note(from + 1, progress.position, records);
        tracing::error!(
            sink,
            first = from + 1,
            last = progress.position,
            records,
            most_bytes = most,
            "a sink is behind by more than journal.unsent_bytes: its oldest unsent records are given up"
        );
    }
    if changed {
        positions.dirty = true;
        shared.publish_stored(&positions);
    }
}

/// Looks whether the disk takes a write.
fn probe(shared: &Shared) {
    let path = shared.dir.join("probe");
    let written = File::create(&path).and_then(|mut file| file.write_all(&vec![1; PROBE_BYTES]).and_then(|()| file.sync_all()));
    let removed = match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    match written.and(removed) {
        Ok(()) => {
            shared.counters.writes_again();
            tracing::info!("the journal's disk takes writes again");
        }
        Err(error) => shared.counters.cannot_write(&error),
    }
}

fn remove_passed(shared: &Shared, passed: u64) {
    // Where the disk takes no writes, space is worth more than what is kept for convenience.
    let retain = if shared.counters.write_error().is_some() { 0 } else { shared.config.retain_bytes };
    loop {
        let oldest = {
            let segments = shared.segments.lock();
            let total: u64 = segments.iter().map(|s| s.bytes).sum();
            match segments.front() {
                Some(s) if segments.len() > 1 && s.last <= passed && total > retain => s.first,
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
