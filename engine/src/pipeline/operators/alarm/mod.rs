//! `alarm`: raises an alarm where an expression holds long enough, and clears it.
//!
//! Rows out, one per event of an alarm's life, by their text `event`: `raised` (`since_s`, `value`), `repeated` (`count`, `since_s`), `escalated`,
//! `acknowledged` (`by`, `note`), `cleared` (`since_s`). All have `alarm` (its id), `rule`, `severity` and `count`. A row's time is when it
//! happened in event time, also where no sample came just then.
//!
//! Commands: `{"command": "acknowledge", "key": .., "by": .., "note"?: .., "alarm"?: ..}` answers with the alarm (`alarm`: only if that one is
//! the newest); `{"command": "list"}` with all that are raised, or with `"all": true` the newest of every key.

mod config;
#[cfg(test)]
mod tests;

use serde_json::{Value as Json, json};
use slipstream_protocol::Timestamp;

use crate::{
    alarms::{AlarmEvent, AlarmRule, AlarmWatch, Change, Condition},
    pipeline::{
        CommandError, Expression, Key, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Timers, Value,
        state::{load_version, save},
    },
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "alarm",
    about: "raises, repeats, escalates and clears alarms by expressions, with hysteresis and minimum durations",
    ordered: true,
    keeps_order: true,
    sided: false,
    build: config::build,
};

struct Alarm {
    rule: AlarmRule,
    raise: Expression,
    /// Without it the alarm is over where `raise` does not hold.
    clear: Option<Expression>,
    value: Option<Expression>,
    names: Names,
    watches: Keyed<Box<AlarmWatch>>,
    timers: Timers,
    told: Vec<AlarmEvent>,
}

struct Names {
    event: SignalId,
    alarm: SignalId,
    rule: SignalId,
    severity: SignalId,
    since: SignalId,
    value: SignalId,
    count: SignalId,
    by: SignalId,
    note: SignalId,
}

impl Alarm {
    fn condition(&self, row: &Row, out: &Output) -> Condition {
        let raise = self.raise.holds(row, &out.scope);
        let clear = match &self.clear {
            Some(clear) => clear.holds(row, &out.scope),
            None => raise.map(|raise| !raise),
        };
        let value = self.value.as_ref().and_then(|v| v.value(row, &out.scope).as_number());
        Condition { raise, clear, value }
    }

    /// Does what is due by `now`, in the order of event time and then of names.
    fn due(&mut self, now: Timestamp, out: &mut Output) {
        while let Some(next) = self.timers.next().filter(|next| *next <= now) {
            for (at, key) in self.timers.due(next, &out.scope.keys) {
                let Some(watch) = self.watches.get_mut(key) else { continue };
                watch.advance(&self.rule, out.scope.keys.name(key), at.micros(), &mut self.told);
                self.tell(key, out);
            }
        }
    }

    /// Hands on what was told of `key`, and sets its next timer.
    fn tell(&mut self, key: Key, out: &mut Output) {
        let Some(watch) = self.watches.get(key) else { return };
        for event in self.told.drain(..) {
            let row = self.names.row(key, &event, watch, out);
            out.emit(row);
            out.alarm(event, watch.alarm().map_or(self.rule.severity, |alarm| alarm.severity));
        }
        if let Some(due) = watch.next_due(&self.rule) {
            self.timers.set(Timestamp::from_micros(due), key);
        }
    }

    fn acknowledge(&mut self, command: &Json, out: &mut Output) -> Result<Json, CommandError> {
        let refused = |what: &str| CommandError::Refused(what.to_owned());
        let name = command["key"].as_str().ok_or_else(|| refused("'key' is missing: whose alarm is acknowledged"))?;
        let by = command["by"].as_str().ok_or_else(|| refused("'by' is missing: who acknowledges"))?;
        let key = out.scope.keys.in_order().find(|k| out.scope.keys.name(*k) == name);
        let absent = |what: &str| CommandError::Absent(what.to_owned());
        let watch = key.and_then(|key| self.watches.get_mut(key)).ok_or_else(|| absent("nothing came from this key"))?;
        let newest = watch.alarm().ok_or_else(|| absent("there is no alarm"))?;
        if command["alarm"].as_str().is_some_and(|asked| asked != newest.id) {
            return Err(absent("a newer alarm of this key has taken its place"));
        }
        let at = out.watermark().micros().max(0);
        let event = watch.acknowledge(&self.rule, name, at, by, command["note"].as_str());
        let event = event.ok_or_else(|| refused("it was acknowledged before"))?;
        self.told.push(event);
        let answer = json!(watch.alarm());
        if let Some(key) = key {
            self.tell(key, out);
        }
        Ok(answer)
    }
}

impl Names {
    fn row(&self, key: Key, event: &AlarmEvent, watch: &AlarmWatch, out: &mut Output) -> Row {
        let mut row = out.row(key, Timestamp::from_micros(event.at));
        row.add(self.event, event.change.as_str());
        row.add(self.alarm, event.id.as_str());
        row.add(self.rule, event.rule.as_str());
        if let Some(alarm) = watch.alarm() {
            row.add(self.severity, alarm.severity.as_str());
            row.add(self.count, f64::from(alarm.count));
        }
        match &event.change {
            Change::Raised { since, value, .. } => {
                row.add(self.since, *since as f64 / 1e6);
                row.add(self.value, value.map_or(Value::Null, Value::finite));
            }
            Change::Repeated { since, .. } | Change::Cleared { since } => row.add(self.since, *since as f64 / 1e6),
            Change::Acknowledged { by, note } => {
                row.add(self.by, by.as_str());
                row.add(self.note, note.as_deref().map_or(Value::Null, Value::from));
            }
            Change::Escalated { .. } => {}
        }
        row
    }
}

impl Operator for Alarm {
    fn push(&mut self, row: Row, out: &mut Output) {
        self.due(row.time, out);
        let condition = self.condition(&row, out);
        let watch = self.watches.entry(row.key, Box::default);
        watch.observe(&self.rule, out.scope.keys.name(row.key), row.time.micros(), condition, &mut self.told);
        self.tell(row.key, out);
        out.recycle(row);
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Output) {
        self.due(watermark, out);
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        save(&(&self.watches, &self.timers), bytes)
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        (self.watches, self.timers) = load_version(version, self.state_version(), bytes)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let watches: usize = self.watches.values().map(|w| size_of::<AlarmWatch>() + w.heap_bytes()).sum();
        self.watches.heap_bytes() + self.timers.heap_bytes() + watches
    }

    fn command(&mut self, command: &Json, out: &mut Output) -> Result<Json, CommandError> {
        match command["command"].as_str().unwrap_or_default() {
            "acknowledge" => self.acknowledge(command, out),
            "list" => {
                let all = command["all"].as_bool().unwrap_or(false);
                let keys = self.watches.in_order(&out.scope.keys);
                let alarms = keys.into_iter().filter_map(|key| self.watches.get(key)?.alarm()).filter(|a| all || a.is_raised());
                Ok(json!(alarms.collect::<Vec<_>>()))
            }
            other => Err(CommandError::Unknown(other.to_owned())),
        }
    }
}
