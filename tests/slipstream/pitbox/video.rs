//! Video frames in and out.

use std::io::Cursor;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb};
use serde_json::{Value, json};
use slipstream_protocol::token::Role;

use super::api::Api;

fn picture(format: ImageFormat) -> Vec<u8> {
    let picture = DynamicImage::ImageRgb8(ImageBuffer::from_fn(32, 18, |x, y| Rgb([x as u8 * 8, y as u8 * 14, 90])));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn frame(image: &[u8]) -> Value {
    json!({ "driverId": "ALB", "sessionId": "fp1", "frameData": STANDARD.encode(image), "timestamp": "2023-07-17T12:34:56Z" })
}

fn files(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_comes_back_as_it_was_sent_and_its_channel_is_told() {
    let api = Api::start().await;
    let (driver, viewer) = (api.token(Role::Relay, Some(&["ALB"])), api.token(Role::Viewer, None));
    let mut ear = api.hear("video:ALB", &viewer).await;
    for (format, content_type) in [(ImageFormat::Jpeg, "image/jpeg"), (ImageFormat::Png, "image/png"), (ImageFormat::WebP, "image/webp")] {
        let image = picture(format);
        let id = api.post("/api/video", &driver, &frame(&image)).await.data(201)["id"].as_str().unwrap().to_owned();
        let heard = ear.next("video_frame").await;
        assert_eq!(
            (heard["frameId"].as_str(), heard["driverId"].as_str(), heard["sessionId"].as_str()),
            (Some(&*id), Some("ALB"), Some("fp1"))
        );
        assert_eq!(heard["timestamp"], "2023-07-17T12:34:56.000Z");

        let seen = api.get(heard["url"].as_str().unwrap(), &viewer).await;
        assert_eq!((seen.status.as_u16(), &seen.bytes), (200, &image));
        assert_eq!(
            (&seen.headers["content-type"], &seen.headers["x-content-type-options"]),
            (&content_type.parse().unwrap(), &"nosniff".parse().unwrap())
        );
        assert!(seen.headers["cache-control"].to_str().unwrap().starts_with("private"));
        let tag = seen.headers["etag"].to_str().unwrap().to_owned();
        let again = api.get_with(&format!("/api/video/{id}"), &viewer, ("if-none-match", &tag)).await;
        assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    }
    let listed = api.get("/api/video?driverId=ALB&sessionId=fp1", &viewer).await;
    assert_eq!((listed.data(200).as_array().unwrap().len(), &listed.data(200)[0]["width"]), (3, &json!(32)));
    assert_eq!(files(&api.data.path().join("video")), 3);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_on_the_websocket_is_stored_like_one_by_rest() {
    let api = Api::start().await;
    let relay = api.token(Role::Relay, None);
    let mut ear = api.hear("video:ALB", &relay).await;
    let image = picture(ImageFormat::Jpeg);
    let mut said = frame(&image);
    said["type"] = "video".into();
    said["frameData"] = format!("data:image/jpeg;base64,{}", STANDARD.encode(&image)).into();
    ear.say(&said).await;
    let heard = ear.next("video_frame").await;
    assert_eq!(api.get(heard["url"].as_str().unwrap(), &relay).await.bytes, image);
    said["frameData"] = STANDARD.encode("no image").into();
    ear.say(&said).await;
    assert_eq!(ear.next("error").await["code"], "INVALID_IMAGE");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_is_refused_and_leaves_no_file() {
    let api = Api::start().await;
    let token = api.token(Role::Engineer, None);
    let with = |name: &str, value: Value| {
        let mut body = frame(&picture(ImageFormat::Png));
        body[name] = value;
        body
    };
    for (body, broken) in [
        (json!({}), vec!["driverId", "sessionId", "frameData", "timestamp"]),
        (
            json!({ "driverId": "a\u{7}b", "sessionId": "", "frameData": "%%%", "timestamp": "noon" }),
            vec!["driverId", "sessionId", "frameData", "timestamp"],
        ),
        (with("frameData", json!(7)), vec!["frameData"]),
        (with("frameData", json!(STANDARD.encode("<svg xmlns='http://www.w3.org/2000/svg'/>"))), vec!["frameData"]),
        (with("frameData", json!(STANDARD.encode(&picture(ImageFormat::Png)[..20]))), vec!["frameData"]),
        (with("timestamp", json!("2999-01-01T00:00:00Z")), vec!["timestamp"]),
    ] {
        assert_eq!(api.post("/api/video", &token, &body).await.refused(400, "VALIDATION_ERROR"), broken, "{body}");
    }
    let mut large = picture(ImageFormat::Jpeg);
    large.resize((5 << 20) + 1, 0);
    api.post("/api/video", &token, &frame(&large)).await.refused(413, "TOO_LARGE");
    let other = api.token(Role::Relay, Some(&["HAM"]));
    api.post("/api/video", &other, &frame(&picture(ImageFormat::Png))).await.refused(403, "FORBIDDEN");
    assert_eq!(files(&api.data.path().join("video")), 0);

    api.get("/api/video/nosuchframe", &token).await.refused(404, "NOT_FOUND");
    for outside in ["/api/video/..%2f..%2fslipstream.db", "/api/video/%2e%2e"] {
        let told = api.get(outside, &token).await;
        assert!(told.status.is_client_error(), "{outside}: {}", told.status);
    }
    assert_eq!(api.get("/api/video", &token).await.refused(400, "VALIDATION_ERROR"), ["driverId"]);
    api.stop().await;
}
