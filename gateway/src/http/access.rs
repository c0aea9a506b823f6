//! Whose token a request carries. Which requests need one, the table of routes says: every operation that is not [`Access::Open`](super::operation::Access).

use std::sync::Arc;

use http::Request;
use slipstream_protocol::{ErrorCode, ProtocolError, token::Claims};

use super::reply::ApiError;

use crate::{
    app::Services,
    auth::{api_key::credential_of_bearer, missing_token, token_of},
    rate::ClientAddress,
};

/// The checked claims of a request.
pub(super) async fn claims_of<B>(services: &Services, request: &Request<B>) -> Result<Arc<Claims>, ProtocolError> {
    let authorization = request.headers().get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let bearer = token_of(authorization, request.uri().query()).ok_or_else(missing_token)?.into_owned();
    credential_of_bearer(services, &bearer).await.map(|credential| credential.claims)
}

/// What a caller without good claims hears; that too many failures came from its address, where they did.
pub(crate) fn refused(services: &Services, address: ClientAddress, error: ProtocolError) -> ApiError {
    if error.code == ErrorCode::Unauthorized
        && let Err(limited) = services.rates.failure_from(address)
    {
        return limited.into();
    }
    error.into()
}
