//! The documents, and `/docs`, the page to read them.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use slipstream_protocol::{ChannelKind, CloseCode, ErrorCode};

use super::{
    asyncapi, openapi,
    operation::{Access, Field, JSON, Operation},
    operations,
    reply::{self, Response},
    routing::Route,
};
use crate::app::Services;

/// `GET /openapi.json`, `GET /asyncapi.json`, `GET /docs`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/openapi.json", "server", Access::Open, "This document", &[], |_| {
        Box::pin(async { Ok(reply::body(StatusCode::OK, "application/json", REST.clone())) })
    })
    .content(JSON),
    Operation::get("/asyncapi.json", "server", Access::Open, "The contract of the WebSocket at /ws", &[], |r| {
        Box::pin(async move { Ok(reply::body(StatusCode::OK, "application/json", live(&r.services))) })
    })
    .content(JSON),
];

/// Its pages.
pub(super) const PAGES: &[Route] = &[Route::page("/docs", |_| Box::pin(async { Ok(docs()) }))];

static REST: LazyLock<Bytes> = LazyLock::new(|| openapi::document().to_pretty_json().unwrap_or_default().into());

static PAGE: LazyLock<Bytes> = LazyLock::new(|| page().into());

fn live(services: &Arc<Services>) -> String {
    format!("{:#}", asyncapi::document(services))
}

fn docs() -> Response {
    let mut response = reply::body(StatusCode::OK, "text/html; charset=utf-8", PAGE.clone());
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

// The scheme stands on the root: on the body alone the page would stay white, with a dark page's links on it.
const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}section{border-top:1px solid #8884;padding:.6rem 0}\
    h3{margin:.2rem 0;font-size:1rem}b{text-transform:uppercase;display:inline-block;min-width:4.5rem}\
    table{display:block;max-width:100%;overflow-x:auto;border-collapse:collapse;margin:.4rem 0}td{padding:.1rem .8rem .1rem 0;vertical-align:top}small{opacity:.75}";

/// The whole page: plain HTML, no scripts.
fn page() -> String {
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>\
         <title>Slipstream API</title><style>{STYLE}</style><h1>Slipstream API</h1>\
         <p>Version {}. Machine-readable: <a href=openapi.json>OpenAPI</a> (REST), <a href=asyncapi.json>AsyncAPI</a> (WebSocket).\
         <p>Every JSON answer is <code>{{\"success\": true, \"data\", \"message\", \"timestamp\"}}</code>, every refusal \
         <code>{{\"success\": false, \"error\": {{\"code\", \"message\", \"details\"}}, \"timestamp\"}}</code>. A token goes in \
         <code>Authorization: Bearer &lt;jwt&gt;</code> or <code>?token=&lt;jwt&gt;</code>.",
        env!("CARGO_PKG_VERSION")
    );
    let mut tag = "";
    for operation in by_tag() {
        if operation.tag != tag {
            tag = operation.tag;
            let _ = write!(html, "<h2>{tag}</h2>");
        }
        section(&mut html, operation);
    }
    html.push_str("<h2>errors</h2><table>");
    for code in ErrorCode::ALL {
        let again = if code.is_retryable() { "may succeed later" } else { "" };
        let _ = write!(html, "<tr><td><code>{code}</code><td>{}<td><small>{again}</small>", code.http_status());
    }
    html.push_str("</table><h2>WebSocket close codes</h2><table>");
    for code in CloseCode::ALL {
        let _ = write!(html, "<tr><td><code>{}</code><td>{}", code.code(), code.reason());
    }
    let kinds = ChannelKind::ALL.map(ChannelKind::as_str).join(", ");
    let _ = write!(html, "</table><h2>channels</h2><p><code>kind:id</code> or <code>kind:*</code>; the kinds are {kinds}.");
    html
}

/// The operations, those of a tag together, in the order of the first of each.
fn by_tag() -> Vec<&'static Operation> {
    let mut tags: Vec<&str> = Vec::new();
    for operation in operations() {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
    }
    let mut all: Vec<_> = operations().collect();
    all.sort_by_key(|operation| tags.iter().position(|tag| *tag == operation.tag));
    all
}

fn section(html: &mut String, operation: &Operation) {
    let access = operation.access.holders();
    let _ = write!(
        html,
        "<section><h3><b>{}</b><code>{}</code> <small>{access}</small></h3>{}",
        operation.method.as_str().to_lowercase(),
        operation.path,
        operation.summary
    );
    table(html, "query", operation.query);
    table(html, "body", operation.body);
    html.push_str("</section>");
}

fn table(html: &mut String, what: &str, fields: &[Field]) {
    if fields.is_empty() {
        return;
    }
    let _ = write!(html, "<table><caption><small>{what}</small></caption>");
    for (name, kind, meaning) in fields {
        let (name, optional) = name.strip_suffix('?').map_or((*name, ""), |name| (name, ", optional"));
        let meaning = meaning.replace('<', "&lt;");
        let _ = write!(html, "<tr><td><code>{name}</code><td><small>{kind}{optional}</small><td>{meaning}");
    }
    html.push_str("</table>");
}
