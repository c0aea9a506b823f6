//! `slipstream pipeline`

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use slipstream_engine::pipeline::{Pipeline, RowKind, Surroundings, operators::OPERATORS};
use slipstream_protocol::{SessionId, Timestamp, VehicleId};

use super::{
    Outcome, access,
    exit::{Exit, Usage},
    print::{err, out},
};
use crate::{
    pipelines::{
        document::{self, DocumentError},
        tables, told,
    },
    relay::source::{ColumnMap, Item, ReadOptions, Source, Start},
};

const EXAMPLES: &str = "\
Examples:
  slipstream pipeline check pipelines/*.toml
  slipstream pipeline try ten-seconds.toml --data race.csv.gz
  slipstream pipeline try ten-seconds.toml --data race.csv.gz --late --early
  slipstream pipeline operators

`try` prints one JSON object per result on standard output, and what each step did on standard
error. It touches no server.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct PipelineArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Check descriptions; every mistake is named and located
    Check {
        /// TOML or JSON files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Run a description over a recording and print what comes out
    Try(Box<TryArgs>),
    /// List the operators there are
    Operators,
}

#[derive(Args, Clone, Debug)]
#[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
struct TryArgs {
    /// TOML or JSON file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The recording: CSV or JSON lines, plain or gzip
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    /// Another description whose results this one reads; may be given several times
    #[arg(long, value_name = "FILE")]
    beside: Vec<PathBuf>,

    /// Which column means what: vehicle, time, session, fleet, name, value, or a signal's name
    #[arg(long, value_name = "WHAT=COLUMN,...", default_value = "")]
    map: ColumnMap,

    /// All samples are this vehicle's
    #[arg(long, value_name = "ID")]
    vehicle: Option<VehicleId>,

    /// All samples are of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,

    /// Where relative times (t_s) count from, RFC 3339
    #[arg(long, value_name = "TIME", default_value = "2000-01-01T00:00:00Z")]
    start: Timestamp,

    /// Read only so many samples
    #[arg(long, value_name = "COUNT")]
    samples: Option<u64>,

    /// Print early results too
    #[arg(long)]
    early: bool,

    /// Print late rows too
    #[arg(long)]
    late: bool,
}

pub(super) fn run(args: &PipelineArgs) -> Outcome {
    match &args.action {
        Action::Check { files } => Ok(check(files)),
        Action::Try(args) => try_out(args),
        Action::Operators => {
            let width = OPERATORS.iter().map(|o| o.verb.len()).max().unwrap_or(0);
            for operator in OPERATORS {
                out!("{:width$}  {}", operator.verb, operator.about);
            }
            Ok(Exit::Done)
        }
    }
}

/// What the descriptions in these files may refer to: each other, and the tables of a server.
fn beside(files: &[PathBuf]) -> Surroundings {
    let mut around = tables::named();
    around.pipelines.extend(document::named(files));
    around
}

fn check(files: &[PathBuf]) -> Exit {
    let mut exit = Exit::Done;
    let around = beside(files);
    for path in files {
        match document::check_file(path, &around) {
            Ok((name, _)) => out!("{}: '{name}' has no mistakes", path.display()),
            Err(error) => {
                exit = Exit::Partial;
                for line in error.lines() {
                    out!("{}: {line}", path.display());
                }
            }
        }
    }
    exit
}

fn try_out(args: &TryArgs) -> Outcome {
    let text =
        std::fs::read_to_string(&args.file).map_err(|source| Usage(DocumentError::Read { path: args.file.clone(), source }.to_string()))?;
    let around = beside(&args.beside);
    let build = || -> Result<Pipeline, DocumentError> { Ok(Pipeline::build_with(&document::parse(&text)?, &around)?) };
    let mut pipeline = build().map_err(|error| Usage(error.lines().join("\n")))?;
    pipeline.measure_with(crate::pipelines::stopwatch);
    let read = ReadOptions {
        map: args.map.clone(),
        vehicle: args.vehicle.clone(),
        session: args.session.clone(),
        ..ReadOptions::new(Start::Relative(args.start))
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut taken, mut skipped) = (0_u64, 0_u64);
    for item in Source::open(&args.data, &read, access::now)? {
        match item? {
            Item::Sample(sample) => {
                pipeline.feed(&sample);
                taken += 1;
                print_new(&mut pipeline, args, &mut out)?;
            }
            Item::Skipped(_) => skipped += 1,
        }
        if args.samples.is_some_and(|most| taken >= most) {
            break;
        }
    }
    pipeline.finish();
    print_new(&mut pipeline, args, &mut out)?;
    out.flush()?;
    summary(&pipeline, taken, skipped);
    Ok(Exit::Done)
}

fn print_new(pipeline: &mut Pipeline, args: &TryArgs, out: &mut impl Write) -> std::io::Result<()> {
    while let Some(row) = pipeline.next_result() {
        if row.kind != RowKind::Early || args.early {
            writeln!(out, "{}", told(pipeline, &row, None))?;
        }
        pipeline.recycle(row);
    }
    while let Some(late) = pipeline.next_late() {
        if args.late {
            writeln!(out, "{}", told(pipeline, &late.row, Some(&late.step)))?;
        }
        pipeline.recycle(late.row);
    }
    // They are told as rows.
    drop(pipeline.take_alarms());
    Ok(())
}

fn summary(pipeline: &Pipeline, samples: u64, skipped: u64) {
    err!("{samples} samples read, {} taken, {skipped} rows skipped; state {} bytes", pipeline.rows_in(), pipeline.state_bytes());
    err!("{:24} {:>10} {:>10} {:>8} {:>8} {:>12} {:>9}", "step", "in", "out", "late", "dropped", "state bytes", "ns a row");
    for step in pipeline.stats() {
        let nanos = step.nanos_p50.map_or_else(String::new, |n| n.to_string());
        err!(
            "{:24} {:>10} {:>10} {:>8} {:>8} {:>12} {:>9}",
            step.name,
            step.rows_in,
            step.rows_out,
            step.late,
            step.dropped,
            step.state_bytes,
            nanos
        );
    }
}
