//! The coach inside: the engine's, on the vehicle's own recent laps.

use serde_json::{Value, json};
use slipstream_actors::{Router, ports::PortFuture};
use slipstream_engine::coach::{self, LapBook};
use slipstream_protocol::{SessionId, Timestamp};

use super::{Coach, CoachError, CoachRequest};

/// Most signals of the given telemetry that are repeated where there is no advice yet.
const MAX_REPEATED: usize = 12;

/// Answers from what the actors know of the vehicle.
pub struct BuiltInCoach {
    router: Router,
}

impl BuiltInCoach {
    /// Reads the laps `router` knows.
    pub const fn new(router: Router) -> Self {
        Self { router }
    }
}

impl Coach for BuiltInCoach {
    fn name(&self) -> &'static str {
        "coach"
    }

    fn advise<'a>(&'a self, request: &'a CoachRequest, now: Timestamp) -> PortFuture<'a, Result<Value, CoachError>> {
        Box::pin(async move {
            let (views, driver) = (self.router.views(), request.driver.as_str());
            let laps = request.session.as_ref().map_or_else(|| views.laps(driver), |session| views.laps_in(driver, session));
            let laps = laps.unwrap_or_default();
            if let Some(other) = laps.session().filter(|driven| request.session.as_ref().is_some_and(|asked| asked != *driven)) {
                return Ok(elsewhere(other, request));
            }
            // Fitting a model takes milliseconds to seconds: not on a thread that serves others.
            let advice = tokio::task::spawn_blocking(move || advise(&laps, now)).await;
            let advice = advice.map_err(|ended| CoachError::Unavailable(format!("the coach stopped: {ended}")))?;
            Ok(advice.unwrap_or_else(|known| not_yet(&known, request)))
        })
    }
}

/// The engine's advice, or why there is none.
fn advise(laps: &LapBook, now: Timestamp) -> Result<Value, coach::CoachError> {
    let advice = coach::advise(laps, now)?;
    Ok(serde_json::to_value(&advice).unwrap_or_else(|_| json!({ "text": advice.text })))
}

/// Says that the laps known were driven in another session: what they show is no answer to what was asked.
fn elsewhere(driven: &SessionId, request: &CoachRequest) -> Value {
    let asked = request.session.as_ref().map_or("", |session| session.as_str());
    let driver = &request.driver;
    let text =
        format!("No advice for {driver} in session '{asked}': no laps of {driver} in it are known. Those known are of session '{driven}'.");
    json!({ "text": text, "lapsKnown": 0, "lapsNeeded": coach::LAPS_NEEDED, "lapsOfSession": driven })
}

/// Says that there are not enough laps, and what the given telemetry does say.
fn not_yet(error: &coach::CoachError, request: &CoachRequest) -> Value {
    let numbers = request.telemetry.iter().filter(|(_, value)| value.is_number());
    let given: Vec<String> = numbers.take(MAX_REPEATED).map(|(name, value)| format!("{name} {value}")).collect();
    let mut text = format!("No advice for {} yet: {error}.", request.driver);
    if !given.is_empty() {
        text = format!("{text} The telemetry given says {}.", given.join(", "));
    }
    match error {
        coach::CoachError::NotEnoughLaps { have, need } => json!({ "text": text, "lapsKnown": have, "lapsNeeded": need }),
        coach::CoachError::NoCorners { lap, .. } => json!({ "text": text, "referenceLap": lap }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_protocol::VehicleId;

    #[test]
    fn laps_of_another_session_are_no_answer() {
        let session = |id: &str| id.parse::<SessionId>().unwrap();
        let asked =
            CoachRequest { driver: VehicleId::new("LEC").unwrap(), session: Some(session("nonsense")), telemetry: serde_json::Map::new() };
        let said = elsewhere(&session("sat"), &asked);
        assert_eq!((&said["lapsKnown"], &said["lapsOfSession"]), (&json!(0), &json!("sat")));
        let text = said["text"].as_str().unwrap();
        assert!(text.contains("no laps of LEC in it are known") && text.contains("'nonsense'") && text.contains("'sat'"), "{text}");
    }

    #[test]
    fn without_laps_it_says_so_and_repeats_the_numbers_it_was_given() {
        let telemetry = json!({ "speed_mps": 51.5, "driver": "x", "gear": 4 });
        let Value::Object(telemetry) = telemetry else { unreachable!() };
        let request = CoachRequest { driver: VehicleId::new("ALB").unwrap(), session: None, telemetry };
        let said = not_yet(&coach::CoachError::NotEnoughLaps { have: 1, need: 2 }, &request);
        assert_eq!((&said["lapsKnown"], &said["lapsNeeded"]), (&json!(1), &json!(2)));
        let text = said["text"].as_str().unwrap();
        assert!(text.contains("ALB") && text.contains("speed_mps 51.5") && text.contains("gear 4"), "{text}");
        assert!(!text.contains("driver x"), "{text}");
    }
}
