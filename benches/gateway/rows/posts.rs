//! `POST /api/telemetry` with broadcast and durable storage: 64 kept-alive connections, one request
//! in flight on each.

use std::{cell::Cell, rc::Rc, time::Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use super::{
    audience::Audience,
    requests::{Connection, telemetry_request},
};
use crate::{
    Plan,
    feed::Feed,
    report::{Goal, Row, show},
    servers::{self, Target},
};
use slipstream_benches::median;

const CONNECTIONS: usize = 64;

struct Stage {
    target: Target,
    /// One subscriber for each driver, and one for the session: every sample is delivered twice.
    audience: Audience,
}

/// One round's numbers.
struct Measured {
    /// Requests per second of wall time.
    wall: f64,
    /// Requests per second of the server's CPU time.
    cpu: f64,
    /// As `cpu`, the database's CPU time counted in.
    cpu_with_database: f64,
}

impl Stage {
    async fn set(target: Target) -> Result<Self> {
        let channels = (0..CONNECTIONS).map(|i| format!("telemetry:car-{i}")).chain(["session:bench".to_owned()]);
        let audience = Audience::gather(&target, channels, None).await?;
        Ok(Self { target, audience })
    }

    async fn round(&self, plan: &Plan, feed: &mut Feed) -> Result<Measured> {
        let (stop, answered) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0_u64)));
        let heard_before = self.audience.heard.frames.get();
        let mut clients = JoinSet::new();
        for i in 0..CONNECTIONS {
            let request = telemetry_request(&self.target, &format!("car-{i}"), &feed.data());
            let mut connection = Connection::open(&self.target).await?;
            let (stop, answered) = (stop.clone(), answered.clone());
            clients.spawn_local(async move {
                while !stop.get() {
                    connection.post(&request).await?;
                    answered.set(answered.get() + 1);
                }
                anyhow::Ok(())
            });
        }
        tokio::time::sleep(plan.warm).await;
        let numbers = || (answered.get() as f64, self.target.server.cpu_seconds(), self.target.database_cpu_seconds(), Instant::now());
        let before = numbers();
        tokio::time::sleep(plan.measure).await;
        let after = numbers();
        stop.set(true);
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        // Broadcast is part of the job: everything answered was heard, on both channels.
        let expected = answered.get() * 2;
        let heard = || self.audience.heard.frames.get() - heard_before;
        self.audience.quiet(|_| heard() >= expected).await?;
        ensure!(heard() >= expected, "{}: {} of {expected} deliveries are missing", self.target.name, expected - heard());
        let (requests, cpu, database) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
        Ok(Measured {
            wall: requests / (after.3 - before.3).as_secs_f64(),
            cpu: requests / cpu,
            cpu_with_database: requests / (cpu + database),
        })
    }
}

/// Measures it on Slipstream and the Node peer.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let title = "POST /api/telemetry with broadcast and durable storage, 64 connections";
    let mut wall = Row::new("post-wall", format!("{title}, per wall second"), "req/s", Some(Goal::AtLeastTimes(10.0)));
    let mut cpu = Row::new("post-cpu", format!("{title}, per server CPU second"), "req/CPU s", Some(Goal::AtLeastTimes(10.0)));
    let mut feed = Feed::new("car")?;
    let mut stages = Vec::new();
    for target in servers::start(plan, true, false)? {
        stages.push(Stage::set(target).await?);
    }
    let mut with_database = Vec::new();
    for _ in 0..plan.rounds {
        for stage in &stages {
            let measured = stage.round(plan, &mut feed).await?;
            wall.add(stage.target.name, measured.wall);
            cpu.add(stage.target.name, measured.cpu);
            if stage.target.name == "node" {
                with_database.push(measured.cpu_with_database);
            }
        }
    }
    if !with_database.is_empty() {
        cpu.note(format!("node with its PostgreSQL's processor time counted too: {} req/CPU s", show(median(&with_database))));
    }
    cpu.note("slipstream syncs a journal record before it answers; node's PostgreSQL commits with synchronous_commit and fsync on");
    Ok(vec![wall, cpu])
}
