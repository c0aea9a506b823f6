//! `detect`: marks rows that are not as usual.
//!
//! `method = "zscore"`: each signal beside the median of its own newest values (robust z-score, median and MAD). `method = "model"`: all
//! signals together beside what their class of vehicles does (principal components, [`crate::anomaly`]); put a `window` step before it to
//! judge by features of a window. A class is learnt from its first `rows` rows and then kept, across restarts as well.
//!
//! Rows pass with `anomaly` (true or false), `anomaly_score` (how many times the threshold; above 1 is an anomaly) and
//! `anomaly_signal` (which stands out most); the three are null while there is too little to compare with. Rows without any of the signals
//! pass unmarked.
//!
//! Commands of a model: `{"command": "models"}` tells the classes and how many rows each was learnt from; `{"command": "forget", "class": ..}`
//! has one learnt anew.

mod config;
#[cfg(test)]
mod tests;

use serde_json::{Value as Json, json};

use crate::{
    anomaly::{ClassModels, RobustWindow, TrainConfig},
    pipeline::{
        CommandError, Keyed, Operator, OperatorKind, Output, Row, SignalId, StateError, Value,
        state::{load_version, save},
    },
};

/// As it stands in the table.
pub const KIND: OperatorKind = OperatorKind {
    verb: "detect",
    about: "marks rows that are not as usual: by robust z-score, or by a model learnt per class of vehicles",
    ordered: true,
    keeps_order: true,
    sided: false,
    build: config::build,
};

struct Detect {
    signals: Vec<SignalId>,
    names: Names,
    method: Method,
}

struct Names {
    anomaly: SignalId,
    score: SignalId,
    signal: SignalId,
}

enum Method {
    Score(Scores),
    Model(Models),
}

struct Scores {
    window: usize,
    warm: usize,
    threshold: f64,
    floor: f64,
    windows: Keyed<Vec<RobustWindow>>,
}

struct Models {
    /// The text signal that names a row's class.
    class: Option<SignalId>,
    config: TrainConfig,
    classes: ClassModels,
}

/// The class of rows that name none.
const EVERYBODY: &str = "all";

impl Scores {
    /// The largest score, in thresholds, and whose it is.
    fn judge(&mut self, row: &Row, signals: &[SignalId]) -> Option<(f64, usize)> {
        let windows = self.windows.entry(row.key, || vec![RobustWindow::default(); signals.len()]);
        let scores = signals.iter().zip(windows).enumerate().filter_map(|(i, (signal, window))| {
            let score = window.score(row.number(*signal)?, self.window, self.warm, self.floor)?;
            Some((score.abs() / self.threshold, i))
        });
        scores.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
    }
}

impl Models {
    fn judge(&mut self, row: &Row, signals: &[SignalId]) -> Option<(f64, usize)> {
        let features: Option<Vec<f64>> = signals.iter().map(|s| row.number(*s)).collect();
        let class = self.class.and_then(|c| row.cell(c)?.value.as_text()).unwrap_or(EVERYBODY);
        let surprise = self.classes.take(class, &features?, self.config)?;
        Some((surprise.score, surprise.feature))
    }
}

impl Operator for Detect {
    fn push(&mut self, mut row: Row, out: &mut Output) {
        if self.signals.iter().any(|s| row.cell(*s).is_some()) {
            let found = match &mut self.method {
                Method::Score(scores) => scores.judge(&row, &self.signals),
                Method::Model(models) => models.judge(&row, &self.signals),
            };
            let (anomaly, score, signal) = match found {
                Some((score, i)) => {
                    // What is infinitely far is told as a number all the same.
                    let name = out.scope.signals.name(self.signals[i]);
                    (Value::Bool(score > 1.0), Value::Number(score.min(1e9)), Value::from(name))
                }
                None => (Value::Null, Value::Null, Value::Null),
            };
            for (name, value) in [(self.names.anomaly, anomaly), (self.names.score, score), (self.names.signal, signal)] {
                match row.cell_mut(name) {
                    Some(cell) => cell.value = value,
                    None => row.cells.push(crate::pipeline::Cell { signal: name, quality: slipstream_protocol::Quality::Good, value }),
                }
            }
        }
        out.emit(row);
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), StateError> {
        match &self.method {
            Method::Score(scores) => save(&scores.windows, bytes),
            Method::Model(models) => save(&models.classes, bytes),
        }
    }

    fn restore(&mut self, version: u16, bytes: &[u8]) -> Result<(), StateError> {
        let expected = self.state_version();
        match &mut self.method {
            Method::Score(scores) => {
                let windows: Keyed<Vec<RobustWindow>> = load_version(version, expected, bytes)?;
                if windows.values().any(|w| w.len() != self.signals.len()) {
                    return Err(StateError::OtherSteps);
                }
                scores.windows = windows;
            }
            Method::Model(models) => models.classes = load_version(version, expected, bytes)?,
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        match &self.method {
            Method::Score(s) => {
                s.windows.heap_bytes() + s.windows.values().flatten().map(|w| size_of::<RobustWindow>() + w.heap_bytes()).sum::<usize>()
            }
            Method::Model(m) => m.classes.heap_bytes(),
        }
    }

    fn command(&mut self, command: &Json, _: &mut Output) -> Result<Json, CommandError> {
        let name = command["command"].as_str().unwrap_or_default();
        match (&mut self.method, name) {
            (Method::Model(models), "models") => {
                let classes = models.classes.classes().map(|(class, model)| match model {
                    Ok(model) => json!({"class": class, "trained_on": model.rows()}),
                    Err(rows) => json!({"class": class, "learning": rows}),
                });
                Ok(json!(classes.collect::<Vec<_>>()))
            }
            (Method::Model(models), "forget") => {
                let class = command["class"].as_str().unwrap_or(EVERYBODY);
                if models.classes.forget(class) {
                    Ok(json!({"class": class, "learning": 0}))
                } else {
                    Err(CommandError::Refused(format!("there is no class '{class}'")))
                }
            }
            _ => Err(CommandError::Unknown(name.to_owned())),
        }
    }
}
