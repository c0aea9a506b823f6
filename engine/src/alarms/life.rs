//! What happens to an alarm, and what it is thereby.

use serde::{Deserialize, Serialize};

use super::rule::Severity;

/// Names an alarm: `<rule>/<key>/<when it was first raised, µs>`. The same data gives the same name, live or replayed.
pub type AlarmId = String;

/// Something that happened to an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmEvent {
    /// Which alarm.
    pub id: AlarmId,
    /// The rule's name.
    pub rule: String,
    /// What it is about: the vehicle, say.
    pub key: String,
    /// When, in event time, µs.
    pub at: i64,
    /// What.
    #[serde(flatten)]
    pub change: Change,
}

/// What can happen to an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    /// The condition has held long enough.
    Raised {
        /// How bad it is.
        severity: Severity,
        /// Since when the condition holds, µs.
        since: i64,
        /// What was measured when it began to hold, if the rule says what to show.
        value: Option<f64>,
    },
    /// It came again soon after it was cleared.
    Repeated {
        /// Since when the condition holds, µs.
        since: i64,
        /// How often it has been raised, this time included.
        count: u32,
    },
    /// Nobody acknowledged it.
    Escalated {
        /// How bad it is now.
        severity: Severity,
    },
    /// Somebody has seen it.
    Acknowledged {
        /// Who.
        by: String,
        /// What they said.
        note: Option<String>,
    },
    /// The condition has been over long enough.
    Cleared {
        /// Since when it is over, µs.
        since: i64,
    },
}

impl Change {
    /// As it is written.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Raised { .. } => "raised",
            Self::Repeated { .. } => "repeated",
            Self::Escalated { .. } => "escalated",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Cleared { .. } => "cleared",
        }
    }
}

/// An alarm as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub id: AlarmId,
    /// The rule's name.
    pub rule: String,
    /// What it is about.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// When it was first raised, µs.
    pub raised_at: i64,
    /// When it was last cleared, µs; `None` while it is raised.
    pub cleared_at: Option<i64>,
    /// Who has seen it, and when, µs.
    pub acknowledged: Option<(String, i64)>,
    /// What they said.
    pub note: Option<String>,
    /// How often it was raised.
    pub count: u32,
    /// What was measured when it was first raised.
    pub value: Option<f64>,
}

impl Alarm {
    /// The alarm that an event begins, if the event begins one.
    pub fn begin(event: &AlarmEvent) -> Option<Self> {
        let Change::Raised { severity, value, .. } = event.change else { return None };
        Some(Self {
            id: event.id.clone(),
            rule: event.rule.clone(),
            key: event.key.clone(),
            severity,
            raised_at: event.at,
            cleared_at: None,
            acknowledged: None,
            note: None,
            count: 1,
            value,
        })
    }

    /// Takes an event up. Events of other alarms, and a second beginning, change nothing.
    pub fn apply(&mut self, event: &AlarmEvent) {
        if event.id != self.id {
            return;
        }
        match &event.change {
            Change::Raised { .. } => {}
            Change::Repeated { count, .. } => (self.cleared_at, self.count) = (None, *count),
            Change::Escalated { severity } => self.severity = *severity,
            Change::Acknowledged { by, note } => {
                self.acknowledged = Some((by.clone(), event.at));
                self.note.clone_from(note);
            }
            Change::Cleared { .. } => self.cleared_at = Some(event.at),
        }
    }

    /// Whether it is raised now.
    pub const fn is_raised(&self) -> bool {
        self.cleared_at.is_none()
    }
}
