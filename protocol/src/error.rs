//! Error codes as clients see them.

use std::fmt;

/// The kinds of refusal. The text form is the `code` of error frames and REST answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The frame or body is not JSON.
    InvalidJson,
    /// A binary frame is not a well-formed archive of a client message.
    InvalidArchive,
    /// A text frame is not UTF-8.
    InvalidUtf8,
    /// The frame's `type` is none of the contract's.
    UnknownType,
    /// A field is missing, of the wrong type or out of its bounds.
    ValidationError,
    /// The channel's kind is unknown or its form is not `kind:id`.
    UnknownChannel,
    /// An unsubscribe for a channel that was not subscribed.
    NotSubscribed,
    /// No token, or one that is broken, expired or wrongly signed.
    Unauthorized,
    /// The token does not give this right.
    Forbidden,
    /// The frame or body is over the size limit.
    TooLarge,
    /// The data nests deeper than the limit.
    TooDeep,
    /// A sample has more signals than the limit.
    TooManySignals,
    /// A batch has more samples than the limit.
    BatchTooLarge,
    /// A number is NaN, infinite or too large for a 64-bit float.
    InvalidNumber,
    /// A source time too far in the past or in the future.
    TimestampOutOfRange,
    /// Text that should be base64 is not.
    InvalidBase64,
    /// Bytes that should be an image are not one of the accepted kinds.
    InvalidImage,
    /// Nothing is there under that name.
    NotFound,
    /// It exists already.
    Conflict,
    /// The method is not allowed on that path.
    MethodNotAllowed,
    /// The body is packed in a way that is not taken.
    UnsupportedEncoding,
    /// The body did not arrive in time, or too slowly.
    TooSlow,
    /// More than the engine can take right now.
    Busy,
    /// More than this caller may send.
    RateLimited,
    /// A service this needs is not configured or not reachable.
    Unavailable,
    /// A service behind this answered with an error.
    Upstream,
    /// A fault of the server.
    Internal,
}

impl ErrorCode {
    /// Every code, for documents and tests.
    pub const ALL: [Self; 27] = [
        Self::InvalidJson,
        Self::InvalidArchive,
        Self::InvalidUtf8,
        Self::UnknownType,
        Self::ValidationError,
        Self::UnknownChannel,
        Self::NotSubscribed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::TooLarge,
        Self::TooDeep,
        Self::TooManySignals,
        Self::BatchTooLarge,
        Self::InvalidNumber,
        Self::TimestampOutOfRange,
        Self::InvalidBase64,
        Self::InvalidImage,
        Self::NotFound,
        Self::Conflict,
        Self::MethodNotAllowed,
        Self::UnsupportedEncoding,
        Self::TooSlow,
        Self::Busy,
        Self::RateLimited,
        Self::Unavailable,
        Self::Upstream,
        Self::Internal,
    ];

    /// The text clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "INVALID_JSON",
            Self::InvalidArchive => "INVALID_ARCHIVE",
            Self::InvalidUtf8 => "INVALID_UTF8",
            Self::UnknownType => "UNKNOWN_TYPE",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::UnknownChannel => "UNKNOWN_CHANNEL",
            Self::NotSubscribed => "NOT_SUBSCRIBED",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::TooLarge => "TOO_LARGE",
            Self::TooDeep => "TOO_DEEP",
            Self::TooManySignals => "TOO_MANY_SIGNALS",
            Self::BatchTooLarge => "BATCH_TOO_LARGE",
            Self::InvalidNumber => "INVALID_NUMBER",
            Self::TimestampOutOfRange => "TIMESTAMP_OUT_OF_RANGE",
            Self::InvalidBase64 => "INVALID_BASE64",
            Self::InvalidImage => "INVALID_IMAGE",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::UnsupportedEncoding => "UNSUPPORTED_ENCODING",
            Self::TooSlow => "TOO_SLOW",
            Self::Busy => "BUSY",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Upstream => "UPSTREAM_ERROR",
            Self::Internal => "INTERNAL",
        }
    }

    /// Whether the same request may succeed later without a change.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::TooSlow | Self::Busy | Self::RateLimited | Self::Unavailable | Self::Upstream | Self::Internal)
    }

    /// The HTTP status that goes with the code.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedEncoding => 415,
            Self::RateLimited | Self::Busy => 429,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Unavailable => 503,
            _ => 400,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: what was wrong and what to do, in words for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ProtocolError {
    /// Which kind of refusal.
    pub code: ErrorCode,
    /// What was wrong and what is expected, for a person.
    pub message: String,
}

impl ProtocolError {
    /// A refusal of kind `code`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        self.code.is_retryable()
    }
}
