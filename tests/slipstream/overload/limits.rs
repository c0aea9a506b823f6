//! Rate limits, as callers meet them.

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use slipstream_protocol::token::Role;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest},
};

use super::{flood::Publisher, process::Process};

async fn limited(answer: Response, limit: &str) {
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    let body: Value = answer.json().await.unwrap();
    assert_eq!((body["success"].as_bool(), body["error"]["code"].as_str()), (Some(false), Some("RATE_LIMITED")), "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains(&format!("rate.{limit}")), "{body}");
}

#[tokio::test]
async fn a_token_that_asks_too_much_hears_429_and_others_do_not() {
    let process = Process::start(&["rate.requests_per_token=3"]).await;
    let ask = |subject: &str| Client::new().get(process.url("/api/status")).bearer_auth(Process::token(subject, Role::Viewer)).send();
    let refused = loop {
        let answer = ask("greedy").await.unwrap();
        if answer.status() != StatusCode::OK {
            break answer;
        }
    };
    limited(refused, "requests_per_token").await;
    assert_eq!(ask("modest").await.unwrap().status(), StatusCode::OK);
    assert!(process.metric("slipstream_rate_limited_total{limit=\"requests_per_token\"}").await >= 1.0);
}

#[tokio::test]
async fn an_address_that_asks_too_much_hears_429_with_or_without_a_token() {
    let process = Process::start(&["rate.requests_per_address=3"]).await;
    let ask = |address: &'static str| Client::new().get(process.url("/health")).header("x-forwarded-for", address).send();
    let refused = loop {
        let answer = ask("203.0.113.7").await.unwrap();
        if answer.status() != StatusCode::OK {
            break answer;
        }
    };
    limited(refused, "requests_per_address").await;
    assert_eq!(ask("203.0.113.8").await.unwrap().status(), StatusCode::OK);
    for _ in 0..20 {
        assert_eq!(Client::new().get(process.url("/health")).send().await.unwrap().status(), StatusCode::OK, "this machine itself");
    }
}

#[tokio::test]
async fn an_address_that_connects_too_often_hears_429() {
    let process = Process::start(&["rate.connections_per_address=2"]).await;
    let connect = |address: &'static str| {
        let token = Process::token("pit", Role::Viewer);
        let mut request = process.ws_url(&format!("token={token}")).into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        connect_async(request)
    };
    let mut open = Vec::new();
    let refused = loop {
        match connect("203.0.113.7").await {
            Ok((socket, _)) => open.push(socket),
            Err(Error::Http(response)) => break response,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(connect("203.0.113.8").await.is_ok());
}

#[tokio::test]
async fn guessing_passwords_shuts_an_address_out_of_logging_in_and_of_nothing_else() {
    let process = Process::start(&["rate.failures_per_address=3"]).await;
    let (right, wrong) = ("correct horse battery", "wrong horse battery");
    let login = |address: &'static str, password: &str| {
        let body = json!({"email": "ann@example.org", "password": password});
        Client::new().post(process.url("/api/auth/login")).header("x-forwarded-for", address).json(&body).send()
    };
    let ann = json!({"email": "ann@example.org", "password": right});
    let registered = Client::new().post(process.url("/api/auth/register")).json(&ann).send().await.unwrap();
    assert_eq!(registered.status(), StatusCode::CREATED);
    let mut answer = login("203.0.113.7", wrong).await.unwrap();
    while answer.status() == StatusCode::UNAUTHORIZED {
        answer = login("203.0.113.7", wrong).await.unwrap();
    }
    limited(answer, "failures_per_address").await;
    limited(login("203.0.113.7", right).await.unwrap(), "failures_per_address").await;
    assert_eq!(login("203.0.113.8", right).await.unwrap().status(), StatusCode::OK);
    // Others behind the same address whose tokens are good go on.
    let status = Client::new().get(process.url("/api/status")).header("x-forwarded-for", "203.0.113.7");
    let status = status.bearer_auth(Process::token("pit", Role::Viewer)).send().await.unwrap();
    assert_eq!(status.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_websocket_over_its_rate_waits_and_loses_nothing() {
    let process = Process::start(&["rate.samples_per_token=200", "limits.max_batch=50"]).await;
    let mut publisher = Publisher::connect(&process, "eager").await;
    for _ in 0..10 {
        assert!(publisher.send(50, 10).await);
    }
    publisher.until_acked().await;
    assert!(publisher.is_untroubled(), "neither an error nor the end");
    assert!(process.metric("slipstream_rate_limited_total{limit=\"samples_per_token\"}").await >= 1.0, "500 are more than 200");
    process.until_metric("slipstream_samples_applied_total", 500.0).await;
    // By request the same token hears it instead.
    let body = json!({"batch": (0..50).map(|n| json!({"driverId": "eager", "data": {"n": n}})).collect::<Vec<_>>()});
    let refused = loop {
        let answer = Client::new().post(process.url("/api/telemetry")).bearer_auth(Process::token("eager", Role::Relay)).json(&body);
        let answer = answer.send().await.unwrap();
        if answer.status() != StatusCode::CREATED {
            break answer;
        }
    };
    limited(refused, "samples_per_token").await;
}
