//! What became of every sample.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use slipstream_protocol::{Sample, Timestamp, server::Lateness};

use super::{
    latency::Latency,
    source::{Item, Remark},
};

/// Most examples kept of one kind of refusal or skip.
const EXAMPLES: usize = 5;
/// Most remarks kept.
const REMARKS: usize = 40;
/// Refused numbers are remembered for so long behind the newest acknowledgement.
const REMEMBERED: u64 = 262_144;

/// How the agent's work ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It has not.
    #[default]
    Running,
    /// The source ended and everything was acknowledged or refused.
    Complete,
    /// It was stopped.
    Stopped,
    /// It could not go on.
    Failed(String),
}

/// Refusals of one code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// How many samples.
    pub count: u64,
    /// The first few: number and reason.
    pub examples: Vec<String>,
}

/// What became of samples that could not be sent at once. `spooled = drained + dropped + waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolReport {
    /// Samples that had to wait in the spool: those found there at the start and those added since.
    pub spooled: u64,
    /// Of these, how many the server has acknowledged or refused.
    pub drained: u64,
    /// Of these, how many were dropped because the spool was full. Also counted are those that were
    /// under way when the spool ran over and of which no acknowledgement came, although the server
    /// may have them.
    pub dropped: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Whether it is full and the source waits.
    pub full: bool,
}

impl SpoolReport {
    /// Samples that wait in the spool.
    pub const fn waiting(&self) -> u64 {
        self.spooled.saturating_sub(self.drained + self.dropped)
    }
}

impl fmt::Display for SpoolReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spooled, drained, dropped, .. } = self;
        write!(f, "{spooled} spooled, {drained} drained, {dropped} dropped, {} waiting", self.waiting())
    }
}

/// The agent's account. `sent = acknowledged + refused + unacknowledged`, always.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rows or cells of the source that made no sample.
    pub skipped: u64,
    /// The first few: line and reason.
    pub skipped_examples: Vec<String>,
    /// What is to know of the source as a whole; the first few.
    pub remarks: Vec<Remark>,
    /// How many of all remarks tell that something is not as it should be.
    pub flaws: u64,
    /// Samples handed to a connection, each counted once.
    pub sent: u64,
    /// Samples handed over again after a reconnect; the server drops those it has.
    pub resent: u64,
    /// Samples the server acknowledged.
    pub acknowledged: u64,
    /// Samples the server refused, by code.
    pub refused: BTreeMap<String, Refusals>,
    /// Points that the server's stores will never have, among what was written together with samples acknowledged as stored.
    pub unstored: u64,
    /// Samples sent and neither acknowledged nor refused.
    pub unacknowledged: u64,
    /// Connections opened.
    pub connections: u64,
    /// Bytes of frames handed over, resends included.
    pub bytes: u64,
    /// From the start until now, or until the end.
    pub elapsed: Duration,
    /// From hand-over to acknowledgement, one entry per frame.
    pub ack_latency: Latency,
    /// Share of the source read, 0 to 1, where its length is known.
    pub fraction: Option<f64>,
    /// What the spool did, where there is one.
    pub spool: Option<SpoolReport>,
    /// What was taken and is late, or has a clock ahead of the server's.
    pub lateness: Lateness,
    /// Source times of the samples sent: the earliest and the latest.
    pub times: Option<(Timestamp, Timestamp)>,
    /// How it ended.
    pub outcome: Outcome,
    refused_seqs: BTreeSet<u64>,
}

impl Report {
    /// Samples refused, all codes.
    pub fn refused_total(&self) -> u64 {
        self.refused.values().map(|r| r.count).sum()
    }

    /// Connections lost and opened again.
    pub const fn reconnects(&self) -> u64 {
        self.connections.saturating_sub(1)
    }

    /// Acknowledged samples per second.
    pub fn rate(&self) -> f64 {
        let secs = self.elapsed.as_secs_f64();
        if secs > 0.0 { self.acknowledged as f64 / secs } else { 0.0 }
    }

    /// Counts in what another agent of the same relay did.
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.resent += other.resent;
        self.acknowledged += other.acknowledged;
        self.unacknowledged += other.unacknowledged;
        self.bytes += other.bytes;
        self.connections += other.reconnects() + u64::from(self.connections == 0 && other.connections > 0);
        self.ack_latency.add(&other.ack_latency);
        self.unstored += other.unstored;
        self.lateness.add(other.lateness);
        if let Some((from, to)) = other.times {
            self.note_time(from);
            self.note_time(to);
        }
        self.skipped += other.skipped;
        self.skipped_examples.extend(other.skipped_examples.iter().cloned());
        self.skipped_examples.truncate(EXAMPLES);
        self.flaws += other.flaws;
        self.remarks.extend(other.remarks.iter().cloned());
        self.remarks.truncate(REMARKS);
        for (code, refusals) in &other.refused {
            let mine = self.refused.entry(code.clone()).or_default();
            mine.count += refusals.count;
            mine.examples.extend(refusals.examples.iter().cloned());
            mine.examples.truncate(EXAMPLES);
        }
    }

    /// Takes down when samples were measured.
    pub(super) fn note_times(&mut self, samples: &[Sample]) {
        for sample in samples {
            self.note_time(sample.source_time);
        }
    }

    fn note_time(&mut self, time: Timestamp) {
        self.times = Some(self.times.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
    }

    pub(super) fn skip(&mut self, line: u64, reason: &str) {
        self.skipped += 1;
        if self.skipped_examples.len() < EXAMPLES {
            self.skipped_examples.push(format!("line {line}: {reason}"));
        }
    }

    pub(super) fn remark(&mut self, remark: &Remark) {
        self.flaws += u64::from(remark.partial);
        if self.remarks.len() < REMARKS {
            self.remarks.push(remark.clone());
        }
    }

    /// Takes in what makes no sample.
    pub(super) fn take_in(&mut self, item: &Item) {
        match item {
            Item::Sample(_) => {}
            Item::Skipped(skipped) => self.skip(skipped.line, &skipped.reason),
            Item::Remark(remark) => self.remark(remark),
        }
    }

    /// Numbers `from..=to` are acknowledged, but for those refused before and `missing` ones that
    /// were never sent.
    pub(super) fn acknowledge(&mut self, from: u64, to: u64, missing: u64) {
        if to < from {
            return;
        }
        let refused = self.refused_seqs.range(from..=to).count() as u64;
        self.acknowledged += (to - from + 1).saturating_sub(refused + missing);
        self.refused_seqs = self.refused_seqs.split_off(&to.saturating_sub(REMEMBERED));
    }

    /// Number `seq` was refused; `acked` is the highest acknowledged number.
    pub(super) fn refuse(&mut self, seq: u64, acked: u64, code: &str, message: &str) {
        if !self.refused_seqs.insert(seq) {
            return;
        }
        // The acknowledgement had moved past it already and counted it.
        if seq <= acked {
            self.acknowledged = self.acknowledged.saturating_sub(1);
        }
        let refusals = self.refused.entry(code.to_owned()).or_default();
        refusals.count += 1;
        if refusals.examples.len() < EXAMPLES {
            refusals.examples.push(format!("sample {seq}: {message}"));
        }
    }

    /// What is neither acknowledged nor refused, of numbers after `acked`.
    pub(super) fn outstanding(&self) -> u64 {
        self.sent.saturating_sub(self.acknowledged + self.refused_total())
    }
}

impl Report {
    fn write_lateness(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lateness { late, late_in_session, ahead } = self.lateness;
        if let Some((from, to)) = self.times {
            writeln!(f, "source times  {from} to {to}")?;
        }
        if late > 0 {
            writeln!(f, "late          {late:>12} (older than the newest state of their vehicles: stored and shown live, but they do not")?;
            writeln!(f, "              change it, and pipelines whose watermark has passed leave them out)")?;
        }
        if late_in_session > 0 {
            writeln!(f, "  of these    {late_in_session:>12} older than others of their session: they make no laps")?;
        }
        if ahead > 0 {
            writeln!(
                f,
                "ahead         {ahead:>12} (their times are ahead of the server's clock by more than limits.max_clock_skew: stored and"
            )?;
            writeln!(f, "              shown live, but no newest state, laps, pipelines or alarms; see --start)")?;
        }
        Ok(())
    }
}

fn millis(value: Option<Duration>) -> String {
    value.map_or_else(|| "-".into(), |v| format!("{:.1} ms", v.as_secs_f64() * 1e3))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sent          {:>12} samples ({:.1} MB, {} sent again)", self.sent, self.bytes as f64 / 1e6, self.resent)?;
        writeln!(f, "acknowledged  {:>12} ({:.0} samples/s over {:.1} s)", self.acknowledged, self.rate(), self.elapsed.as_secs_f64())?;
        writeln!(f, "refused       {:>12}", self.refused_total())?;
        for (code, refusals) in &self.refused {
            writeln!(f, "  {code}: {}", refusals.count)?;
            for example in &refusals.examples {
                writeln!(f, "    {example}")?;
            }
        }
        if self.unacknowledged > 0 {
            writeln!(f, "unacknowledged{:>12}", self.unacknowledged)?;
        }
        if self.unstored > 0 {
            writeln!(
                f,
                "not stored    {:>12} (points a store refused for good or that were given up; see the server's dead-letters)",
                self.unstored
            )?;
        }
        self.write_lateness(f)?;
        if let Some(spool) = &self.spool {
            writeln!(f, "spool         {spool}")?;
        }
        if self.skipped > 0 {
            writeln!(f, "skipped       {:>12} (bad rows or cells of the source)", self.skipped)?;
            for example in &self.skipped_examples {
                writeln!(f, "    {example}")?;
            }
        }
        for remark in &self.remarks {
            writeln!(f, "{}        {remark}", if remark.partial { "partly" } else { "note  " })?;
        }
        let (p50, p99) = (millis(self.ack_latency.quantile(0.5)), millis(self.ack_latency.quantile(0.99)));
        write!(f, "ack latency   p50 {p50}, p99 {p99}; reconnects {}", self.reconnects())?;
        match &self.outcome {
            Outcome::Failed(reason) => write!(f, "\nended early: {reason}"),
            Outcome::Stopped => write!(f, "\nstopped"),
            Outcome::Complete | Outcome::Running => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_once_whether_it_comes_before_or_after_its_acknowledgement_or_again() {
        let mut report = Report { sent: 10, ..Report::default() };
        report.refuse(2, 0, "FORBIDDEN", "no");
        report.acknowledge(1, 5, 0);
        assert_eq!((report.acknowledged, report.refused_total()), (4, 1));
        report.refuse(4, 5, "INVALID_NUMBER", "inf");
        report.refuse(4, 5, "INVALID_NUMBER", "inf");
        assert_eq!((report.acknowledged, report.refused_total(), report.outstanding()), (3, 2, 5));
        report.acknowledge(6, 10, 0);
        assert_eq!((report.acknowledged, report.outstanding()), (8, 0));
    }

    #[test]
    fn the_report_says_when_it_began_and_what_lateness_costs() {
        let at = |s: i64| Timestamp::from_millis(1_796_000_000_000 + s * 1_000);
        let lateness = Lateness { late: 30, late_in_session: 20, ahead: 7 };
        let text = Report { sent: 50, lateness, times: Some((at(0), at(60))), ..Report::default() }.to_string();
        for told in [
            &format!("{} to {}", at(0), at(60)),
            "30 (older",
            "20 older than others of their session: they make no laps",
            "7 (their times are ahead",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(!Report::default().to_string().contains("\nlate "));
    }
}
