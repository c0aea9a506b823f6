//! `slipstream export`

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use slipstream_ports::Aggregate;
use slipstream_protocol::{SessionId, Timestamp, VehicleId};

use super::{
    Outcome,
    exit::{Exit, Usage},
    print::{err, out},
    progress::Progress,
    replay::time,
    token::duration,
};
use crate::{
    config::{self, Flags},
    data_folder,
    series::{self, SeriesConfig},
    transfer::{self, ExportOptions, Format},
};

const EXAMPLES: &str = "\
Examples:
  slipstream export everything.parquet
  slipstream export alb.csv.gz --vehicle ALB --signals speed_mps,rpm --from 2026-02-18T09:00:00Z
  slipstream export minute.jsonl --window 1m --aggregate max

Reads the store that answers queries: the first configured server, or the embedded one. The file
appears when it is whole.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExportArgs {
    /// Where to: .csv, .jsonl (both also .gz) or .parquet; - is standard output, as CSV unless --format says otherwise
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// How it is written: csv, jsonl or parquet [default: by the file's name]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Only these vehicles
    #[arg(long = "vehicle", value_name = "IDS", value_delimiter = ',')]
    vehicles: Vec<VehicleId>,

    /// Only of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,

    /// Only these signals
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    signals: Vec<String>,

    /// From this moment, inclusive: RFC 3339, a date, or as in -15m
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    from: Option<Timestamp>,

    /// To this moment, exclusive; as --from
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    to: Option<Timestamp>,

    /// One row per signal and window of this length, as in 1s or 1m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    window: Option<Duration>,

    /// What a window yields: mean, min, max, sum, count, first or last
    #[arg(long, value_name = "AGGREGATE", value_parser = aggregate, default_value = "mean", requires = "window")]
    aggregate: Aggregate,

    /// Write cells that a spreadsheet would take for a formula with ' in front (CSV; import takes the ' as text)
    #[arg(long)]
    escape_formulas: bool,

    #[command(flatten, next_help_heading = "Settings")]
    flags: Flags,
}

/// Where an export goes.
enum Output<'a> {
    File(&'a Path),
    /// Standard output, once the export is whole.
    Stdout(Passing),
}

impl<'a> Output<'a> {
    fn of(file: &'a Path) -> Self {
        if file.as_os_str() == "-" { Self::Stdout(Passing::new()) } else { Self::File(file) }
    }

    fn file(&self) -> &Path {
        match self {
            Self::File(file) => file,
            Self::Stdout(passing) => &passing.0,
        }
    }
}

/// A file that goes when it has been sent.
struct Passing(PathBuf);

impl Passing {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("slipstream-export-{}", uuid::Uuid::new_v4())))
    }

    fn send(&self) -> std::io::Result<()> {
        std::io::copy(&mut std::fs::File::open(&self.0)?, &mut std::io::stdout().lock()).map(drop)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // Where the export failed there is none.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn aggregate(text: &str) -> Result<Aggregate, String> {
    let words = Aggregate::ALL.map(Aggregate::as_str).join(", ");
    Aggregate::ALL.into_iter().find(|a| a.as_str() == text).ok_or_else(|| format!("one of {words} is expected"))
}

pub(super) fn run(args: &ExportArgs) -> Outcome {
    let config = config::resolve(&args.flags)?;
    super::logging::start(&config)?;
    let is_stdout = args.file.as_os_str() == "-";
    let defaults = ExportOptions::default();
    let options = ExportOptions {
        format: args.format.or(is_stdout.then_some(Format::Csv)),
        vehicles: args.vehicles.clone(),
        session: args.session.clone(),
        signals: args.signals.clone(),
        from: args.from.unwrap_or(defaults.from),
        to: args.to.unwrap_or(defaults.to),
        window: args.window,
        aggregate: args.aggregate,
        escape_formulas: args.escape_formulas,
    };
    data_folder::check(&config.data_dir)?;
    if args.escape_formulas && args.format.or_else(|| Format::of(&args.file)).is_some_and(|format| format != Format::Csv) {
        return Err(Usage("--escape-formulas goes with CSV: no other format is taken for formulas".to_owned()).into());
    }
    super::runtime()?.block_on(async {
        let mask = crate::app::make_private(&config.data_dir)?;
        let stores = series::open(&SeriesConfig {
            data_dir: config.data_dir.clone(),
            influx2: config.influx2.clone(),
            influx1: config.influx1.clone(),
        })
        .await?;
        // The store's files are its owner's alone; the exported one is as the user's others, unless it only passes through.
        if !is_stdout {
            crate::app::restore_mask(mask);
        }
        let store = stores.first().ok_or_else(|| anyhow::anyhow!("no time-series store is configured"))?;
        let mut progress = Progress::new(&format!("export from {}", store.name()), false);
        let mut told = |p: transfer::Progress| progress.update(p.fraction, || format!("{} points", p.points));
        let output = Output::of(&args.file);
        let report = transfer::export(&**store, output.file(), &options, &mut told).await;
        progress.finish();
        store.close().await;
        let report = report?;
        let written = format!("{} points of {} vehicles written", report.points, report.vehicles);
        match &output {
            Output::File(file) => out!("{written} to {}", file.display()),
            Output::Stdout(file) => {
                file.send()?;
                err!("{written}");
            }
        }
        match report.formulas {
            0 => {}
            cells if args.escape_formulas => err!("{cells} cells begin as a formula and are written with ' in front"),
            cells => err!("{cells} cells begin as a formula: for a spreadsheet use --escape-formulas"),
        }
        if report.points == 0 {
            err!("nothing is stored there: --vehicle, --session, --signals, --from and --to leave no point");
            return Ok(Exit::Partial);
        }
        Ok(Exit::Done)
    })
}
