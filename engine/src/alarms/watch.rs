//! Watches one condition of one key.

use serde::{Deserialize, Serialize};

use super::{
    life::{Alarm, AlarmEvent, Change},
    rule::AlarmRule,
};

/// What a sample says about a condition. `None` is unknown, and changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Condition {
    /// Whether it calls for the alarm.
    pub raise: Option<bool>,
    /// Whether it calls the alarm off. Between the two lies the hysteresis: where neither holds, nothing changes.
    pub clear: Option<bool>,
    /// What was measured.
    pub value: Option<f64>,
}

impl Condition {
    /// The condition holds or not, without hysteresis.
    pub const fn plain(holds: bool) -> Self {
        Self { raise: Some(holds), clear: Some(!holds), value: None }
    }

    /// Called for above `raise`, called off below `clear`.
    pub fn above(value: f64, raise: f64, clear: f64) -> Self {
        if value.is_nan() {
            return Self::default();
        }
        Self { raise: Some(value > raise), clear: Some(value < clear), value: Some(value) }
    }
}

/// Follows one rule for one key, in event time. What a sample says holds until the next one; what is due in between is told with
/// the time it was due, so that results do not depend on when anybody looked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlarmWatch {
    now: Option<i64>,
    phase: Phase,
    alarm: Option<Alarm>,
    /// How many escalations are behind it.
    escalated: usize,
    /// Since when it has been waiting for someone, µs.
    waiting_since: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Phase {
    /// No alarm.
    #[default]
    Quiet,
    /// The condition holds; not yet long enough.
    Rising { since: i64, value: Option<f64> },
    /// The alarm is raised.
    Raised,
    /// It is raised and the condition is over; not yet long enough.
    Falling { since: i64 },
}

impl AlarmWatch {
    /// Takes in what a sample at `at`, µs, says, in the order of time; appends what happens.
    pub fn observe(&mut self, rule: &AlarmRule, key: &str, at: i64, condition: Condition, told: &mut Vec<AlarmEvent>) {
        if self.now.is_some_and(|now| at < now) {
            return;
        }
        self.advance(rule, key, at, told);
        let (raise, clear) = (condition.raise, condition.clear);
        self.phase = match self.phase {
            Phase::Quiet if raise == Some(true) => Phase::Rising { since: at, value: condition.value },
            Phase::Rising { .. } if raise == Some(false) => Phase::Quiet,
            Phase::Raised if clear == Some(true) => Phase::Falling { since: at },
            Phase::Falling { .. } if clear == Some(false) => Phase::Raised,
            same => same,
        };
        // What is due at once, without a minimum duration.
        self.advance(rule, key, at, told);
    }

    /// It is `now`, µs, in event time: what is due by then happens.
    pub fn advance(&mut self, rule: &AlarmRule, key: &str, now: i64, told: &mut Vec<AlarmEvent>) {
        while let Some(due) = self.next_due(rule).filter(|due| *due <= now) {
            self.happen(rule, key, due, told);
        }
        self.now = self.now.max(Some(now));
    }

    /// When something happens by itself, µs, if nothing comes before.
    pub fn next_due(&self, rule: &AlarmRule) -> Option<i64> {
        let phase = match self.phase {
            Phase::Quiet | Phase::Raised => None,
            Phase::Rising { since, .. } => Some(since.saturating_add(micros(rule.raise_after_s))),
            Phase::Falling { since } => Some(since.saturating_add(micros(rule.clear_after_s))),
        };
        [phase, self.escalation_due(rule)].into_iter().flatten().min()
    }

    /// Somebody has seen the alarm: it escalates no further. `None` where there is none, or it was acknowledged before.
    pub fn acknowledge(&mut self, rule: &AlarmRule, key: &str, at: i64, by: &str, note: Option<&str>) -> Option<AlarmEvent> {
        let alarm = self.alarm.as_ref().filter(|a| a.acknowledged.is_none())?;
        let change = Change::Acknowledged { by: by.to_owned(), note: note.map(str::to_owned) };
        let event =
            AlarmEvent { id: alarm.id.clone(), rule: rule.name.clone(), key: key.to_owned(), at: at.max(self.now.unwrap_or(at)), change };
        self.take(&event);
        Some(event)
    }

    /// The newest alarm, raised or cleared.
    pub const fn alarm(&self) -> Option<&Alarm> {
        self.alarm.as_ref()
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        self.alarm.as_ref().map_or(0, |a| a.id.capacity() + a.rule.capacity() + a.key.capacity())
    }

    fn is_raised(&self) -> bool {
        matches!(self.phase, Phase::Raised | Phase::Falling { .. })
    }

    fn escalation_due(&self, rule: &AlarmRule) -> Option<i64> {
        let waits = self.is_raised() && self.alarm.as_ref().is_some_and(|a| a.acknowledged.is_none());
        let next = rule.escalate.get(self.escalated).filter(|_| waits)?;
        Some(self.waiting_since.saturating_add(micros(next.after_s)))
    }

    fn happen(&mut self, rule: &AlarmRule, key: &str, at: i64, told: &mut Vec<AlarmEvent>) {
        let escalates = self.escalation_due(rule) == Some(at);
        let change = match self.phase {
            Phase::Rising { since, value } => {
                self.phase = Phase::Raised;
                self.raised(rule, at, since, value)
            }
            Phase::Falling { since } if !escalates => {
                self.phase = Phase::Quiet;
                Change::Cleared { since }
            }
            _ => {
                let next = rule.escalate.get(self.escalated).map(|e| e.severity);
                self.escalated += 1;
                Change::Escalated { severity: next.unwrap_or(rule.severity) }
            }
        };
        let begins = matches!(change, Change::Raised { .. });
        let id = match &self.alarm {
            Some(alarm) if !begins => alarm.id.clone(),
            _ => format!("{}/{key}/{at}", rule.name),
        };
        let event = AlarmEvent { id, rule: rule.name.clone(), key: key.to_owned(), at, change };
        self.take(&event);
        told.push(event);
    }

    /// A new alarm, or the last one once more.
    fn raised(&mut self, rule: &AlarmRule, at: i64, since: i64, value: Option<f64>) -> Change {
        // While it was quiet nobody had to come.
        self.waiting_since = at;
        let recent = self.alarm.as_ref().filter(|a| a.cleared_at.is_some_and(|cleared| at - cleared <= micros(rule.repeat_within_s)));
        if let Some(alarm) = recent.filter(|_| rule.repeat_within_s > 0.0) {
            return Change::Repeated { since, count: alarm.count + 1 };
        }
        self.escalated = 0;
        Change::Raised { severity: rule.severity, since, value }
    }

    fn take(&mut self, event: &AlarmEvent) {
        match (Alarm::begin(event), &mut self.alarm) {
            (Some(new), _) => self.alarm = Some(new),
            (None, Some(alarm)) => alarm.apply(event),
            (None, None) => {}
        }
    }
}

fn micros(s: f64) -> i64 {
    (s * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alarms::{Escalation, Severity};

    const S: i64 = 1_000_000;

    fn rule() -> AlarmRule {
        AlarmRule { raise_after_s: 3.0, clear_after_s: 2.0, ..AlarmRule::new("hot") }
    }

    fn run(rule: &AlarmRule, series: &[(i64, f64)], until: i64) -> Vec<(i64, &'static str)> {
        let (mut watch, mut told) = (AlarmWatch::default(), Vec::new());
        for (at, value) in series {
            watch.observe(rule, "v", at * S, Condition::above(*value, 100.0, 95.0), &mut told);
        }
        watch.advance(rule, "v", until * S, &mut told);
        told.iter().map(|e| (e.at / S, e.change.as_str())).collect()
    }

    #[test]
    fn it_is_raised_after_the_minimum_duration_and_cleared_below_the_lower_threshold() {
        let series = [(0, 90.0), (1, 101.0), (2, 99.0), (5, 101.0), (6, 102.0), (20, 97.0), (30, 94.0), (31, 97.0), (40, 94.0), (41, 90.0)];
        assert_eq!(run(&rule(), &series, 60), [(8, "raised"), (42, "cleared")]);
    }

    #[test]
    fn what_is_unknown_changes_nothing() {
        assert_eq!(run(&rule(), &[(0, 101.0), (1, f64::NAN), (2, 101.0), (10, f64::NAN)], 60), [(3, "raised")]);
    }

    #[test]
    fn flapping_is_one_alarm_that_counts() {
        let rule = AlarmRule { repeat_within_s: 10.0, ..AlarmRule::new("flap") };
        let series = [(0, 101.0), (1, 90.0), (2, 101.0), (3, 90.0), (30, 101.0)];
        let expected = [(0, "raised"), (1, "cleared"), (2, "repeated"), (3, "cleared"), (30, "raised")];
        assert_eq!(run(&rule, &series, 60), expected);
    }

    #[test]
    fn nobody_sees_it_and_it_escalates_until_somebody_does() {
        let escalate =
            vec![Escalation { after_s: 10.0, severity: Severity::Critical }, Escalation { after_s: 20.0, severity: Severity::Critical }];
        let rule = AlarmRule { escalate, ..AlarmRule::new("seen") };
        assert_eq!(run(&rule, &[(0, 101.0)], 60), [(0, "raised"), (10, "escalated"), (20, "escalated")]);
        let (mut watch, mut told) = (AlarmWatch::default(), Vec::new());
        watch.observe(&rule, "v", 0, Condition::plain(true), &mut told);
        watch.advance(&rule, "v", 12 * S, &mut told);
        let seen = watch.acknowledge(&rule, "v", 13 * S, "ana", Some("on it")).unwrap();
        assert_eq!(watch.acknowledge(&rule, "v", 14 * S, "ben", None), None, "once");
        watch.advance(&rule, "v", 60 * S, &mut told);
        told.push(seen);
        assert_eq!(told.len(), 3, "{told:?}");
        let alarm = watch.alarm().unwrap();
        assert_eq!(
            (alarm.severity, alarm.acknowledged.clone(), alarm.id.as_str()),
            (Severity::Critical, Some(("ana".into(), 13 * S)), "seen/v/0")
        );
    }

    #[test]
    fn events_survive_json_and_rebuild_the_alarm() {
        let (mut watch, mut told) = (AlarmWatch::default(), Vec::new());
        watch.observe(&rule(), "v", 0, Condition::above(120.0, 100.0, 95.0), &mut told);
        watch.advance(&rule(), "v", 5 * S, &mut told);
        told.extend(watch.acknowledge(&rule(), "v", 6 * S, "ana", None));
        watch.observe(&rule(), "v", 7 * S, Condition::above(80.0, 100.0, 95.0), &mut told);
        watch.advance(&rule(), "v", 20 * S, &mut told);
        let stored: Vec<AlarmEvent> = told.iter().map(|e| serde_json::from_str(&serde_json::to_string(e).unwrap()).unwrap()).collect();
        assert_eq!(stored, told);
        let mut alarm = Alarm::begin(&stored[0]).unwrap();
        stored[1..].iter().for_each(|e| alarm.apply(e));
        assert_eq!(Some(&alarm), watch.alarm());
        assert_eq!((alarm.is_raised(), alarm.value), (false, Some(120.0)));
    }

    proptest! {
        /// However often anybody looks in between, and wherever it is cut and taken up, the same happens at the same times.
        #[test]
        fn results_do_not_depend_on_when_anybody_looks(
            steps in prop::collection::vec((1..6_i64, 85.0..110.0_f64), 1..80), looks in prop::collection::vec(any::<bool>(), 80),
            raise in 0.0..8.0_f64, clear in 0.0..8.0_f64, repeat in 0.0..20.0_f64
        ) {
            let escalate = vec![Escalation { after_s: 7.5, severity: Severity::Critical }];
            let rule = AlarmRule { raise_after_s: raise, clear_after_s: clear, repeat_within_s: repeat, escalate, ..AlarmRule::new("r") };
            let (mut plain, mut watched) = ((AlarmWatch::default(), vec![]), (AlarmWatch::default(), vec![]));
            let mut t = 0;
            for (i, (dt, value)) in steps.iter().enumerate() {
                if looks[i] {
                    watched.0.advance(&rule, "v", t + dt * S / 2, &mut watched.1);
                    watched.0 = postcard::from_bytes(&postcard::to_allocvec(&watched.0).unwrap()).unwrap();
                }
                t += dt * S;
                let condition = Condition::above(*value, 100.0, 95.0);
                plain.0.observe(&rule, "v", t, condition, &mut plain.1);
                watched.0.observe(&rule, "v", t, condition, &mut watched.1);
            }
            plain.0.advance(&rule, "v", t + 100 * S, &mut plain.1);
            watched.0.advance(&rule, "v", t + 100 * S, &mut watched.1);
            prop_assert!(plain.1.windows(2).all(|w| w[0].at <= w[1].at));
            prop_assert_eq!(plain.1, watched.1);
        }
    }
}
