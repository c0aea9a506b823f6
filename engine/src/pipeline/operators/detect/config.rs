//! Fields of `detect`.

use super::{Detect, Method, Models, Names, Scores};
use crate::{
    anomaly::{ClassModels, TrainConfig},
    pipeline::{Builder, Fields, Keyed, Operator},
};

/// `signals`, `method` = `"zscore"` (`window?` values, `warm?`, `threshold?`, `floor?`) or `"model"` (`class?`, `rows?`, `components?`).
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let signals = fields.list::<String>("signals");
    let model = fields.choice("method", &[("zscore", false), ("model", true)]);
    let count = signals.as_ref().map_or(0, Vec::len);
    let method = if model? {
        if count == 1 {
            fields.mistake("signals", "a model compares signals with each other: at least 2 are expected");
        }
        let default = TrainConfig::default();
        let components = fields.optional_number("components", 1.0, 63.0).map_or(default.components, |n| n as usize);
        let rows = fields.optional_number("rows", 50.0, 20_000.0).map_or(default.rows, |n| n as usize);
        if count > 1 && components >= count {
            fields.mistake("components", format!("must be less than the number of signals, {count}"));
        }
        if rows < count * 10 {
            fields.mistake("rows", format!("{count} signals need {} rows at least", count * 10));
        }
        let class = fields.optional::<String>("class").map(|name| builder.signal(&name));
        Method::Model(Models { class, config: TrainConfig { rows, components }, classes: ClassModels::default() })
    } else {
        let window = fields.optional_number("window", 5.0, 10_000.0).map_or(120, |n| n as usize);
        let warm = fields.optional_number("warm", 3.0, 10_000.0).map_or(window.min(20), |n| n as usize);
        if warm > window {
            fields.mistake("warm", format!("must not be more than the window, {window}"));
        }
        let threshold = fields.optional_number("threshold", 0.1, 1_000.0).unwrap_or(4.0);
        let floor = fields.optional_number("floor", 0.0, f64::INFINITY).unwrap_or(0.0);
        Method::Score(Scores { window, warm, threshold, floor, windows: Keyed::default() })
    };
    let [anomaly, score, signal] = ["anomaly", "anomaly_score", "anomaly_signal"].map(|name| builder.signal(name));
    let signals = signals?.iter().map(|s| builder.signal(s)).collect();
    Some(Box::new(Detect { signals, names: Names { anomaly, score, signal }, method }))
}
