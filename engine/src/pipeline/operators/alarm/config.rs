//! Fields of `alarm`.

use super::{Alarm, Names};
use crate::{
    alarms::{AlarmRule, Escalation, Severity},
    pipeline::{Builder, Fields, Keyed, Operator, Timers},
};

const SEVERITIES: [(&str, Severity); 3] = [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

/// `rule` (its name), `when`, `clear?`, `value?` (expressions), `severity?`, `raise_after?`, `clear_after?`, `repeat_within?`,
/// `escalate?` = `[{after, severity}]`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let name = fields.required::<String>("rule");
    let raise = builder.expression(fields, "when");
    let clear = builder.optional_expression(fields, "clear");
    let value = builder.optional_expression(fields, "value");
    let severity = fields.optional_choice("severity", &SEVERITIES).unwrap_or_default();
    let mut seconds = |name| fields.optional_duration(name).map_or(0.0, |d| d.as_secs_f64());
    let (raise_after_s, clear_after_s, repeat_within_s) = (seconds("raise_after"), seconds("clear_after"), seconds("repeat_within"));
    let escalate: Vec<Escalation> = fields.tables("escalate", |f| {
        let (after, severity) = (f.duration("after"), f.choice("severity", &SEVERITIES));
        Some(Escalation { after_s: after?.as_secs_f64(), severity: severity? })
    });
    if !escalate.is_sorted_by(|a, b| a.after_s < b.after_s) {
        fields.mistake("escalate", "must be in the order of rising 'after'");
    }
    let names = Names {
        event: builder.signal("event"),
        alarm: builder.signal("alarm"),
        rule: builder.signal("rule"),
        severity: builder.signal("severity"),
        since: builder.signal("since_s"),
        value: builder.signal("value"),
        count: builder.signal("count"),
        by: builder.signal("by"),
        note: builder.signal("note"),
    };
    let rule = AlarmRule { name: name?, severity, raise_after_s, clear_after_s, repeat_within_s, escalate };
    let (watches, timers, told) = (Keyed::default(), Timers::default(), Vec::new());
    Some(Box::new(Alarm { rule, raise: raise?, clear, value, names, watches, timers, told }))
}
