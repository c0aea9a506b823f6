//! Alarms: what each is, and its life, moment by moment.

use slipstream_engine::alarms::{AlarmEvent, Severity};
use slipstream_protocol::{Id, Timestamp};

use super::{Listing, Page, RecordsFuture};

/// Something that happened to an alarm, on its way into the records.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmEntry {
    /// The alarm's id here. The same alarm of the same step of the same pipeline always has the same one.
    pub id: Id,
    /// The pipeline that watches.
    pub pipeline: String,
    /// Its step.
    pub step: String,
    /// What happened.
    pub event: AlarmEvent,
}

/// An alarm as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmRecord {
    /// Its id.
    pub id: Id,
    /// The pipeline that watches.
    pub pipeline: String,
    /// Its step.
    pub step: String,
    /// What the step calls it: `<rule>/<key>/<when it was first raised, µs>`.
    pub name: String,
    /// The rule's name.
    pub rule: String,
    /// What it is about: a vehicle, as a rule.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// When it was first raised, in event time.
    pub raised_at: Timestamp,
    /// When it was last cleared; `None` while it is open.
    pub cleared_at: Option<Timestamp>,
    /// When somebody said they have seen it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// What they said.
    pub note: Option<String>,
    /// How often it was raised.
    pub count: u32,
    /// What was measured when it was first raised.
    pub value: Option<f64>,
}

/// One moment of an alarm's life.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmMoment {
    /// raised, repeated, escalated, acknowledged, cleared or abandoned.
    pub change: String,
    /// When, in event time.
    pub at: Timestamp,
    /// When it was written down.
    pub recorded_at: Timestamp,
    /// What it is now, of a raise or an escalation.
    pub severity: Option<String>,
    /// How often it has been raised, of a repetition.
    pub count: Option<u32>,
    /// Who acknowledged.
    pub by: Option<String>,
    /// What they said.
    pub note: Option<String>,
}

/// Which alarms to list; what is not told does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlarmFilter {
    /// Only those still raised, or only those cleared.
    pub open: Option<bool>,
    /// Only those somebody has seen, or nobody.
    pub acknowledged: Option<bool>,
    /// What it is about.
    pub key: Option<Id>,
    /// Of this pipeline.
    pub pipeline: Option<Id>,
    /// This bad.
    pub severity: Option<Severity>,
}

/// The lives of alarms.
pub trait AlarmRecords: Send + Sync + 'static {
    /// Writes down what happened. Told again, after a restart, it changes nothing: events of an alarm come in the order of
    /// their time, and one older than what is known of the alarm is only added to its life.
    fn keep_alarm_event<'a>(&'a self, entry: &'a AlarmEntry, now: Timestamp) -> RecordsFuture<'a, ()>;

    /// An alarm.
    fn alarm<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Option<AlarmRecord>>;

    /// Its life, from the beginning.
    fn alarm_life<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Vec<AlarmMoment>>;

    /// Alarms, the newest first.
    fn alarms<'a>(&'a self, filter: &'a AlarmFilter, page: Page) -> RecordsFuture<'a, Listing<AlarmRecord>>;

    /// Nobody watches the pipeline's alarms any more: those still raised are closed as abandoned. Tells how many.
    fn abandon_alarms<'a>(&'a self, pipeline: &'a str, now: Timestamp) -> RecordsFuture<'a, u64>;
}
