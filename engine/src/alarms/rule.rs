//! When an alarm is raised, cleared, repeated and escalated.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at.
    #[default]
    Warning,
    /// To be acted on now.
    Critical,
}

impl Severity {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What nobody has acknowledged becomes worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// Unacknowledged for this long since it was raised (the last time), s.
    pub after_s: f64,
    /// What it becomes.
    pub severity: Severity,
}

/// How one kind of alarm behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmRule {
    /// Its name.
    pub name: String,
    /// How bad it is at first.
    #[serde(default)]
    pub severity: Severity,
    /// The condition must hold this long before the alarm is raised, s.
    #[serde(default)]
    pub raise_after_s: f64,
    /// It must be over this long before the alarm is cleared, s.
    #[serde(default)]
    pub clear_after_s: f64,
    /// Raised again this soon after it was cleared, it is the same alarm once more, s.
    #[serde(default)]
    pub repeat_within_s: f64,
    /// What becomes of it when nobody acknowledges it, by rising time.
    #[serde(default)]
    pub escalate: Vec<Escalation>,
}

impl AlarmRule {
    /// A rule that raises and clears at once.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            severity: Severity::default(),
            raise_after_s: 0.0,
            clear_after_s: 0.0,
            repeat_within_s: 0.0,
            escalate: Vec::new(),
        }
    }
}
