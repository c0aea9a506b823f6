//! From publish to delivery: 100 publications a second to 200 subscribers.

use std::{cell::RefCell, rc::Rc, time::Duration, time::Instant};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinHandle, JoinSet, spawn_local},
};

use super::{
    floor,
    requests::{Connection, telemetry_request},
};
use crate::{
    Plan,
    feed::Feed,
    report::{Goal, Row, show},
    servers::{self, Target},
    websocket::{self, parse_head},
};
use slipstream_benches::median;

/// Publications.
pub(super) const PER_SECOND: u64 = 100;
/// Connections that post in turn, so that a slow answer does not hold the next publication back.
const POSTERS: usize = 8;
/// What stands before the moment of publication in every sample, microseconds since the run began.
const MARK: &[u8] = b"\"sent_us\":";

/// How it is published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As a frame over `/ws`.
    Frame,
    /// As `POST /api/telemetry`, which also stores it durably.
    Post,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Frame, Self::Post];

    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Frame => "latency-ws",
            Self::Post => "latency-post",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Frame => "p99 from publish (frame over /ws) to delivery, 100/s x 200 subscribers",
            Self::Post => "p99 from publish (POST /api/telemetry) to delivery, 100/s x 200 subscribers",
        }
    }
}

struct Stage {
    target: Target,
    epoch: Instant,
    /// Delays heard, microseconds.
    delays: Rc<RefCell<Vec<f64>>>,
    /// Kept for their drop.
    _readers: Readers,
}

/// Tasks that read subscribers' sockets; they end when this is dropped.
#[derive(Default)]
pub(super) struct Readers(Vec<JoinHandle<()>>);

impl Readers {
    /// Reads `stream` and notes in `delays` how old each publication is, microseconds.
    pub(super) fn add(&mut self, stream: Rc<TcpStream>, epoch: Instant, delays: Rc<RefCell<Vec<f64>>>) {
        self.0.push(spawn_local(async move {
            let mut waiting = Vec::new();
            let _ = websocket::read_all(stream, |bytes| {
                let now = epoch.elapsed().as_micros() as f64;
                waiting.extend_from_slice(bytes);
                while let Some(sent) = next_moment(&mut waiting) {
                    delays.borrow_mut().push(now - sent);
                }
            })
            .await;
        }));
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for reader in &self.0 {
            reader.abort();
        }
    }
}

/// `data` with the moment in it.
pub(super) fn stamp(epoch: Instant, data: &str) -> String {
    format!("{{\"sent_us\":{},{}", epoch.elapsed().as_micros(), &data[1..])
}

/// Median and 99th percentile.
pub(super) fn percentiles(delays: &mut [f64]) -> (f64, f64) {
    delays.sort_by(f64::total_cmp);
    (delays[delays.len() / 2], delays[delays.len() * 99 / 100])
}

impl Stage {
    async fn set(target: Target, plan: &Plan, epoch: Instant) -> Result<Self> {
        let delays = Rc::new(RefCell::new(Vec::new()));
        let mut readers = Readers::default();
        for _ in 0..plan.subscribers {
            let stream = Rc::new(websocket::subscribe(&target, "telemetry:car", None).await?);
            readers.add(stream, epoch, delays.clone());
        }
        Ok(Self { target, epoch, delays, _readers: readers })
    }

    /// One round's median and 99th percentile, microseconds.
    async fn round(&self, plan: &Plan, way: Way, data: &str) -> Result<(f64, f64)> {
        self.delays.borrow_mut().clear();
        let rounds = (plan.warm + plan.measure).as_secs() * PER_SECOND;
        let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / PER_SECOND));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stamped = || stamp(self.epoch, data);
        match way {
            Way::Frame => {
                let (mut read, mut write) = websocket::connect(&self.target, "", None).await?.into_split();
                let answers = spawn_local(async move {
                    let mut ignored = [0; 4_096];
                    while read.read(&mut ignored).await.is_ok_and(|n| n > 0) {}
                });
                for _ in 0..rounds {
                    ticks.tick().await;
                    let mut frame = Vec::new();
                    let text = format!(r#"{{"type":"telemetry","driverId":"car","sessionId":"bench","data":{}}}"#, stamped());
                    websocket::put_frame(&mut frame, 1, text.as_bytes());
                    write.write_all(&frame).await?;
                }
                answers.abort();
            }
            Way::Post => {
                let mut idle = Vec::new();
                for _ in 0..POSTERS {
                    idle.push(Connection::open(&self.target).await?);
                }
                let mut posting = JoinSet::new();
                for _ in 0..rounds {
                    ticks.tick().await;
                    while let Some(back) = posting.try_join_next() {
                        idle.push(back??);
                    }
                    let mut connection = match idle.pop() {
                        Some(connection) => connection,
                        None => posting.join_next().await.context("every connection is idle or posting")???,
                    };
                    let request = telemetry_request(&self.target, "car", &stamped());
                    posting.spawn_local(async move { connection.post(&request).await.map(|()| connection) });
                }
                while let Some(back) = posting.join_next().await {
                    back??;
                }
            }
        }
        let expected = rounds as usize * plan.subscribers;
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.delays.borrow().len() < expected && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut delays = self.delays.borrow_mut();
        ensure!(delays.len() == expected, "{}: {} of {expected} deliveries arrived", self.target.name, delays.len());
        // The warm-up's deliveries came first.
        let warm = plan.warm.as_secs() as usize * PER_SECOND as usize * plan.subscribers;
        Ok(percentiles(&mut delays[warm..]))
    }
}

/// Takes the first whole frame off `waiting`; tells the moment written in it.
fn next_moment(waiting: &mut Vec<u8>) -> Option<f64> {
    loop {
        let (_, head, payload) = parse_head(waiting)?;
        if waiting.len() < head + payload {
            return None;
        }
        let moment = moment_in(&waiting[head..head + payload]);
        waiting.drain(..head + payload);
        if moment.is_some() {
            return moment;
        }
    }
}

fn moment_in(payload: &[u8]) -> Option<f64> {
    let start = payload.windows(MARK.len()).position(|w| w == MARK)? + MARK.len();
    let digits = payload[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&payload[start..start + digits]).ok()?.parse().ok()
}

/// Measures one way on Slipstream and the Node peer.
pub(crate) async fn measure(plan: &Plan, way: Way) -> Result<Vec<Row>> {
    let mut row = Row::new(way.key(), way.title(), "us", Some(Goal::AtMostFraction(0.2)));
    let data = Feed::new("car")?.data();
    let epoch = Instant::now();
    let mut stages = Vec::new();
    for target in servers::start(plan, way == Way::Post, false)? {
        stages.push(Stage::set(target, plan, epoch).await?);
    }
    let mut medians: Vec<(&str, Vec<f64>)> = stages.iter().map(|s| (s.target.name, Vec::new())).collect();
    let mut floors = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let (half, p99) = floor::round(plan, epoch, &data).await?;
        floors.0.push(half);
        floors.1.push(p99);
        for (stage, (_, halves)) in stages.iter().zip(&mut medians) {
            let (half, p99) = stage.round(plan, way, &data).await?;
            row.add(stage.target.name, p99);
            halves.push(half);
        }
    }
    let halves: Vec<String> = medians.iter().map(|(name, halves)| format!("{name} {} us", show(median(halves)))).collect();
    row.note(format!("median: {}", halves.join(", ")));
    row.note(format!(
        "the machine's floor, a bare loop of one write per subscriber: p99 {} us, median {} us",
        show(median(&floors.1)),
        show(median(&floors.0))
    ));
    Ok(vec![row])
}
