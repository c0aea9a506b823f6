//! The matcher of the table of routes: which handler a method and a path have, and what is said where there is none.
//!
//! Each resource's file lists its own [`Route`]s; [`Routes`] compiles them once. Paths are compared segment by segment
//! after percent-decoding (RFC 3986, 6.2.2.2), so `/api/telemetry/A%4CB` is `/api/telemetry/ALB`, and an encoded slash
//! stays within its segment. An unknown path is 404 for every method; a known one answers 405 with `Allow` to a method
//! that it does not take, `HEAD` as `GET` without the body, and `OPTIONS` with what it takes.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::{body::Body as _, upgrade::OnUpgrade};
use slipstream_protocol::{ErrorCode, Timestamp, token::Claims};

use super::{
    Peer, names,
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult, Response},
};
use crate::{app::Services, auth::missing_token, percent, rate::ClientAddress};

/// Starts the work that answers a request.
pub(crate) type Handler = fn(RoutedRequest) -> BoxFuture<'static, ApiResult>;

/// A page, a file of one, or the door of another protocol: open, and no operation of the REST interface.
pub(crate) struct Route {
    /// The path's template; `{name}` stands for one segment, `{name*}` at the end for all that follow.
    path: &'static str,
    handler: Handler,
}

impl Route {
    pub(crate) const fn page(path: &'static str, handler: Handler) -> Self {
        Self { path, handler }
    }
}

/// How a request came in.
pub(crate) struct Origin {
    pub(crate) address: ClientAddress,
    pub(crate) peer: Option<Peer>,
    /// The way to take the connection off the HTTP stack.
    pub(crate) upgrade: Option<OnUpgrade>,
}

/// A request that has found its route.
pub(crate) struct RoutedRequest {
    pub(crate) services: Arc<Services>,
    /// Whose token it carries; the frame has checked it.
    claims: Option<Arc<Claims>>,
    pub(crate) origin: Origin,
    /// The segments that the template's parameters stand for, decoded, in order.
    parameters: Vec<String>,
    /// The query string as it came; empty where there is none.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// The body; the frame has bounded it and read it whole.
    pub(crate) body: Bytes,
}

impl RoutedRequest {
    /// Whose token it is. The frame refuses requests without one on every route that needs it.
    pub(super) fn claims(&self) -> Result<&Arc<Claims>, ApiError> {
        self.claims.as_ref().ok_or_else(|| missing_token().into())
    }

    /// Whose token it is; `None` where the door is open and no token was shown.
    pub(super) fn caller(&self) -> Option<&Claims> {
        self.claims.as_deref()
    }

    /// The parameter at `place` of the template; empty where the template has none there.
    pub(crate) fn parameter(&self, place: usize) -> &str {
        self.parameters.get(place).map_or("", String::as_str)
    }
}

/// What a request brings beside method and path.
pub(super) struct Parts {
    pub(super) claims: Option<Arc<Claims>>,
    pub(super) origin: Origin,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The routes of one path.
struct Place {
    segments: Vec<Segment>,
    methods: Vec<Entry>,
}

/// One method of a path.
struct Entry {
    method: &'static Method,
    handler: Handler,
    /// None of pages, their files and doors.
    operation: Option<&'static Operation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    Parameter,
    Rest,
}

/// Every route, compiled.
pub(super) struct Routes {
    places: Vec<Place>,
    /// Paths without parameters, by their text.
    literal: HashMap<&'static str, usize>,
}

/// Where a path leads.
enum Found<'a> {
    Place(&'a Place, Vec<String>),
    Nothing,
    /// It is not percent-encoded UTF-8.
    Malformed,
}

impl Routes {
    /// Compiles the table.
    pub(super) fn of(operations: impl Iterator<Item = &'static Operation>, pages: impl Iterator<Item = &'static Route>) -> Self {
        let mut routes = Self { places: Vec::new(), literal: HashMap::new() };
        let mut by_path: HashMap<&'static str, usize> = HashMap::new();
        let operations = operations
            .map(|operation| (operation.path, Entry { method: &operation.method, handler: operation.handler, operation: Some(operation) }));
        let pages = pages.map(|page| (page.path, Entry { method: &Method::GET, handler: page.handler, operation: None }));
        for (path, entry) in operations.chain(pages) {
            let place = *by_path.entry(path).or_insert_with(|| {
                routes.places.push(Place { segments: template(path), methods: Vec::new() });
                routes.places.len() - 1
            });
            if !path.contains('{') {
                routes.literal.insert(path, place);
            }
            routes.places[place].methods.push(entry);
        }
        routes
    }

    /// Whether a request must carry a token. One that leads nowhere needs none: it is answered 404 or 405.
    pub(super) fn needs_token(&self, method: &Method, path: &str, rl_open: bool) -> bool {
        match self.find(path) {
            Found::Place(place, _) => place.entry(method).is_some_and(|entry| entry.needs_token(rl_open)),
            Found::Nothing | Found::Malformed => false,
        }
    }

    /// Answers a request.
    pub(super) async fn answer(&self, services: Arc<Services>, method: Method, path: &str, parts: Parts) -> Response {
        let now = services.clock.now();
        if method == Method::OPTIONS && path == "*" {
            return taken(HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS"));
        }
        let (place, parameters) = match self.find(path) {
            Found::Place(place, parameters) => (place, parameters),
            Found::Nothing => {
                return reply::fail(now, ApiError::new(ErrorCode::NotFound, "there is nothing at this path; /docs lists what there is"));
            }
            Found::Malformed => {
                return reply::fail(now, ApiError::new(ErrorCode::ValidationError, "the path is not percent-encoded UTF-8"));
            }
        };
        let Some(entry) = place.entry(&method) else {
            return not_taken(place, &method, now);
        };
        let Parts { claims, origin, query, headers, body } = parts;
        let clock = services.clock.clone();
        let request = RoutedRequest { services, claims, origin, parameters, query, headers, body };
        let response = match entry.check(&request) {
            Ok(()) => (entry.handler)(request).await,
            Err(refusal) => Err(refusal),
        };
        let response = reply::answer(clock.now(), response);
        if method == Method::HEAD { without_body(response) } else { response }
    }

    fn find(&self, path: &str) -> Found<'_> {
        if let Some(place) = self.literal.get(path) {
            return Found::Place(&self.places[*place], Vec::new());
        }
        let path = match path.strip_suffix('/') {
            // A page with a slash at its end would look for its files in another place.
            Some(rest) if !self.literal.get(rest).is_some_and(|place| self.places[*place].is_page()) => rest,
            _ => path,
        };
        if let Some(place) = self.literal.get(path) {
            return Found::Place(&self.places[*place], Vec::new());
        }
        let Some(segments) = path.strip_prefix('/').map(|rest| rest.split('/').map(percent::decode).collect::<Option<Vec<_>>>()) else {
            return Found::Nothing;
        };
        let Some(segments) = segments else { return Found::Malformed };
        let found = self.places.iter().find_map(|place| Some((place, place.matched(&segments)?)));
        found.map_or(Found::Nothing, |(place, parameters)| Found::Place(place, parameters))
    }
}

impl Entry {
    /// Whether a request for it must carry a token, where `RL_OPEN` is `rl_open`.
    fn needs_token(&self, rl_open: bool) -> bool {
        self.operation.is_some_and(|operation| operation.access != Access::Open && !(rl_open && operation.rl_open))
    }

    /// Refuses callers without the operation's right, and what the operation does not know.
    fn check(&self, request: &RoutedRequest) -> Result<(), ApiError> {
        let Some(operation) = self.operation else { return Ok(()) };
        // Without a token only an open door was let in.
        if let Some(claims) = request.caller() {
            operation.access.check(claims)?;
        }
        names::check_query(operation, &request.query)?;
        names::check_body(operation, &request.body)
    }
}

impl Place {
    /// The route for `method`; `HEAD` is answered by that for `GET`.
    fn entry(&self, method: &Method) -> Option<&Entry> {
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        self.methods.iter().find(|entry| entry.method == wanted)
    }

    fn is_page(&self) -> bool {
        self.methods.iter().all(|entry| entry.operation.is_none())
    }

    /// The parameters, where the template fits.
    fn matched(&self, segments: &[Cow<'_, str>]) -> Option<Vec<String>> {
        let mut parameters = Vec::new();
        for (place, template) in self.segments.iter().enumerate() {
            match template {
                Segment::Literal(text) => {
                    if segments.get(place)? != text {
                        return None;
                    }
                }
                Segment::Parameter => parameters.push(segments.get(place).filter(|given| !given.is_empty())?.to_string()),
                Segment::Rest => {
                    parameters.push(segments.get(place..).filter(|rest| !rest.is_empty())?.join("/"));
                    return Some(parameters);
                }
            }
        }
        (segments.len() == self.segments.len()).then_some(parameters)
    }

    /// What the header `Allow` says.
    fn allow(&self) -> HeaderValue {
        let mut methods: Vec<&str> = Vec::new();
        for entry in &self.methods {
            methods.push(entry.method.as_str());
            if *entry.method == Method::GET {
                methods.push("HEAD");
            }
        }
        methods.push("OPTIONS");
        HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

/// The answer to a method that a path has no route for: what it takes, as `OPTIONS` asks and 405 must say.
fn not_taken(place: &Place, method: &Method, now: Timestamp) -> Response {
    if *method == Method::OPTIONS {
        return taken(place.allow());
    }
    let message = "this path does not take this method; the header Allow says which it takes";
    let mut response = reply::fail(now, ApiError::new(ErrorCode::MethodNotAllowed, message));
    response.headers_mut().insert(header::ALLOW, place.allow());
    response
}

/// The answer to `OPTIONS`.
fn taken(allow: HeaderValue) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// The answer to `HEAD`: that to `GET`, its length told and its body left out.
fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let may_have_body = !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let Some(length) = body.size_hint().exact().filter(|_| may_have_body) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, Bytes::new().into())
}

fn template(path: &'static str) -> Vec<Segment> {
    let segment = |text: &'static str| match text.strip_prefix('{') {
        Some(name) if name.ends_with("*}") => Segment::Rest,
        Some(_) => Segment::Parameter,
        None => Segment::Literal(text),
    };
    path.trim_start_matches('/').split('/').map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{PAGES, operations},
        *,
    };

    fn routes() -> Routes {
        Routes::of(operations(), PAGES.into_iter().flatten())
    }

    fn parameters(path: &str) -> Option<Vec<String>> {
        match routes().find(path) {
            Found::Place(_, parameters) => Some(parameters),
            Found::Nothing | Found::Malformed => None,
        }
    }

    #[test]
    fn no_operation_is_there_twice() {
        let mut all: Vec<_> = operations().map(|operation| (operation.path, operation.method.as_str())).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn segments_are_compared_decoded() {
        assert_eq!(parameters("/api/telemetry/A%4CB/latest").unwrap(), ["ALB"]);
        assert_eq!(parameters("/%61pi/telemetry/bus%2D7").unwrap(), ["bus-7"]);
        assert_eq!(parameters("/api/channels/telemetry%3AALB/history").unwrap(), ["telemetry:ALB"]);
        assert_eq!(parameters("/api/telemetry/18%2F693").unwrap(), ["18/693"], "an encoded slash separates nothing");
        assert_eq!(parameters("/api/telemetry/%C3%A4").unwrap(), ["ä"]);
        assert_eq!(parameters("/api/telemetry/ALB/").unwrap(), ["ALB"], "a slash at the end changes nothing");
        for malformed in ["/api/telemetry/%", "/api/telemetry/%4", "/api/telemetry/%+1", "/api/telemetry/%ff"] {
            assert!(matches!(routes().find(malformed), Found::Malformed), "{malformed}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in
            ["/pipelines/", "/ws/", "/api/nope", "/api", "/api/telemetry/a/b", "/api/telemetry//latest", "", "*", "/console", "/console/"]
        {
            assert!(parameters(path).is_none(), "{path}");
        }
        assert_eq!(parameters("/console/js/rl/main.js").unwrap(), ["js/rl/main.js"]);
    }

    #[test]
    fn a_token_is_needed_wherever_an_operation_asks_for_one() {
        let routes = routes();
        let needs = |method: Method, path: &str, rl_open: bool| routes.needs_token(&method, path, rl_open);
        assert!(needs(Method::GET, "/api/status", false) && needs(Method::HEAD, "/api/status", false));
        assert!(needs(Method::GET, "/metrics", false) && needs(Method::GET, "/%6Detrics", false));
        assert!(needs(Method::GET, "/%61pi/drivers", false) && needs(Method::GET, "/api/drivers/", false));
        assert!(!needs(Method::POST, "/api/auth/login", false) && !needs(Method::GET, "/health", false));
        assert!(!needs(Method::GET, "/api/nothing/here", false) && !needs(Method::GET, "/api/auth/login", false), "404 and 405");
        assert!(needs(Method::POST, "/api/step", false) && !needs(Method::POST, "/api/step", true));
        assert!(needs(Method::GET, "/api/rl/agents", true) && needs(Method::POST, "/api/telemetry", true));
    }

    #[test]
    fn no_path_fits_two_templates() {
        let routes = routes();
        let overlap = |a: &Place, b: &Place| {
            a.segments.len() == b.segments.len()
                && a.segments.iter().zip(&b.segments).all(|pair| match pair {
                    (Segment::Literal(a), Segment::Literal(b)) => a == b,
                    _ => true,
                })
        };
        for (i, a) in routes.places.iter().enumerate().filter(|(_, p)| p.segments.contains(&Segment::Parameter)) {
            for (_, b) in routes.places.iter().enumerate().filter(|(j, p)| *j != i && p.segments.contains(&Segment::Parameter)) {
                assert!(!overlap(a, b), "{:?} and {:?}", a.segments, b.segments);
            }
        }
    }

    #[test]
    fn allow_names_every_method_of_a_path() {
        let routes = routes();
        let allow = |path: &str| match routes.find(path) {
            Found::Place(place, _) => place.allow().to_str().unwrap().to_owned(),
            Found::Nothing | Found::Malformed => panic!("{path} is not there"),
        };
        assert_eq!(allow("/api/telemetry"), "POST, OPTIONS");
        assert_eq!(allow("/health"), "GET, HEAD, OPTIONS");
        assert_eq!(allow("/api/rl/agents/x/training"), "POST, GET, HEAD, DELETE, OPTIONS");
    }
}
