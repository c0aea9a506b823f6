//! Who sent what already: `(publisher, seq)` names a sample once and for all.
//!
//! A publisher's numbers only grow. A resent number at or below what the journal took is a
//! duplicate: acknowledged again, applied never again. Where the journal could not keep a batch,
//! its numbers are forgotten, so that the resend is taken.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dashmap::DashMap;
use futures_util::FutureExt;
use parking_lot::Mutex;
use slipstream_ports::{JournalError, JournalTicket};
use slipstream_protocol::{PublisherId, Sample, SampleBatch};

use super::stream_name;
use crate::journal::{PublisherWatch, subject_of};

/// How often a duplicate looks whether its first sending has been synced.
const SETTLE_POLL: Duration = Duration::from_millis(2);

/// Most publishers known. Beyond it half of those of the subject that has most are forgotten, those first that
/// have been silent for longest: nobody makes others' numbers forgotten by taking many names.
const MOST: usize = 100_000;

/// The high-water marks of every publisher. `None` is below every number.
#[derive(Debug, Default)]
pub struct Ledger {
    known: Arc<Known>,
}

/// Publishers of whom a numbered sample was taken in, now or before a restart.
#[derive(Debug)]
struct Known {
    publishers: DashMap<PublisherId, Arc<Mutex<Mark>>>,
    most: usize,
    /// Counts uses of marks: who has not been heard of for longest has the smallest.
    uses: AtomicU64,
    forgotten: AtomicU64,
}

impl Default for Known {
    fn default() -> Self {
        Self { publishers: DashMap::new(), most: MOST, uses: AtomicU64::new(0), forgotten: AtomicU64::new(0) }
    }
}

#[derive(Debug, Default)]
struct Mark {
    /// Handed to the actors.
    routed: Option<u64>,
    /// Handed to the journal.
    appended: Option<u64>,
    /// Synced by the journal.
    synced: Option<u64>,
    /// Grows whenever the journal fails a batch: tickets of an earlier run raise nothing.
    run: u64,
    /// When it was used last, see [`Known::uses`].
    used: u64,
}

impl Known {
    /// The mark of `id`, made where there is none: for a publisher of whom a numbered sample has come.
    ///
    /// `bare` is the name that journals have which were written before names belonged to subjects: what was kept
    /// then is still recognised. Nobody moves those marks any more.
    fn mark(&self, id: &PublisherId, bare: Option<&PublisherId>) -> Arc<Mutex<Mark>> {
        if let Some(mark) = self.publishers.get(id) {
            return mark.clone();
        }
        let synced = bare.and_then(|bare| self.publishers.get(bare).map(|mark| mark.value().clone())).and_then(|mark| mark.lock().synced);
        let mark = self.publishers.entry(id.clone()).or_insert_with(|| synced.map_or_else(Arc::default, known)).clone();
        if self.publishers.len() > self.most {
            self.forget_silent(id);
        }
        mark
    }

    /// Forgets half of the names of the subject that has most, but for `newest` and those that a connection uses.
    fn forget_silent(&self, newest: &PublisherId) {
        let mut by_subject: HashMap<String, Vec<(u64, PublisherId)>> = HashMap::new();
        for entry in &self.publishers {
            if Arc::strong_count(entry.value()) == 1 && entry.key() != newest {
                let used = entry.value().lock().used;
                by_subject.entry(subject_of(entry.key()).to_owned()).or_default().push((used, entry.key().clone()));
            }
        }
        let Some(mut names) = by_subject.into_values().max_by_key(Vec::len) else { return };
        names.sort_unstable();
        names.truncate(names.len().div_ceil(2));
        let count = names.len();
        for (_, name) in names {
            self.publishers.remove_if(&name, |_, mark| Arc::strong_count(mark) == 1);
        }
        self.forgotten.fetch_add(count as u64, Relaxed);
        tracing::warn!(
            count,
            kept = self.publishers.len(),
            "too many publishers: the longest silent of the subject with most are forgotten"
        );
    }
}

impl Ledger {
    /// The ledger as the journal remembers it.
    pub fn restore(marks: impl IntoIterator<Item = (PublisherId, u64)>) -> Self {
        let publishers = marks.into_iter().map(|(id, seq)| (id, known(seq))).collect();
        Self { known: Arc::new(Known { publishers, ..Known::default() }) }
    }

    /// The publisher that a token of `subject` calls `id`; known from its first numbered sample on. See [`stream_name`].
    pub fn publisher_of(&self, subject: &str, id: &PublisherId) -> Publisher {
        let (name, bare) = (stream_name(subject, id), Some(id.clone()));
        Publisher { stream: Some(Stream { name, bare, known: self.known.clone() }), mark: OnceLock::new() }
    }

    /// The publisher whose numbers are kept as `id`; known from its first numbered sample on.
    pub fn publisher(&self, id: &PublisherId) -> Publisher {
        Publisher { stream: Some(Stream { name: id.clone(), bare: None, known: self.known.clone() }), mark: OnceLock::new() }
    }

    /// Publishers forgotten because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.known.forgotten.load(Relaxed)
    }

    /// Changes a publisher's mark; the map is let go of before.
    fn mark(&self, publisher: &PublisherId, change: impl FnOnce(&mut Mark)) {
        let mark = self.known.publishers.get(publisher).map(|entry| entry.value().clone());
        if let Some(mark) = mark {
            change(&mut mark.lock());
        }
    }

    /// Publishers known.
    pub fn len(&self) -> usize {
        self.known.publishers.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.known.publishers.is_empty()
    }
}

impl PublisherWatch for Ledger {
    fn kept(&self, publisher: &PublisherId, seq: u64) {
        self.mark(publisher, |mark| {
            mark.synced = mark.synced.max(Some(seq));
            mark.appended = mark.appended.max(mark.synced);
        });
    }

    fn broken(&self, publisher: &PublisherId) {
        self.mark(publisher, |mark| {
            mark.run += 1;
            mark.appended = mark.synced;
        });
    }
}

/// The mark of a publisher whose numbers up to `seq` are kept.
fn known(seq: u64) -> Arc<Mutex<Mark>> {
    Arc::new(Mutex::new(Mark { routed: Some(seq), appended: Some(seq), synced: Some(seq), run: 0, used: 0 }))
}

/// One numbered stream of samples.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// Absent where nobody can go on with the numbers.
    stream: Option<Stream>,
    /// Its mark, from the first numbered sample on, and the run it began in. Where the journal has failed a batch since,
    /// what is sent by it lies behind a hole: only who comes anew knows from where to send again.
    mark: OnceLock<(Arc<Mutex<Mark>>, u64)>,
}

/// Whose numbers they are.
#[derive(Clone, Debug)]
struct Stream {
    name: PublisherId,
    bare: Option<PublisherId>,
    known: Arc<Known>,
}

/// What [`Publisher::admit`] made of a batch.
pub struct Admitted {
    /// What the actors have not had yet.
    pub batch: SampleBatch,
    /// Resolves when all of the batch is durable.
    pub ticket: Ticket,
    /// Samples that were sent before.
    pub duplicates: u64,
}

impl Admitted {
    /// Of a batch that the journal can never keep. Its ticket changes no mark.
    fn never(error: JournalError, publisher: &Publisher, mark: &Arc<Mutex<Mark>>, duplicates: u64) -> Self {
        let append: JournalTicket = Box::pin(std::future::ready(Err(error)));
        let ticket = Ticket { mark: mark.clone(), append: Some(append), highest: None, run: u64::MAX };
        Self { batch: SampleBatch { publisher: publisher.name(), samples: Vec::new() }, ticket, duplicates }
    }
}

impl Publisher {
    /// A publisher that lives as long as its connection.
    pub fn anonymous() -> Self {
        Self { stream: None, mark: OnceLock::new() }
    }

    /// The name its numbers are kept under.
    fn name(&self) -> Option<PublisherId> {
        self.stream.as_ref().map(|stream| stream.name.clone())
    }

    /// Its mark and the run it is in. Samples without numbers leave no mark.
    fn mark(&self, numbered: bool) -> (Arc<Mutex<Mark>>, u64) {
        if let Some((mark, run)) = self.mark.get() {
            return (mark.clone(), *run);
        }
        if !numbered {
            return (Arc::default(), 0);
        }
        let begun = || {
            let mark = self.stream.as_ref().map_or_else(Arc::default, |stream| stream.known.mark(&stream.name, stream.bare.as_ref()));
            let run = mark.lock().run;
            (mark, run)
        };
        let (mark, run) = self.mark.get_or_init(begun);
        (mark.clone(), *run)
    }

    /// Drops duplicates, appends the rest to the journal with `append`, which is told the highest number
    /// that the actors have had and the journal has not, and says what is to be routed.
    ///
    /// Where the journal is behind, nothing has happened: the numbers count as never sent. What it can
    /// never keep is not routed either, and its ticket says why.
    pub fn admit(
        &self,
        mut samples: Vec<Sample>,
        append: impl FnOnce(&SampleBatch, Option<u64>) -> JournalTicket,
    ) -> Result<Admitted, Refused> {
        let highest = samples.iter().filter_map(|s| s.seq).max();
        let (held, begun) = self.mark(highest.is_some());
        let mut mark = held.lock();
        if let Some(stream) = &self.stream {
            mark.used = stream.known.uses.fetch_add(1, Relaxed);
        }
        if mark.run != begun {
            let error =
                JournalError::Storage("earlier samples of this connection were not kept; connect again and send from there".to_owned());
            return Ok(Admitted::never(error, self, &held, 0));
        }
        let before = samples.len();
        let appended = mark.appended;
        let mut newest = appended;
        samples.retain(|s| {
            // Also within the batch: a number counts once.
            let fresh = s.seq.is_none() || s.seq > newest;
            newest = newest.max(s.seq);
            fresh
        });
        let duplicates = (before - samples.len()) as u64;
        let mut batch = SampleBatch { publisher: self.name(), samples };
        let mut append = (!batch.samples.is_empty()).then(|| append(&batch, mark.routed.filter(|_| mark.routed > appended)));
        // A ticket that is ready at once is ready because it was refused: no disk is so fast.
        match append.as_mut().and_then(FutureExt::now_or_never) {
            Some(Err(JournalError::Overloaded { .. })) => return Err(Refused { samples: batch.samples, duplicates }),
            Some(Err(error)) => return Ok(Admitted::never(error, self, &held, duplicates)),
            // Polled to its end, it is not to be polled again.
            Some(Ok(position)) => append = Some(Box::pin(std::future::ready(Ok(position)))),
            None => {}
        }
        mark.appended = newest;
        let run = mark.run;
        if mark.routed > appended {
            // The journal failed these once, the actors have them.
            let routed = mark.routed;
            batch.samples.retain(|s| s.seq.is_none() || s.seq > routed);
        }
        mark.routed = mark.routed.max(newest);
        drop(mark);
        Ok(Admitted { batch, ticket: Ticket { mark: held, append, highest, run }, duplicates })
    }
}

/// What the journal, being behind, did not take.
#[derive(Debug)]
pub struct Refused {
    /// What was to be kept, duplicates removed.
    pub samples: Vec<Sample>,
    /// Samples that were sent before.
    pub duplicates: u64,
}

/// A batch on its way to the disk.
pub struct Ticket {
    mark: Arc<Mutex<Mark>>,
    /// The new part of the batch; `None` where all of it was sent before.
    append: Option<JournalTicket>,
    highest: Option<u64>,
    run: u64,
}

impl Ticket {
    /// Whether there was nothing in the batch, not even duplicates.
    pub const fn is_empty(&self) -> bool {
        self.append.is_none() && self.highest.is_none()
    }

    /// Waits until the batch is durable. Returns its record's position; `None` for a batch of
    /// duplicates only, whose first sending is durable by then.
    pub async fn settled(self) -> Result<Option<u64>, JournalError> {
        let Self { mark, append, highest, run } = self;
        let Some(append) = append else {
            return first_sending(&mark, highest, run).await.map(|()| None);
        };
        let outcome = append.await;
        let mut mark = mark.lock();
        if mark.run == run {
            if outcome.is_ok() {
                mark.synced = mark.synced.max(highest);
            } else {
                mark.run += 1;
                mark.appended = mark.synced;
            }
        }
        outcome.map(Some)
    }
}

/// Waits until what was appended before up to `highest` is synced.
async fn first_sending(mark: &Mutex<Mark>, highest: Option<u64>, run: u64) -> Result<(), JournalError> {
    loop {
        {
            let mark = mark.lock();
            if mark.synced >= highest {
                return Ok(());
            }
            if mark.run != run {
                return Err(JournalError::Storage("the first sending of these samples was not kept; send them again".to_owned()));
            }
        }
        tokio::time::sleep(SETTLE_POLL).await;
    }
}

#[cfg(test)]
mod tests;
