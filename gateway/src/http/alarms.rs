//! `/api/alarms`: what pipelines raised, and who has seen it.

use serde_json::{Value, json};
use slipstream_engine::alarms::Severity;
use slipstream_ports::{AlarmFilter, AlarmMoment, AlarmRecord};
use slipstream_protocol::{Channel, ChannelKind, Id, VehicleId, token::Claims};

use super::{
    fields::{Fields, text},
    operation::{Access, NUMBER, Operation, SIZE},
    paging::{id_in, listed, page_of, path_id},
    reply::{self, ApiError, ApiResult},
};
use crate::{app::Services, percent};

/// Longest note, characters.
const MAX_NOTE: usize = 1_000;

/// `GET /api/alarms`, `GET /api/alarms/<id>` and `POST /api/alarms/<id>/acknowledge`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get(
        "/api/alarms",
        "pipelines",
        Access::Token,
        "Alarms that pipelines raised, the newest first",
        &[
            ("open?", "boolean", "those still raised, or those cleared"),
            ("acknowledged?", "boolean", "those somebody has seen, or nobody"),
            ("vehicle?", "name", "of this vehicle"),
            ("pipeline?", "id", "of this pipeline"),
            ("severity?", "one of info|warning|critical", "of this severity"),
            NUMBER,
            SIZE,
        ],
        |r| Box::pin(async move { list(&r.services, r.claims()?, &r.query).await }),
    )
    .list(),
    Operation::get("/api/alarms/{id}", "pipelines", Access::Token, "An alarm and its life", &[], |r| {
        Box::pin(async move { read(&r.services, r.claims()?, r.parameter(0)).await })
    }),
    Operation::post(
        "/api/alarms/{id}/acknowledge",
        "pipelines",
        Access::Token,
        "Say that the alarm has been seen: it escalates no further; for managers and who may publish for the vehicle",
        &[("note?", "text 1000", "what is done about it")],
        |r| Box::pin(async move { acknowledge(&r.services, r.claims()?, r.parameter(0), &r.body).await }),
    )
    .bare()
    .answering_200(),
];

/// Who may hear a vehicle's alerts may read its alarms.
fn may_read(claims: &Claims, key: &str) -> bool {
    VehicleId::new(key).is_ok_and(|vehicle| claims.may_hear(&Channel::one(ChannelKind::Alerts, vehicle)))
}

/// Who hears anything of a vehicle may see the one alarm that it acknowledges.
fn may_know(claims: &Claims, key: &str) -> bool {
    VehicleId::new(key).is_ok_and(|vehicle| claims.may_hear_of(&vehicle))
}

async fn list(services: &Services, claims: &Claims, query: &str) -> ApiResult {
    let page = page_of(query)?;
    let filter = filter_of(query)?;
    let allowed = match &filter.key {
        Some(key) => may_read(claims, key.as_str()),
        None => claims.may_hear(&Channel::all(ChannelKind::Alerts)),
    };
    if !allowed {
        return Err(ApiError::forbidden("read these alarms; ask for those of a vehicle you may hear (vehicle=<id>)"));
    }
    let listing = services.records.alarms(&filter, page).await?;
    Ok(listed(services.clock.now(), page, listing, "alarms, the newest first", |alarm| view(&alarm)))
}

fn filter_of(query: &str) -> Result<AlarmFilter, ApiError> {
    let mut broken = Vec::new();
    let mut flag = |name: &str| match percent::value(query, name).as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => {
            broken.push(format!("Field '{name}': true or false is expected"));
            None
        }
    };
    let (open, acknowledged) = (flag("open"), flag("acknowledged"));
    let severity = percent::value(query, "severity").and_then(|word| {
        let known = [Severity::Info, Severity::Warning, Severity::Critical].into_iter().find(|s| s.as_str() == word);
        if known.is_none() {
            broken.push("Field 'severity': info, warning or critical is expected".to_owned());
        }
        known
    });
    if !broken.is_empty() {
        return Err(ApiError::invalid(broken));
    }
    Ok(AlarmFilter { open, acknowledged, severity, key: id_in(query, "vehicle")?, pipeline: id_in(query, "pipeline")? })
}

async fn find(services: &Services, id: &str) -> Result<AlarmRecord, ApiError> {
    let id: Id = path_id("id", id)?;
    services.records.alarm(&id).await?.ok_or_else(|| ApiError::not_found(format_args!("the alarm '{id}'")))
}

async fn read(services: &Services, claims: &Claims, id: &str) -> ApiResult {
    let alarm = find(services, id).await?;
    if !may_read(claims, &alarm.key) {
        return Err(ApiError::forbidden(format_args!("read alarms of '{}'", alarm.key)));
    }
    let life = services.records.alarm_life(&alarm.id).await?;
    let mut shown = view(&alarm);
    shown["life"] = life.iter().map(moment).collect();
    Ok(reply::ok(services.clock.now(), shown, "alarm"))
}

async fn acknowledge(services: &Services, claims: &Claims, id: &str, body: &[u8]) -> ApiResult {
    let mut fields = Fields::of(if body.is_empty() { b"{}" } else { body })?;
    let Some(note) = fields.optional("note", text(MAX_NOTE)) else { return Err(fields.refusal()) };
    let alarm = find(services, id).await?;
    let own = VehicleId::new(&alarm.key).is_ok_and(|vehicle| claims.may_publish(&vehicle));
    let allowed = claims.may_manage() || own && may_know(claims, &alarm.key);
    if !allowed {
        return Err(ApiError::forbidden(format_args!("acknowledge alarms of '{}'", alarm.key)));
    }
    services.pipelines.acknowledge(&alarm, &claims.sub, note.as_deref()).await?;
    let alarm = find(services, id).await?;
    Ok(reply::ok(services.clock.now(), view(&alarm), "the alarm is acknowledged and escalates no further"))
}

fn view(alarm: &AlarmRecord) -> Value {
    json!({
        "id": alarm.id,
        "pipeline": alarm.pipeline,
        "step": alarm.step,
        "rule": alarm.rule,
        "vehicleId": alarm.key,
        "severity": alarm.severity,
        "open": alarm.cleared_at.is_none(),
        "raisedAt": alarm.raised_at,
        "clearedAt": alarm.cleared_at,
        "acknowledgedAt": alarm.acknowledged_at,
        "acknowledgedBy": alarm.acknowledged_by,
        "note": alarm.note,
        "count": alarm.count,
        "value": alarm.value,
    })
}

fn moment(moment: &AlarmMoment) -> Value {
    json!({
        "change": moment.change,
        "at": moment.at,
        "recordedAt": moment.recorded_at,
        "severity": moment.severity,
        "count": moment.count,
        "by": moment.by,
        "note": moment.note,
    })
}
