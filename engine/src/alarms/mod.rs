//! Alarms: a condition that holds becomes something a person must see, once, until it is over.
//!
//! An alarm's life is a list of [`AlarmEvent`]s. [`Alarm::apply`] makes of them what the alarm is now, so storing the events
//! is storing the alarm.

mod life;
mod rule;
mod watch;

pub use life::{Alarm, AlarmEvent, AlarmId, Change};
pub use rule::{AlarmRule, Escalation, Severity};
pub use watch::{AlarmWatch, Condition};
