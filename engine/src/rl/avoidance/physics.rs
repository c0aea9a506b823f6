//! The formulas: braking, reaction, surrogate measures of safety.

use super::conditions::Weather;

/// Standard gravity, m/s².
pub const GRAVITY_MPS2: f64 = 9.806_65;

/// Reaction of a driver who expects the need to brake, s (Green, "How long does it take to stop?",
/// Transportation Human Factors 2, 2000: about 0.7 to 0.75 s).
pub const ALERT_REACTION_S: f64 = 0.75;

/// Reaction of a distracted driver, s: the design value of the AASHTO Green Book, which nine drivers of ten
/// undercut.
pub const DISTRACTED_REACTION_S: f64 = 2.5;

/// Spread of the logarithm of reaction times, which are log-normally distributed (Koppa, "Human
/// factors", in "Traffic Flow Theory", FHWA 1997).
const REACTION_LOG_SPREAD: f64 = 0.35;

/// The deceleration that tyres can give, m/s²: friction times gravity.
pub fn deceleration_limit_mps2(weather: Weather) -> f64 {
    weather.friction() * GRAVITY_MPS2
}

/// Median reaction time of a driver of this attention (0 to 1), s.
pub fn reaction_time_s(attention: f64) -> f64 {
    DISTRACTED_REACTION_S + (ALERT_REACTION_S - DISTRACTED_REACTION_S) * attention.clamp(0.0, 1.0)
}

/// The way needed to shed `speed` at a deceleration, m: v² / (2 a); with the tyres' limit v² / (2 mu g).
pub fn braking_distance_m(speed_mps: f64, deceleration_mps2: f64) -> f64 {
    if speed_mps <= 0.0 { 0.0 } else { speed_mps * speed_mps / (2.0 * deceleration_mps2) }
}

/// The way from the moment of danger to standstill, m: v t + v² / (2 a), where `deceleration` is what
/// the driver asks for and the tyres give at most mu g.
pub fn stopping_distance_m(speed_mps: f64, deceleration_mps2: f64, weather: Weather, attention: f64) -> f64 {
    let deceleration = deceleration_mps2.min(deceleration_limit_mps2(weather));
    speed_mps.max(0.0) * reaction_time_s(attention) + braking_distance_m(speed_mps, deceleration)
}

/// Time to collision, s (Hayward 1972): the gap over the closing speed; infinite where nothing closes.
pub fn time_to_collision_s(gap_m: f64, closing_mps: f64) -> f64 {
    if closing_mps <= 0.0 { f64::INFINITY } else { gap_m.max(0.0) / closing_mps }
}

/// Deceleration rate to avoid the crash, m/s² (Cooper and Ferguson 1976): closing speed² / (2 gap).
pub fn drac_mps2(gap_m: f64, closing_mps: f64) -> f64 {
    if closing_mps <= 0.0 { 0.0 } else { closing_mps * closing_mps / (2.0 * gap_m.max(0.01)) }
}

/// The probability that the driver, warned now, reacts too late to meet the other's speed before the gap is
/// gone, braking as hard as the road allows: the chance that a log-normal reaction time exceeds
/// (gap - closing² / (2 mu g)) / closing.
pub fn collision_probability(gap_m: f64, closing_mps: f64, weather: Weather, attention: f64) -> f64 {
    if closing_mps <= 0.0 {
        return if gap_m <= 0.0 { 1.0 } else { 0.0 };
    }
    let spare_s = (gap_m - braking_distance_m(closing_mps, deceleration_limit_mps2(weather))) / closing_mps;
    if spare_s <= 0.0 {
        return 1.0;
    }
    1.0 - normal_cdf((spare_s / reaction_time_s(attention)).ln() / REACTION_LOG_SPREAD)
}

/// How long changing a lane takes, s: 2.5 s where the road bears it, longer where half the friction
/// cannot carry the sideways acceleration, whose peak on a sinusoidal path of width w and duration T is
/// 2 pi w / T².
pub fn lane_change_s(weather: Weather) -> f64 {
    let sideways = 0.5 * deceleration_limit_mps2(weather);
    (std::f64::consts::TAU * LANE_WIDTH_M / sideways).sqrt().max(2.5)
}

/// Width of a lane, m.
pub const LANE_WIDTH_M: f64 = 3.5;

/// The standard normal distribution function, by Abramowitz and Stegun 26.2.17 (error below 7.5e-8).
fn normal_cdf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let upper = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt() * series;
    if x >= 0.0 { 1.0 - upper } else { upper }
}
