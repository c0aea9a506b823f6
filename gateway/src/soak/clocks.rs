//! A vehicle whose clock is ahead of the server's, and a pipeline over it and a vehicle whose clock is right: that one's results are
//! not to suffer.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use slipstream_protocol::Timestamp;
use tokio::time::{Instant, sleep};

use super::{identity::Stream, process::until, report::Report};

/// The pipeline's name.
const PIPELINE: &str = "soak-clocks";
/// The vehicle with the wrong clock.
const AHEAD: &str = "ahead-0";
/// Length of a window in event time: the posted stream's samples are a millisecond apart.
const WINDOW_MS: u64 = 5;
/// Longest wait for the pipeline to take what was posted.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Sends samples of the future, and asks what came of the others.
#[derive(Debug)]
pub(super) struct Clocks {
    client: reqwest::Client,
    base: String,
    token: String,
    /// The present as this process counts it.
    now: Timestamp,
    since: Instant,
}

impl Clocks {
    /// Declares the pipeline on the server at `base`.
    pub(super) async fn start(base: String, token: String, now: Timestamp, posted: &Stream) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let clocks = Self { client, base, token, now, since: Instant::now() };
        let vehicles: Vec<String> = posted.vehicles().chain([AHEAD.to_owned()]).collect();
        let document = json!({
            "name": PIPELINE,
            "source": {"vehicles": vehicles},
            "time": {"delay": "0s", "every": "1ms"},
            "steps": [{"op": "window", "kind": "tumbling", "size": format!("{WINDOW_MS}ms"), "of": {"n": "count"}}],
        });
        let url = format!("{}/api/pipelines", clocks.base);
        let answer = clocks.client.post(url).bearer_auth(&clocks.token).json(&document).send().await?;
        ensure!(answer.status().is_success(), "the pipeline cannot be declared: {}", answer.text().await?);
        Ok(clocks)
    }

    /// Sends `count` samples whose clock is ahead by `lead`; tells how many were taken.
    pub(super) async fn send_ahead(&self, lead: Duration, count: u32) -> String {
        let mut taken = 0;
        for n in 0..count {
            let time = self.now.plus(self.since.elapsed() + lead);
            let body = json!({"driverId": AHEAD, "timestamp": time, "data": {"n": n, "speed_mps": 1}});
            let sent = self.client.post(format!("{}/api/telemetry", self.base)).bearer_auth(&self.token).json(&body).send().await;
            taken += u32::from(sent.is_ok_and(|answer| answer.status().as_u16() == 201));
        }
        format!("{taken} of {count} samples {} s ahead were taken", lead.as_secs())
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().await?;
        let mut body: Value = answer.json().await?;
        Ok(body["data"].take())
    }

    /// Judges what became of the vehicle whose clock is right, of which number `last` was the last to be acknowledged.
    pub(super) async fn check(&self, posted: &Stream, last: u64, report: &mut Report) -> Result<()> {
        let (vehicle, newest) = (posted.vehicle(last), posted.time(last));
        let latest = self.get(&format!("/api/telemetry/{vehicle}/latest")).await?;
        let shown: Timestamp = latest["timestamp"].as_str().context("the posted vehicle has a newest state")?.parse()?;
        if shown < newest {
            report.violate("harmed", vehicle.clone(), format!("its newest state is of {shown}, not of {newest}: {latest}"));
        }
        let stats_path = format!("/api/pipelines/{PIPELINE}/stats");
        let caught_up = until("the pipeline over clocks", CATCH_UP, async || {
            Ok(self.get(&stats_path).await?["newest"].as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok_and(|t| t >= newest)))
        });
        if let Err(error) = caught_up.await {
            report.violate("harmed", PIPELINE, format!("{error:#}"));
        }
        sleep(Duration::from_secs(1)).await;
        let stats = self.get(&stats_path).await?;
        let watermark = stats["watermark"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        if stats["state"] != "running" || stats["results"]["late"] != 0 || watermark.is_none_or(|w| w > posted.time(last + 1_000)) {
            report.violate("harmed", PIPELINE, format!("late rows, or a watermark ahead of the vehicle at {newest}: {stats}"));
        }
        Ok(())
    }
}
