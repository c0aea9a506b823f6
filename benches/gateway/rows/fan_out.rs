//! Delivered WebSocket messages per server processor second: one channel, 200 subscribers, a
//! publisher that pushes without waiting for answers.

use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::{Result, ensure};
use slipstream_protocol::{WireFormat, codec::RKYV_SUBPROTOCOL};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::spawn_local,
};

use super::audience::Audience;
use crate::{
    Plan,
    feed::Feed,
    report::{Goal, Row, show},
    servers::{self, Dialect, Target},
    websocket,
};

/// Samples in one write of the publisher, and in one frame where frames hold batches.
const BATCH: usize = 64;
/// Publications that may be on their way: enough that the publisher never waits while the readers
/// keep up, and few enough that no server is measured by what it throws away.
const ON_THEIR_WAY: u64 = 4_096;

/// What the publisher sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Slipstream: batches of 64 samples in one frame; subscribers hear JSON. PitBox's API knows no
    /// batches, so its peer is given one sample a frame, and beside it stands the same peer taught
    /// batches, each sent on in one write per subscriber.
    Batches,
    /// One sample a frame, as JSON, for every server.
    Singles,
    /// As `Batches`, and Slipstream's subscribers hear rkyv.
    Archives,
}

impl Load {
    pub(crate) const ALL: [Self; 3] = [Self::Batches, Self::Singles, Self::Archives];

    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Batches => "fan-out-batches",
            Self::Singles => "fan-out-singles",
            Self::Archives => "fan-out-rkyv",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Batches => {
                "delivered messages per server CPU second, by each server's own protocol (Slipstream: relay batches of 64), JSON to subscribers"
            }
            Self::Singles => "delivered messages per server CPU second, the same one-sample JSON frames to every server",
            Self::Archives => "delivered messages per server CPU second, by each server's own protocol, rkyv to Slipstream's subscribers",
        }
    }

    /// One write's worth of samples.
    fn write(self, dialect: Dialect, slipstream: bool, feed: &mut Feed, out: &mut Vec<u8>) {
        match (dialect, self) {
            (Dialect::Pitbox, Self::Singles) => (0..BATCH).for_each(|_| websocket::put_frame(out, 1, &feed.single())),
            (Dialect::Pitbox, _) if slipstream => websocket::put_frame(out, 2, &feed.batch(WireFormat::Rkyv, BATCH)),
            (Dialect::Pitbox, _) => websocket::put_frame(out, 1, &feed.batch(WireFormat::Json, BATCH)),
            (Dialect::Nats, _) => unreachable!("NATS is given one payload over and over"),
        }
    }
}

struct Stage {
    /// Its name in the table.
    name: &'static str,
    target: Target,
    load: Load,
    audience: Audience,
    /// For NATS, whose frames hold any number of messages: one message with its head, bytes.
    message_bytes: Option<u64>,
    nats_write: Vec<u8>,
}

impl Stage {
    async fn set(target: Target, plan: &Plan, load: Load, feed: &mut Feed) -> Result<Self> {
        let subprotocol = (load == Load::Archives && target.name == "slipstream").then_some(RKYV_SUBPROTOCOL);
        let channels = (0..plan.subscribers).map(|_| "telemetry:car".to_owned());
        let audience = Audience::gather(&target, channels, subprotocol).await?;
        let (mut message_bytes, mut nats_write) = (None, Vec::new());
        if target.dialect == Dialect::Nats {
            let payload = feed.single();
            let head = format!("MSG telemetry.car 1 {}\r\n", payload.len());
            message_bytes = Some((head.len() + payload.len() + 2) as u64);
            for _ in 0..BATCH {
                nats_write.extend_from_slice(format!("PUB telemetry.car {}\r\n", payload.len()).as_bytes());
                nats_write.extend_from_slice(&payload);
                nats_write.extend_from_slice(b"\r\n");
            }
        }
        Ok(Self { name: target.name, target, load, audience, message_bytes, nats_write })
    }

    fn delivered(&self) -> u64 {
        self.message_bytes.map_or_else(|| self.audience.heard.frames.get(), |bytes| self.audience.heard.payload_bytes.get() / bytes)
    }

    /// What the subscriber that is furthest behind has heard.
    fn heard_by_the_last(&self) -> u64 {
        let each = self.audience.heard.each.borrow();
        let counts = each.iter().map(|(bytes, frames)| self.message_bytes.map_or(*frames, |message| bytes / message));
        counts.min().unwrap_or(0)
    }

    async fn publisher(&self) -> Result<TcpStream> {
        if self.target.dialect == Dialect::Pitbox {
            return websocket::connect(&self.target, "", None).await;
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.target.publish_port)).await?;
        stream.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n").await?;
        Ok(stream)
    }

    /// Publishes until `stop`; tells how many samples were sent.
    async fn publish(&self, feed: &mut Feed, stop: &Cell<bool>) -> Result<u64> {
        let (mut read, mut write) = self.publisher().await?.into_split();
        let answers = spawn_local(async move {
            let mut ignored = vec![0; 16 << 10];
            while read.read(&mut ignored).await.is_ok_and(|n| n > 0) {}
        });
        let (start, first, subscribers, mut sent) = (self.delivered(), self.heard_by_the_last(), self.audience.size as u64, 0);
        let mut bytes = Vec::new();
        while !stop.get() {
            if sent > ON_THEIR_WAY + self.heard_by_the_last() - first {
                let told = tokio::time::timeout(Duration::from_secs(5), self.audience.heard.progress.notified()).await;
                ensure!(told.is_ok(), "{} delivers nothing for 5 s:\n{}", self.target.name, self.target.server.printed());
                continue;
            }
            if self.nats_write.is_empty() {
                bytes.clear();
                self.load.write(self.target.dialect, self.target.name == "slipstream", feed, &mut bytes);
                write.write_all(&bytes).await?;
            } else {
                write.write_all(&self.nats_write).await?;
            }
            sent += BATCH as u64;
            tokio::task::yield_now().await;
        }
        let all = start + sent * subscribers;
        self.audience.quiet(|_| self.delivered() >= all).await?;
        let delivered = self.delivered();
        ensure!(delivered == all, "{}: {} of {} deliveries arrived", self.target.name, delivered - start, all - start);
        answers.abort();
        Ok(sent)
    }

    /// One round: delivered messages per processor second, and per second.
    async fn round(&self, plan: &Plan, feed: &mut Feed) -> Result<(f64, f64)> {
        let stop = Rc::new(Cell::new(false));
        let measuring = async {
            tokio::time::sleep(plan.warm).await;
            let before = (self.delivered(), self.target.server.cpu_seconds(), std::time::Instant::now());
            tokio::time::sleep(plan.measure).await;
            let delivered = (self.delivered() - before.0) as f64;
            let measured = (delivered / (self.target.server.cpu_seconds() - before.1), delivered / before.2.elapsed().as_secs_f64());
            stop.set(true);
            measured
        };
        let (measured, sent) = tokio::join!(measuring, self.publish(feed, &stop));
        sent?;
        Ok(measured)
    }
}

/// Measures one load on every server.
pub(crate) async fn measure(plan: &Plan, load: Load) -> Result<Row> {
    let mut row = Row::new(load.key(), load.title(), "msg/CPU s", Some(Goal::AtLeastTimes(20.0)));
    let mut feed = Feed::new("car")?;
    let mut stages = Vec::new();
    for target in servers::start(plan, false, load != Load::Archives)? {
        let given = if target.name == "node" { Load::Singles } else { load };
        stages.push(Stage::set(target, plan, given, &mut feed).await?);
    }
    if load == Load::Batches
        && plan.measures("node")
        && let Some(target) = servers::node(false)?
    {
        let stage = Stage::set(target, plan, load, &mut feed).await?;
        stages.push(Stage { name: "node-corked", ..stage });
    }
    let mut per_second: Vec<(&str, Vec<f64>)> = stages.iter().map(|s| (s.name, Vec::new())).collect();
    for _ in 0..plan.rounds {
        for (stage, (_, speeds)) in stages.iter().zip(&mut per_second) {
            let (per_cpu, per_wall) = stage.round(plan, &mut feed).await?;
            row.add(stage.name, per_cpu);
            speeds.push(per_wall);
        }
    }
    let walls: Vec<String> =
        per_second.iter().map(|(name, speeds)| format!("{name} {}", show(slipstream_benches::median(speeds)))).collect();
    row.note(format!("delivered per wall second, generator and server sharing the machine: {}", walls.join(", ")));
    if load == Load::Batches {
        row.note("node-corked: the node peer given the same batches of 64 as JSON, each corked into one write per subscriber");
    }
    row.note("slipstream journals, stores and evaluates every sample meanwhile; node and nats only relay");
    Ok(row)
}
