//! What HTTP itself promises (RFC 9110, RFC 9112), seen from outside.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use slipstream_protocol::token::Role;
use slipstream_tests::gateway::Gateway;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A client that takes bodies as they come.
fn plain() -> Client {
    Client::builder().no_gzip().build().unwrap()
}

async fn call(gateway: &Gateway, method: Method, path: &str) -> Response {
    plain().request(method, gateway.url(path)).bearer_auth(gateway.token(Role::Admin)).send().await.unwrap()
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Sends bytes as they are; the whole answer.
async fn raw(gateway: &Gateway, request: &str) -> String {
    let mut stream = TcpStream::connect(gateway.server().addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let gateway = Gateway::start().await;
    for path in ["/openapi.json", "/docs", "/", "/console/js/main.js", "/api/drivers", "/api/openapi", "/api/tracks/none"] {
        let got = call(&gateway, Method::GET, path).await;
        let head = call(&gateway, Method::HEAD, path).await;
        assert_eq!(head.status(), got.status(), "{path}");
        assert_eq!(header(&head, "content-type"), header(&got, "content-type"), "{path}");
        let length = got.bytes().await.unwrap().len();
        assert_eq!(header(&head, "content-length"), length.to_string(), "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
    assert_eq!(Client::new().head(gateway.url("/health")).send().await.unwrap().status(), StatusCode::OK, "as monitors ask");
    assert_eq!(Client::new().head(gateway.url("/api/drivers")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    gateway.stop().await;
}

#[tokio::test]
async fn an_unknown_path_is_404_for_every_method_and_405_says_what_is_allowed() {
    let gateway = Gateway::start().await;
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    for method in methods {
        for path in ["/api/nope", "/nope", "/api/telemetry/a/b/c", "/api/rl/agents/x/nothing"] {
            assert_eq!(call(&gateway, method.clone(), path).await.status(), StatusCode::NOT_FOUND, "{method} {path}");
            let bare = Client::new().request(method.clone(), gateway.url(path)).send().await.unwrap();
            assert_eq!(bare.status(), StatusCode::NOT_FOUND, "{method} {path} without a token");
        }
    }
    for (path, allowed) in [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/api/telemetry", "POST, OPTIONS"),
        ("/api/keys/some", "DELETE, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/console/js/main.js", "GET, HEAD, OPTIONS"),
    ] {
        let refused = call(&gateway, Method::PATCH, path).await;
        assert_eq!((refused.status().as_u16(), header(&refused, "allow")), (405, allowed), "{path}");
        let asked = call(&gateway, Method::OPTIONS, path).await;
        assert_eq!((asked.status().as_u16(), header(&asked, "allow")), (204, allowed), "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn paths_and_queries_are_percent_decoded_and_rights_hold_for_every_spelling() {
    let gateway = Gateway::start().await;
    let post = Client::new().post(gateway.url("/%61pi/telemetr%79")).bearer_auth(gateway.token(Role::Relay));
    let stored = post.json(&json!({"driverId": "bus-7", "data": {"n": 1}})).send().await.unwrap();
    assert_eq!(stored.status(), StatusCode::CREATED);
    for path in ["/api/telemetry/bus%2D7/latest", "/api/telemetry/%62us-7", "/%61pi/vehicles", "/api/alarms?vehicle=bus%2D7&op%65n=true"] {
        assert_eq!(call(&gateway, Method::GET, path).await.status(), StatusCode::OK, "{path}");
        let bare = Client::new().get(gateway.url(path)).send().await.unwrap();
        assert_eq!(bare.status(), StatusCode::UNAUTHORIZED, "{path} without a token");
    }
    let token = gateway.token(Role::Viewer).replace('.', "%2E");
    let by_query = Client::new().get(gateway.url(&format!("/api/status?token={token}"))).send().await.unwrap();
    assert_eq!(by_query.status(), StatusCode::OK);
    assert_eq!(call(&gateway, Method::GET, "/api/telemetry/%ff/latest").await.status(), StatusCode::BAD_REQUEST);
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_may_be_packed_within_the_bound_of_all_bodies() {
    let gateway = Gateway::start_with(|c| c.limits.max_frame_bytes = 10_000).await;
    let post = |encoding: &'static str, body: Vec<u8>| {
        let request = Client::new().post(gateway.url("/api/telemetry")).bearer_auth(gateway.token(Role::Relay));
        request.header("content-encoding", encoding).body(body).send()
    };
    let sample = json!({"driverId": "ALB", "data": {"n": 1}}).to_string();
    assert_eq!(post("gzip", gzip(sample.as_bytes())).await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(post("identity", sample.clone().into_bytes()).await.unwrap().status(), StatusCode::CREATED);
    let bomb = json!({"driverId": "ALB", "data": {"n": " ".repeat(2_000_000)}}).to_string();
    assert_eq!(post("gzip", gzip(&gzip(bomb.as_bytes()))).await.unwrap().status(), StatusCode::BAD_REQUEST, "packed twice is not JSON");
    let flat = json!({"driverId": "ALB", "data": {"n": " ".repeat(1_000_000)}}).to_string();
    assert!(gzip(flat.as_bytes()).len() < 10_000);
    assert_eq!(post("gzip", gzip(flat.as_bytes())).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let other = post("br", sample.clone().into_bytes()).await.unwrap();
    assert_eq!((other.status().as_u16(), header(&other, "accept-encoding")), (415, "gzip"));
    assert_eq!(post("gzip", sample.into_bytes()).await.unwrap().status(), StatusCode::BAD_REQUEST);
    gateway.stop().await;
}

#[tokio::test]
async fn files_are_packed_only_for_clients_that_take_it() {
    let gateway = Gateway::start().await;
    let get = |accepted: &'static str| plain().get(gateway.url("/console/js/main.js")).header("accept-encoding", accepted).send();
    let plain = get("identity").await.unwrap().bytes().await.unwrap();
    for (accepted, packed) in
        [("gzip", true), ("GZIP", true), ("*", true), ("gzip;q=0", false), ("not-gzip", false), ("gzip;q=0, *", false)]
    {
        let response = get(accepted).await.unwrap();
        assert_eq!(header(&response, "content-encoding") == "gzip", packed, "{accepted}");
        assert_eq!(header(&response, "vary"), "accept-encoding");
        let body = response.bytes().await.unwrap();
        let mut unpacked = Vec::new();
        if packed {
            GzDecoder::new(&body[..]).read_to_end(&mut unpacked).unwrap();
        } else {
            unpacked.extend_from_slice(&body);
        }
        assert_eq!(unpacked, plain, "{accepted}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn metrics_come_in_the_text_that_is_asked_for() {
    let gateway = Gateway::start().await;
    let get = |accept: &'static str| {
        let request = Client::new().get(gateway.url("/metrics")).bearer_auth(gateway.token(Role::Viewer));
        request.header("accept", accept).send()
    };
    let open = get("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5").await.unwrap();
    assert!(header(&open, "content-type").starts_with("application/openmetrics-text"));
    let open = open.text().await.unwrap();
    assert!(open.ends_with("# EOF\n"), "{open}");
    let classic = get("text/plain;version=0.0.4").await.unwrap();
    assert_eq!(header(&classic, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let classic = classic.text().await.unwrap();
    check_classic(&classic);
    gateway.stop().await;
}

/// What `promtool check metrics` looks at: every sample has its type under its own name, counters end in `_total`, and
/// only summaries have quantiles.
fn check_classic(text: &str) {
    let (mut kinds, mut helped) = (std::collections::HashMap::new(), std::collections::HashSet::new());
    for line in text.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("#"), Some("HELP")) => assert!(helped.insert(words.next().unwrap().to_owned()), "{line}"),
            (Some("#"), Some("TYPE")) => {
                let (name, kind) = (words.next().unwrap(), words.next().unwrap());
                assert!(helped.contains(name), "no help of {name}");
                assert!(matches!(kind, "counter" | "gauge" | "summary" | "histogram"), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                kinds.insert(name.to_owned(), kind.to_owned());
            }
            (Some("#"), other) => panic!("{other:?} in {line}"),
            _ => {
                let name = line.split(['{', ' ']).next().unwrap();
                let family =
                    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).filter(|f| kinds.contains_key(*f));
                let kind = &kinds[family.unwrap_or(name)];
                assert_eq!(line.contains("quantile="), kind == "summary", "{line}");
            }
        }
    }
    assert!(kinds.len() > 40, "{} families", kinds.len());
}

#[tokio::test]
async fn a_request_of_http_1_1_names_its_host_once() {
    let gateway = Gateway::start().await;
    let ask = |head: &str| format!("GET /health HTTP/1.1\r\nconnection: close\r\n{head}\r\n");
    for (head, status) in [
        ("", "400"),
        ("host: a\r\nhost: b\r\n", "400"),
        ("host: a b\r\n", "400"),
        ("host: a/b\r\n", "400"),
        ("host: me@a\r\n", "400"),
        ("host: a\r\n", "200"),
        ("host: a.example:8080\r\n", "200"),
        ("host: [::1]:8080\r\n", "200"),
        ("host:\r\n", "200"),
    ] {
        let answer = raw(&gateway, &ask(head)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
    }
    let old = raw(&gateway, "GET /health HTTP/1.0\r\n\r\n").await;
    assert!(old.contains(" 200 "), "{old}");
    gateway.stop().await;
}

#[tokio::test]
async fn unknown_filters_and_misspelt_fields_are_refused_by_name() {
    let gateway = Gateway::start().await;
    let details = |body: &Value| body["error"]["details"].to_string();
    let answer = call(&gateway, Method::GET, "/api/drivers?colour=red").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(details(&answer.json().await.unwrap()).contains("'colour'"));
    let post =
        |path: &'static str, body: Value| Client::new().post(gateway.url(path)).bearer_auth(gateway.token(Role::Admin)).json(&body).send();
    for driver in ["ALB", "HAM"] {
        assert_eq!(post("/api/sessions", json!({"driverId": driver, "name": "q"})).await.unwrap().status(), StatusCode::CREATED);
    }
    let listed: Value = call(&gateway, Method::GET, "/api/sessions?driverId=ALB").await.json().await.unwrap();
    assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["driverId"]), (1, &json!("ALB")), "{listed}");
    let misspelt = post("/api/sessions", json!({"driverId": "ALB", "name": "q", "trackID": "spa"})).await.unwrap();
    assert_eq!(misspelt.status(), StatusCode::BAD_REQUEST);
    assert!(details(&misspelt.json().await.unwrap()).contains("did you mean 'trackId'"));
    let sample = post("/api/telemetry", json!({"driverId": "TYPO", "sessionID": "q1", "data": {"a": 1}})).await.unwrap();
    assert_eq!(sample.status(), StatusCode::BAD_REQUEST);
    assert!(details(&sample.json().await.unwrap()).contains("did you mean 'sessionId'"));
    gateway.stop().await;
}

/// The samples that POST takes beside one object: an epoch as time, a bare list, and what of it is refused.
#[tokio::test]
async fn epochs_and_lists_of_samples_are_taken() {
    let gateway = Gateway::start().await;
    let post = |body: Value| Client::new().post(gateway.url("/api/telemetry")).bearer_auth(gateway.token(Role::Relay)).json(&body).send();
    for (vehicle, time) in [
        ("s", json!(1_700_000_000)),
        ("ms", json!(1_700_000_000_000_i64)),
        ("us", json!(1_700_000_000_000_000_i64)),
        ("f", json!(1_700_000_000.0)),
    ] {
        let body = json!({"driverId": vehicle, "timestamp": time, "data": {"n": 1}});
        assert_eq!(post(body).await.unwrap().status(), StatusCode::CREATED, "{vehicle}");
    }
    let marked = format!("\u{feff}{}", json!({"driverId": "bom", "data": {"n": 1}}));
    let posting = Client::new().post(gateway.url("/api/telemetry")).bearer_auth(gateway.token(Role::Relay)).body(marked);
    assert_eq!(posting.send().await.unwrap().status(), StatusCode::CREATED, "a mark of UTF-8 in front");
    let all = call(&gateway, Method::GET, "/api/telemetry/s?from=0").await;
    assert_eq!(all.status(), StatusCode::OK, "from 0 is all there is");
    let list = post(json!([{"driverId": "a", "data": {"n": 1}}, {"driverId": "b", "data": {}}])).await.unwrap();
    assert_eq!(list.status(), StatusCode::CREATED);
    let told: Value = list.json().await.unwrap();
    assert_eq!((&told["data"]["accepted"], &told["data"]["refused"][0]["index"]), (&json!(1), &json!(1)), "{told}");
    gateway.stop().await;
}
