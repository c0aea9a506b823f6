//! Running a relay agent, with and without a spool.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    agent::Agent,
    feed,
    options::RelayOptions,
    pace::Pace,
    report::{Outcome, Report},
    source::{Progress, Source},
    spool::{Intake, Lane, LaneEnd, Reader, Spool},
};

/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);

/// Streams `source` to the server and tells what became of it.
///
/// Returns when the source has ended and everything is acknowledged or refused, when
/// [`RelayOptions::stop`] is cancelled, or when going on makes no sense (the token is refused, the
/// server says not to come back, [`RelayOptions::give_up_after`] is over). `progress` is called
/// about ten times a second.
pub async fn run(options: RelayOptions, source: Source, mut progress: impl FnMut(&Report) + Send) -> Report {
    let read = source.progress();
    let feed = feed::start(source, &options);
    Agent::new(options, feed, read, None).run(&mut progress).await
}

/// The same through `spool`: every sample is on the disk before it is sent, and stays there until it
/// is acknowledged, in this run or a later one.
///
/// The numbers, the publisher's name and the bounds of the disk are the spool's; `publisher` and
/// `first_seq` of the options are not used. Ends as [`run`] does; what the server has not
/// acknowledged by then waits for the next run.
pub async fn run_spooled(options: RelayOptions, source: Source, spool: Spool, mut progress: impl FnMut(&Report) + Send) -> Report {
    let started = Instant::now();
    let read = source.progress();
    let feed = feed::start(source, &options);
    let paced = options.pace != Pace::FlatOut;
    let Spool { live, backlog, account, .. } = spool;
    let slots = Arc::new(Slots::default());
    let stop = options.stop.child_token();
    let ended = CancellationToken::new();
    let live_state = live.state.clone();
    let intake = Intake::new(&live, &backlog, account.clone(), paced.then_some(options.window_samples));
    // A backlog that is the whole stream may use the whole window; beside live data it gets a small one.
    let backlog_window = if paced { options.window_samples.min(account.options.drain_window) } else { options.window_samples };
    let journals = [live.journal.clone(), backlog.journal.clone()];
    let backlog_state = backlog.state.clone();
    let agents = [
        start(
            live,
            Wiring { lazy: !paced, other: backlog_state.clone(), yields: false, window: options.window_samples },
            &options,
            &stop,
            &ended,
            &slots.live,
        ),
        start(
            backlog,
            Wiring { lazy: true, other: live_state.clone(), yields: true, window: backlog_window },
            &options,
            &stop,
            &ended,
            &slots.backlog,
        ),
    ];
    let take_in = {
        let (slots, stop, account) = (slots.clone(), stop.clone(), account.clone());
        tokio::spawn(async move {
            let outcome = intake.run(feed, &stop, |item| slots.intake.lock().take_in(item)).await;
            account.full.store(false, std::sync::atomic::Ordering::Relaxed);
            ended.cancel();
            outcome
        })
    };
    let merged = |end: bool| {
        let mut report = slots.intake.lock().clone();
        report.add(&slots.live.lock());
        report.add(&slots.backlog.lock());
        let bytes = journals.iter().map(|j| j.segment_bytes()).sum();
        report.spool = Some(account.report(&live_state, &backlog_state, bytes, end));
        report.elapsed = started.elapsed();
        report.fraction = read.as_ref().and_then(Progress::fraction);
        report
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let [live_agent, backlog_agent] = agents;
    let all = async { tokio::join!(take_in, live_agent, backlog_agent) };
    tokio::pin!(all);
    let (taken_in, live_end, backlog_end) = loop {
        tokio::select! {
            ends = &mut all => break ends,
            _ = tick.tick() => progress(&merged(false)),
        }
    };
    let source_error = taken_in.unwrap_or_else(|e| Some(e.to_string()));
    let outcome = outcome_of([ended_as(live_end), ended_as(backlog_end)], source_error);
    for journal in &journals {
        let journal = journal.clone();
        // Waits for the disk.
        let _ = tokio::task::spawn_blocking(move || journal.close()).await;
    }
    // Only then: a source that is told to be complete and killed before the lanes know of it would be sent again.
    account.end(outcome == Outcome::Complete, backlog_state.done());
    let mut report = merged(true);
    report.outcome = outcome;
    progress(&report);
    report
}

/// What the two agents and the intake tell.
#[derive(Default)]
struct Slots {
    intake: Mutex<Report>,
    live: Arc<Mutex<Report>>,
    backlog: Arc<Mutex<Report>>,
}

/// How a lane is served.
struct Wiring {
    lazy: bool,
    other: Arc<super::spool::LaneState>,
    yields: bool,
    window: u64,
}

/// Starts reader and agent of a lane. A failure stops the others.
fn start(
    lane: Lane,
    wiring: Wiring,
    options: &RelayOptions,
    stop: &CancellationToken,
    ended: &CancellationToken,
    slot: &Arc<Mutex<Report>>,
) -> JoinHandle<Report> {
    let options = RelayOptions {
        publisher: lane.publisher.clone(),
        first_seq: lane.oldest,
        window_samples: wiring.window,
        stop: stop.clone(),
        ..options.clone()
    };
    let Wiring { lazy, other, yields, .. } = wiring;
    let end = LaneEnd { journal: lane.journal.clone(), state: lane.state.clone(), other, yields, lazy };
    let feed = Reader::start(lane, options.batch_size, ended.clone());
    let (slot, stop) = (slot.clone(), stop.clone());
    tokio::spawn(async move {
        let report = Agent::new(options, feed, None, Some(end)).run(&mut |report: &Report| slot.lock().clone_from(report)).await;
        if matches!(report.outcome, Outcome::Failed(_)) {
            stop.cancel();
        }
        report
    })
}

fn ended_as(end: Result<Report, tokio::task::JoinError>) -> Outcome {
    end.map_or_else(|e| Outcome::Failed(e.to_string()), |report| report.outcome)
}

fn outcome_of(lanes: [Outcome; 2], source_error: Option<String>) -> Outcome {
    let [live, backlog] = lanes;
    match (live, backlog, source_error) {
        (Outcome::Failed(reason), _, _) | (_, Outcome::Failed(reason), _) | (_, _, Some(reason)) => Outcome::Failed(reason),
        (Outcome::Stopped, _, None) | (_, Outcome::Stopped, None) => Outcome::Stopped,
        _ => Outcome::Complete,
    }
}
