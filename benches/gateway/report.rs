//! Rows of measurements, their ratios, and how they are shown.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};
use slipstream_benches::median;

/// What a row must reach.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::enum_variant_names, reason = "each name says which side of the bound is good")]
pub(crate) enum Goal {
    /// At least so many times the peer's value.
    AtLeastTimes(f64),
    /// At most this fraction of the peer's value.
    AtMostFraction(f64),
    /// At most this value, whatever the peer's.
    AtMost(f64),
}

/// One quantity, measured on each server in turn, round after round.
pub(crate) struct Row {
    /// Its short name, for `--only`.
    pub(crate) key: &'static str,
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) goal: Option<Goal>,
    /// Whom a goal compares with.
    pub(crate) peer: &'static str,
    /// Server and its value in each round; Slipstream first.
    pub(crate) values: Vec<(&'static str, Vec<f64>)>,
    /// What the reader should know beside the numbers.
    pub(crate) notes: Vec<String>,
}

impl Row {
    pub(crate) fn new(key: &'static str, title: impl Into<String>, unit: &'static str, goal: Option<Goal>) -> Self {
        Self { key, title: title.into(), unit, goal, peer: "node", values: Vec::new(), notes: Vec::new() }
    }

    /// Adds one round's value of `server`.
    pub(crate) fn add(&mut self, server: &'static str, value: f64) {
        match self.values.iter_mut().find(|(name, _)| *name == server) {
            Some((_, values)) => values.push(value),
            None => self.values.push((server, vec![value])),
        }
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn of(&self, server: &str) -> Option<&[f64]> {
        self.values.iter().find(|(name, _)| *name == server).map(|(_, values)| values.as_slice())
    }

    /// Slipstream's value over `peer`'s, in each round.
    pub(crate) fn ratios(&self, peer: &str) -> Vec<f64> {
        let (Some(own), Some(theirs)) = (self.of("slipstream"), self.of(peer)) else { return Vec::new() };
        own.iter().zip(theirs).map(|(a, b)| a / b).collect()
    }

    /// Whether the goal is reached; `None` where there is none or no peer to compare with.
    pub(crate) fn reached(&self) -> Option<bool> {
        let ratio = || Some(median(&self.ratios(self.peer))).filter(|r| r.is_finite());
        match self.goal? {
            Goal::AtLeastTimes(times) => Some(ratio()? >= times),
            Goal::AtMostFraction(fraction) => Some(ratio()? <= fraction),
            Goal::AtMost(value) => Some(median(self.of("slipstream")?) <= value),
        }
    }

    fn goal_text(&self) -> String {
        let goal = match self.goal {
            None => return String::new(),
            Some(Goal::AtLeastTimes(times)) => format!("goal: >= {times} x {}", self.peer),
            Some(Goal::AtMostFraction(fraction)) => format!("goal: <= {fraction} x {}", self.peer),
            Some(Goal::AtMost(value)) => format!("goal: <= {} {}", show(value), self.unit),
        };
        match self.reached() {
            None => goal,
            Some(true) => format!("{goal}: reached"),
            Some(false) => format!("{goal}: NOT REACHED"),
        }
    }

    fn json(&self) -> Value {
        let servers: serde_json::Map<String, Value> = self
            .values
            .iter()
            .map(|(name, values)| ((*name).to_owned(), json!({"rounds": values, "median": median(values), "ratios": self.ratios(name)})))
            .collect();
        json!({"key": self.key, "title": self.title, "unit": self.unit, "goal": self.goal.map(|g| format!("{g:?}")),
            "reached": self.reached(), "servers": servers, "notes": self.notes})
    }

    fn text(&self) -> String {
        let mut out = format!("{} [{}]\n", self.title, self.key);
        for (name, values) in &self.values {
            let spread = if values.len() > 1 { format!("  ({} .. {})", show(least(values)), show(most(values))) } else { String::new() };
            let _ = write!(out, "  {name:<11} {:>12} {}{spread}", show(median(values)), self.unit);
            let ratios = self.ratios(name);
            if *name != "slipstream" && !ratios.is_empty() {
                let _ = write!(out, "   slipstream / {name} = {}", show(median(&ratios)));
            }
            out.push('\n');
        }
        for line in self.notes.iter().cloned().chain([self.goal_text()]).filter(|l| !l.is_empty()) {
            let _ = writeln!(out, "  {line}");
        }
        out
    }
}

/// Everything measured in one run.
pub(crate) struct Report {
    pub(crate) machine: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Takes a row in and shows it at once.
    pub(crate) fn add(&mut self, row: Row) {
        println!("\n{}", row.text());
        self.rows.push(row);
    }

    pub(crate) fn save(&self, file: &std::path::Path) -> Result<()> {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        std::fs::write(file, serde_json::to_vec_pretty(&json!({"machine": self.machine, "rows": rows}))?)?;
        Ok(())
    }

    /// One line a row, for the end.
    pub(crate) fn summary(&self) -> String {
        let mut out = String::from("| row | slipstream | node | nats | ratio to node | goal |\n|---|---|---|---|---|---|\n");
        for row in &self.rows {
            let value = |name| row.of(name).map_or_else(String::new, |v| format!("{} {}", show(median(v)), row.unit));
            let ratio = Some(median(&row.ratios("node"))).filter(|r| r.is_finite()).map_or_else(String::new, show);
            let (own, node, nats) = (value("slipstream"), value("node"), value("nats"));
            let _ = writeln!(out, "| {} | {own} | {node} | {nats} | {ratio} | {} |", row.title, row.goal_text());
        }
        out
    }
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Three digits that say something.
pub(crate) fn show(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{:.2} M", value / 1e6),
        v if v >= 1e4 => format!("{:.1} k", value / 1e3),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
