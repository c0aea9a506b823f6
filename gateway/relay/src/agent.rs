//! The agent itself: numbers samples, keeps them until they are acknowledged, reconnects.
//!
//! One agent serves one numbered stream. Without a spool that is all there is; with one, each of its
//! two lanes has an agent, whose samples are numbered already.

use std::time::Duration;

use slipstream_protocol::{CloseCode, ErrorCode, Sample, codec, server::Lateness};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use super::{
    backoff::Backoff,
    feed::Fed,
    link::{Incoming, Link},
    options::RelayOptions,
    report::{Outcome, Report},
    source::Progress,
    spool::{LaneEnd, LinkState},
    window::{Frame, Window},
};

/// How often progress is told and a silent connection looked for.
const TICK: Duration = Duration::from_millis(100);

/// Sends what it is fed until it is acknowledged.
pub(super) struct Agent {
    options: RelayOptions,
    window: Window,
    next_seq: u64,
    backoff: Backoff,
    report: Report,
    /// `None` when the source has ended or no more is taken.
    feed: Option<mpsc::Receiver<Fed>>,
    source_error: Option<String>,
    /// What was late of the connections before this one, and of this one so far.
    late_before: Lateness,
    late_now: Lateness,
    read: Option<Progress>,
    started: Instant,
    /// When there last was a connection.
    connected_at: Instant,
    /// The lane of the spool that it serves.
    lane: Option<LaneEnd>,
}

/// Why a connection ended.
enum End {
    Done,
    Stopped,
    Lost(String),
    Fatal(String),
}

impl Agent {
    /// An agent for what `feed` yields; `read` tells how far the source is.
    pub(super) fn new(options: RelayOptions, feed: mpsc::Receiver<Fed>, read: Option<Progress>, lane: Option<LaneEnd>) -> Self {
        Self {
            window: Window::new(options.first_seq.max(1), options.window_samples, options.window_bytes),
            next_seq: options.first_seq.max(1),
            backoff: Backoff::new(options.backoff, options.backoff_max),
            report: Report::default(),
            feed: Some(feed),
            source_error: None,
            late_before: Lateness::default(),
            late_now: Lateness::default(),
            read,
            started: Instant::now(),
            connected_at: Instant::now(),
            options,
            lane,
        }
    }

    /// Works until the feed has ended and everything is acknowledged or refused, or until it makes no
    /// sense to go on. `progress` is called about ten times a second.
    pub(super) async fn run(mut self, progress: &mut (impl FnMut(&Report) + Send)) -> Report {
        let outcome = match (self.work(progress).await, self.source_error.take()) {
            (Outcome::Complete, Some(error)) => Outcome::Failed(error),
            (outcome, _) => outcome,
        };
        self.refresh();
        self.report.outcome = outcome;
        progress(&self.report);
        self.report
    }

    fn refresh(&mut self) {
        self.report.elapsed = self.started.elapsed();
        self.report.lateness = self.late_before;
        self.report.lateness.add(self.late_now);
        self.report.unacknowledged = self.report.outstanding();
        self.report.fraction = self.read.as_ref().and_then(Progress::fraction);
    }

    async fn work(&mut self, progress: &mut (impl FnMut(&Report) + Send)) -> Outcome {
        let query = format!("publisher={}&ack={}", self.options.publisher, self.options.ack.as_str());
        loop {
            if self.lane.as_ref().is_some_and(|lane| lane.lazy) && self.window.is_empty() {
                match self.wait_for_work().await {
                    Some(outcome) => return outcome,
                    None => self.connected_at = Instant::now(),
                }
            }
            let connecting = self.options.endpoint.connect(&query);
            let connected = tokio::select! {
                connected = connecting => connected,
                () = self.options.stop.cancelled() => return Outcome::Stopped,
            };
            let reason = match connected {
                Ok(socket) => {
                    self.report.connections += 1;
                    tracing::debug!(url = self.options.endpoint.url(), connections = self.report.connections, "connected");
                    let link = Link::open(socket, self.options.endpoint.format(), self.options.silence / 3);
                    self.tell_lane(LinkState::Up);
                    let (end, link) = self.session(link, progress).await;
                    self.connected_at = Instant::now();
                    self.tell_lane(LinkState::Down);
                    match end {
                        End::Done => {
                            link.close().await;
                            return Outcome::Complete;
                        }
                        End::Stopped => {
                            link.close().await;
                            return Outcome::Stopped;
                        }
                        End::Fatal(reason) => return Outcome::Failed(reason),
                        End::Lost(reason) => reason,
                    }
                }
                Err(error) if error.is_retryable() => error.to_string(),
                Err(error) => return Outcome::Failed(error.to_string()),
            };
            self.late_before.add(std::mem::take(&mut self.late_now));
            self.window.rewind();
            self.tell_lane(LinkState::Down);
            if let Some(limit) = self.options.give_up_after
                && self.connected_at.elapsed() >= limit
            {
                return Outcome::Failed(format!("gave up after {:.1} s without a connection: {reason}", limit.as_secs_f64()));
            }
            let wait = self.backoff.next(rand::random());
            tracing::warn!(reason, wait_ms = wait.as_millis() as u64, attempt = self.backoff.failures(), "{}", self.trouble());
            self.refresh();
            progress(&self.report);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // The server is back: nobody waits on. Not at once, should it turn both away again and again.
                () = until_up(self.lane.as_ref(), self.options.backoff) => {}
                () = self.options.stop.cancelled() => return Outcome::Stopped,
            }
        }
    }

    /// What has happened, in the words of who waits for it.
    const fn trouble(&self) -> &'static str {
        if self.report.connections == 0 {
            "the server cannot be reached, trying again until it can; Ctrl-C or --give-up-after end that"
        } else {
            "connection lost, trying again"
        }
    }

    /// Without anything to send no connection is opened. Yields the outcome where nothing will come.
    async fn wait_for_work(&mut self) -> Option<Outcome> {
        while self.window.is_empty() {
            if self.feed.is_none() {
                return Some(Outcome::Complete);
            }
            let stop = self.options.stop.clone();
            tokio::select! {
                () = stop.cancelled() => return Some(Outcome::Stopped),
                fed = next(&mut self.feed) => self.take(fed),
            }
        }
        None
    }

    fn tell_lane(&self, state: LinkState) {
        if let Some(lane) = &self.lane {
            lane.state.link.send_replace(state);
            lane.state.congested.send_replace(false);
        }
    }

    /// One connection's life.
    async fn session(&mut self, mut link: Link, progress: &mut (impl FnMut(&Report) + Send)) -> (End, Link) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut heard_at = Instant::now();
        let mut drain_until: Option<Instant> = None;
        let stop = self.options.stop.clone();
        let end = loop {
            self.hand_over(&link);
            if self.window.is_empty() && self.feed.is_none() {
                break if drain_until.is_some() { End::Stopped } else { End::Done };
            }
            let held_back = self.held_back();
            let may_take = self.window.has_room() && self.window.unsent().is_none();
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    self.refresh();
                    progress(&self.report);
                    if heard_at.elapsed() > self.options.silence {
                        break End::Lost(format!("nothing heard for {} s", self.options.silence.as_secs()));
                    }
                    if drain_until.is_some_and(|until| Instant::now() >= until) {
                        break End::Stopped;
                    }
                }
                () = stop.cancelled(), if drain_until.is_none() => {
                    self.feed = None;
                    drain_until = Some(Instant::now() + self.options.drain);
                }
                incoming = link.incoming.recv() => {
                    heard_at = Instant::now();
                    if let Err(end) = self.hear(incoming) {
                        break end;
                    }
                }
                () = until_clear(self.lane.as_ref()), if held_back => {}
                permit = link.outgoing.reserve(), if self.window.unsent().is_some() && !held_back => {
                    // Room again: the next turn hands over. An error means the writer has died.
                    if permit.is_err() {
                        break End::Lost("the connection cannot be written to".into());
                    }
                }
                fed = next(&mut self.feed), if may_take => self.take(fed),
            }
        };
        (end, link)
    }

    /// Whether live data waits for its connection: the backlog has to wait, too.
    fn held_back(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.yields && *lane.other.congested.borrow())
    }

    /// Gives the writer what it has room for.
    fn hand_over(&mut self, link: &Link) {
        if self.held_back() {
            return;
        }
        self.fill(link);
        if let Some(lane) = &self.lane {
            let congested = self.window.unsent().is_some();
            lane.state.congested.send_if_modified(|c| std::mem::replace(c, congested) != congested);
        }
    }

    fn fill(&mut self, link: &Link) {
        while let Some(frame) = self.window.unsent() {
            let (samples, payload) = (frame.samples(), frame.payload.clone());
            let bytes = payload.len() as u64;
            // Full: room comes later. Closed: the reader knows why, its word comes next.
            if link.outgoing.try_send(payload).is_err() {
                return;
            }
            if self.window.mark_sent(Instant::now()) {
                self.report.resent += samples;
            } else {
                self.report.sent += samples;
            }
            self.report.bytes += bytes;
        }
    }

    fn hear(&mut self, incoming: Option<Incoming>) -> Result<(), End> {
        match incoming {
            Some(Incoming::Ack { seq, unstored, lateness }) => {
                self.report.unstored += unstored;
                self.late_now = lateness;
                let acked = self.window.acknowledge(seq);
                self.report.acknowledge(acked.from, acked.to, acked.missing);
                if let Some(lane) = &self.lane {
                    lane.acknowledged(self.window.acked(), acked.position, self.report.acknowledged + self.report.refused_total());
                }
                if let Some(sent_at) = acked.sent_at {
                    self.report.ack_latency.record(sent_at.elapsed());
                }
                self.backoff.reset();
                Ok(())
            }
            Some(Incoming::Refused { seq, code, message }) => self.refused(seq, &code, &message),
            Some(Incoming::Alive) => Ok(()),
            Some(Incoming::Closed { code, reason }) => Err(closed(code, reason)),
            None => Err(End::Lost("the connection ended".into())),
        }
    }

    fn refused(&mut self, seq: Option<u64>, code: &str, message: &str) -> Result<(), End> {
        let retryable = ErrorCode::ALL.into_iter().find(|c| c.as_str() == code).is_some_and(ErrorCode::is_retryable);
        let Some(seq) = seq else {
            let reason = format!("the server refused a frame: {code}: {message}");
            return Err(if retryable { End::Lost(reason) } else { End::Fatal(reason) });
        };
        // Not taken for now, and not passed over by an acknowledgement: come back with it later.
        if retryable && seq > self.window.acked() {
            return Err(End::Lost(format!("sample {seq}: {code}: {message}")));
        }
        self.report.refuse(seq, self.window.acked(), code, message);
        Ok(())
    }

    fn take(&mut self, fed: Option<Fed>) {
        match fed {
            Some(Fed::Batch(samples)) => self.admit(samples),
            Some(Fed::Kept { samples, position }) => self.push(&samples, position),
            Some(Fed::Skipped(skipped)) => self.report.skip(skipped.line, &skipped.reason),
            Some(Fed::Remark(remark)) => self.report.remark(&remark),
            Some(Fed::Failed(error)) => {
                self.source_error = Some(error.to_string());
                self.feed = None;
            }
            None => self.feed = None,
        }
    }

    fn admit(&mut self, mut samples: Vec<Sample>) {
        for sample in &mut samples {
            sample.seq = Some(self.next_seq);
            self.next_seq += 1;
        }
        self.push(&samples, None);
    }

    /// Takes numbered samples into the window.
    fn push(&mut self, samples: &[Sample], position: Option<u64>) {
        let numbers = samples.first().and_then(|s| s.seq).zip(samples.last().and_then(|s| s.seq));
        let Some((first, last)) = numbers else { return };
        self.report.note_times(samples);
        let payload = codec::encode_telemetry(self.options.endpoint.format(), samples);
        self.window.push(Frame::new(first, last, payload.into()).kept_at(position));
    }
}

async fn until_clear(lane: Option<&LaneEnd>) {
    let Some(lane) = lane.filter(|lane| lane.yields) else { return };
    // Its sender lives in the same place and cannot go before.
    let _ = lane.other.congested.subscribe().wait_for(|congested| !congested).await;
}

/// Until the other lane gets a connection that it has not now; after `at_least` at the soonest.
async fn until_up(lane: Option<&LaneEnd>, at_least: Duration) {
    let Some(lane) = lane else { return std::future::pending().await };
    let mut link = lane.other.link.subscribe();
    let _ = link.wait_for(|state| *state != LinkState::Up).await;
    tokio::time::sleep(at_least).await;
    let _ = link.wait_for(|state| *state == LinkState::Up).await;
}

async fn next(feed: &mut Option<mpsc::Receiver<Fed>>) -> Option<Fed> {
    match feed {
        Some(feed) => feed.recv().await,
        None => std::future::pending().await,
    }
}

fn closed(code: Option<u16>, reason: String) -> End {
    let known = CloseCode::ALL.into_iter().find(|c| Some(c.code()) == code);
    match known {
        Some(known) if !known.should_reconnect() && known != CloseCode::Normal => {
            End::Fatal(format!("the server closed the connection for good ({}): {reason}", known.code()))
        }
        _ => End::Lost(reason),
    }
}
