//! What no route took, in the envelope.

use slipstream_protocol::{ErrorCode, Timestamp};
use warp::{Rejection, reject};

use super::reply::{self, ApiError, Response};

/// The refusal that says best why no route took a request.
pub(super) fn respond(rejection: &Rejection, now: Timestamp) -> Response {
    let refusal = if rejection.is_not_found() {
        ApiError::new(ErrorCode::NotFound, "there is nothing at this path; /docs lists what there is")
    } else if rejection.find::<reject::MethodNotAllowed>().is_some() {
        ApiError::new(ErrorCode::MethodNotAllowed, "this path does not take this method; /docs says which it takes")
    } else if let Some(bad) = rejection.find::<reject::InvalidQuery>() {
        ApiError::new(ErrorCode::ValidationError, bad.to_string())
    } else if let Some(bad) = rejection.find::<reject::InvalidHeader>() {
        ApiError::new(ErrorCode::ValidationError, bad.to_string())
    } else if let Some(bad) = rejection.find::<reject::MissingHeader>() {
        ApiError::new(ErrorCode::ValidationError, bad.to_string())
    } else {
        tracing::error!(?rejection, "a rejection without a name");
        ApiError::new(ErrorCode::Internal, "the request could not be handled")
    };
    reply::fail(now, refusal)
}
