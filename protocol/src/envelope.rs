//! The REST envelope.

use serde::Serialize;
use serde_json::Value;

use crate::{error::ErrorCode, time::Timestamp};

/// `{"success": true, "data", "message", "timestamp"}`, with `pagination` on lists.
#[derive(Clone, Debug, Serialize)]
pub struct Success<T> {
    /// Always true.
    pub success: bool,
    /// The answer.
    pub data: T,
    /// The answer in words.
    pub message: String,
    /// When it was given.
    pub timestamp: Timestamp,
    /// Which part of a list this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
}

impl<T: Serialize> Success<T> {
    /// An answer.
    pub fn new(data: T, message: impl Into<String>, now: Timestamp) -> Self {
        Self { success: true, data, message: message.into(), timestamp: now, pagination: None }
    }

    /// An answer that is one page of a list.
    pub fn page(data: T, message: impl Into<String>, now: Timestamp, pagination: Pagination) -> Self {
        Self { pagination: Some(pagination), ..Self::new(data, message, now) }
    }
}

/// Which part of a list an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pagination {
    /// Page number, from 1.
    pub page: u64,
    /// Entries a page.
    pub per_page: u64,
    /// Entries in all.
    pub total: u64,
    /// Pages in all.
    pub pages: u64,
}

impl Pagination {
    /// Page `page` of `total` entries.
    pub const fn new(page: u64, per_page: u64, total: u64) -> Self {
        Self { page, per_page, total, pages: if per_page == 0 { 0 } else { total.div_ceil(per_page) } }
    }
}

/// `{"success": false, "error": {"code", "message", "details"}, "timestamp"}`.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Always false.
    pub success: bool,
    /// What went wrong.
    pub error: FailureBody,
    /// When it was said.
    pub timestamp: Timestamp,
}

/// The `error` of a [`Failure`].
#[derive(Clone, Debug, Serialize)]
pub struct FailureBody {
    /// The code's text form.
    pub code: &'static str,
    /// What was wrong and what to do.
    pub message: String,
    /// One entry per broken field.
    pub details: Vec<Value>,
}

impl Failure {
    /// A refusal with one entry per broken field.
    pub fn new(code: ErrorCode, message: impl Into<String>, details: Vec<String>, now: Timestamp) -> Self {
        let details = details.into_iter().map(Value::String).collect();
        Self { success: false, error: FailureBody { code: code.as_str(), message: message.into(), details }, timestamp: now }
    }
}
