//! Answers in the envelope, and refusals as values.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use slipstream_ports::{JournalError, RecordsError, SeriesError};
use slipstream_protocol::{
    ErrorCode, ProtocolError, Timestamp,
    client::DecodeError,
    envelope::{Failure, Pagination, Success},
};

use crate::{ingest::AcceptError, rate::Limited};

/// What every handler answers with.
pub type Response = warp::reply::Response;

/// A handler's outcome; [`answer`] turns it into a [`Response`].
pub type ApiResult = Result<Response, ApiError>;

/// A refusal on its way to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// Which kind; decides the HTTP status.
    pub code: ErrorCode,
    /// What was wrong and what to do.
    pub message: String,
    /// One entry per broken field.
    pub details: Vec<String>,
    /// When to come back, where that is known; a second where it is not.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// A refusal of kind `code`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), retry_after: None }
    }

    /// A [`ErrorCode::ValidationError`] that names every broken field.
    pub fn invalid(details: Vec<String>) -> Self {
        let message = if details.len() == 1 { "one field is not valid" } else { "some fields are not valid" };
        Self { details, ..Self::new(ErrorCode::ValidationError, message) }
    }

    /// `what` does not exist.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} does not exist"))
    }

    /// The token does not give this right.
    pub fn forbidden(what: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::Forbidden, format!("this token may not {what}"))
    }

    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        self.code.is_retryable()
    }
}

impl From<ProtocolError> for ApiError {
    fn from(error: ProtocolError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<DecodeError> for ApiError {
    fn from(error: DecodeError) -> Self {
        error.error.into()
    }
}

impl From<RecordsError> for ApiError {
    fn from(error: RecordsError) -> Self {
        crate::records::refusal(&error).into()
    }
}

impl From<SeriesError> for ApiError {
    fn from(error: SeriesError) -> Self {
        let code = if error.is_retryable() { ErrorCode::Unavailable } else { ErrorCode::Upstream };
        Self::new(code, error.to_string())
    }
}

impl From<JournalError> for ApiError {
    fn from(error: JournalError) -> Self {
        let code = match &error {
            JournalError::Overloaded { .. } => ErrorCode::Busy,
            JournalError::TooLarge { .. } => ErrorCode::TooLarge,
            JournalError::Storage(_) | JournalError::InUse { .. } | JournalError::Closed => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Limited> for ApiError {
    fn from(limited: Limited) -> Self {
        Self { retry_after: Some(limited.wait), ..Self::new(ErrorCode::RateLimited, limited.to_string()) }
    }
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Refused(error) => error.into(),
            AcceptError::Journal(error) => error.into(),
        }
    }
}

/// 200 with `data`.
pub fn ok<T: Serialize>(now: Timestamp, data: T, message: &str) -> Response {
    json(StatusCode::OK, &Success::new(data, message, now))
}

/// 201 with `data`.
pub fn created<T: Serialize>(now: Timestamp, data: T, message: &str) -> Response {
    json(StatusCode::CREATED, &Success::new(data, message, now))
}

/// 200 with one page of a list.
pub fn page<T: Serialize>(now: Timestamp, data: T, message: &str, pagination: Pagination) -> Response {
    json(StatusCode::OK, &Success::page(data, message, now, pagination))
}

/// The refusal `error`, with the status of its code.
pub fn fail(now: Timestamp, error: ApiError) -> Response {
    let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &Failure::new(error.code, error.message, error.details, now));
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            // Whole seconds, rounded up: who comes back then is let in.
            let wait = error.retry_after.map_or(1, |wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        _ => {}
    }
    response
}

/// A handler's outcome as a response.
pub fn answer(now: Timestamp, result: ApiResult) -> Response {
    result.unwrap_or_else(|error| fail(now, error))
}

/// `body` as it is, with its content type.
pub fn body(status: StatusCode, content_type: &'static str, body: impl Into<bytes::Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => body(status, "application/json", text),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            body(StatusCode::INTERNAL_SERVER_ERROR, "application/json", INTERNAL_TEXT)
        }
    }
}

/// The last resort where even the envelope could not be written.
const INTERNAL_TEXT: &str =
    r#"{"success":false,"error":{"code":"INTERNAL","message":"the answer could not be written","details":[]},"timestamp":null}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_behind_asks_to_come_back_and_a_record_too_large_does_not() {
        let answer = |error: JournalError| {
            let response = fail(Timestamp::default(), error.into());
            (response.status().as_u16(), response.headers().contains_key(header::RETRY_AFTER))
        };
        assert_eq!(answer(JournalError::Overloaded { waiting_bytes: 1 }), (429, true));
        assert_eq!(answer(JournalError::Storage("full".into())), (503, true));
        assert_eq!(answer(JournalError::Closed), (503, true));
        assert_eq!(answer(JournalError::TooLarge { bytes: 2, most: 1 }), (413, false));
    }

    #[test]
    fn who_is_limited_is_told_when_to_come_back_in_whole_seconds() {
        let after = |wait| {
            let limited = Limited { limit: crate::rate::Limit::RequestsPerToken, wait };
            fail(Timestamp::default(), limited.into()).headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
        };
        assert_eq!(after(Duration::from_millis(1)), "1");
        assert_eq!(after(Duration::from_millis(2_001)), "3");
        assert_eq!(after(Duration::from_secs(60)), "60");
    }
}
