//! Plays one replay.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use slipstream_protocol::{ErrorCode, Sample, SampleBatch, Timestamp, VehicleId};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    Control, Period, Replay, State,
    reading::{self, Chunk},
    recording::Problems,
    timeline::Timeline,
};
use crate::app::Services;

/// Samples routed together.
const CHUNK: usize = 256;

/// Why playing from one place ended.
enum End {
    /// There is no more.
    Done,
    /// It goes on elsewhere.
    Sought,
    /// Somebody ended it.
    Stopped,
    /// It cannot go on.
    Failed(String),
}

/// Plays until the recording ends or somebody ends it.
pub(super) async fn play(services: Arc<Services>, replay: Arc<Replay>, mut control: watch::Receiver<Control>) {
    tracing::info!(replay = %replay.id, "replay starts");
    let mut player = Player { services, replay: replay.clone(), names: HashMap::new(), waiting: Vec::new() };
    let (state, error) = loop {
        match player.play_from(&mut control).await {
            End::Sought => player.turn_back(&control).await,
            End::Done => break (State::Done, None),
            End::Stopped => break (State::Stopped, None),
            End::Failed(error) => break (State::Failed, Some(error)),
        }
    };
    let (played, skipped) = (replay.played.load(Ordering::Relaxed), replay.status().skipped);
    tracing::info!(replay = %replay.id, ?state, played, skipped, "replay ends");
    replay.ended.lock().get_or_insert((state, error));
}

/// Waits until it is to end, or to go on elsewhere.
async fn interrupted(control: &mut watch::Receiver<Control>, seeks: u64) {
    let over = control.wait_for(|told| told.stopped || told.seeks != seeks).await.is_err();
    if over {
        // The replay holds its sender as long as it is played.
        std::future::pending::<()>().await;
    }
}

struct Player {
    services: Arc<Services>,
    replay: Arc<Replay>,
    /// What the recording's vehicles are called here; `None` where the name would be too long.
    names: HashMap<VehicleId, Option<VehicleId>>,
    waiting: Vec<Sample>,
}

impl Player {
    /// Where it goes on before what it played, its vehicles and their session begin anew: they do not meet their own future.
    async fn turn_back(&self, control: &watch::Receiver<Control>) {
        let from = control.borrow().from;
        let reached = self.replay.position.load(Ordering::Relaxed);
        if from.is_none_or(|from| from.micros() <= reached) {
            let vehicles: Vec<VehicleId> = self.names.values().flatten().cloned().collect();
            self.services.router.begin_anew(&vehicles, &self.replay.id).await;
        }
    }

    async fn play_from(&mut self, control: &mut watch::Receiver<Control>) -> End {
        let told = *control.borrow_and_update();
        let mut chunks = self.read(told.from);
        let mut line = Timeline::new(told.speed);
        loop {
            let chunk = tokio::select! {
                chunk = chunks.recv() => chunk,
                // A long file is sorted before its first sample is due.
                () = interrupted(control, told.seeks) => {
                    self.waiting.clear();
                    return if control.borrow().stopped { End::Stopped } else { End::Sought };
                }
            };
            let Some(chunk) = chunk else { break };
            let samples = match chunk {
                Ok(samples) => samples,
                Err(error) => return End::Failed(error.to_string()),
            };
            for sample in samples {
                if let Some(end) = self.until_due(sample.source_time, &mut line, told.seeks, control).await {
                    return end;
                }
                self.take(sample);
                if self.waiting.len() >= CHUNK
                    && let Some(end) = self.flush().await
                {
                    return end;
                }
            }
        }
        self.flush().await.unwrap_or(End::Done)
    }

    /// Waits until a sample of `time` is due, through pauses and changes of speed.
    async fn until_due(&mut self, time: Timestamp, line: &mut Timeline, seeks: u64, control: &mut watch::Receiver<Control>) -> Option<End> {
        let mut due = None;
        loop {
            let told = *control.borrow_and_update();
            if told.stopped {
                return Some(End::Stopped);
            }
            if told.seeks != seeks {
                self.waiting.clear();
                return Some(End::Sought);
            }
            let now = Instant::now();
            line.follow(told.paused, told.speed, now);
            let at = match due {
                // The speed may be another one now, or it has waited.
                Some(_) => line.again(time, now),
                None => line.due(time, now),
            };
            due = Some(at);
            if !told.paused && at <= now {
                return None;
            }
            if let Some(end) = self.flush().await {
                return Some(end);
            }
            let changed = if told.paused {
                control.changed().await
            } else {
                tokio::select! {
                    () = tokio::time::sleep_until(at) => Ok(()),
                    changed = control.changed() => changed,
                }
            };
            if changed.is_err() {
                return Some(End::Stopped);
            }
        }
    }

    fn take(&mut self, mut sample: Sample) {
        let replay = &self.replay;
        let name = self.names.entry(sample.vehicle.clone()).or_insert_with(|| {
            let name = VehicleId::new(&format!("{}.{}", replay.id, sample.vehicle)).ok();
            replay.vehicles.lock().extend(name.clone());
            name
        });
        let Some(name) = name else {
            replay.skipped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        replay.position.store(sample.source_time.micros(), Ordering::Relaxed);
        sample.vehicle = name.clone();
        sample.session = Some(replay.id.clone());
        sample.seq = None;
        sample.received_at = self.services.clock.now();
        self.waiting.push(sample);
    }

    /// Routes what waits. The vehicles' actors slow a replay down as they slow every door.
    async fn flush(&mut self) -> Option<End> {
        if self.waiting.is_empty() {
            return None;
        }
        let samples = std::mem::take(&mut self.waiting);
        let count = samples.len() as u64;
        let refused = self.services.router.route(SampleBatch { publisher: None, samples }).await;
        if refused.iter().any(|r| r.error.code == ErrorCode::Busy) {
            return Some(End::Failed("the server is draining".to_owned()));
        }
        let refused = refused.len() as u64;
        self.replay.played.fetch_add(count.saturating_sub(refused), Ordering::Relaxed);
        self.replay.skipped.fetch_add(refused, Ordering::Relaxed);
        self.services.counters.replayed.inc_by(count.saturating_sub(refused));
        None
    }

    /// Reads the recording from `from` on.
    fn read(&self, from: Option<Timestamp>) -> mpsc::Receiver<Chunk> {
        let request = &self.replay.request;
        let period = Period { from: from.max(request.period.from), ..request.period.clone() };
        // It is read from its beginning, so that what is counted is counted anew.
        let problems = Arc::new(Problems::default());
        *self.replay.problems.lock() = problems.clone();
        reading::read(&self.services, &request.recording, period, problems)
    }
}
