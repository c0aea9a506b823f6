//! Fields of `validate`.

use std::time::Duration;

use super::{Check, Mark, Validate};
use crate::pipeline::{Builder, Fields, Keyed, Operator};

/// `checks`: a list of `{signals, min?, max?, max_rate?, stuck_after?, sentinel?, together?, mark?}`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    if !fields.has("checks") {
        fields.mistake("checks", "is missing; a list like [{signals = \"throttle_pct\", min = 0, max = 100}] is expected");
    }
    let mut remembered = 0;
    let checks = fields.tables("checks", |f| {
        let check = read(f, builder, remembered)?;
        if check.remembers() {
            remembered += check.signals.len();
            builder.needs_order = true;
        }
        Some(check)
    });
    Some(Box::new(Validate { checks, remembered, memories: Keyed::default() }))
}

fn read(f: &mut Fields<'_>, builder: &mut Builder<'_>, memory: usize) -> Option<Check> {
    let signals = f.list::<String>("signals");
    let (least, most) = (f.optional("min"), f.optional("max"));
    let sentinels: Vec<f64> = f.optional_list("sentinel").unwrap_or_default();
    let together = f.or("together", false);
    let max_rate = f.optional_number("max_rate", 0.0, f64::INFINITY);
    let stuck_after: Option<Duration> = f.optional_duration("stuck_after");
    let mark = f.optional_choice("mark", &[("bad", Mark::Bad), ("uncertain", Mark::Uncertain), ("null", Mark::Null)]);
    if least.is_none() && most.is_none() && sentinels.is_empty() && max_rate.is_none() && stuck_after.is_none() {
        f.mistake("", "checks nothing; min, max, max_rate, stuck_after or sentinel is expected");
    }
    let (least, most) = (least.unwrap_or(f64::NEG_INFINITY), most.unwrap_or(f64::INFINITY));
    if least > most {
        f.mistake("min", format!("is {least}, above max, {most}"));
    }
    Some(Check {
        signals: signals?.iter().map(|s| builder.signal(s)).collect(),
        least,
        most,
        sentinels,
        together,
        max_rate,
        stuck_after_micros: stuck_after.map(|d| d.as_micros() as i64),
        mark: mark.unwrap_or(Mark::Bad),
        memory,
    })
}
