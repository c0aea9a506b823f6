//! `/api/video`: frames in, frames out.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use slipstream_ports::VideoFrame;
use slipstream_protocol::{
    Channel, ChannelKind, ErrorCode, Id, SessionId, Timestamp, VehicleId,
    client::VideoUpload,
    codec::{check_source_time, image_bytes},
    token::Claims,
};

use super::{
    fields::{Fields, id as id_field, string, time},
    operation::{Access, NUMBER, Operation, SIZE},
    paging::{id_in, listed, page_of, path_id},
    reply::{self, ApiError, ApiResult, Response},
};
use crate::app::Services;

/// A frame never changes, and only who may hear the channel may see it.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// `POST /api/video`, `GET /api/video?driverId` and `GET /api/video/<id>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/video",
        "video",
        Access::Token,
        "Store and announce a video frame",
        &[
            ("driverId", "name", "whose camera"),
            ("sessionId", "name", "in which session"),
            ("timestamp", "time", "when it was taken"),
            ("frameData", "string", "JPEG, PNG, WebP or GIF in base64, with or without a data: prefix"),
        ],
        |r| Box::pin(async move { store(&r.services, r.claims()?, &r.body).await }),
    ),
    Operation::get(
        "/api/video",
        "video",
        Access::Token,
        "A driver's frames",
        &[("driverId", "name", "whose"), ("sessionId?", "name", "of this session"), NUMBER, SIZE],
        |r| Box::pin(async move { list(&r.services, r.claims()?, &r.query).await }),
    )
    .list(),
    Operation::get("/api/video/{id}", "video", Access::Token, "A frame's image", &[], |r| {
        Box::pin(async move { read(&r.services, r.claims()?, r.parameter(0), &r.headers).await })
    })
    .content("image/*"),
];

/// Takes a video frame from any door; answers its id.
pub(crate) async fn video_frame(services: &Services, claims: &Claims, upload: VideoUpload) -> Result<Id, ApiError> {
    if !claims.may_publish(&upload.vehicle) {
        return Err(ApiError::forbidden(format_args!("publish for '{}'", upload.vehicle)));
    }
    let stored = services.frames.store(upload, services.clock.now()).await;
    stored.map_err(|error| slipstream_protocol::ProtocolError::from(error).into())
}

async fn store(services: &Services, claims: &Claims, body: &[u8]) -> ApiResult {
    let now = services.clock.now();
    let upload = upload_of(body, services, now)?;
    let id = video_frame(services, claims, upload).await.map_err(|error| match error.code {
        // What the image check says is about one field.
        ErrorCode::InvalidImage => ApiError::invalid(vec![format!("Field 'frameData': {}", error.message)]),
        _ => error,
    })?;
    Ok(reply::created(now, json!({ "id": id, "url": format!("/api/video/{id}") }), "video frame stored"))
}

fn upload_of(body: &[u8], services: &Services, now: Timestamp) -> Result<VideoUpload, ApiError> {
    let limits = services.config.decoder_limits();
    let mut fields = Fields::of(body)?;
    let vehicle = fields.required("driverId", id_field::<VehicleId>);
    let session = fields.required("sessionId", id_field::<SessionId>);
    let image = fields.required("frameData", |value| image_bytes(string(value)?).map_err(|error| error.message));
    let timestamp = fields.required("timestamp", |value| {
        let taken_at = time(value)?;
        check_source_time(taken_at, now, &limits).map(|()| taken_at).map_err(|error| error.message)
    });
    match (vehicle, session, image, timestamp) {
        (Some(vehicle), session @ Some(_), Some(image), Some(timestamp)) => Ok(VideoUpload { vehicle, session, timestamp, image }),
        _ => Err(fields.refusal()),
    }
}

async fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let driver: VehicleId = id_in(query, "driverId")?.ok_or_else(|| ApiError::invalid(vec!["Field 'driverId' is required".to_owned()]))?;
    let session: Option<SessionId> = id_in(query, "sessionId")?;
    audible(claims, &driver)?;
    let listing = services.records.frames(&driver, session.as_ref(), page).await?;
    Ok(listed(services.clock.now(), page, listing, "video frames", |frame| view(&frame)))
}

async fn read(services: &Services, claims: &Claims, id: &str, headers: &HeaderMap) -> ApiResult {
    let id: Id = path_id("id", id)?;
    let found = services.records.frame(&id).await?;
    let frame = found.ok_or_else(|| ApiError::not_found(format_args!("the video frame '{id}'")))?;
    audible(claims, &frame.driver)?;
    let tag = format!("\"{}\"", frame.sha256);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|tags| tags.contains(&tag));
    let mut response = if known {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let image = services.frames.read(&frame).await.map_err(slipstream_protocol::ProtocolError::from)?;
        let mut response = Response::new(image.into());
        // The image check chose it from four constants.
        let content_type = HeaderValue::from_str(&frame.content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    };
    let set = response.headers_mut();
    set.insert(header::CACHE_CONTROL, CACHE);
    set.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes are a header value"));
    Ok(response)
}

fn audible(claims: &Claims, driver: &VehicleId) -> Result<(), ApiError> {
    if claims.may_hear(&Channel::one(ChannelKind::Video, driver.clone())) {
        Ok(())
    } else {
        Err(ApiError::forbidden(format_args!("see the video of '{driver}'")))
    }
}

fn view(frame: &VideoFrame) -> Value {
    json!({
        "id": frame.id,
        "url": format!("/api/video/{}", frame.id),
        "driverId": frame.driver,
        "sessionId": frame.session,
        "contentType": frame.content_type,
        "bytes": frame.bytes,
        "width": frame.width,
        "height": frame.height,
        "timestamp": frame.taken_at,
        "serverTimestamp": frame.received_at,
    })
}
