//! Calls to services behind the gateway: bounded in time and size, refusals told in few words.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::trust;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most characters of a refusal that are told.
const TOLD: usize = 2_000;

/// Why a call gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection, or no answer in time.
    #[error("{0}")]
    Unreachable(String),
    /// An answer with an error status.
    #[error("status {status}: {told}")]
    Refused {
        /// The status.
        status: u16,
        /// What it said.
        told: String,
    },
    /// An answer that broke off, or was too large.
    #[error("{0}")]
    Broken(String),
}

/// A client whose calls end after `timeout`.
pub(crate) fn new(timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT)
        .use_preconfigured_tls((*trust::client_config()).clone())
        // A redirect would carry the key to wherever the answer says.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("the options above are constants that work")
}

/// Calls; answers the content type and at most `max` bytes of body.
pub(crate) async fn call(request: reqwest::RequestBuilder, max: usize) -> Result<(Option<String>, Bytes), CallError> {
    let mut response = request.send().await.map_err(|error| CallError::Unreachable(told(&error)))?;
    let status = response.status();
    let content_type = response.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| CallError::Broken(told(&error)))? {
        if body.len() + chunk.len() > max {
            return Err(CallError::Broken(format!("the answer is larger than {max} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let told = String::from_utf8_lossy(&body).chars().take(TOLD).collect();
        return Err(CallError::Refused { status: status.as_u16(), told });
    }
    Ok((content_type, body.freeze()))
}

/// The error and its causes, without the address: that may hold a key.
fn told(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let told = deepest.to_string();
    let cure = trust::cure(&told);
    told + cure
}
