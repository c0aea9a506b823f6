//! Who may call what: the metrics and everything under `/api/` need a token unless it is named here.

use std::sync::Arc;

use http::{Method, Request};
use slipstream_protocol::{ErrorCode, ProtocolError, token::Claims};

use super::reply::ApiError;

use crate::{
    app::Services,
    auth::{api_key::claims_of_bearer, missing_token, token_of},
    rate::ClientAddress,
};

/// What is open under `/api/`.
const OPEN: [(&Method, &str); 3] =
    [(&Method::GET, "/api/health"), (&Method::POST, "/api/auth/login"), (&Method::POST, "/api/auth/register")];

/// Whether a request must carry a token.
pub(super) fn needs_token(method: &Method, path: &str, rl_open: bool) -> bool {
    if rl_open && super::rl::is_open(method, path) {
        return false;
    }
    (path.starts_with("/api/") || path == "/metrics") && !OPEN.contains(&(method, path))
}

/// The checked claims of a request.
pub(super) async fn claims_of<B>(services: &Services, request: &Request<B>) -> Result<Arc<Claims>, ProtocolError> {
    let authorization = request.headers().get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let bearer = token_of(authorization, request.uri().query()).ok_or_else(missing_token)?.to_owned();
    claims_of_bearer(services, &bearer).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_api_is_closed_but_what_is_named() {
        assert!(needs_token(&Method::GET, "/api/status", false));
        assert!(needs_token(&Method::GET, "/api/auth/login", false));
        assert!(needs_token(&Method::GET, "/api/nothing/here", false));
        assert!(needs_token(&Method::GET, "/metrics", false));
        assert!(!needs_token(&Method::POST, "/api/auth/login", false));
        assert!(!needs_token(&Method::GET, "/health", false));
        assert!(needs_token(&Method::POST, "/api/step", false) && !needs_token(&Method::POST, "/api/step", true));
        assert!(needs_token(&Method::GET, "/api/rl/agents", true) && needs_token(&Method::POST, "/api/telemetry", true));
    }
}
