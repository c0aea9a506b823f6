//! What was spooled and dropped, and whether there is room.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{LaneState, SpoolOptions, book::Book};
use crate::report::SpoolReport;

/// Shared by all that works on a spool.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) options: SpoolOptions,
    book: Mutex<Book>,
    /// Samples that had to wait: found, added, and dropped by earlier runs that could not tell.
    spooled: AtomicU64,
    /// Of those found, how many are in the live lane: an earlier run had sent them and heard nothing.
    found_live: u64,
    dropped: AtomicU64,
    /// Samples of the backlog read from the disk when some were dropped last.
    read_at_drop: AtomicU64,
    /// Whether the source waits for room.
    pub(crate) full: AtomicBool,
    /// Told when the oldest samples are to go.
    pub(super) make_room: Notify,
}

impl Account {
    /// `backlog` and `live` samples wait already.
    pub(super) fn new(options: SpoolOptions, mut book: Book, backlog: u64, found_live: u64) -> Self {
        // Those under way at a crash are not on the disk; whether the server has them is not known.
        book.dropped += std::mem::take(&mut book.in_doubt);
        let dropped = book.dropped;
        Self {
            options,
            book: Mutex::new(book),
            spooled: AtomicU64::new(backlog + found_live + dropped),
            found_live,
            dropped: AtomicU64::new(dropped),
            read_at_drop: AtomicU64::new(0),
            full: AtomicBool::new(false),
            make_room: Notify::new(),
        }
    }

    /// Changes the book and saves it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> io::Result<T> {
        let mut book = self.book.lock();
        let mut changed = book.clone();
        let value = change(&mut changed);
        changed.save(&self.options.dir)?;
        *book = changed;
        Ok(value)
    }

    /// `count` samples more wait.
    pub(super) fn spooled(&self, count: u64) {
        self.spooled.fetch_add(count, Relaxed);
    }

    /// Writes down that `count` samples up to number `to` are dropped, while of the `read` samples
    /// taken from the disk before them `done` are acknowledged or refused.
    pub(super) fn drop_samples(&self, count: u64, to: u64, read: u64, done: u64) -> io::Result<()> {
        self.change(|book| {
            book.dropped += count;
            book.dropped_to = book.dropped_to.max(to);
            book.in_doubt = read.saturating_sub(done);
        })?;
        self.dropped.fetch_add(count, Relaxed);
        self.read_at_drop.store(read, Relaxed);
        Ok(())
    }

    /// Where it stands. At the `end` what is left in the live lane has to wait, too.
    pub(crate) fn report(&self, live: &LaneState, backlog: &LaneState, bytes: u64, end: bool) -> SpoolReport {
        // Those found are the first to be acknowledged.
        let found_done = live.done().min(self.found_live);
        let left = if end { live.outstanding().saturating_sub(self.found_live - found_done) } else { 0 };
        SpoolReport {
            spooled: self.spooled.load(Relaxed) + left,
            drained: backlog.done() + found_done,
            dropped: self.dropped.load(Relaxed),
            bytes,
            full: self.full.load(Relaxed),
        }
    }

    /// The run ends with `done` samples of the backlog acknowledged or refused, and its report tells
    /// what was dropped. A source that is `complete` begins anew the next time.
    pub(crate) fn end(&self, complete: bool, done: u64) {
        // What was under way when the rest went was only in memory.
        let lost = self.read_at_drop.load(Relaxed).saturating_sub(done);
        self.dropped.fetch_add(lost, Relaxed);
        let saved = self.change(|book| {
            (book.dropped, book.in_doubt) = (0, 0);
            if complete {
                book.place = None;
            }
        });
        if let Err(error) = saved {
            tracing::warn!(%error, "the end of this run could not be written into the spool; the next one may tell the same drops again");
        }
    }
}
