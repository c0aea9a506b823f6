//! The line of those who wait for room in the journal: fair by bytes.
//!
//! Start-time fair queueing: each flow has a mark that grows with the bytes it has brought in, but never
//! lags behind the line's own. Whoever's mark is lowest is next. A publisher that sends little is
//! therefore next as soon as it comes, however many large batches of others wait; one that floods waits
//! until the others that wait have brought in as much.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What one publisher's connection has brought in, on the line's scale.
#[derive(Debug, Default)]
pub struct Flow {
    /// Where its next batch starts, unless the line is further.
    mark: AtomicU64,
}

/// Who waits.
#[derive(Default)]
pub(super) struct Line {
    state: Mutex<State>,
    /// Waiting or having the turn: read without the lock on the fast path.
    present: AtomicUsize,
    /// Start of the batch served last.
    now: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Somebody has the turn.
    taken: bool,
    /// By start, then by arrival.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    arrivals: u64,
}

impl Line {
    /// Counts `bytes` for `flow`. Returns where the batch starts.
    pub(super) fn charge(&self, flow: &Flow, bytes: usize) -> u64 {
        // One connection has one flow and brings one batch at a time: nobody else writes its mark.
        let start = flow.mark.load(Ordering::Relaxed).max(self.now.load(Ordering::Relaxed));
        flow.mark.store(start + bytes as u64, Ordering::Relaxed);
        start
    }

    /// Those in the line, the one with the turn included.
    pub(super) fn present(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }

    /// Waits for the turn of a batch that starts at `start`.
    ///
    /// Cancel safe: who gives up leaves the line.
    pub(super) async fn turn(&self, start: u64) -> Turn<'_> {
        self.present.fetch_add(1, Ordering::Relaxed);
        let (mut turn, wait) = {
            let mut state = self.state.lock();
            let key = (start, state.arrivals);
            state.arrivals += 1;
            let wait = if state.taken {
                let (call, called) = oneshot::channel();
                state.waiting.insert(key, call);
                Some(called)
            } else {
                state.taken = true;
                None
            };
            (Turn { line: self, key, has: wait.is_none() }, wait)
        };
        if let Some(called) = wait {
            // A call that is never answered is impossible: the sender is taken out only to call or to leave.
            let _ = called.await;
            turn.has = true;
        }
        self.now.fetch_max(start, Ordering::Relaxed);
        turn
    }
}

/// The turn, or the place in the line.
pub struct Turn<'a> {
    line: &'a Line,
    key: (u64, u64),
    has: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.line.present.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.line.state.lock();
        // Who is no longer in the map was called, whether or not it has noticed.
        if !self.has && state.waiting.remove(&self.key).is_some() {
            return;
        }
        match state.waiting.pop_first() {
            // Where it has just given up, its own drop finds itself called and passes the turn on.
            Some((_, call)) => drop(call.send(())),
            None => state.taken = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    async fn until(line: &Line, present: usize) {
        while line.present() < present {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_brings_little_is_next_however_much_others_bring() {
        let line = Arc::new(Line::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let served = |name: &'static str, flow: &Flow, bytes: usize| {
            let start = line.charge(flow, bytes);
            let (line, order) = (line.clone(), order.clone());
            tokio::spawn(async move {
                let _turn = line.turn(start).await;
                order.lock().push(name);
            })
        };
        let (one, two, calm) = (Flow::default(), Flow::default(), Flow::default());
        let held = line.turn(0).await;
        let mut tasks = Vec::new();
        for (n, (name, flow, bytes)) in [
            ("one", &one, 1_000),
            ("one", &one, 1_000),
            ("two", &two, 1_000),
            ("calm", &calm, 10),
            ("calm", &calm, 10),
            ("two", &two, 1_000),
        ]
        .into_iter()
        .enumerate()
        {
            tasks.push(served(name, flow, bytes));
            until(&line, n + 2).await;
        }
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), ["one", "two", "calm", "calm", "one", "two"]);
        assert_eq!(line.present(), 0);
    }

    #[tokio::test]
    async fn who_comes_late_has_no_credit_for_the_time_it_was_away() {
        let line = Line::default();
        let (busy, late) = (Flow::default(), Flow::default());
        for _ in 0..10 {
            let start = line.charge(&busy, 1_000);
            drop(line.turn(start).await);
        }
        assert_eq!(line.charge(&late, 1_000), 9_000);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_line_even_when_called_at_that_moment() {
        let line = Arc::new(Line::default());
        for called in [false, true] {
            let held = line.turn(0).await;
            let waiter = line.clone();
            let giving_up = tokio::spawn(async move { drop(waiter.turn(5).await) });
            until(&line, 2).await;
            let waiter = line.clone();
            let behind = tokio::spawn(async move { drop(waiter.turn(6).await) });
            until(&line, 3).await;
            if called {
                drop(held);
                giving_up.abort();
            } else {
                giving_up.abort();
                until_gone(&line).await;
                drop(held);
            }
            behind.await.unwrap();
            assert_eq!(line.present(), 0);
        }
    }

    async fn until_gone(line: &Line) {
        while line.present() > 2 {
            tokio::task::yield_now().await;
        }
    }
}
