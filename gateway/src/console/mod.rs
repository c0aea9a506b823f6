//! The pages, embedded: live (`GET /`), pipelines (`GET /pipelines`), agents (`GET /rl`), set-up (`GET /setup`), and everything they load under
//! `/console/`.
//!
//! The files under `gateway/console/` are plain HTML, CSS and ES modules, built by nothing, and the
//! plotting library's own built file. They are part of the binary, so the page works offline and
//! always fits the server it talks to.

mod asset;
mod files;
#[cfg(test)]
mod meanings;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use crate::http::{
    Route,
    reply::{ApiError, ApiResult, Response},
    takes_gzip,
};
use asset::Asset;

/// What the page may load: its own files and nothing else; connections to this server alone.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data: blob:; media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The pages. They need no token: what they show comes over connections that do.
pub(crate) const PAGES: &[Route] = &[
    Route::page("/", |r| Box::pin(async move { file("index.html", &r.headers) })),
    Route::page("/pipelines", |r| Box::pin(async move { file("pipelines.html", &r.headers) })),
    Route::page("/rl", |r| Box::pin(async move { file("rl.html", &r.headers) })),
    Route::page("/setup", |r| Box::pin(async move { file("setup.html", &r.headers) })),
];

/// What the pages load.
pub(crate) const FILES: &[Route] = &[Route::page("/console/{file*}", |r| Box::pin(async move { file(r.parameter(0), &r.headers) }))];

fn file(name: &str, request: &HeaderMap) -> ApiResult {
    let asset = files::all().find(|asset| asset.name == name);
    Ok(answer(asset.ok_or_else(|| ApiError::not_found(format_args!("the file '{name}' of the page")))?, request))
}

/// The file, or 304 where the browser has it already.
fn answer(asset: &'static Asset, request: &HeaderMap) -> Response {
    let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let current = known.is_some_and(|tags| tags.trim() == "*" || tags.contains(&asset.etag));
    let (body, gzip) = match &asset.gzip {
        _ if current => (&[][..], false),
        Some(smaller) if takes_gzip(request) => (smaller.as_slice(), true),
        _ => (asset.body, false),
    };
    let mut response = Response::new(Bytes::from_static(body).into());
    if current {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    let mut set =
        |name, value: &str| headers.insert(name, value.parse().expect("constants and hexadecimal digits are valid header values"));
    set(header::CONTENT_TYPE, asset.content_type());
    set(header::ETAG, &asset.etag);
    // Asked for again each time and answered 304: after an upgrade no page runs with half its modules old.
    set(header::CACHE_CONTROL, "no-cache");
    set(header::VARY, "accept-encoding");
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    if gzip {
        set(header::CONTENT_ENCODING, "gzip");
    }
    response
}

#[cfg(test)]
mod tests {
    use std::{io::Read, path::Path};

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::reply;

    async fn get(path: &str, headers: &[(&str, &str)]) -> http::Response<Bytes> {
        let name = match path {
            "/" => "index.html",
            "/rl" => "rl.html",
            other => other.strip_prefix("/console/").unwrap_or(other),
        };
        let pairs = headers.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()));
        let response = reply::answer(slipstream_protocol::Timestamp::default(), file(name, &pairs.collect()));
        let (head, body) = response.into_parts();
        http::Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn the_root_is_the_page_and_may_load_only_from_here() {
        let page = get("/", &[]).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(std::str::from_utf8(page.body()).unwrap().contains("<title>Slipstream"));
    }

    #[tokio::test]
    async fn the_agents_page_is_one_of_its_own() {
        let page = get("/rl", &[]).await;
        assert!(std::str::from_utf8(page.body()).unwrap().contains("<title>Slipstream agents"));
        assert!(page.headers().contains_key(header::CONTENT_SECURITY_POLICY));
    }

    #[tokio::test]
    async fn a_browser_that_has_the_file_is_not_sent_it_again() {
        let first = get("/console/js/main.js", &[]).await;
        let etag = first.headers()[header::ETAG].to_str().unwrap();
        let again = get("/console/js/main.js", &[("if-none-match", etag)]).await;
        assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
        let changed = get("/console/js/main.js", &[("if-none-match", "\"another\"")]).await;
        assert_eq!(changed.body(), first.body());
    }

    #[tokio::test]
    async fn gzip_goes_only_to_whom_accepts_it_and_holds_the_same_bytes() {
        let plain = get("/console/vendor/uPlot.iife.min.js", &[]).await;
        let packed = get("/console/vendor/uPlot.iife.min.js", &[("accept-encoding", "br, gzip")]).await;
        assert!(plain.headers().get(header::CONTENT_ENCODING).is_none());
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(packed.body().len() * 2 < plain.body().len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed.body()[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body()[..]);
    }

    #[tokio::test]
    async fn what_is_not_embedded_is_not_found() {
        for path in ["/console/", "/console/package.json", "/console/../Cargo.toml", "/console/js/none.js", "/else"] {
            assert_eq!(get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn every_file_of_the_page_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
        for folder in ["css", "js", "js/pipelines", "js/rl", "vendor"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
                let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
                assert!(files::all().any(|asset| asset.name == name), "{name} is not in files.rs");
            }
        }
    }

    #[test]
    fn every_page_stays_light() {
        let bytes = |of: &dyn Fn(&str) -> bool| -> usize {
            files::all().filter(|asset| asset.name != "vendor/uPlot.LICENSE" && of(asset.name)).map(|asset| asset.body.len()).sum()
        };
        let pipelines = |name: &str| name.contains("pipelines");
        let agents = |name: &str| name.contains("rl/") || name.contains("rl.");
        let setup = |name: &str| name.contains("setup");
        let live = bytes(&|name| !pipelines(name) && !agents(name) && !setup(name));
        assert!(live < 168 * 1024, "live: {live} bytes");
        assert!(bytes(&pipelines) < 60 * 1024, "pipelines, beside what it shares: {} bytes", bytes(&pipelines));
        assert!(bytes(&agents) < 72 * 1024, "agents, beside what it shares: {} bytes", bytes(&agents));
    }
}
