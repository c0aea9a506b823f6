//! `/api/pipelines`: declare, read, replace, remove, pause and resume pipelines, and see what they do.

use serde_json::{Value, json};
use slipstream_engine::pipeline::CommandError;
use slipstream_protocol::{Channel, ChannelKind, ErrorCode, Id, token::Claims};

use super::{
    extract::parse,
    operation::{Access, Field, Operation},
    reply::{self, ApiError, ApiResult},
};
use crate::{
    app::Services,
    pipelines::{self, DocumentError, PipelineError, PipelineView},
};

impl From<PipelineError> for ApiError {
    fn from(error: PipelineError) -> Self {
        let code = match &error {
            PipelineError::Document(error) => return refusal(error),
            PipelineError::Records(error) => return crate::records::refusal(error).into(),
            PipelineError::Command(CommandError::Absent(_)) | PipelineError::Unknown(_) => ErrorCode::NotFound,
            PipelineError::Command(CommandError::Refused(_))
            | PipelineError::Exists(_)
            | PipelineError::FromFile(_)
            | PipelineError::TooMany
            | PipelineError::NotRunning(_)
            | PipelineError::Read(..) => ErrorCode::Conflict,
            PipelineError::OtherName(..) | PipelineError::Command(_) => ErrorCode::ValidationError,
            PipelineError::Storage(_) => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

fn refusal(error: &DocumentError) -> ApiError {
    match error {
        DocumentError::Mistakes(_) => ApiError { message: "the description has mistakes".to_owned(), ..ApiError::invalid(error.lines()) },
        other => ApiError::new(ErrorCode::ValidationError, other.to_string()),
    }
}

/// Every route below `/api/pipelines`.
/// Fields of a description.
const PIPELINE: &[Field] = &[
    ("name", "id", "what it is called; its channel is pipeline:<name>"),
    ("description?", "string", "what it is for"),
    ("source?", "object", "vehicles, fleet, session, signals, key"),
    ("time?", "object", "delay, idle, every, allowed_lateness"),
    ("steps?", "array", "operators with their fields, in order"),
    ("outputs?", "object", "channel, per_key, early, late, series, alerts"),
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/pipelines", "pipelines", Access::Token, "Declared pipelines and what they do", &[], |r| {
        Box::pin(async move { list(&r.services, r.claims()?).await })
    })
    .list(),
    Operation::post("/api/pipelines", "pipelines", Access::Manager, "Declare a pipeline, in JSON or TOML, and start it", PIPELINE, |r| {
        Box::pin(async move { create(&r.services, &r.body).await })
    }),
    Operation::get("/api/pipelines/{name}", "pipelines", Access::Token, "A pipeline and its description", &[], |r| {
        Box::pin(async move { read(&r.services, r.claims()?, r.parameter(0)).await })
    }),
    Operation::put(
        "/api/pipelines/{name}",
        "pipelines",
        Access::Manager,
        "Declare a pipeline in place of the one of this name",
        PIPELINE,
        |r| Box::pin(async move { replace(&r.services, r.parameter(0), &r.body).await }),
    ),
    Operation::delete("/api/pipelines/{name}", "pipelines", Access::Manager, "Remove a pipeline; what it stored stays", |r| {
        Box::pin(async move { remove(&r.services, r.parameter(0)).await })
    }),
    Operation::get(
        "/api/pipelines/{name}/stats",
        "pipelines",
        Access::Token,
        "Rows in and out, late, dropped, state, times and lag, per step",
        &[],
        |r| Box::pin(async move { stats(&r.services, r.claims()?, r.parameter(0)).await }),
    ),
    Operation::post(
        "/api/pipelines/{name}/pause",
        "pipelines",
        Access::Manager,
        "Let a pipeline stand still; what comes meanwhile waits",
        &[],
        |r| Box::pin(async move { pause(&r.services, r.parameter(0)).await }),
    )
    .answering_200(),
    Operation::post("/api/pipelines/{name}/resume", "pipelines", Access::Manager, "Let it go on from where it stood", &[], |r| {
        Box::pin(async move { resume(&r.services, r.parameter(0)).await })
    })
    .answering_200(),
    Operation::post(
        "/api/pipelines/{name}/steps/{step}/commands",
        "pipelines",
        Access::Manager,
        "Tell a running step something, as an alarm that it is acknowledged",
        &[("command", "string", "what to do; the step says which there are")],
        |r| Box::pin(async move { command(&r.services, r.parameter(0), r.parameter(1), &r.body).await }),
    )
    .answering_200()
    .either(),
];

fn text(body: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(body).map_err(|_| ApiError::new(ErrorCode::InvalidUtf8, "the body is not UTF-8"))
}

/// Whoever may not hear a pipeline's results learns nothing of it.
fn audible(claims: &Claims, name: &str) -> Result<(), ApiError> {
    let heard = Id::new(name).is_ok_and(|id| claims.may_hear(&Channel::one(ChannelKind::Pipeline, id)));
    if heard || claims.hears_everything() { Ok(()) } else { Err(ApiError::forbidden(format_args!("hear 'pipeline:{name}'"))) }
}

async fn list(services: &Services, claims: &Claims) -> ApiResult {
    let mut all = services.pipelines.list().await;
    all.retain(|pipeline| audible(claims, &pipeline.name).is_ok());
    let all: Vec<Value> = all.iter().map(brief).collect();
    Ok(reply::ok(services.clock.now(), all, "pipelines"))
}

async fn create(services: &Services, body: &[u8]) -> ApiResult {
    let name = services.pipelines.create(text(body)?).await?;
    let view = services.pipelines.read(&name).await?;
    Ok(reply::created(services.clock.now(), whole(&view), "the pipeline runs"))
}

async fn read(services: &Services, claims: &Claims, name: &str) -> ApiResult {
    audible(claims, name)?;
    let view = services.pipelines.read(name).await?;
    Ok(reply::ok(services.clock.now(), whole(&view), "pipeline"))
}

async fn stats(services: &Services, claims: &Claims, name: &str) -> ApiResult {
    audible(claims, name)?;
    let view = services.pipelines.read(name).await?;
    let mut shown = serde_json::to_value(&view.stats).unwrap_or_default();
    shown["tables"] = json!(view.tables);
    Ok(reply::ok(services.clock.now(), shown, "what the pipeline does"))
}

async fn replace(services: &Services, name: &str, body: &[u8]) -> ApiResult {
    let new = services.pipelines.replace(name, text(body)?).await?;
    let view = services.pipelines.read(name).await?;
    let now = services.clock.now();
    Ok(if new { reply::created(now, whole(&view), "the pipeline runs") } else { reply::ok(now, whole(&view), "the pipeline is replaced") })
}

async fn remove(services: &Services, name: &str) -> ApiResult {
    services.pipelines.remove(name).await?;
    Ok(reply::ok(services.clock.now(), json!({"name": name}), "the pipeline is removed; what it stored stays"))
}

async fn pause(services: &Services, name: &str) -> ApiResult {
    services.pipelines.pause(name).await?;
    let view = services.pipelines.read(name).await?;
    Ok(reply::ok(services.clock.now(), brief(&view), "the pipeline stands still; what comes meanwhile waits in the journal"))
}

async fn resume(services: &Services, name: &str) -> ApiResult {
    services.pipelines.resume(name).await?;
    let view = services.pipelines.read(name).await?;
    Ok(reply::ok(services.clock.now(), brief(&view), "the pipeline goes on"))
}

async fn command(services: &Services, name: &str, step: &str, body: &[u8]) -> ApiResult {
    let command: Value = parse(body)?;
    let answer = services.pipelines.command(name, step, command).await?;
    Ok(reply::ok(services.clock.now(), answer, "done"))
}

fn brief(view: &PipelineView) -> Value {
    json!({
        "name": view.name,
        "description": pipelines::description(&view.document),
        "state": view.stats.state,
        "failure": view.stats.failure,
        "fromFile": view.from_file,
        "samplesTaken": view.stats.samples_taken,
        "results": view.stats.results,
        "watermark": view.stats.watermark,
        "lagRecords": view.stats.lag_records,
    })
}

fn whole(view: &PipelineView) -> Value {
    let mut shown = brief(view);
    shown["document"] = view.document.clone();
    shown["channel"] = json!(format!("pipeline:{}", view.name));
    shown
}
