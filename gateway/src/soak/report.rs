//! What a soak found, for people, for machines and for the wall.

use std::{collections::BTreeMap, fmt, fmt::Write as _, time::Duration};

use serde::Serialize;
use serde_json::json;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which promise: `lost`, `doubled`, `order`, `invented`, `damaged`, `gap`, `resume`, `relay`, `server`, `growth`.
    pub promise: &'static str,
    /// Who noticed: a store, the journal, a subscriber.
    pub witness: String,
    /// Which sample, and what is wrong with it.
    pub what: String,
}

/// One fault, as it was injected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Injected {
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// What was done, with its parameters.
    pub what: String,
}

/// Something counted at the base line (all up, nothing broken yet) and at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Before the first fault.
    pub base: u64,
    /// After the quiet phase.
    pub end: u64,
    /// Most allowed at the end.
    pub most: u64,
}

/// What one subscriber heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listened {
    /// Publications.
    pub publications: u64,
    /// Connections.
    pub connections: u64,
    /// Channels gone on with exactly where they were left (`recovered: true`).
    pub resumed: u64,
    /// Channels told that they could not be (`recovered: false`).
    pub not_resumed: u64,
    /// Publications told as dropped in `gap` frames.
    pub told_dropped: u64,
}

/// The outcome of a soak.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Gives the same schedule of faults again.
    pub seed: u64,
    /// Without the quiet phase, milliseconds.
    pub duration_ms: u64,
    /// The quiet phase, milliseconds.
    pub quiet_ms: u64,
    /// Samples handed to relay agents; every one of them was acknowledged.
    pub samples: u64,
    /// Samples acknowledged to HTTP clients.
    pub posted: u64,
    /// Records acknowledged to HTTP clients.
    pub records: u64,
    /// Connections the relay agents opened again.
    pub reconnects: u64,
    /// Samples the relay agents sent again.
    pub resent: u64,
    /// Faults in order.
    pub faults: Vec<Injected>,
    /// Faults that this machine does not allow, and why.
    pub left_out: Vec<String>,
    /// Samples found in each store and in the journal.
    pub found: BTreeMap<String, u64>,
    /// What subscribers heard.
    pub subscribers: BTreeMap<String, Listened>,
    /// Resident memory of the server, bytes.
    pub memory: Growth,
    /// Open files and sockets of the server.
    pub descriptors: Growth,
    /// Files under the data folder.
    pub files: Growth,
    /// Broken promises; empty is what is hoped for.
    pub violations: Vec<Violation>,
    /// Violations beyond those kept.
    pub violations_left_out: u64,
    /// Where logs and data are, where they were kept.
    pub kept: Option<String>,
}

/// Most violations that are kept; the rest is counted.
const MOST_VIOLATIONS: usize = 50;

impl Report {
    /// Whether every promise was kept.
    pub fn is_sound(&self) -> bool {
        self.violations.is_empty()
    }

    pub(super) fn violate(&mut self, promise: &'static str, witness: impl Into<String>, what: impl Into<String>) {
        self.add([Violation { promise, witness: witness.into(), what: what.into() }]);
    }

    pub(super) fn add(&mut self, violations: impl IntoIterator<Item = Violation>) {
        for violation in violations {
            if self.violations.len() < MOST_VIOLATIONS {
                self.violations.push(violation);
            } else {
                self.violations_left_out += 1;
            }
        }
    }

    /// How often each kind of fault was injected.
    fn fault_counts(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for fault in &self.faults {
            *counts.entry(fault.what.split(':').next().unwrap_or_default()).or_default() += 1;
        }
        counts
    }

    /// For machines.
    pub fn to_json(&self) -> String {
        let mut value = json!(self);
        value["sound"] = self.is_sound().into();
        serde_json::to_string_pretty(&value).unwrap_or_default()
    }

    /// For people, with every fault.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# Soak, seed {}\n\n```text\n{self}\n```\n\n## Faults\n\n| at s | what |\n|---|---|\n", self.seed);
        for fault in &self.faults {
            // Writing to a String does not fail.
            let _ = writeln!(text, "| {:.1} | {} |", fault.at_ms as f64 / 1e3, fault.what);
        }
        text
    }
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed          {} ({:.1} s of faults, {:.1} s quiet)", self.seed, seconds(self.duration_ms), seconds(self.quiet_ms))?;
        writeln!(f, "acknowledged  {} samples by relay, {} by POST; {} records", self.samples, self.posted, self.records)?;
        writeln!(f, "relay agents  {} reconnects, {} samples sent again", self.reconnects, self.resent)?;
        let counts: Vec<String> = self.fault_counts().iter().map(|(what, n)| format!("{n} x {what}")).collect();
        writeln!(f, "faults        {}: {}", self.faults.len(), counts.join(", "))?;
        for why in &self.left_out {
            writeln!(f, "left out      {why}")?;
        }
        for (place, count) in &self.found {
            writeln!(f, "found in      {place}: {count}")?;
        }
        for (name, heard) in &self.subscribers {
            writeln!(
                f,
                "subscriber    {name}: {} publications over {} connections; resumed {}, told that it cannot {}, told dropped {}",
                heard.publications, heard.connections, heard.resumed, heard.not_resumed, heard.told_dropped
            )?;
        }
        for (what, growth) in [("memory", self.memory), ("descriptors", self.descriptors), ("files", self.files)] {
            writeln!(f, "{what:<14}{} at the base line, {} at the end, at most {} allowed", growth.base, growth.end, growth.most)?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION     {} ({}): {}", violation.promise, violation.witness, violation.what)?;
        }
        if self.violations_left_out > 0 {
            writeln!(f, "VIOLATION     and {} more", self.violations_left_out)?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "kept          {kept}")?;
        }
        let verdict = if self.is_sound() { "every promise was kept" } else { "PROMISES WERE BROKEN" };
        write!(f, "verdict       {verdict}; the same faults again: --seed {}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_told_with_their_identity_and_counted_beyond_the_bound() {
        let mut report = Report { seed: 9, ..Report::default() };
        assert!(report.is_sound() && report.to_string().contains("every promise was kept"));
        for n in 0..60 {
            report.violate("lost", "journal", format!("relay-0 number {n}"));
        }
        report.faults.push(Injected { at_ms: 1_500, what: "kill: back after 3 ms".into() });
        let text = report.to_string();
        assert!(text.contains("lost (journal): relay-0 number 7") && text.contains("and 10 more") && text.contains("--seed 9"), "{text}");
        assert!(report.to_markdown().contains("| 1.5 | kill: back after 3 ms |"));
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!((json["sound"].as_bool(), json["violations"][3]["promise"].as_str()), (Some(false), Some("lost")));
    }
}
