//! `slipstream import`

use std::path::PathBuf;

use clap::Args;
use slipstream_protocol::{SessionId, Timestamp, VehicleId};

use super::{
    Outcome, access,
    exit::{Exit, Usage},
    print::out,
    progress::Progress,
    table::TableArgs,
};
use crate::{
    config::{self, Flags},
    data_folder,
    relay::source::{ColumnMap, ReadOptions},
    series::{self, SeriesConfig},
    transfer::{self, Format, ImportOptions, ImportReport},
};

const EXAMPLES: &str = "\
Examples:
  slipstream import points.parquet
  slipstream import race.csv.gz --start 2026-02-18T09:00:00Z --session p1
  slipstream import log.csv --map vehicle=Car,time=unix_s,speed_mps=Speed

Points go straight into every configured time-series store; live channels hear nothing of them
(relay does that). The same file imported twice with the same start overwrites itself.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
pub(super) struct ImportArgs {
    /// CSV, JSON lines (plain or gzip) or Parquet
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What it holds: csv, jsonl or parquet [default: by name or first bytes]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Which column means what: vehicle, time, session, fleet, name, value, or a signal's name
    #[arg(long, value_name = "WHAT=COLUMN,...", default_value = "")]
    map: ColumnMap,

    /// When the recording begins, as RFC 3339 or a date: t_s counts from it, times of day keep their clock on its day, dates stay
    /// [default: 24 hours ago]
    #[arg(long, value_name = "TIME", value_parser = super::replay::time, allow_hyphen_values = true)]
    start: Option<Timestamp>,

    /// All points are this vehicle's
    #[arg(long, value_name = "ID")]
    vehicle: Option<VehicleId>,

    /// All points are of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,

    /// Only these signals
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    signals: Vec<String>,

    #[command(flatten, next_help_heading = "Reading")]
    table: TableArgs,

    #[command(flatten, next_help_heading = "Settings")]
    flags: Flags,
}

pub(super) fn run(args: &ImportArgs) -> Outcome {
    let config = config::resolve(&args.flags)?;
    super::logging::start(&config)?;
    let now = access::now();
    let defaults = ImportOptions::new(args.start.unwrap_or_else(|| now.minus(std::time::Duration::from_secs(86_400))));
    let options = ImportOptions {
        format: args.format,
        read: args
            .table
            .told(ReadOptions {
                map: args.map.clone(),
                vehicle: args.vehicle.clone(),
                session: args.session.clone(),
                signals: args.signals.clone(),
                ..defaults.read
            })
            .map_err(Usage)?,
    };
    data_folder::check_writable(&config.data_dir)?;
    data_folder::check(&config.data_dir)?;
    super::runtime()?.block_on(async {
        crate::app::make_private(&config.data_dir)?;
        let stores = series::open(&SeriesConfig {
            data_dir: config.data_dir.clone(),
            influx2: config.influx2.clone(),
            influx1: config.influx1.clone(),
        })
        .await?;
        let mut exit = Exit::Done;
        for store in &stores {
            let mut progress = Progress::new(&format!("import into {}", store.name()), false);
            let mut told = |p: transfer::Progress| progress.update(p.fraction, || format!("{} points", p.points));
            let report = transfer::import(&**store, &args.file, &options, now, &mut told).await;
            progress.finish();
            store.close().await;
            let report = report?;
            print(store.name(), &report);
            if report.skipped + report.points.rejected + report.flaws > 0 {
                exit = Exit::Partial;
            }
        }
        Ok(exit)
    })
}

fn print(store: &str, report: &ImportReport) {
    out!("{store}: {} samples, {} points written, {} rejected", report.samples, report.points.written, report.points.rejected);
    for rejection in &report.points.rejections {
        out!("  rejected {}: {}", rejection.what, rejection.reason);
    }
    if report.skipped > 0 {
        out!("  {} skipped (bad rows or cells)", report.skipped);
    }
    for problem in &report.problems {
        match problem.line {
            0 => out!("  {}", problem.reason),
            line => out!("  line {line}: {}", problem.reason),
        }
    }
    for remark in &report.remarks {
        out!("  {remark}");
    }
}
