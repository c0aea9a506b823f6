//! The relay agent's spool: samples wait on the disk until the server has acknowledged them.
//!
//! Two lanes, each a numbered stream of its own with its own log and connection: `live` for samples
//! that can be sent at once, `backlog` for those that cannot. One stream would not do: the server
//! takes a publisher's numbers in order only, so either live data would wait behind the backlog, or
//! the backlog behind live data would be taken for duplicates. See `docs/adr/0009-relay-spool.md`.

mod account;
mod book;
mod intake;
mod lane;
mod origin;
mod reader;

use std::{fmt, path::PathBuf, sync::Arc};

use slipstream_protocol::{PublisherId, Timestamp};

pub(super) use account::Account;
pub(super) use intake::Intake;
pub(super) use lane::{Lane, LaneEnd, LaneState, LinkState};
pub use origin::Origin;
pub(super) use reader::Reader;

use book::{Book, Place};

/// The smallest bound a spool works with, in bytes.
pub const MIN_BYTES: u64 = 1 << 20;

/// How a spool is kept.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Its folder; made where it does not exist.
    pub dir: PathBuf,
    /// Most bytes on the disk; looked at before each batch, so that one batch may go beyond. At least
    /// [`MIN_BYTES`].
    pub max_bytes: u64,
    /// What happens when it is full: the oldest samples are dropped and counted, or the source waits.
    pub drop_oldest: bool,
    /// Most samples of the backlog sent and not acknowledged, beside live data.
    pub drain_window: u64,
    /// Most samples of the backlog per second; `None`: as fast as the server takes them.
    pub drain_rate: Option<f64>,
}

impl SpoolOptions {
    /// The defaults: 1 GiB, nothing is dropped.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), max_bytes: 1 << 30, drop_oldest: false, drain_window: 4_096, drain_rate: None }
    }
}

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Its folder cannot be read or written, or another relay uses it.
    #[error("the spool {} cannot be opened: {reason}", dir.display())]
    Open {
        /// Where.
        dir: PathBuf,
        /// Why.
        reason: String,
    },
    /// A newer version of the relay has written there.
    #[error("{} was written by a newer slipstream (journal version {version}): start that version; nothing was touched", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// What waits in it was numbered for another publisher.
    #[error("the spool {} holds the stream of publisher '{belongs}': leave --publisher out, or give another folder", dir.display())]
    Publisher {
        /// Where.
        dir: PathBuf,
        /// Whose stream it holds.
        belongs: PublisherId,
    },
    /// The name leaves no room for the backlog's.
    #[error("the publisher's name is too long for a spool: at most {most} characters")]
    Name {
        /// How long it may be.
        most: usize,
    },
    /// The bound is below what works.
    #[error("a spool needs at least {MIN_BYTES} bytes")]
    TooSmall,
}

impl SpoolError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    fn open(options: &SpoolOptions, reason: impl fmt::Display) -> Self {
        Self::Open { dir: options.dir.clone(), reason: reason.to_string() }
    }
}

/// Where a source goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Samples of it that an earlier run has taken into the spool.
    pub taken: u64,
    /// When the run began that first read it: relative times count from then.
    pub started: Timestamp,
}

/// An open spool.
pub struct Spool {
    pub(super) live: Lane,
    pub(super) backlog: Lane,
    pub(super) account: Arc<Account>,
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").field("publisher", &self.live.publisher).finish_non_exhaustive()
    }
}

impl Spool {
    /// Opens the spool, and finds where an earlier run, or a crash, left it.
    ///
    /// A new one numbers from `now` on, in microseconds, for `publisher` or a name of its own. Numbers
    /// of a spool that was removed are thus not used again, as long as the clock does not step back.
    pub async fn open(options: SpoolOptions, publisher: Option<PublisherId>, now: Timestamp) -> Result<Self, SpoolError> {
        if options.max_bytes < MIN_BYTES {
            return Err(SpoolError::TooSmall);
        }
        for lane in LANES {
            let newer = slipstream_journal::newer_segment(&options.dir.join(lane)).map_err(|e| SpoolError::open(&options, e))?;
            if let Some((path, version)) = newer {
                return Err(SpoolError::Newer { path, version });
            }
        }
        std::fs::create_dir_all(&options.dir).map_err(|e| SpoolError::open(&options, e))?;
        let found = Book::load(&options.dir).map_err(|e| SpoolError::open(&options, e))?;
        if let (Some(book), Some(given)) = (&found, &publisher)
            && book.publisher != *given
        {
            return Err(SpoolError::Publisher { dir: options.dir, belongs: book.publisher.clone() });
        }
        let book = match found {
            Some(book) => book,
            None => Book::new(publisher.unwrap_or_else(own_name), now),
        };
        let live = book.publisher.clone();
        let name = format!("{live}{BACKLOG_SUFFIX}");
        let backlog =
            PublisherId::new(&name).map_err(|_| SpoolError::Name { most: slipstream_protocol::id::MAX_ID_LEN - BACKLOG_SUFFIX.len() })?;
        let opening = |e| SpoolError::open(&options, e);
        let live = Lane::open(&options, LANES[0], live, &book).await.map_err(opening)?;
        let mut backlog = Lane::open(&options, LANES[1], backlog, &book).await.map_err(opening)?;
        book.save(&options.dir).map_err(|e| SpoolError::open(&options, e))?;
        let account = Arc::new(Account::new(options, book, backlog.next - backlog.oldest, live.next - live.oldest));
        backlog.account = Some(account.clone());
        Ok(Self { live, backlog, account })
    }

    /// The name of the numbered stream.
    pub const fn publisher(&self) -> &PublisherId {
        &self.live.publisher
    }

    /// Where `origin` goes on: behind what an earlier run has taken of it, or at its start. `None`
    /// stands for a source that cannot be read twice.
    pub fn resume(&self, origin: Option<&Origin>, now: Timestamp) -> Result<Resume, SpoolError> {
        let (live, backlog) = (self.live.next, self.backlog.next);
        let resume = self.account.change(|book| {
            if let (Some(origin), Some(place)) = (origin, &book.place) {
                if place.origin.is(origin) {
                    let taken = (live - place.live) + (backlog - place.backlog);
                    return Resume { taken, started: Timestamp::from_micros(place.started_us) };
                }
                tracing::warn!(source = place.origin.name(), "another source had not been read to its end; this one begins at its start");
            }
            book.place = origin.cloned().map(|origin| Place { origin, started_us: now.micros(), live, backlog });
            Resume { taken: 0, started: now }
        });
        resume.map_err(|e| SpoolError::open(&self.account.options, e))
    }
}

/// The logs of a spool, a folder each.
const LANES: [&str; 2] = ["live", "backlog"];

/// Behind the publisher's name, for the stream of what could not be sent at once.
const BACKLOG_SUFFIX: &str = ".backlog";

fn own_name() -> PublisherId {
    PublisherId::new(&format!("relay-{}", uuid::Uuid::new_v4().simple())).expect("hexadecimal digits and a dash are an id")
}

#[cfg(test)]
mod tests;
