//! A vehicle's laps, session by session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use slipstream_protocol::{Sample, SessionId};

use super::LapTime;
use crate::{
    laps::{LapBook, LapTracker},
    newest::Newest,
    signals::Reader,
    twin::{EarlierSession, same_session},
};

/// Sessions followed beside the newest one: a recording of one may be uploaded while another is driven.
const MOST_EARLIER: usize = 8;

/// As many of these keep the traces of their laps; the others keep their place and their counter.
const MOST_BOOKS: usize = 2;

/// What only vehicles that count laps need.
#[derive(Clone, Debug, Default)]
pub(super) struct Driving {
    reader: Reader,
    /// The session the tracker follows. Samples without a session belong to it.
    session: Option<SessionId>,
    /// The newest sample the tracker took.
    newest: Newest,
    tracker: LapTracker,
    /// Other sessions, those heard last at the end.
    earlier: Vec<Followed>,
}

/// Where another session stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Followed {
    session: SessionId,
    newest: Newest,
    tracker: LapTracker,
    laps: Option<Arc<LapBook>>,
}

impl Driving {
    /// What was saved.
    pub(super) fn resume(session: Option<SessionId>, newest: Newest, tracker: LapTracker, earlier: Vec<Followed>) -> Self {
        Self { reader: Reader::default(), session, newest, tracker, earlier }
    }

    /// What is to be saved.
    pub(super) fn into_parts(self) -> (Option<SessionId>, Newest, LapTracker, Vec<Followed>) {
        (self.session, self.newest, self.tracker, self.earlier)
    }

    /// Takes a sample in; `late` where the vehicle's newest state is newer, and `laps` is the book of the newest session. Returns the
    /// lap it completed in its session.
    pub(super) fn take(&mut self, sample: &Sample, late: bool, laps: &mut Option<Arc<LapBook>>) -> Option<LapTime> {
        let is_other =
            sample.session.is_some() && !same_session(self.session.as_ref(), sample.session.as_ref()) && (late || self.session.is_some());
        if late {
            return sample.session.as_ref().filter(|_| is_other).and_then(|session| self.take_earlier(session, sample));
        }
        if is_other {
            self.turn_to(sample.session.as_ref(), laps);
        } else if self.session.is_none() && sample.session.is_some() {
            self.session.clone_from(&sample.session);
        }
        self.newest = Newest::of(sample);
        let reading = self.reader.read(sample);
        let lap = self.tracker.take(sample.source_time, &reading, laps);
        note_session(laps, sample.session.as_ref());
        lap
    }

    /// Takes a sample of a session that is not the newest one.
    fn take_earlier(&mut self, session: &SessionId, sample: &Sample) -> Option<LapTime> {
        if let Some(at) = self.earlier.iter().position(|known| known.session == *session) {
            if self.earlier[at].newest.is_behind(sample) {
                return None;
            }
            if at + 1 < self.earlier.len() {
                let followed = self.earlier.remove(at);
                self.keep(followed);
            }
        } else {
            self.keep(Followed { session: session.clone(), newest: Newest::of(sample), tracker: LapTracker::default(), laps: None });
        }
        let followed = self.earlier.last_mut()?;
        followed.newest = Newest::of(sample);
        let reading = self.reader.read(sample);
        let lap = followed.tracker.take(sample.source_time, &reading, &mut followed.laps);
        note_session(&mut followed.laps, Some(session));
        lap
    }

    /// Follows another session from now on: it may be another track, and counts its laps by itself.
    fn turn_to(&mut self, session: Option<&SessionId>, laps: &mut Option<Arc<LapBook>>) {
        let known = self.earlier.iter().position(|known| Some(&known.session) == session).map(|at| self.earlier.remove(at));
        let (tracker, book) = known.map_or_else(Default::default, |known| (known.tracker, known.laps));
        let (tracker, book) = (std::mem::replace(&mut self.tracker, tracker), std::mem::replace(laps, book));
        if let Some(left) = std::mem::replace(&mut self.session, session.cloned()) {
            self.keep(Followed { session: left, newest: self.newest, tracker, laps: book });
        }
    }

    fn keep(&mut self, followed: Followed) {
        if self.earlier.len() >= MOST_EARLIER {
            self.earlier.remove(0);
        }
        self.earlier.push(followed);
        let without_traces = self.earlier.len().saturating_sub(MOST_BOOKS);
        for old in &mut self.earlier[..without_traces] {
            old.laps = None;
            old.tracker.drop_partial();
        }
    }

    pub(super) const fn has_earlier(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// Writes where the other sessions stand into `shown`.
    pub(super) fn show_earlier(&self, shown: &mut Vec<EarlierSession>) {
        let Some(last) = self.earlier.last() else { return shown.clear() };
        let is_same = shown.len() == self.earlier.len() && shown.iter().zip(&self.earlier).all(|(a, b)| a.session == b.session);
        if let Some(known) = shown.last_mut().filter(|_| is_same) {
            known.newest = last.newest;
            if known.laps.as_ref().map(Arc::as_ptr) != last.laps.as_ref().map(Arc::as_ptr) {
                known.laps.clone_from(&last.laps);
            }
        } else {
            let shown_as =
                |known: &Followed| EarlierSession { session: known.session.clone(), newest: known.newest, laps: known.laps.clone() };
            *shown = self.earlier.iter().map(shown_as).collect();
        }
    }

    /// Gives back memory that only a busy vehicle needs; the traces of half-driven laps as well, where it was `silent`.
    pub(super) fn compact(&mut self, silent: bool) {
        self.reader = Reader::default();
        if silent {
            self.tracker.drop_partial();
            self.earlier.iter_mut().for_each(|followed| followed.tracker.drop_partial());
        }
    }

    /// Bytes beside itself that a clone copies, roughly.
    pub(super) fn heap_bytes(&self) -> usize {
        let earlier = self.earlier.iter().map(|followed| size_of::<Followed>() + followed.tracker.heap_bytes()).sum::<usize>();
        self.reader.heap_bytes() + self.tracker.heap_bytes() + earlier
    }
}

/// Says in which session the laps of a book were driven.
fn note_session(laps: &mut Option<Arc<LapBook>>, session: Option<&SessionId>) {
    if let (Some(book), Some(session)) = (laps, session)
        && book.session() != Some(session)
    {
        Arc::make_mut(book).drive_in(session.clone());
    }
}
