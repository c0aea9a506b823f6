//! What happens to alarms, on its way into the records and to the vehicle's subscribers; and back: a person's acknowledgement.

use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};
use slipstream_engine::{
    alarms::{AlarmEvent, Change, Severity},
    pipeline::{CommandError, StepAlarm},
};
use slipstream_ports::{AlarmEntry, AlarmRecord, Clock, Records};
use slipstream_protocol::{
    Id, Timestamp, VehicleId,
    server::{self, Alert, AlertNote, Event},
};

use super::{
    PipelineError, Pipelines,
    sink::{RETRY, Sink},
};

/// What an alarm is called outside of its pipeline. The same data gives the same id, before and after a restart.
///
/// # Panics
///
/// Never: hexadecimal digits are an id.
fn id_of(pipeline: &str, step: &str, name: &str) -> Id {
    let digest = Sha256::digest(format!("{pipeline}\n{step}\n{name}"));
    Id::new(&crate::media::hexadecimal(&digest[..16])).expect("32 hexadecimal digits are an id")
}

pub(super) fn entry(pipeline: &str, alarm: StepAlarm) -> AlarmEntry {
    let id = id_of(pipeline, &alarm.step, &alarm.event.id);
    AlarmEntry { id, pipeline: pipeline.to_owned(), step: alarm.step.to_string(), event: alarm.event }
}

/// What subscribers of `alerts:<key>` hear. Every moment of an alarm has its id, so that they can tell which one it is.
pub(super) fn alert(entry: &AlarmEntry, severity: Severity) -> Option<Event> {
    let event = &entry.event;
    let vehicle = VehicleId::new(&event.key).ok()?;
    let severity = match severity {
        Severity::Info => server::Severity::Low,
        Severity::Warning => server::Severity::Medium,
        Severity::Critical => server::Severity::Critical,
    };
    let alert = Alert {
        alert_id: entry.id.to_string(),
        alert_type: format!("alarm_{}", event.change.as_str()),
        severity,
        position: None,
        radius: None,
        message: message(event),
    };
    Some(Event::Alert(AlertNote { vehicle, session: None, alert: Arc::new(alert), timestamp: Timestamp::from_micros(event.at) }))
}

fn message(event: &AlarmEvent) -> String {
    let (rule, key) = (&event.rule, &event.key);
    match &event.change {
        Change::Raised { value: Some(value), .. } => format!("{key}: {rule} ({value})"),
        Change::Raised { value: None, .. } => format!("{key}: {rule}"),
        Change::Repeated { count, .. } => format!("{key}: {rule}, for the {count}. time"),
        Change::Escalated { severity } => format!("{key}: {rule}, not acknowledged, now {}", severity.as_str()),
        Change::Acknowledged { by, note: Some(note) } => format!("{key}: {rule}, acknowledged by {by}: {note}"),
        Change::Acknowledged { by, note: None } => format!("{key}: {rule}, acknowledged by {by}"),
        Change::Cleared { .. } => format!("{key}: {rule} is over"),
    }
}

/// Writes alarms' lives down, each event again and again until the records have it.
pub(super) fn sink(records: Arc<dyn Records>, clock: Arc<dyn Clock>) -> Sink<AlarmEntry> {
    Sink::start(move |batch: Vec<AlarmEntry>| {
        let (records, clock) = (records.clone(), clock.clone());
        async move {
            for entry in &batch {
                keep(&*records, &*clock, entry).await;
            }
        }
    })
}

async fn keep(records: &dyn Records, clock: &dyn Clock, entry: &AlarmEntry) {
    let mut wait = RETRY.0;
    while let Err(error) = records.keep_alarm_event(entry, clock.now()).await {
        if !error.is_retryable() {
            tracing::error!(pipeline = entry.pipeline, alarm = %entry.id, %error, "an alarm's event is refused for good");
            return;
        }
        tracing::warn!(pipeline = entry.pipeline, %error, "the records do not take an alarm's event; it waits");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

impl Pipelines {
    /// Somebody has seen an alarm: the step that watches stops its escalation and tells so. Where nobody watches it any more, it
    /// is written down alone.
    ///
    /// Fails with [`PipelineError::NotRunning`] while its pipeline stands still, and with [`PipelineError::Command`] where it was
    /// acknowledged before.
    pub async fn acknowledge(&self, alarm: &AlarmRecord, by: &str, note: Option<&str>) -> Result<(), PipelineError> {
        let asked = json!({"command": "acknowledge", "key": alarm.key, "alarm": alarm.name, "by": by, "note": note});
        match self.command(&alarm.pipeline, &alarm.step, asked).await {
            Ok(_) => Ok(()),
            Err(PipelineError::Unknown(_) | PipelineError::Command(CommandError::Absent(_) | CommandError::Unknown(_))) => {
                let now = self.parts.clock.now();
                let change = Change::Acknowledged { by: by.to_owned(), note: note.map(str::to_owned) };
                let (id, rule, key) = (alarm.name.clone(), alarm.rule.clone(), alarm.key.clone());
                let entry = AlarmEntry {
                    id: alarm.id.clone(),
                    pipeline: alarm.pipeline.clone(),
                    step: alarm.step.clone(),
                    event: AlarmEvent { id, rule, key, at: now.micros(), change },
                };
                self.parts.records.keep_alarm_event(&entry, now).await?;
                if let Some(event) = alert(&entry, alarm.severity) {
                    // Refused only while the server drains.
                    drop(self.parts.router.publish(event).await);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Nobody watches this pipeline's alarms any more.
    pub(super) async fn abandon_alarms(&self, name: &str) {
        match self.parts.records.abandon_alarms(name, self.parts.clock.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(pipeline = name, count, "alarms nobody watches any more are closed as abandoned"),
            Err(error) => tracing::error!(pipeline = name, %error, "alarms nobody watches any more stay open in the records"),
        }
    }
}
