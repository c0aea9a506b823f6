//! What a store refused for good, one JSON object a line.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde_json::json;
use slipstream_ports::WriteReport;
use slipstream_protocol::Timestamp;

/// Longest text of a rejection kept.
const MOST_CHARS: usize = 4_096;

/// `<store>.jsonl`, rotated to `<store>.1.jsonl`.
#[derive(Debug)]
pub(super) struct DeadLetters {
    store: &'static str,
    file: PathBuf,
    rotated: PathBuf,
    most_bytes: u64,
}

impl DeadLetters {
    pub(super) fn new(dir: &Path, store: &'static str, most_bytes: u64) -> Self {
        Self { store, file: dir.join(format!("{store}.jsonl")), rotated: dir.join(format!("{store}.1.jsonl")), most_bytes }
    }

    /// Keeps the rejections among the records `first..=last`. Tells how many older letters went for them.
    pub(super) fn keep(&self, report: &WriteReport, first: u64, last: u64, now: Timestamp) -> io::Result<u64> {
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut removed = 0;
        if self.file.metadata().is_ok_and(|m| m.len() >= self.most_bytes) {
            removed = letters(&self.rotated);
            fs::rename(&self.file, &self.rotated)?;
        }
        let mut lines = Vec::new();
        let mut line = |what: &str, reason: &str| {
            let cut = |text: &str| text.chars().take(MOST_CHARS).collect::<String>();
            let letter = json!({
                "time": now.to_string(),
                "store": self.store,
                "first": first,
                "last": last,
                "what": cut(what),
                "reason": cut(reason),
            });
            writeln!(lines, "{letter}")
        };
        for rejection in &report.rejections {
            line(&rejection.what, &rejection.reason)?;
        }
        let told: u64 = report.rejections.iter().map(|r| r.points).sum();
        if report.rejected > told {
            line(&format!("{} more points", report.rejected - told), "the store did not say which")?;
        }
        OpenOptions::new().create(true).append(true).open(&self.file)?.write_all(&lines)?;
        Ok(removed)
    }
}

/// How many letters a file holds; 0 where there is none.
fn letters(path: &Path) -> u64 {
    fs::read(path).map_or(0, |bytes| bytes.split(|b| *b == b'\n').count().saturating_sub(1) as u64)
}

#[cfg(test)]
mod tests {
    use slipstream_ports::Rejection;

    use super::*;

    #[test]
    fn letters_say_what_and_why_and_the_files_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(dir.path(), "influxdb1", 1_000);
        let report = WriteReport {
            written: 1,
            rejected: 3,
            rejections: vec![Rejection { what: "speed=\"x\"".into(), points: 1, reason: "type conflict".into() }],
        };
        letters.keep(&report, 4, 9, Timestamp::from_millis(0)).unwrap();
        let text = fs::read_to_string(dir.path().join("influxdb1.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!((lines[0]["reason"].as_str(), lines[0]["last"].as_u64()), (Some("type conflict"), Some(9)));
        assert_eq!(lines[1]["what"], "2 more points");
        let removed: u64 = (0..50).map(|_| letters.keep(&report, 4, 9, Timestamp::from_millis(0)).unwrap()).sum();
        let left: u64 = ["influxdb1.jsonl", "influxdb1.1.jsonl"].iter().map(|name| super::letters(&dir.path().join(name))).sum();
        assert_eq!(removed + left, 2 * 51, "what went is counted");
        let bytes: u64 = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes < 3_000, "{bytes}");
    }
}
