//! What handlers take from a request.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use slipstream_protocol::{ErrorCode, token::Claims};
use warp::{Filter, Rejection};

use super::reply::ApiError;
use crate::{app::Services, rate::ClientAddress};

/// Hands the services to a handler.
pub fn with(services: &Arc<Services>) -> impl Filter<Extract = (Arc<Services>,), Error = Infallible> + Clone + use<> {
    let services = services.clone();
    warp::any().map(move || services.clone())
}

/// Who calls. The frame has checked the token before any route sees the request.
pub fn caller() -> impl Filter<Extract = (Arc<Claims>,), Error = Rejection> + Copy {
    warp::ext::get::<Arc<Claims>>()
}

/// Where the request comes from; the frame has found out.
pub fn address() -> impl Filter<Extract = (ClientAddress,), Error = Infallible> + Copy {
    warp::ext::optional::<ClientAddress>().map(Option::unwrap_or_default)
}

/// The body; the frame has bounded it and read it whole.
pub fn body() -> impl Filter<Extract = (Bytes,), Error = Rejection> + Copy {
    warp::body::bytes()
}

/// The query string; empty where there is none.
pub fn query() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}

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
