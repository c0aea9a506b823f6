//! Memory that subscribers who read nothing cost the server.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::durable;
use crate::{Plan, report::Row, servers, websocket};

/// How long a publisher floods them.
const FLOOD: Duration = Duration::from_secs(20);

/// Subscribers of one busy channel that ask to lose the oldest and read nothing, beside a publisher flat out.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    if !plan.measures("slipstream") {
        return Ok(Vec::new());
    }
    let target = servers::slipstream()?;
    let mut stalled = Vec::new();
    for _ in 0..plan.stalled {
        stalled.push(subscribe(&target).await?);
    }
    let before = target.server.resident_bytes();
    let (started, mut peak) = (Instant::now(), before);
    let mut agent = durable::flooder(&target).await?;
    let mut sent = 0_u64;
    while started.elapsed() < FLOOD {
        sent += agent.batch().await?;
        peak = peak.max(target.server.resident_bytes());
    }
    let title = format!("memory for {} subscribers that read nothing, each publication sent to all of them", plan.stalled);
    let mut row = Row::new("stalled", title, "B per subscriber", None);
    row.add("slipstream", (peak - before) as f64 / stalled.len() as f64);
    row.note(format!(
        "{sent} publications in {} s to each; the whole server grew by {:.1} MiB at most, publisher, vehicle and stores included",
        FLOOD.as_secs(),
        (peak - before) as f64 / f64::from(1 << 20)
    ));
    drop(stalled);
    Ok(vec![row])
}

async fn subscribe(target: &servers::Target) -> Result<TcpStream> {
    let mut stream = websocket::connect(target, "", None).await?;
    let mut request = Vec::new();
    websocket::put_frame(&mut request, 1, br#"{"type":"subscribe","channel":"telemetry:flood","on_slow":"drop_oldest"}"#);
    stream.write_all(&request).await?;
    let mut heard = Vec::new();
    while !websocket::contains(&heard, b"subscribed") {
        ensure!(stream.read_buf(&mut heard).await? > 0, "the subscription was not answered");
    }
    Ok(stream)
}
