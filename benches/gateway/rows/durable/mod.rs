//! Durable ingest: 1, 16 and 256 relay agents, each with one batch of 64 samples on its way, beside
//! PostgreSQL that takes the same batches with `synchronous_commit=on`, and beside nats-server with a stream on files.

mod jetstream;
mod postgres;
mod slipstream;

use std::{cell::Cell, rc::Rc, time::Instant};

use anyhow::Result;
use slipstream_protocol::Sample;
use tokio::task::JoinSet;

use crate::{
    Plan,
    feed::Feed,
    report::{Goal, Row, show},
    servers,
};
use slipstream_benches::median;

/// Samples of one batch, 20 signals each.
const BATCH: usize = 64;

/// One client of a server: sends a batch and waits until the server says that it has it.
enum Agent {
    Slipstream(slipstream::Agent),
    Postgres(postgres::Agent),
    JetStream(jetstream::Agent),
}

impl Agent {
    async fn send(&mut self, samples: &[Sample]) -> Result<()> {
        match self {
            Self::Slipstream(agent) => agent.send(samples).await,
            Self::Postgres(agent) => agent.send(samples).await,
            Self::JetStream(agent) => agent.send(samples).await,
        }
    }
}

/// A server under measurement.
enum Stage {
    Slipstream(servers::Target),
    Postgres(postgres::Stage),
    JetStream(jetstream::Stage),
}

impl Stage {
    const fn name(&self) -> &'static str {
        match self {
            Self::Slipstream(_) => "slipstream",
            Self::Postgres(_) => "postgres",
            Self::JetStream(_) => "nats",
        }
    }

    async fn agent(&self, name: &str) -> Result<Agent> {
        Ok(match self {
            Self::Slipstream(target) => Agent::Slipstream(slipstream::Agent::connect(target, name).await?),
            Self::Postgres(stage) => Agent::Postgres(stage.agent()),
            Self::JetStream(stage) => Agent::JetStream(stage.agent(name).await?),
        })
    }

    /// Samples acknowledged in a second by `count` agents.
    async fn round(&self, plan: &Plan, count: usize, round: usize) -> Result<f64> {
        let (stop, taken) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0_u64)));
        let mut agents = JoinSet::new();
        for n in 0..count {
            let name = format!("bench-{count}-{round}-{n}");
            let (mut agent, mut feed) = (self.agent(&name).await?, Feed::new(&name)?);
            let (stop, taken) = (stop.clone(), taken.clone());
            agents.spawn_local(async move {
                let mut seq = 0;
                while !stop.get() {
                    let mut samples = feed.next(BATCH).to_vec();
                    for sample in &mut samples {
                        seq += 1;
                        sample.seq = Some(seq);
                    }
                    agent.send(&samples).await?;
                    taken.set(taken.get() + BATCH as u64);
                }
                anyhow::Ok(())
            });
        }
        tokio::time::sleep(plan.warm).await;
        let (before, started) = (taken.get(), Instant::now());
        tokio::time::sleep(plan.measure).await;
        let rate = (taken.get() - before) as f64 / started.elapsed().as_secs_f64();
        stop.set(true);
        while let Some(ended) = agents.join_next().await {
            ended??;
        }
        Ok(rate)
    }
}

async fn stages(plan: &Plan) -> Result<Vec<Stage>> {
    let mut stages = Vec::new();
    if plan.measures("slipstream") {
        stages.push(Stage::Slipstream(servers::slipstream()?));
    }
    if plan.measures("postgres") {
        stages.extend(postgres::Stage::start().await?.map(Stage::Postgres));
    }
    if plan.measures("nats") {
        stages.extend(jetstream::Stage::start().await?.map(Stage::JetStream));
    }
    Ok(stages)
}

/// Measures the three crowds.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let stages = stages(plan).await?;
    for (key, count) in [("durable-1", 1), ("durable-16", 16), ("durable-256", 256)] {
        let title = format!("durable ingest, {count} relay agents over WebSocket (rkyv), one batch of {BATCH} samples on its way each");
        let mut row = Row::new(key, title, "samples/s", Some(Goal::AtLeastTimes(10.0)));
        row.peer = "postgres";
        for round in 0..plan.rounds {
            for stage in &stages {
                row.add(stage.name(), stage.round(plan, count, round).await?);
            }
        }
        let nats = row.ratios("nats");
        if !nats.is_empty() {
            let told = if median(&nats) >= 1.0 { "reached" } else { "NOT REACHED" };
            row.note(format!("goal: >= 1 x nats: {told} ({})", show(median(&nats))));
        }
        row.note("slipstream syncs before every acknowledgement; it also evaluates, publishes and stores the samples");
        row.note("postgres: one transaction a batch, a row of jsonb a sample, fsync and synchronous_commit on");
        row.note("nats: JetStream with file storage acknowledges what is written, and syncs every two minutes (its default)");
        rows.push(row);
    }
    Ok(rows)
}

/// A publisher without pause, for rows that need one.
pub(crate) struct Flooder {
    agent: slipstream::Agent,
    feed: Feed,
    seq: u64,
}

/// Publishes as the vehicle `flood`.
pub(crate) async fn flooder(target: &servers::Target) -> Result<Flooder> {
    Ok(Flooder { agent: slipstream::Agent::connect(target, "flood").await?, feed: Feed::new("flood")?, seq: 0 })
}

impl Flooder {
    /// Sends one batch; tells how many samples it had.
    pub(crate) async fn batch(&mut self) -> Result<u64> {
        let mut samples = self.feed.next(BATCH).to_vec();
        for sample in &mut samples {
            self.seq += 1;
            sample.seq = Some(self.seq);
        }
        self.agent.send(&samples).await?;
        Ok(BATCH as u64)
    }
}
