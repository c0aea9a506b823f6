//! `GET /api/channels/<channel>/history`: what a channel remembers, for a client that reconnects.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;
use slipstream_protocol::{Channel, client::Since, token::Claims};

use super::{
    operation::{Access, Operation},
    reply::{self, ApiError, ApiResult},
};
use crate::{app::Services, percent};

/// Publications an answer has at most.
const MOST: usize = 10_000;

/// `GET /api/channels/<channel>/history?since=epoch:offset&limit`.
pub(super) const OPERATIONS: &[Operation] = &[Operation::get(
    "/api/channels/{channel}/history",
    "telemetry",
    Access::Token,
    "What a channel remembers",
    &[
        ("since?", "string", "epoch:offset last heard"),
        ("limit?", "integer 1..10000", "most publications in the answer; 1000 where absent"),
    ],
    |r| Box::pin(async move { history(&r.services, r.claims()?, r.parameter(0), &percent::map(&r.query)).await }),
)];

/// What a channel remembers.
#[derive(Serialize)]
struct History {
    channel: Channel,
    epoch: u64,
    /// Offset before the first publication given.
    offset: u64,
    /// Offset of the newest publication there is.
    newest: u64,
    /// Whether it starts exactly where the caller stopped.
    recovered: bool,
    /// Oldest first, as they were sent.
    publications: Vec<Box<RawValue>>,
}

async fn history(services: &Services, claims: &Claims, channel: &str, query: &HashMap<String, String>) -> ApiResult {
    let channel: Channel = channel.parse()?;
    if !claims.may_hear(&channel) {
        return Err(ApiError::forbidden(format_args!("hear '{channel}'")));
    }
    let mut broken = Vec::new();
    let since = query.get("since").and_then(|text| {
        let parsed = since_of(text);
        if parsed.is_none() {
            broken.push("since: must be epoch:offset, two whole numbers".to_owned());
        }
        parsed
    });
    let limit = query.get("limit").map_or(Some(1_000), |text| text.parse().ok().filter(|n| (1..=MOST).contains(n)));
    if limit.is_none() {
        broken.push(format!("limit: must be a whole number from 1 to {MOST}"));
    }
    let (Some(limit), true) = (limit, broken.is_empty()) else { return Err(ApiError::invalid(broken)) };
    let told = services.router.history(&channel, since, limit).await?;
    let raw = |bytes: &bytes::Bytes| std::str::from_utf8(bytes).ok().and_then(|text| RawValue::from_string(text.to_owned()).ok());
    let publications = told.publications.iter().filter_map(raw).collect();
    let answer = History { channel, epoch: told.epoch, offset: told.offset, newest: told.newest, recovered: told.recovered, publications };
    Ok(reply::ok(services.clock.now(), answer, "channel history"))
}

fn since_of(text: &str) -> Option<Since> {
    let (epoch, offset) = text.split_once(':')?;
    Some(Since { epoch: epoch.parse().ok()?, offset: offset.parse().ok()? })
}
