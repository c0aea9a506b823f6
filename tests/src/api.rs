//! The REST door as one caller sees it.
#![expect(clippy::missing_panics_doc, reason = "in a test a panic is how the unexpected is told")]

use std::time::Duration;

use serde_json::Value;
use slipstream_protocol::token::Role;
use tokio::time::{Instant, sleep};

use crate::gateway::{Gateway, PATIENCE};

/// Between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A server and a token for it.
pub struct Api {
    url: String,
    token: String,
    client: reqwest::Client,
}

impl Api {
    /// The server at `url`, with this token.
    pub fn new(url: String, token: String) -> Self {
        Self { url, token, client: reqwest::Client::new() }
    }

    /// A gateway's, with a token for `role`.
    pub fn of(gateway: &Gateway, role: Role) -> Self {
        Self::new(gateway.url(""), gateway.token(role))
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().expect("a method"), format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// Calls with a JSON body; answers status and envelope.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        told(self.request(method, path).json(&body)).await
    }

    /// Calls with this text as the body; answers status and envelope.
    pub async fn call_with_text(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        told(self.request(method, path).body(body.to_owned())).await
    }

    /// The data of an answer that must be good.
    pub async fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, mut answer) = self.call(method, path, body).await;
        assert!(status < 300, "{method} {path}: {answer}");
        answer["data"].take()
    }

    /// Reads `path` again and again until the data of the answer is as `is` wants it; gives the data.
    pub async fn read_until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, mut answer) = self.call_with_text("GET", path, "").await;
            if is(&answer["data"]) {
                return answer["data"].take();
            }
            assert!(Instant::now() < deadline, "{path}: {answer}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// All metrics, as Prometheus reads them.
    pub async fn metrics(&self) -> String {
        let answer = self.request("GET", "/metrics").send().await.expect("the server answers");
        answer.text().await.expect("the answer is text")
    }
}

async fn told(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("the server answers");
    (answer.status().as_u16(), answer.json().await.expect("the answer is JSON"))
}
