//! Requests of browsers' pages: which origins may call (`CORS_ORIGINS`), and what others hear.
//!
//! A request without `Origin` comes from no page and is not concerned. A page of this very server may call, as may those
//! that `CORS_ORIGINS` lists. Any other origin is refused (403) whatever changes state and whatever opens a connection:
//! browsers send such requests without asking first (a form, `fetch` with text/plain, `new WebSocket`), so the answer to a
//! preflight alone protects nothing.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use parking_lot::Mutex;
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use slipstream_protocol::{ErrorCode, Timestamp};

use super::{
    Peer,
    reply::{self, ApiError, Response},
    site::{Authority, Site},
};
use crate::{app::Services, config::Config};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-request-id");
const EXPOSED: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Most characters of an origin that are shown.
const SHOWN: usize = 200;
/// Refused origins that are remembered, so that each is logged once in a while.
const REMEMBERED: usize = 64;
/// How long a refused origin is not logged again.
const QUIET: Duration = Duration::from_secs(60);

/// The page that makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PageOrigin {
    /// None: the client is no browser, or a person typed the address.
    None,
    /// One of this server.
    Own,
    /// One that `CORS_ORIGINS` lists; it may read the answer.
    Listed(HeaderValue),
    /// Any other.
    Other(String),
}

impl PageOrigin {
    /// Of a request. Of the headers a proxy sets only those of the configured proxies are believed.
    pub(crate) fn of<B>(config: &Config, request: &Request<B>) -> Self {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip().to_canonical());
        let is_proxied = peer.is_some_and(|peer| config.rate.proxies.contains(&peer));
        Self::judge(&config.cors_origins, is_proxied, request.uri(), request.headers())
    }

    fn judge(listed: &[String], is_proxied: bool, uri: &Uri, headers: &HeaderMap) -> Self {
        let all_listed = listed.iter().any(|origin| origin == "*");
        let mut origins = headers.get_all(header::ORIGIN).into_iter();
        let (origin, more) = (origins.next(), origins.next());
        let Some(origin) = origin else {
            // Browsers leave `Origin` out where a page loads something as an image, a script or a link.
            let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
            return match site {
                Some(site @ ("cross-site" | "same-site")) if !all_listed => Self::Other(format!("(Sec-Fetch-Site: {site})")),
                _ => Self::None,
            };
        };
        let shown = || String::from_utf8_lossy(origin.as_bytes()).chars().take(SHOWN).collect::<String>();
        if more.is_some() {
            return Self::Other(format!("{} and more", shown()));
        }
        if all_listed {
            return Self::Listed(origin.clone());
        }
        let Some(site) = origin.to_str().ok().and_then(Site::parse) else { return Self::Other(shown()) };
        if listed.iter().any(|listed| Site::parse(listed).as_ref() == Some(&site)) {
            return Self::Listed(origin.clone());
        }
        if is_own(&site, is_proxied, uri, headers) { Self::Own } else { Self::Other(shown()) }
    }

    /// The origin that may read the answer.
    pub(crate) fn into_reader(self) -> Option<HeaderValue> {
        match self {
            Self::Listed(origin) => Some(origin),
            Self::None | Self::Own | Self::Other(_) => None,
        }
    }

    /// Refuses a page of another origin: for the requests that change something or open a connection.
    pub(crate) fn check(&self, services: &Services, uri: &Uri) -> Result<(), ApiError> {
        let Self::Other(origin) = self else { return Ok(()) };
        services.refused_origins.note(origin, uri.path(), services.clock.now());
        let message = format!("pages of the origin {origin} may not call this server; CORS_ORIGINS lists those that may");
        Err(ApiError::new(ErrorCode::Forbidden, message))
    }
}

/// Whether a page of `site` was served under the name that this request was sent to.
fn is_own(site: &Site, is_proxied: bool, uri: &Uri, headers: &HeaderMap) -> bool {
    let first = |name: &str| {
        let value = headers.get(name).filter(|_| is_proxied)?.to_str().ok()?;
        value.split(',').next().map(str::trim).filter(|text| !text.is_empty())
    };
    if first("x-forwarded-proto").is_some_and(|scheme| !scheme.eq_ignore_ascii_case(site.scheme())) {
        return false;
    }
    let host = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let asked = first("x-forwarded-host").or_else(|| uri.authority().map(http::uri::Authority::as_str)).or_else(host);
    let Some(asked) = asked.and_then(Authority::parse) else { return false };
    let port = asked.port.or_else(|| first("x-forwarded-port")?.parse().ok());
    site.is(&Authority { port, ..asked })
}

/// Whether a request must not come from a page of another origin: it changes something, or opens a connection.
pub(super) fn is_guarded<B>(request: &Request<B>) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    !is_safe || request.headers().contains_key(header::UPGRADE) || request.headers().contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Whether a request was sent to a name that only this machine has: `localhost` or an address. A page whose name was made to
/// lead here (DNS rebinding) is of the same origin as its requests; its name tells it apart.
pub(super) fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let host = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let asked = uri.authority().map(http::uri::Authority::as_str).or_else(host).and_then(Authority::parse);
    asked.is_none_or(|asked| {
        let name = asked.host.as_str();
        name == "localhost" || name.ends_with(".localhost") || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    })
}

/// Origins that were refused lately: each is logged once a minute, however often it comes.
#[derive(Default)]
pub struct RefusedOrigins {
    logged: Mutex<HashMap<String, Timestamp>>,
    refused: Counter,
}

impl RefusedOrigins {
    fn note(&self, origin: &str, path: &str, now: Timestamp) {
        self.refused.inc();
        if self.is_news(origin, now) {
            let path: String = path.chars().take(SHOWN).collect();
            tracing::warn!(origin, path, "a page of another origin was refused; CORS_ORIGINS lists the origins that may call");
        }
    }

    fn is_news(&self, origin: &str, now: Timestamp) -> bool {
        let mut logged = self.logged.lock();
        logged.retain(|_, at| now.since(*at) < QUIET);
        if logged.contains_key(origin) || logged.len() >= REMEMBERED {
            return false;
        }
        logged.insert(origin.to_owned(), now);
        true
    }

    /// Makes its counter known to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("origins_refused", "Requests of pages of other origins that were refused", self.refused.clone());
    }
}

/// The answer to a preflight request; `None` for any other request.
pub(super) fn preflight<B>(services: &Services, request: &Request<B>, page: &PageOrigin) -> Option<Response> {
    let headers = request.headers();
    if request.method() != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    if let Err(refusal) = page.check(services, request.uri()) {
        return Some(reply::fail(services.clock.now(), refusal));
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(response)
}

/// Tells the browser that `origin` may read the answer.
pub(crate) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(listed: &[&str], is_proxied: bool, uri: &str, headers: &[(&'static str, &str)]) -> PageOrigin {
        let listed: Vec<String> = listed.iter().map(|&origin| origin.to_owned()).collect();
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect();
        PageOrigin::judge(&listed, is_proxied, &uri.parse().unwrap(), &headers)
    }

    fn direct(origin: &str, host: &str) -> PageOrigin {
        judged(&[], false, "/api/status", &[("origin", origin), ("host", host)])
    }

    #[test]
    fn a_page_of_this_server_is_known_by_host_and_port() {
        for (origin, host) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://Pit.Example:8080", "pit.example:8080"),
            ("http://pit.example", "PIT.example:80"),
            ("http://pit.example:80", "pit.example"),
            ("https://pit.example", "pit.example"),
            ("https://pit.example", "pit.example:443"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[0:0::1]:8080", "[::1]:8080"),
            ("http://pit.example.:8080", "pit.example:8080"),
        ] {
            assert_eq!(direct(origin, host), PageOrigin::Own, "{origin} at {host}");
        }
        let http2 = judged(&[], false, "http://pit.example:8080/api/reset", &[("origin", "http://pit.example:8080")]);
        assert_eq!(http2, PageOrigin::Own, "HTTP/2 has :authority");
    }

    #[test]
    fn any_other_page_is_of_another_origin() {
        for (origin, host) in [
            ("http://127.0.0.1:25090", "127.0.0.1:8080"),
            ("http://localhost:8080", "127.0.0.1:8080"),
            ("http://evil.example", "pit.example"),
            ("http://pit.example.evil.example", "pit.example"),
            ("http://pit.example", "pit.example:443"),
            ("https://pit.example", "pit.example:80"),
            ("http://[::2]:8080", "[::1]:8080"),
            ("null", "127.0.0.1:8080"),
            ("", "127.0.0.1:8080"),
            ("http://", "127.0.0.1:8080"),
            ("file://", "127.0.0.1:8080"),
            ("ftp://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://x@127.0.0.1:8080", "127.0.0.1:8080"),
            ("chrome-extension://abc", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080", ""),
        ] {
            assert!(matches!(direct(origin, host), PageOrigin::Other(_)), "{origin} at {host}");
        }
        let mut headers = HeaderMap::new();
        headers.append("host", HeaderValue::from_static("a"));
        headers.append("origin", HeaderValue::from_static("http://a"));
        headers.append("origin", HeaderValue::from_static("http://a"));
        assert!(matches!(PageOrigin::judge(&[], false, &Uri::from_static("/"), &headers), PageOrigin::Other(_)), "two origins");
    }

    #[test]
    fn requests_without_an_origin_pass_unless_the_browser_says_that_they_cross_sites() {
        assert_eq!(judged(&[], false, "/", &[("host", "a")]), PageOrigin::None);
        for (site, passes) in [("same-origin", true), ("none", true), ("cross-site", false), ("same-site", false)] {
            let page = judged(&[], false, "/", &[("host", "a"), ("sec-fetch-site", site)]);
            assert_eq!(page == PageOrigin::None, passes, "{site}");
        }
    }

    #[test]
    fn listed_origins_are_compared_as_browsers_do() {
        let listed = ["https://pit.example", "http://LAB.example:3000", "https://port.example:443"];
        for origin in ["https://pit.example", "https://PIT.example:443", "http://lab.example:3000", "https://port.example"] {
            assert!(matches!(judged(&listed, false, "/", &[("origin", origin), ("host", "a")]), PageOrigin::Listed(_)), "{origin}");
        }
        for origin in ["http://pit.example", "https://pit.example:8443", "http://lab.example", "null", "https://a.pit.example"] {
            assert!(matches!(judged(&listed, false, "/", &[("origin", origin), ("host", "a")]), PageOrigin::Other(_)), "{origin}");
        }
        for origin in ["null", "http://anyone"] {
            assert!(matches!(judged(&["*"], false, "/", &[("origin", origin), ("host", "a")]), PageOrigin::Listed(_)), "{origin}");
        }
    }

    #[test]
    fn what_a_proxy_says_of_the_address_counts_for_configured_proxies_alone() {
        let forwarded = [
            ("origin", "https://pit.example"),
            ("host", "127.0.0.1:8080"),
            ("x-forwarded-host", "pit.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(judged(&[], true, "/", &forwarded), PageOrigin::Own);
        assert!(matches!(judged(&[], false, "/", &forwarded), PageOrigin::Other(_)), "anyone can write that");
        let ported = [
            ("origin", "https://pit.example:8443"),
            ("host", "127.0.0.1:8080"),
            ("x-forwarded-host", "pit.example"),
            ("x-forwarded-port", "8443"),
        ];
        assert_eq!(judged(&[], true, "/", &ported), PageOrigin::Own);
        let plain = [("origin", "http://pit.example"), ("host", "pit.example"), ("x-forwarded-proto", "https")];
        assert!(matches!(judged(&[], true, "/", &plain), PageOrigin::Other(_)), "another scheme is another origin");
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_told_from_this_machine() {
        let named = |host: &'static str| {
            names_this_machine(&Uri::from_static("/"), &[(header::HOST, HeaderValue::from_static(host))].into_iter().collect())
        };
        for host in ["localhost:8080", "LOCALHOST", "127.0.0.1:8080", "[::1]:8080", "app.localhost"] {
            assert!(named(host), "{host}");
        }
        for host in ["evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(!named(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_logged_once_a_minute_and_so_many_at_most() {
        let refused = RefusedOrigins::default();
        let at = |s: i64| Timestamp::from_millis(s * 1_000);
        assert!(refused.is_news("http://evil", at(0)) && !refused.is_news("http://evil", at(59)) && refused.is_news("http://evil", at(60)));
        for n in 0..10_000 {
            refused.is_news(&n.to_string(), at(60));
        }
        assert_eq!(refused.logged.lock().len(), REMEMBERED);
    }
}
