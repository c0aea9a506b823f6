//! HTTP clients: samples by `POST /api/telemetry`, records by `POST /api/sessions`. What was answered
//! with 201 must be there once; what was not may or may not be.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use super::identity::Stream;

/// Whose sessions the records are.
const DRIVER: &str = "soak-driver";

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// Numbers of samples.
    pub(super) samples: Vec<u64>,
    /// Number of the last sample tried.
    pub(super) last: u64,
    /// Ids and names of records.
    pub(super) records: Vec<(String, String)>,
}

/// A running pair of clients.
#[derive(Debug)]
pub(super) struct Posts {
    pub(super) stream: Stream,
    base: String,
    token: String,
    client: reqwest::Client,
    acknowledged: Arc<Mutex<Acknowledged>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Posts {
    /// Starts posting to `base` (`http://host:port`); `label` makes the records' names this run's own.
    pub(super) fn start(base: String, token: String, stream: Stream, label: String, every: Duration) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let (acknowledged, stop) = (Arc::<Mutex<Acknowledged>>::default(), CancellationToken::new());
        let poster = Poster {
            client: client.clone(),
            base: base.clone(),
            token: token.clone(),
            every,
            book: acknowledged.clone(),
            stop: stop.clone(),
        };
        let tasks = vec![tokio::spawn(poster.clone().samples(stream.clone())), tokio::spawn(poster.records(label))];
        Ok(Self { stream, base, token, client, acknowledged, stop, tasks })
    }

    /// Posts nothing more; yields what was acknowledged.
    pub(super) async fn finish(&mut self) -> Acknowledged {
        self.stop.cancel();
        for task in self.tasks.drain(..) {
            // A request under way is bounded by the client's time limit.
            let _ = task.await;
        }
        std::mem::take(&mut self.acknowledged.lock())
    }

    /// Ids and names of every record there is of our driver.
    pub(super) async fn records(&self) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for page in 1.. {
            let url = format!("{}/api/sessions/{DRIVER}?page={page}&per_page=100", self.base);
            let answer: Value = self.client.get(&url).bearer_auth(&self.token).send().await?.json().await?;
            if found.is_empty() && answer["error"]["code"] == "NOT_FOUND" {
                return Ok(found);
            }
            let rows = answer["data"].as_array().with_context(|| format!("{url} answers {answer}"))?;
            found.extend(rows.iter().map(|row| (text(row, "id"), text(row, "name"))));
            let pages = answer["pagination"]["pages"].as_u64();
            ensure!(pages.is_some(), "{url} answers without pages: {answer}");
            if pages <= Some(page) {
                break;
            }
        }
        Ok(found)
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

#[derive(Clone)]
struct Poster {
    client: reqwest::Client,
    base: String,
    token: String,
    every: Duration,
    book: Arc<Mutex<Acknowledged>>,
    stop: CancellationToken,
}

impl Poster {
    /// The answer's `data` where it is 201.
    async fn post(&self, path: &str, body: String) -> Option<Value> {
        let url = format!("{}{path}", self.base);
        let request = self.client.post(url).bearer_auth(&self.token).header("content-type", "application/json").body(body);
        let answer = request.send().await.ok()?;
        if answer.status().as_u16() != 201 {
            return None;
        }
        let mut body: Value = answer.json().await.ok()?;
        Some(body["data"].take())
    }

    async fn rest(&self) -> bool {
        tokio::select! {
            () = time::sleep(self.every) => true,
            () = self.stop.cancelled() => false,
        }
    }

    async fn samples(self, stream: Stream) {
        let mut n = 0;
        while self.rest().await {
            n += 1;
            self.book.lock().last = n;
            if self.post("/api/telemetry", stream.line(n)).await.is_some() {
                self.book.lock().samples.push(n);
            }
        }
    }

    async fn records(self, label: String) {
        let mut n = 0;
        while self.rest().await {
            n += 1;
            let name = format!("{label}-{n}");
            let body = json!({"driverId": DRIVER, "name": name}).to_string();
            if let Some(data) = self.post("/api/sessions", body).await {
                self.book.lock().records.push((text(&data, "id"), name));
            }
        }
    }
}
