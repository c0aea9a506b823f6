//! The one thread that writes: group commit.
//!
//! Whatever came in while the previous group was being synced becomes the next group, so a lone
//! publisher waits for one sync and a crowd shares them.

use std::{
    collections::{HashSet, VecDeque},
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use slipstream_ports::JournalError;
use slipstream_protocol::PublisherId;
use tokio::sync::oneshot;

use crate::whole_file::sync_dir;

use super::{
    files,
    frame::{self, HEAD},
    publishers::Publishers,
    state::{Segment, Shared, storage},
};

/// A group is written when it has this many bytes, whoever else waits.
const GROUP_BYTES: usize = 8 << 20;

/// The file grows by so much at a time: a sync is cheaper where it need not record a new length.
const GROW: u64 = 4 << 20;

/// After so much was written, the segments that follow are prepared ahead.
const PREPARE_FROM: u64 = 1 << 20;

/// How often the thread looks at a segment's age when nothing comes.
const IDLE: Duration = Duration::from_millis(500);

pub(super) struct Append {
    pub(super) payload: Bytes,
    pub(super) samples: usize,
    pub(super) numbered: Option<(PublisherId, u64)>,
    pub(super) at: Instant,
    pub(super) ticket: oneshot::Sender<Result<u64, JournalError>>,
}

pub(super) enum Command {
    Append(Append),
    Close,
}

pub(super) struct Committer {
    shared: Arc<Shared>,
    receiver: Receiver<Command>,
    publishers: Publishers,
    next: u64,
    file: Option<File>,
    /// End of the synced records in the file.
    end: u64,
    allocated: u64,
    opened: Instant,
    /// The file was written with zeros to its full size before.
    prepared: bool,
    /// Bytes written by this run.
    written: u64,
    /// The file may hold bytes behind `end` that were never acknowledged; they must go first.
    faulty: bool,
    /// A sync of the file failed: what the system holds of it is not trusted with more.
    suspect: bool,
    /// Size of the last group: how many are likely to come together again.
    expected: usize,
    buffer: Vec<u8>,
    /// Taken from the queue ahead of its turn.
    held: VecDeque<Command>,
}

impl Committer {
    pub(super) fn new(shared: Arc<Shared>, receiver: Receiver<Command>, publishers: Publishers, next: u64) -> io::Result<Self> {
        let active = shared.segments.lock().back().copied();
        let (file, end) = match active {
            Some(segment) => {
                let file = OpenOptions::new().write(true).open(files::segment_path(&shared.dir, segment.first))?;
                (Some(file), segment.bytes)
            }
            None => (None, 0),
        };
        Ok(Self {
            shared,
            receiver,
            publishers,
            next,
            file,
            end,
            allocated: end,
            opened: Instant::now(),
            prepared: false,
            written: 0,
            faulty: false,
            suspect: false,
            expected: 0,
            buffer: Vec::new(),
            held: VecDeque::new(),
        })
    }

    /// Runs until told to close.
    pub(super) fn run(mut self) {
        let mut group = Vec::new();
        let mut open = true;
        while open {
            match self.held.pop_front().map_or_else(|| self.receiver.recv_timeout(IDLE), Ok) {
                Ok(Command::Append(append)) => {
                    open = self.gather(append, &mut group);
                    self.commit(&mut group);
                }
                Err(RecvTimeoutError::Timeout) => self.roll_if_old(),
                Ok(Command::Close) | Err(RecvTimeoutError::Disconnected) => open = false,
            }
        }
        // What was handed in before the close is kept.
        while let Some(command) = self.waiting() {
            if let Command::Append(append) = command {
                self.gather(append, &mut group);
                self.commit(&mut group);
            }
        }
        self.save_publishers();
        if let Some(file) = &self.file
            && self.allocated > self.end
            && let Err(error) = file.set_len(self.end)
        {
            tracing::warn!(%error, "the journal's unused space could not be given back");
        }
    }

    /// What waits already.
    fn waiting(&mut self) -> Option<Command> {
        self.held.pop_front().or_else(|| self.receiver.try_recv().ok())
    }

    /// Fills `group` with what waits already; where fewer wait than came together last time, gives the
    /// others `commit_delay` to arrive. False where a close came.
    fn gather(&mut self, first: Append, group: &mut Vec<Append>) -> bool {
        let deadline = first.at + self.shared.config.commit_delay;
        let mut bytes = first.payload.len();
        group.push(first);
        while bytes < GROUP_BYTES {
            let command = match self.waiting() {
                Some(command) => command,
                None if group.len() >= self.expected || self.shared.config.commit_delay.is_zero() => break,
                None => match self.receiver.recv_deadline(deadline) {
                    Ok(command) => command,
                    Err(_) => break,
                },
            };
            match command {
                Command::Append(append) => {
                    bytes += append.payload.len();
                    group.push(append);
                }
                Command::Close => return false,
            }
        }
        true
    }

    fn commit(&mut self, group: &mut Vec<Append>) {
        self.expected = group.len();
        let started = Instant::now();
        self.buffer.clear();
        for (append, position) in group.iter().zip(self.next..) {
            frame::put(&mut self.buffer, position, &append.payload);
        }
        let outcome = self.write();
        let counters = &self.shared.counters;
        counters.sync_latency.observe(started.elapsed());
        let waiting: usize = group.iter().map(|a| a.payload.len()).sum();
        counters.waiting_bytes.fetch_sub(waiting as u64, Ordering::Relaxed);
        match outcome {
            Ok(()) => {
                counters.writes_again();
                self.publish(group);
            }
            Err(error) => {
                // Whatever it was: room is what it may have been about.
                self.shared.spare.give_up();
                counters.write_errors.fetch_add(1, Ordering::Relaxed);
                counters.cannot_write(&error);
                tracing::error!(%error, batches = group.len(), "the journal cannot write");
                self.fail(std::mem::take(group), &storage(&error));
            }
        }
        if self.buffer.capacity() > 2 * GROUP_BYTES {
            self.buffer = Vec::new();
        }
    }

    /// Answers appends that could not be kept, and takes along what their publishers have handed in behind
    /// them: kept, it would lie in the journal out of order, and twice when all of it is sent again.
    fn fail(&mut self, mut failed: Vec<Append>, error: &JournalError) {
        let mut broken: HashSet<PublisherId> = HashSet::new();
        while !failed.is_empty() {
            let publishers: HashSet<PublisherId> = failed.iter().filter_map(|a| a.numbered.as_ref().map(|(p, _)| p.clone())).collect();
            if let Some(watch) = self.shared.watch.get() {
                // From here on they hand in anew; what came before waits in the queue by now.
                for publisher in &publishers {
                    watch.broken(publisher);
                }
            }
            broken.extend(publishers);
            let counters = &self.shared.counters;
            counters.refused.fetch_add(failed.len() as u64, Ordering::Relaxed);
            for append in failed.drain(..) {
                // Whoever no longer waits for the ticket need not hear.
                let _ = append.ticket.send(Err(error.clone()));
            }
            let behind = self.receiver.len();
            for command in std::mem::take(&mut self.held).into_iter().chain(self.receiver.try_iter().take(behind)) {
                match command {
                    Command::Append(append) if append.numbered.as_ref().is_some_and(|(publisher, _)| broken.contains(publisher)) => {
                        counters.waiting_bytes.fetch_sub(append.payload.len() as u64, Ordering::Relaxed);
                        failed.push(append);
                    }
                    other => self.held.push_back(other),
                }
            }
        }
    }

    /// Writes and syncs the buffer behind the last record, or leaves the file as it was.
    fn write(&mut self) -> io::Result<()> {
        if self.faulty {
            self.repair()?;
        }
        if self.is_full() {
            self.roll()?;
        }
        let file = self.file.as_ref().ok_or_else(|| io::Error::other("no segment is open"))?;
        let end = self.end + self.buffer.len() as u64;
        self.faulty = true;
        if end > self.allocated {
            let allocated = end.next_multiple_of(GROW);
            file.set_len(allocated)?;
            self.allocated = allocated;
        }
        file.write_all_at(&self.buffer, self.end)?;
        if let Err(error) = file.sync_data() {
            self.suspect = true;
            return Err(error);
        }
        self.faulty = false;
        self.end = end;
        self.written += self.buffer.len() as u64;
        if self.written >= PREPARE_FROM
            && self.shared.spare.want()
            && let Some(keeper) = self.shared.keeper.get()
        {
            keeper.unpark();
        }
        Ok(())
    }

    /// After a failed write: removes what it left, so that nothing refused comes back after a restart.
    fn repair(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.set_len(self.end)?;
            file.sync_all()?;
            self.allocated = self.end;
        }
        self.faulty = false;
        tracing::info!("the journal's file is repaired after a failed write");
        Ok(())
    }

    fn is_full(&self) -> bool {
        let config = &self.shared.config;
        let holds = self.end > HEAD.len() as u64;
        self.file.is_none()
            || self.suspect
            || (!self.prepared && self.shared.spare.is_ready())
            || (holds && (self.end + self.buffer.len() as u64 > config.segment_bytes || self.opened.elapsed() > config.segment_age))
    }

    fn roll_if_old(&mut self) {
        let holds = self.end > HEAD.len() as u64;
        if self.file.is_some() && holds && !self.faulty && self.opened.elapsed() > self.shared.config.segment_age {
            self.buffer.clear();
            if let Err(error) = self.roll() {
                tracing::warn!(%error, "a new journal segment could not be started");
            }
        }
    }

    /// Starts a new segment.
    fn roll(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.set_len(self.end)?;
            self.allocated = self.end;
        }
        let path = files::segment_path(&self.shared.dir, self.next);
        let spare = self.shared.spare.take(&path)?;
        self.prepared = spare.is_some();
        let (file, allocated) = if let Some(spare) = spare {
            spare
        } else {
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
            file.write_all_at(&HEAD, 0)?;
            file.sync_all()?;
            (file, HEAD.len() as u64)
        };
        sync_dir(&self.shared.dir)?;
        self.save_publishers();
        self.file = Some(file);
        self.end = HEAD.len() as u64;
        self.allocated = allocated;
        self.opened = Instant::now();
        self.suspect = false;
        let mut segments = self.shared.segments.lock();
        // A segment that never got a record has the same name.
        if segments.back().is_some_and(|s| s.first == self.next) {
            segments.pop_back();
        }
        segments.push_back(Segment { first: self.next, last: self.next - 1, bytes: self.end });
        Ok(())
    }

    fn save_publishers(&mut self) {
        self.publishers.through = self.next - 1;
        match self.publishers.save(&self.shared.dir) {
            Ok(()) => self.shared.publishers_through.store(self.publishers.through, Ordering::Release),
            // Segments stay until it works.
            Err(error) => tracing::warn!(%error, "the snapshot of publishers could not be written"),
        }
    }

    /// Makes a synced group visible and answers its tickets.
    fn publish(&mut self, group: &mut Vec<Append>) {
        let first = self.next;
        self.next += group.len() as u64;
        if let Some(active) = self.shared.segments.lock().back_mut() {
            active.last = self.next - 1;
            active.bytes = self.end;
        }
        let counters = &self.shared.counters;
        {
            let mut tail = self.shared.tail.lock();
            for (append, position) in group.iter().zip(first..) {
                tail.push(append.samples, append.payload.clone());
                counters.samples.fetch_add(append.samples as u64, Ordering::Relaxed);
                if let Some((publisher, seq)) = &append.numbered {
                    self.publishers.observe(publisher, *seq, position);
                }
            }
        }
        counters.records.fetch_add(group.len() as u64, Ordering::Relaxed);
        counters.bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        counters.syncs.fetch_add(1, Ordering::Relaxed);
        if let Some(watch) = self.shared.watch.get() {
            group.iter().filter_map(|append| append.numbered.as_ref()).for_each(|(publisher, seq)| watch.kept(publisher, *seq));
        }
        self.shared.durable.send_replace(self.next - 1);
        for (append, position) in group.drain(..).zip(first..) {
            counters.append_latency.observe(append.at.elapsed());
            let _ = append.ticket.send(Ok(position));
        }
    }
}
