//! `slipstream pipeline`

use std::{
    fmt::Write as _,
    io::{BufWriter, Write},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use slipstream_engine::pipeline::{Pipeline, RowKind, Surroundings, flow::StepStats, operators::OPERATORS};
use slipstream_protocol::{SessionId, Timestamp, VehicleId};

use super::{
    Outcome, access,
    exit::{Exit, Usage},
    print::{err, out},
    table::TableArgs,
};
use crate::{
    pipelines::{
        document::{self, DocumentError},
        tables, told,
    },
    relay::source::{ColumnMap, Item, ReadOptions, Remark, Source, Start},
};

const EXAMPLES: &str = "\
Examples:
  slipstream pipeline check pipelines/*.toml
  slipstream pipeline try ten-seconds.toml --data race.csv.gz
  slipstream pipeline try ten-seconds.toml --data race.csv.gz --late --early
  slipstream pipeline operators

`try` reads the recording by time (--file-order as it is) and prints one JSON object per result on
standard output, and what each step did on standard error. It ends with 3 where rows were skipped or
came too late. It touches no server.";

/// Reasons of skipped rows that are spelled out.
const REASONS: usize = 5;

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

    /// When the recording begins, as RFC 3339 or a date: t_s counts from it, times of day keep their clock on its day, dates stay
    #[arg(long, value_name = "TIME", default_value = "2000-01-01T00:00:00Z", value_parser = super::replay::time)]
    start: Timestamp,

    /// In file order instead of by time
    #[arg(long)]
    file_order: bool,

    #[command(flatten, next_help_heading = "Reading")]
    table: TableArgs,

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
        sort: !args.file_order,
        ..ReadOptions::new(Start::at(args.start))
    };
    let read = args.table.told(read).map_err(Usage)?;
    let mut account = Account::default();
    match feed(&mut pipeline, args, &read, &mut account) {
        // Nobody reads what is left, as after `| head`.
        Err(error) if error.chain().any(is_closed_pipe) => return Ok(Exit::Done),
        fed => fed?,
    }
    Ok(summary(&pipeline, &account))
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// What became of a recording.
#[derive(Debug, Default)]
struct Account {
    samples: u64,
    skipped: u64,
    /// The first reasons, with their lines.
    examples: Vec<String>,
    remarks: Vec<Remark>,
}

fn feed(pipeline: &mut Pipeline, args: &TryArgs, read: &ReadOptions, account: &mut Account) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for item in Source::open(&args.data, read, access::now)? {
        match item? {
            Item::Sample(sample) => {
                pipeline.feed(&sample);
                account.samples += 1;
                print_new(pipeline, args, &mut out)?;
            }
            Item::Skipped(skipped) => {
                account.skipped += 1;
                if account.examples.len() < REASONS {
                    account.examples.push(format!("line {}: {}", skipped.line, skipped.reason));
                }
            }
            Item::Remark(remark) => account.remarks.push(remark),
        }
        if args.samples.is_some_and(|most| account.samples >= most) {
            break;
        }
    }
    pipeline.finish();
    print_new(pipeline, args, &mut out)?;
    Ok(out.flush()?)
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

/// Tells on standard error what was done, and in words what was lost.
fn summary(pipeline: &Pipeline, account: &Account) -> Exit {
    let mut told = String::new();
    let stats = pipeline.stats();
    let _ = write_table(&mut told, pipeline, account);
    let exit = write_losses(&mut told, &stats, account);
    err!("{}", told.trim_end());
    exit
}

fn write_table(out: &mut String, pipeline: &Pipeline, account: &Account) -> std::fmt::Result {
    let (samples, skipped) = (account.samples, account.skipped);
    writeln!(out, "{samples} samples read, {} taken, {skipped} rows skipped; state {} bytes", pipeline.rows_in(), pipeline.state_bytes())?;
    writeln!(out, "{:24} {:>10} {:>10} {:>8} {:>8} {:>12} {:>9}", "step", "in", "out", "late", "dropped", "state bytes", "ns a row")?;
    for step in pipeline.stats() {
        let nanos = step.nanos_p50.map_or_else(String::new, |n| n.to_string());
        writeln!(
            out,
            "{:24} {:>10} {:>10} {:>8} {:>8} {:>12} {:>9}",
            step.name, step.rows_in, step.rows_out, step.late, step.dropped, step.state_bytes, nanos
        )?;
    }
    Ok(())
}

fn write_losses(out: &mut String, stats: &[StepStats], account: &Account) -> Exit {
    let mut lines = Vec::new();
    let mut partial = account.skipped > 0;
    if account.skipped > 0 {
        lines.push(format!("{} rows of the file were skipped:", account.skipped));
        lines.extend(account.examples.iter().map(|example| format!("    {example}")));
        let more = account.skipped - account.examples.len() as u64;
        if more > 0 {
            lines.push(format!("    and {more} more"));
        }
    }
    for step in stats.iter().filter(|step| step.late > 0) {
        partial = true;
        lines.push(format!(
            "{} of {} rows came too late for step '{}' and are in no result; a longer time.delay or allowed lateness waits for them",
            step.late, step.rows_in, step.name
        ));
    }
    for remark in &account.remarks {
        partial |= remark.partial;
        lines.push(remark.to_string());
    }
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
    if partial { Exit::Partial } else { Exit::Done }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_told_in_words_and_by_the_exit_code() {
        let mut out = String::new();
        let late = StepStats { name: "find_trips".into(), rows_in: 764, late: 570, ..StepStats::default() };
        let account = Account { samples: 5, skipped: 9, examples: vec!["line 3: no time".into()], remarks: vec![Remark::new(1, "noted")] };
        assert_eq!(write_losses(&mut out, &[late], &account), Exit::Partial);
        for told in ["570 of 764 rows came too late", "9 rows of the file were skipped", "line 3: no time", "and 8 more", "noted"] {
            assert!(out.contains(told), "{out}");
        }
        let none = Account { remarks: vec![Remark::new(1, "noted")], ..Account::default() };
        assert_eq!(write_losses(&mut String::new(), &[], &none), Exit::Done);
        let flaw = Account { remarks: vec![Remark::partial(1, "text")], ..Account::default() };
        assert_eq!(write_losses(&mut String::new(), &[], &flaw), Exit::Partial);
    }
}
