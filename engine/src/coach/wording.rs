//! The advice in sentences. Every statement is one of the measured numbers; what was not measured is not said.

use std::fmt::Write;

use super::{Advice, Cause, CornerAdvice, LAPS_NEEDED, PACE, measure::Measured};

/// Corners told in words; all are told in numbers.
const TOLD: usize = 3;

/// Smaller differences are not worth a word: s, m, m/s.
const LOSS_S: f64 = 0.02;
const PLACE_M: f64 = 1.5;
const SPEED_MPS: f64 = 0.15;

/// The advice's text; `base` are the reference lap's corners in driving order.
pub(super) fn text(advice: &Advice, base: &[Measured]) -> String {
    let mut text = opening(advice);
    let losing: Vec<_> = advice.corners.iter().filter(|c| c.time_lost_s >= LOSS_S).take(TOLD).collect();
    for corner in &losing {
        if let Some(before) = base.get(corner.corner as usize - 1) {
            text.push_str(&corner_text(corner, before));
        }
    }
    if losing.is_empty() {
        text.push_str(" No single corner loses more than 0.02 s.");
    }
    if let Some(best) = advice.corners.last().filter(|c| c.time_lost_s <= -LOSS_S) {
        let _ = write!(text, " You are {:.2} s faster than on the reference lap in corner {}: keep that.", -best.time_lost_s, best.corner);
    }
    text.push_str(&certainty(advice));
    text
}

fn opening(a: &Advice) -> String {
    let (lap, time, best, reference) = (a.compared_lap, a.compared_time_s, a.reference_time_s, a.reference_lap);
    let (lost, word) = (a.total_lost_s.abs(), if a.total_lost_s < 0.0 { "less" } else { "more" });
    format!("Lap {lap} took {time:.3} s, {lost:.3} s {word} than your reference lap {reference} ({best:.3} s).")
}

fn corner_text(c: &CornerAdvice, before: &Measured) -> String {
    let mut text = format!(" Corner {} (slowest {:.0} m after the line) costs {:.2} s", c.corner, c.distance_m, c.time_lost_s);
    let differences = differences(c, before);
    if !differences.is_empty() {
        let _ = write!(text, ": you {}", join(&differences));
    }
    text.push('.');
    let by = c.loss_by_cause;
    let _ = match c.cause {
        Cause::BrakePoint => write!(text, " The brake point explains {:.2} s of it{}", by.brake_point_s, brake_hint(c, before)),
        Cause::MinSpeed => {
            write!(text, " The minimum speed explains {:.2} s of it: carry {:.1} km/h there", by.min_speed_s, before.min_mps * 3.6)
        }
        Cause::ThrottlePickup => write!(text, " The throttle pick-up explains {:.2} s of it{}", by.throttle_pickup_s, pickup_hint(before)),
        Cause::Other => {
            write!(text, " Brake point, minimum speed and throttle pick-up leave {:.2} s unexplained{}", by.other_s, straight_hint(c))
        }
        Cause::None => Ok(()),
    };
    if c.cause != Cause::None {
        let _ = write!(text, " (confidence {:.0} %).", c.confidence * 100.0);
    }
    text
}

fn brake_hint(c: &CornerAdvice, before: &Measured) -> String {
    before.brake_m.map_or_else(String::new, |m| {
        let ahead = c.distance_m - m;
        format!(": brake {ahead:.0} m before the slowest place, as on the reference lap")
    })
}

fn straight_hint(c: &CornerAdvice) -> String {
    let slower = -c.straight_speed_delta_mps;
    if slower >= SPEED_MPS {
        return format!(": before the next brake point you are {:.1} km/h slower, so look at traction, power and the line", slower * 3.6);
    }
    ": look at the line through the corner".to_string()
}

fn pickup_hint(before: &Measured) -> String {
    before.pickup_m.map_or_else(String::new, |m| format!(": be on the throttle {m:.0} m after the line, as on the reference lap"))
}

fn differences(c: &CornerAdvice, before: &Measured) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(d) = c.brake_point_delta_m.filter(|d| d.abs() >= PLACE_M) {
        told.push(format!("brake {:.0} m {}", d.abs(), if d > 0.0 { "earlier" } else { "later" }));
    }
    let d = c.min_speed_delta_mps;
    if d.abs() >= SPEED_MPS {
        let word = if d < 0.0 { "slower" } else { "faster" };
        told.push(format!(
            "are {:.1} km/h {word} at the slowest place ({:.1} instead of {:.1} km/h)",
            d.abs() * 3.6,
            (before.min_mps + d) * 3.6,
            before.min_mps * 3.6
        ));
    }
    if let Some(d) = c.throttle_pickup_delta_m.filter(|d| d.abs() >= PLACE_M) {
        told.push(format!("pick the throttle up {:.0} m {}", d.abs(), if d > 0.0 { "later" } else { "earlier" }));
    }
    told
}

fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// Says plainly what is less certain.
fn certainty(a: &Advice) -> String {
    let mut text = String::new();
    if a.compared_time_s > a.reference_time_s * PACE {
        let _ = write!(
            text,
            " No other lap is within {:.0} % of the reference lap, so this one may not have been driven at pace.",
            PACE * 100.0
        );
    }
    if a.laps_used as usize == LAPS_NEEDED {
        text.push_str(
            " Only two laps at pace are known: where and how much is measured, but the causes rest on kinematics more than on your own laps.",
        );
    } else {
        let _ = write!(
            text,
            " The causes come from {} laps; the model explains {:.0} % of what their corners lost.",
            a.laps_used,
            a.explained * 100.0
        );
    }
    text
}
