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
    operations,
    reply::{self, ApiError, ApiResult, Response},
    rl,
};
use crate::{app::Services, auth::missing_token, percent, rate::ClientAddress};

/// Starts the work that answers a request.
pub(crate) type Handler = fn(RoutedRequest) -> BoxFuture<'static, ApiResult>;

/// One row of the table.
pub(crate) struct Route {
    pub(super) method: Method,
    /// The path's template; `{name}` stands for one segment, `{name*}` at the end for all that follow.
    pub(super) path: &'static str,
    pub(super) handler: Handler,
    /// Whether it is one of the documented operations. A page or a connection's door is none.
    pub(super) is_operation: bool,
}

impl Route {
    const fn operation(method: Method, path: &'static str, handler: Handler) -> Self {
        Self { method, path, handler, is_operation: true }
    }

    pub(super) const fn get(path: &'static str, handler: Handler) -> Self {
        Self::operation(Method::GET, path, handler)
    }

    pub(super) const fn post(path: &'static str, handler: Handler) -> Self {
        Self::operation(Method::POST, path, handler)
    }

    pub(super) const fn put(path: &'static str, handler: Handler) -> Self {
        Self::operation(Method::PUT, path, handler)
    }

    pub(super) const fn delete(path: &'static str, handler: Handler) -> Self {
        Self::operation(Method::DELETE, path, handler)
    }

    /// A page, or the door of another protocol: open, and no operation of the REST interface.
    pub(crate) const fn page(path: &'static str, handler: Handler) -> Self {
        Self { method: Method::GET, path, handler, is_operation: false }
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

struct Entry {
    route: &'static Route,
    operation: Option<&'static Operation>,
    access: Access,
    /// Whether it needs no token where `RL_OPEN` is set.
    rl_open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
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
    pub(super) fn of(tables: &[&'static [Route]]) -> Self {
        let mut routes = Self { places: Vec::new(), literal: HashMap::new() };
        let mut by_path: HashMap<&'static str, usize> = HashMap::new();
        for route in tables.iter().copied().flatten() {
            let place = *by_path.entry(route.path).or_insert_with(|| {
                routes.places.push(Place { segments: template(route.path), methods: Vec::new() });
                routes.places.len() - 1
            });
            if !route.path.contains('{') {
                routes.literal.insert(route.path, place);
            }
            let operation = operations::find(&route.method, route.path);
            let access = match operation {
                Some(operation) => operation.access,
                None if route.is_operation => Access::Token,
                None => Access::Open,
            };
            let rl_open = rl::is_open(&route.method, route.path);
            routes.places[place].methods.push(Entry { route, operation, access, rl_open });
        }
        routes
    }

    /// Whether a request must carry a token. One that leads nowhere needs none: it is answered 404 or 405.
    pub(super) fn needs_token(&self, method: &Method, path: &str, rl_open: bool) -> bool {
        match self.find(path) {
            Found::Place(place, _) => place.entry(method).is_some_and(|e| e.access != Access::Open && !(rl_open && e.rl_open)),
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
            Ok(()) => (entry.route.handler)(request).await,
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
    /// Refuses what the operation does not know.
    fn check(&self, request: &RoutedRequest) -> Result<(), ApiError> {
        let Some(operation) = self.operation else { return Ok(()) };
        names::check_query(operation, &request.query)?;
        names::check_body(operation, &request.body)
    }
}

impl Place {
    /// The route for `method`; `HEAD` is answered by that for `GET`.
    fn entry(&self, method: &Method) -> Option<&Entry> {
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        self.methods.iter().find(|entry| entry.route.method == *wanted)
    }

    fn is_page(&self) -> bool {
        self.methods.iter().all(|entry| !entry.route.is_operation)
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
            methods.push(entry.route.method.as_str());
            if entry.route.method == Method::GET {
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
    use super::{super::tables, *};

    fn routes() -> Routes {
        Routes::of(&tables())
    }

    fn parameters(path: &str) -> Option<Vec<String>> {
        match routes().find(path) {
            Found::Place(_, parameters) => Some(parameters),
            Found::Nothing | Found::Malformed => None,
        }
    }

    #[test]
    fn the_routes_are_the_documented_operations_and_no_others() {
        let mut routed: Vec<_> =
            tables().into_iter().flatten().filter(|r| r.is_operation).map(|r| (r.path, r.method.as_str().to_lowercase())).collect();
        let mut documented: Vec<_> = operations::OPERATIONS.iter().map(|o| (o.path, o.method.to_owned())).collect();
        routed.sort_unstable();
        documented.sort_unstable();
        assert_eq!(routed, documented);
        documented.dedup();
        assert_eq!(routed.len(), documented.len(), "an operation is there twice");
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
        let open: Vec<_> = tables().into_iter().flatten().filter(|r| r.is_operation && !needs(r.method.clone(), r.path, false)).collect();
        let open: Vec<_> = open.iter().map(|r| r.path).collect();
        assert_eq!(open.len(), operations::OPERATIONS.iter().filter(|o| o.access == Access::Open).count(), "{open:?}");
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
            for (j, b) in routes.places.iter().enumerate().filter(|(j, p)| *j != i && p.segments.contains(&Segment::Parameter)) {
                assert!(!overlap(a, b), "{} and {}", a.methods[0].route.path, routes.places[j].methods[0].route.path);
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
