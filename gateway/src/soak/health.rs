//! What the server under test says of its journal in `/health`.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::server::Server;

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest time until a disk that has space again is known to take writes: looks a second apart, on a busy machine.
const AGAIN: Duration = Duration::from_secs(30);

/// The journal's health.
pub(super) struct Journal {
    pub(super) is_degraded: bool,
    pub(super) write_errors: u64,
    pub(super) write_error: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    status: String,
    journal: Part,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    write_errors: u64,
    write_error: Option<String>,
}

/// What it says now; nothing where it does not answer.
pub(super) async fn journal(server: &Server) -> Option<Journal> {
    let asking = async { reqwest::get(server.url("/health")).await?.json::<Answer>().await };
    let Data { status, journal } = timeout(ANSWER, asking).await.ok()?.ok()?.data;
    Some(Journal { is_degraded: status == "degraded", write_errors: journal.write_errors, write_error: journal.write_error })
}

/// Waits until the journal's disk is said to take writes; false where that takes too long.
pub(super) async fn writes_again(server: &Server) -> bool {
    let until = Instant::now() + AGAIN;
    while Instant::now() < until {
        if journal(server).await.is_some_and(|health| health.write_error.is_none()) {
            return true;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}
