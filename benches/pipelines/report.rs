//! What was measured, as a table.

use std::fmt::Write as _;

use slipstream_benches::median_of;

use crate::{
    Spent,
    sides::Side,
    truth::{Agreement, Percentile},
};

/// One side's measurements.
struct Row {
    name: &'static str,
    version: String,
    percentile: Percentile,
    whole: Vec<Spent>,
    reading: Vec<Spent>,
    start: Vec<Spent>,
    agreement: Option<Agreement>,
}

/// All measurements.
pub(crate) struct Report {
    events: f64,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(events: usize) -> Self {
        Self { events: events as f64, rows: Vec::new() }
    }

    fn row(&mut self, side: &Side) -> &mut Row {
        let at = self.rows.iter().position(|row| row.name == side.name).unwrap_or_else(|| {
            let (version, percentile) = (side.version.clone(), side.percentile);
            let (whole, reading, start) = (Vec::new(), Vec::new(), Vec::new());
            self.rows.push(Row { name: side.name, version, percentile, whole, reading, start, agreement: None });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// The question, over the whole file.
    pub(crate) fn whole(&mut self, side: &Side, spent: Spent) {
        self.row(side).whole.push(spent);
    }

    /// Reading alone.
    pub(crate) fn reading(&mut self, side: &Side, spent: Spent) {
        self.row(side).reading.push(spent);
    }

    /// The question over one sample of each vehicle: what starting costs.
    pub(crate) fn start(&mut self, side: &Side, spent: Spent) {
        self.row(side).start.push(spent);
    }

    /// How its results agreed.
    pub(crate) fn agreed(&mut self, side: &Side, agreement: Agreement) {
        self.row(side).agreement = Some(agreement);
    }

    /// Rates are by processor second without starting; ratios are Slipstream's rate by the side's.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| side | CPU s, whole file | of it starting | reading alone | events per CPU s | ratio | the same without reading | ratio | wall s | 95th percentile |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
        );
        let rates = |row: &Row| {
            let cpu = |runs: &[Spent]| median_of(runs, |run| run.cpu_s);
            let (whole, start, reading) = (cpu(&row.whole), cpu(&row.start), cpu(&row.reading));
            (self.events / (whole - start), self.events / (whole - reading.max(start)))
        };
        let ours = self.rows.first().map_or((0.0, 0.0), rates);
        for row in &self.rows {
            let cpu = |runs: &[Spent]| median_of(runs, |run| run.cpu_s);
            let (rate, bare) = rates(row);
            let farthest = row.agreement.map_or(0.0, |a| a.farthest * 100.0);
            let wall = median_of(&row.whole, |run| run.wall_s);
            let _ = writeln!(
                table,
                "| {} | {:.2} | {:.2} | {:.2} | {rate:.0} | {:.1} | {bare:.0} | {:.1} | {wall:.1} | {}; {farthest:.3} % at most |",
                row.version,
                cpu(&row.whole),
                cpu(&row.start),
                cpu(&row.reading),
                ours.0 / rate,
                ours.1 / bare,
                row.percentile.told(),
            );
        }
        table
    }
}
