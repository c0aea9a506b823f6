//! `slipstream journal`

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use slipstream_protocol::{Sample, SampleBatch, SignalValue};

use super::{
    Outcome,
    exit::{Exit, Usage},
    print::out,
};
use crate::{
    config::{self, Flags},
    data_folder,
    journal::{JournalReport, dump, verify},
};

const EXAMPLES: &str = "\
Examples:
  slipstream journal stats                          what is kept, and how far each store is
  slipstream journal verify                         read and check every record
  slipstream journal dump --from 1000 --limit 5     five records as JSON, one sample a line

All of them only read, and may be used while the server runs. verify ends with exit code 3 where
a record is damaged or missing.";

/// Records read from the files at once while dumping.
const PAGE: usize = 256;

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum JournalCommand {
    /// Read and check every record
    Verify(LookArgs),
    /// Tell what is kept, and how far each store is
    Stats(LookArgs),
    /// Print records as JSON, one sample a line
    Dump(DumpArgs),
}

#[derive(Args, Clone, Debug)]
struct LookArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten, next_help_heading = "Settings")]
    flags: Flags,
}

#[derive(Args, Clone, Debug)]
struct DumpArgs {
    /// Position of the first record
    #[arg(long, value_name = "POSITION", default_value_t = 1)]
    from: u64,

    /// Most records
    #[arg(long, value_name = "RECORDS", default_value_t = 10)]
    limit: usize,

    #[command(flatten, next_help_heading = "Settings")]
    flags: Flags,
}

pub(super) fn run(args: &JournalArgs) -> Outcome {
    match &args.command {
        JournalCommand::Verify(args) => {
            let report = report(&args.flags)?;
            print_report(&report, args.json, true)?;
            Ok(if report.is_sound() { Exit::Done } else { Exit::Partial })
        }
        JournalCommand::Stats(args) => {
            print_report(&report(&args.flags)?, args.json, false)?;
            Ok(Exit::Done)
        }
        JournalCommand::Dump(args) => print_records(args),
    }
}

fn folder(flags: &Flags) -> anyhow::Result<PathBuf> {
    let data_dir = config::resolve(flags)?.data_dir;
    data_folder::check(&data_dir)?;
    let dir = data_dir.join("journal");
    if dir.is_dir() {
        return Ok(dir);
    }
    Err(Usage(format!("there is no journal at {}; name the server's folder with DATA_DIR", dir.display())).into())
}

fn report(flags: &Flags) -> anyhow::Result<JournalReport> {
    let dir = folder(flags)?;
    verify(&dir).with_context(|| format!("while reading {}", dir.display()))
}

fn print_report(report: &JournalReport, json: bool, each: bool) -> anyhow::Result<()> {
    if json {
        out!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let total = |of: fn(&crate::journal::SegmentReport) -> u64| report.segments.iter().map(of).sum::<u64>();
    let last = report.segments.last().map_or(0, |s| s.last);
    if each {
        for segment in &report.segments {
            let state = if segment.damaged.is_empty() && segment.unreadable == 0 { "sound" } else { "DAMAGED" };
            out!(
                "segment {:>12}  records {:>9}  samples {:>10}  bytes {:>11}  {state}",
                segment.first,
                segment.records,
                segment.samples,
                segment.bytes
            );
            for (offset, bytes) in &segment.damaged {
                out!("  {bytes} bytes at offset {offset} hold no valid record");
            }
        }
    }
    out!("segments    {}", report.segments.len());
    out!("records     {} (positions {} to {last})", total(|s| s.records), report.segments.first().map_or(0, |s| s.first));
    out!("samples     {}", total(|s| s.samples));
    out!("bytes       {}", total(|s| s.bytes));
    out!("missing     {}", report.missing);
    out!("publishers  {}", report.publishers);
    for (name, position) in &report.consumers {
        out!("consumer    {name} at {position}, {} behind", last.saturating_sub(*position));
    }
    if each {
        out!(
            "{}",
            if report.is_sound() {
                "every record is there and readable"
            } else {
                "records are damaged or missing; the server sets them aside and goes on"
            }
        );
    }
    Ok(())
}

fn print_records(args: &DumpArgs) -> Outcome {
    let dir = folder(&args.flags)?;
    let mut out = io::stdout().lock();
    let (mut from, mut left) = (args.from, args.limit);
    while left > 0 {
        let records = dump(&dir, from, left.min(PAGE)).with_context(|| format!("while reading {}", dir.display()))?;
        let Some((last, _)) = records.last() else { break };
        (from, left) = (last + 1, left - records.len());
        for (position, batch) in &records {
            for sample in &batch.samples {
                match writeln!(out, "{}", line(*position, batch, sample)) {
                    // `head` has seen enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
                    outcome => outcome?,
                }
            }
        }
    }
    Ok(Exit::Done)
}

fn line(position: u64, batch: &SampleBatch, sample: &Sample) -> Value {
    let data: Map<String, Value> = sample.signals.iter().map(|s| (s.name.to_string(), value(&s.value))).collect();
    json!({
        "position": position,
        "publisher": batch.publisher,
        "seq": sample.seq,
        "vehicleId": sample.vehicle,
        "sessionId": sample.session,
        "fleetId": sample.fleet,
        "timestamp": sample.source_time.to_string(),
        "receivedAt": sample.received_at.to_string(),
        "quality": sample.quality as u8,
        "data": data,
    })
}

fn value(value: &SignalValue) -> Value {
    match value {
        SignalValue::Number(n) => json!(n),
        SignalValue::Bool(b) => json!(b),
        SignalValue::Text(t) => json!(&**t),
    }
}

#[cfg(test)]
mod tests {
    use slipstream_protocol::{PublisherId, Quality, Signal, Timestamp, VehicleId};

    use super::*;

    #[test]
    fn a_dumped_sample_tells_everything_the_record_holds() {
        let sample = Sample {
            vehicle: VehicleId::new("ALB").unwrap(),
            session: None,
            fleet: None,
            seq: Some(7),
            source_time: Timestamp::from_millis(0),
            received_at: Timestamp::from_millis(1),
            quality: Quality::Uncertain,
            signals: vec![Signal { name: "tyres.fl".into(), value: SignalValue::Number(80.5) }],
            raw: None,
        };
        let batch = SampleBatch { publisher: Some(PublisherId::new("garage").unwrap()), samples: vec![sample] };
        let line = line(12, &batch, &batch.samples[0]);
        assert_eq!((line["position"].as_u64(), line["publisher"].as_str(), line["seq"].as_u64()), (Some(12), Some("garage"), Some(7)));
        assert_eq!((line["data"]["tyres.fl"].as_f64(), line["quality"].as_u64()), (Some(80.5), Some(64)));
    }
}
