//! Memory of an idle WebSocket connection that is subscribed to one channel.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};

use super::audience::Audience;
use crate::{
    Plan,
    report::{Goal, Row},
    servers::{self, Target},
};

/// Connections opened before the first look, so that what is allocated once is not counted.
const FIRST: usize = 100;
/// Channels they are spread over.
const CHANNELS: usize = 100;

/// Measures it on every server, once: memory does not come back between rounds.
pub(crate) async fn measure(plan: &Plan) -> Result<Row> {
    let mut row = Row::new("connections", "memory per idle WebSocket connection", "KiB", Some(Goal::AtMost(20.0)));
    allow_open_files(plan.idle_connections * 2 + 1_000)?;
    for target in servers::start(plan, false, true)? {
        row.add(target.name, per_connection(&target, plan).await?);
    }
    row.note(format!(
        "resident memory after {} connections less that after {FIRST}, per connection; {CHANNELS} channels",
        plan.idle_connections
    ));
    Ok(row)
}

async fn per_connection(target: &Target, plan: &Plan) -> Result<f64> {
    let channels = |count: usize| (0..count).map(|i| format!("telemetry:car-{}", i % CHANNELS));
    let _first = Audience::gather(target, channels(FIRST), None).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = target.server.resident_bytes();
    let crowd = Audience::gather(target, channels(plan.idle_connections), None).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = target.server.resident_bytes();
    ensure!(crowd.heard.ended.get() == 0, "{} ended idle connections", target.name);
    Ok((after as f64 - before as f64) / plan.idle_connections as f64 / 1_024.0)
}

/// Servers inherit the limit, so it is raised here.
fn allow_open_files(count: usize) -> Result<()> {
    let pid = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={count}:")]).output();
    if raised.is_ok_and(|out| out.status.success()) {
        return Ok(());
    }
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let soft = limits.lines().find(|l| l.starts_with("Max open files")).and_then(|l| l.split_whitespace().nth(3)?.parse::<usize>().ok());
    ensure!(soft.is_some_and(|soft| soft >= count), "{count} open files are needed: ulimit -n {count}");
    Ok(())
}
