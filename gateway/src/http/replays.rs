//! `/api/replays`: recordings played again; see [`crate::replay`].

use std::sync::Arc;

use serde_json::Value;
use slipstream_protocol::ErrorCode;

use super::{
    fields::{Fields, flag, positive, text, time},
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult, Response},
};
use crate::{
    app::Services,
    replay::{Change, Period, Recording, ReplayError, ReplayRequest},
};

/// Fastest replay.
const MAX_SPEED: f64 = 10_000.0;

/// `POST` and `GET /api/replays`, `GET`, `PUT` and `DELETE /api/replays/<id>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/replays",
        "replays",
        Access::Manager,
        "Play a period of the journal, or a file of the folder 'recordings' under DATA_DIR, again, as vehicles '<replay>.<vehicle>'",
        &[
            ("file?", "text 200", "a file of the folder; the journal where absent"),
            ("source?", "one of journal|series", "what the journal still keeps, or what the time series have"),
            ("from?", "time", "not before this source time"),
            ("to?", "time", "before this source time"),
            ("vehicles?", "ids", "vehicle ids, with * and ?"),
            ("speed?", "number 0.001..10000", "so many times as fast as recorded"),
        ],
        |r| Box::pin(async move { start(&r.services, &r.body) }),
    ),
    Operation::get("/api/replays", "replays", Access::Manager, "Replays, the newest first", &[], |r| {
        Box::pin(async move { Ok(list(&r.services)) })
    })
    .list(),
    Operation::get("/api/replays/{id}", "replays", Access::Manager, "How far a replay is", &[], |r| {
        Box::pin(async move { read(&r.services, r.parameter(0)) })
    }),
    Operation::put(
        "/api/replays/{id}",
        "replays",
        Access::Manager,
        "Pause a replay, let it go on, change its speed, or seek",
        &[
            ("paused?", "boolean", "whether to wait"),
            ("speed?", "number 0.001..10000", "so many times as fast as recorded"),
            ("position?", "time", "where to go on, in source time"),
        ],
        |r| Box::pin(async move { change(&r.services, r.parameter(0), &r.body) }),
    ),
    Operation::delete("/api/replays/{id}", "replays", Access::Manager, "End a replay", |r| {
        Box::pin(async move { stop(&r.services, r.parameter(0)) })
    }),
];

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        let code = match &error {
            ReplayError::TooMany => ErrorCode::Busy,
            ReplayError::Numbering(_) => ErrorCode::Unavailable,
            ReplayError::Unknown(_) => ErrorCode::NotFound,
            ReplayError::Ended(_) => ErrorCode::Conflict,
        };
        Self::new(code, error.to_string())
    }
}

fn list(services: &Services) -> Response {
    reply::ok(services.clock.now(), services.replays.list(), "replays")
}

fn read(services: &Services, id: &str) -> ApiResult {
    Ok(reply::ok(services.clock.now(), services.replays.status(id)?, "replay"))
}

fn stop(services: &Services, id: &str) -> ApiResult {
    Ok(reply::ok(services.clock.now(), services.replays.stop(id)?, "replay stopped"))
}

fn start(services: &Arc<Services>, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let file = fields.optional("file", text(200));
    let from = fields.optional("from", time);
    let to = fields.optional("to", time);
    let vehicles = fields.optional("vehicles", patterns);
    let speed = fields.optional("speed", speed);
    let store = fields.optional("source", source);
    let (Some(file), Some(from), Some(to), Some(vehicles), Some(speed), Some(store)) = (file, from, to, vehicles, speed, store) else {
        return Err(fields.refusal());
    };
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        fields.breaks("to", "it must be later than 'from'");
        return Err(fields.refusal());
    }
    let recording = recording_of(services, file, store)?;
    let period = Period { from, to, vehicles: vehicles.unwrap_or_default() };
    let status = services.replays.start(services, ReplayRequest { recording, period, speed: speed.unwrap_or(1.0) })?;
    Ok(reply::created(services.clock.now(), status, "replay started"))
}

/// Where a recording is to come from: a file, else what `source` says, else the journal.
pub(super) fn recording_of(services: &Services, file: Option<String>, store: Option<Recording>) -> Result<Recording, ApiError> {
    let recording = file.map_or(store.unwrap_or(Recording::Journal), Recording::File);
    if let Err(error) = recording.check(&services.config.data_dir) {
        return Err(ApiError::invalid(vec![format!("Field 'file': {error}")]));
    }
    Ok(recording)
}

/// Where samples were recorded.
pub(super) fn source(value: &Value) -> Result<Recording, String> {
    match value.as_str() {
        Some("journal") => Ok(Recording::Journal),
        Some("series") => Ok(Recording::Series),
        _ => Err("'journal' or 'series' is expected".to_owned()),
    }
}

fn change(services: &Services, id: &str, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let paused = fields.optional("paused", flag);
    let speed = fields.optional("speed", speed);
    let position = fields.optional("position", time);
    let (Some(paused), Some(speed), Some(position)) = (paused, speed, position) else {
        return Err(fields.refusal());
    };
    let status = services.replays.change(id, Change { paused, speed, position })?;
    Ok(reply::ok(services.clock.now(), status, "replay changed"))
}

fn speed(value: &Value) -> Result<f64, String> {
    positive(value).and_then(|v| if (0.001..=MAX_SPEED).contains(&v) { Ok(v) } else { Err(format!("0.001 to {MAX_SPEED} is expected")) })
}

/// Vehicle ids with `*` and `?`.
pub(super) fn patterns(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().ok_or_else(|| "a list of vehicle ids (with * and ?) is expected".to_owned())?;
    let texts: Option<Vec<String>> = list.iter().map(|v| v.as_str().map(str::to_owned)).collect();
    texts.filter(|t| t.len() <= 1_000).ok_or_else(|| "at most 1000 vehicle ids are expected".to_owned())
}
