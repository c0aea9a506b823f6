//! `/api/what-ifs`: what a pipeline would have given over recorded samples; see [`crate::replay::WhatIfs`].

use std::sync::Arc;

use serde_json::{Value, json};
use slipstream_protocol::{ErrorCode, Id};

use super::{
    fields::{Fields, id, time},
    operation::{Access, Operation},
    replays,
    reply::{self, ApiError, ApiResult},
};
use crate::{
    app::Services,
    percent,
    pipelines::{PipelineError, document},
    replay::{Period, WhatIfError, WhatIfRequest},
};

/// Results an answer has where the caller does not say, and at most.
const RESULTS: (usize, usize) = (100, 10_000);

/// `POST /api/what-ifs`, `GET` and `DELETE /api/what-ifs/<id>`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/api/what-ifs",
        "replays",
        Access::Manager,
        "Run a pipeline over recorded samples, and lay what it gives beside what is stored",
        &[
            ("pipeline", "object", "the description, or the text of its file"),
            ("source?", "one of journal|series", "what the journal still keeps, or what the time series have"),
            ("file?", "text 200", "a file of the folder 'recordings'"),
            ("from?", "time", "not before this source time"),
            ("to?", "time", "before this source time"),
            ("vehicles?", "ids", "vehicle ids, with * and ?"),
            ("compare?", "id", "below which prefix the stored results are; where the description says, if absent"),
        ],
        |r| Box::pin(async move { start(&r.services, &r.body).await }),
    ),
    Operation::get(
        "/api/what-ifs/{id}",
        "replays",
        Access::Manager,
        "What it gives, and the difference to what is stored",
        &[
            ("offset?", "integer 0..", "results to pass over"),
            ("limit?", "integer 0..10000", "most results in the answer; 100 where absent"),
        ],
        |r| Box::pin(async move { read(&r.services, r.parameter(0), &r.query) }),
    ),
    Operation::delete("/api/what-ifs/{id}", "replays", Access::Manager, "End it", |r| {
        Box::pin(async move { stop(&r.services, r.parameter(0)) })
    }),
];

impl From<WhatIfError> for ApiError {
    fn from(error: WhatIfError) -> Self {
        match error {
            WhatIfError::Document(error) => PipelineError::Document(error).into(),
            WhatIfError::Replay(error) => error.into(),
        }
    }
}

async fn start(services: &Arc<Services>, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(body)?;
    let document = fields.required("pipeline", description);
    let file = fields.optional("file", super::fields::text(200));
    let source = fields.optional("source", replays::source);
    let from = fields.optional("from", time);
    let to = fields.optional("to", time);
    let vehicles = fields.optional("vehicles", replays::patterns);
    let compare = fields.optional("compare", id::<Id>);
    let (Some(document), Some(file), Some(source), Some(from), Some(to), Some(vehicles), Some(compare)) =
        (document, file, source, from, to, vehicles, compare)
    else {
        return Err(fields.refusal());
    };
    let recording = replays::recording_of(services, file, source)?;
    let period = Period { from, to, vehicles: vehicles.unwrap_or_default() };
    let request = WhatIfRequest { document, recording, period, compare: compare.map(|id| id.to_string()) };
    let status = services.what_ifs.start(services, request).await?;
    Ok(reply::created(services.clock.now(), status, "the pipeline runs over the recording"))
}

/// A description as an object, or as the text of a TOML or JSON file.
fn description(value: &Value) -> Result<Value, String> {
    match value {
        Value::Object(_) => Ok(value.clone()),
        Value::String(text) => document::parse(text).map_err(|error| error.to_string()),
        _ => Err("an object, or the text of a TOML or JSON file is expected".to_owned()),
    }
}

fn read(services: &Services, id: &str, query: &str) -> ApiResult {
    let number = |name: &str, default: usize, most: usize| match percent::value(query, name).map(|text| text.parse()) {
        None => Ok(default),
        Some(Ok(number)) if number <= most => Ok(number),
        Some(_) => Err(ApiError::new(ErrorCode::ValidationError, format!("Field '{name}': a whole number up to {most} is expected"))),
    };
    let (offset, limit) = (number("offset", 0, usize::MAX)?, number("limit", RESULTS.0, RESULTS.1)?);
    let status = services.what_ifs.status(id)?;
    let mut shown = serde_json::to_value(status).unwrap_or_default();
    shown["given"] = json!(services.what_ifs.results(id, offset, limit)?);
    Ok(reply::ok(services.clock.now(), shown, "what it gives, and the difference to what is stored"))
}

fn stop(services: &Services, id: &str) -> ApiResult {
    Ok(reply::ok(services.clock.now(), services.what_ifs.stop(id)?, "it is ended"))
}
