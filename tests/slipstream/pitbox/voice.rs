//! Speech: ElevenLabs, espeak-ng, the cache, and silence.

use std::sync::Arc;

use serde_json::json;
use slipstream_gateway::{
    config::Secret,
    records::SqlRecords,
    voice::{Espeak, Voice},
};
use slipstream_protocol::{ErrorCode, ProtocolError, Timestamp, token::Role};
use slipstream_tests::stand_in::{Answer, StandIn};

use super::api::Api;

const PATH: &str = "/api/voice/synthesize";

#[tokio::test(flavor = "multi_thread")]
async fn elevenlabs_is_asked_once_per_text_and_voice() {
    let audio = Answer { status: 200, content_type: "audio/mpeg", body: b"ID3 not really music".to_vec() };
    let service = StandIn::start(audio.clone()).await;
    let url = service.url();
    let api = Api::with(|config| {
        config.elevenlabs_url = url;
        config.elevenlabs_api_key = Some(Secret::new("eleven-key"));
    })
    .await;
    let token = api.token(Role::Viewer, None);
    let mut caches = Vec::new();
    for body in [
        json!({ "text": "box, box" }),
        json!({ "text": "  box, box " }),
        json!({ "text": "box, box", "voiceId": "Adam1" }),
        json!({ "text": "stay out", "voiceId": "Adam1" }),
        json!({ "text": "box, box", "voiceId": "Adam1" }),
    ] {
        let told = api.post(PATH, &token, &body).await;
        assert_eq!((told.status.as_u16(), &told.bytes, &told.headers["content-type"]), (200, &audio.body, &"audio/mpeg".parse().unwrap()));
        caches.push(told.headers["x-cache"].to_str().unwrap().to_owned());
    }
    assert_eq!(caches, ["miss", "hit", "miss", "miss", "hit"]);
    let asked = service.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!((asked[1].line.as_str(), asked[1].header("xi-api-key")), ("POST /v1/text-to-speech/Adam1", Some("eleven-key")));
    let body: serde_json::Value = serde_json::from_slice(&asked[1].body).unwrap();
    assert_eq!(body["text"], "box, box");

    // Made before: heard also while the service is away, and after a restart's loss of the file made again.
    service.now_answers(Answer { status: 401, content_type: "application/json", body: b"{\"detail\":\"bad key\"}".to_vec() });
    assert_eq!(api.post(PATH, &token, &json!({ "text": "box, box" })).await.headers["x-cache"], "hit");
    let told = api.post(PATH, &token, &json!({ "text": "new words" })).await;
    told.refused(502, "UPSTREAM_ERROR");
    assert!(!told.json.to_string().contains("eleven-key"));
    service.now_answers(Answer { status: 404, content_type: "application/json", body: b"{}".to_vec() });
    assert_eq!(
        api.post(PATH, &token, &json!({ "text": "new words", "voiceId": "Nobody" })).await.refused(400, "VALIDATION_ERROR"),
        ["voiceId"]
    );
    service.now_answers(Answer { status: 200, content_type: "text/html", body: b"<html>".to_vec() });
    api.post(PATH, &token, &json!({ "text": "new words" })).await.refused(502, "UPSTREAM_ERROR");
    drop(service);
    api.post(PATH, &token, &json!({ "text": "new words" })).await.refused(503, "UNAVAILABLE");
    std::fs::remove_dir_all(api.data.path().join("voice")).unwrap();
    api.post(PATH, &token, &json!({ "text": "box, box" })).await.refused(503, "UNAVAILABLE");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn espeak_speaks_where_there_is_no_key() {
    if Espeak::installed().is_none() {
        println!("skipped: espeak-ng is not installed (apt-get install espeak-ng)");
        return;
    }
    let api = Api::start().await;
    let token = api.token(Role::Viewer, None);
    let body = json!({ "text": "Brake later; $(reboot) -w /tmp/x", "voiceId": "en-us" });
    let first = api.post(PATH, &token, &body).await;
    assert_eq!((first.status.as_u16(), &first.headers["content-type"]), (200, &"audio/wav".parse().unwrap()));
    assert_eq!((&first.headers["x-cache"], &first.headers["x-voice-engine"]), (&"miss".parse().unwrap(), &"espeak-ng".parse().unwrap()));
    assert!(first.bytes.starts_with(b"RIFF") && first.bytes.len() > 10_000);
    let second = api.post(PATH, &token, &body).await;
    assert_eq!((&second.headers["x-cache"], &second.bytes), (&"hit".parse().unwrap(), &first.bytes));
    assert_eq!(api.post(PATH, &token, &json!({ "text": "hi", "voiceId": "nosuch" })).await.refused(400, "VALIDATION_ERROR"), ["voiceId"]);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_field_is_named() {
    let api = Api::start().await;
    let token = api.token(Role::Viewer, None);
    for (body, broken) in [
        (json!({}), vec!["text"]),
        (json!({ "text": " ", "voiceId": "../en" }), vec!["text", "voiceId"]),
        (json!({ "text": "x".repeat(1_001), "voiceId": "-w" }), vec!["text", "voiceId"]),
        (json!({ "text": 7, "voiceId": 7 }), vec!["text", "voiceId"]),
    ] {
        assert_eq!(api.post(PATH, &token, &body).await.refused(400, "VALIDATION_ERROR"), broken, "{body}");
    }
    api.send(reqwest::Method::POST, PATH, None, Some(&json!({ "text": "hi" }))).await.refused(401, "UNAUTHORIZED");
    api.stop().await;
}

#[tokio::test]
async fn without_an_engine_it_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let records = SqlRecords::sqlite(&data.path().join("slipstream.db")).await.unwrap();
    let silent = Voice::new(None, data.path(), Arc::new(records));
    let refusal = ProtocolError::from(silent.speak("hello", None, Timestamp::default()).await.unwrap_err());
    assert_eq!(refusal.code, ErrorCode::Unavailable);
    assert!(refusal.message.contains("ELEVENLABS_API_KEY") && refusal.message.contains("apt-get install espeak-ng"), "{refusal}");
}
