//! The body that attaches an agent to a live vehicle.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use slipstream_engine::rl::live::Attachment;
use slipstream_protocol::{Channel, ChannelKind, VehicleId, token::Claims};

use super::{
    super::{
        fields::{Fields, id},
        reply::ApiError,
    },
    whole,
};

/// The longest time for which the same advice is not repeated.
const MAX_EVERY_MS: u64 = 60_000;

/// The attachment that a body describes; without a vehicle there is none. Advice tells of both vehicles: who may not hear
/// them may not attach to them.
pub(super) fn attachment(claims: &Claims, mut fields: Fields) -> Result<Option<Attachment>, ApiError> {
    let vehicle = fields.optional("vehicle", id::<VehicleId>);
    let leader = fields.optional("leader", id::<VehicleId>);
    let road = fields.optional("road", named);
    let weather = fields.optional("weather", named);
    let attention = fields.optional("attention", |value| {
        value.as_f64().filter(|a| (0.0..=1.0).contains(a)).ok_or_else(|| "a number from 0 to 1 is expected".to_owned())
    });
    let every = fields.optional("every_ms", |value| {
        let ms = whole(value)?;
        (ms <= MAX_EVERY_MS).then_some(Duration::from_millis(ms)).ok_or_else(|| format!("0 to {MAX_EVERY_MS} is expected"))
    });
    let (Some(vehicle), Some(leader), Some(road), Some(weather), Some(attention), Some(every)) =
        (vehicle, leader, road, weather, attention, every)
    else {
        return Err(fields.refusal());
    };
    let Some(vehicle) = vehicle else { return Ok(None) };
    for heard in std::iter::once(&vehicle).chain(&leader) {
        let channel = Channel::one(ChannelKind::Telemetry, heard.clone());
        if !claims.may_hear(&channel) {
            return Err(ApiError::forbidden(format_args!("hear '{channel}'")));
        }
    }
    let usual = Attachment::of(vehicle);
    Ok(Some(Attachment {
        leader,
        road: road.unwrap_or(usual.road),
        weather: weather.unwrap_or(usual.weather),
        attention: attention.unwrap_or(usual.attention),
        every: every.unwrap_or(usual.every),
        ..usual
    }))
}

/// One of several names.
fn named<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}
