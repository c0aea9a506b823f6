//! What handlers take from a request.

use serde::de::DeserializeOwned;
use slipstream_protocol::ErrorCode;

use super::reply::ApiError;
/// Reads a JSON body into `T`.
///
/// Fails with [`ErrorCode::InvalidJson`] where it is no JSON, and with
/// [`ErrorCode::ValidationError`] naming the field where it is another shape.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ApiError::invalid(vec![error.to_string()]),
        _ => ApiError::new(ErrorCode::InvalidJson, format!("the body is not JSON: {error}")),
    })
}
