//! `slipstream replay --what-if`

use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use slipstream_protocol::Timestamp;

use super::{
    Outcome,
    exit::{Exit, Usage},
    print::out,
    replay::time,
    rest::Rest,
};

/// How often it is looked how far it is.
const LOOK: Duration = Duration::from_millis(300);
/// Results asked for at once.
const PAGE: usize = 1_000;
/// Differences in the table.
const LINES: usize = 40;

#[derive(Args, Clone, Debug)]
#[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
pub(super) struct WhatIfArgs {
    /// Run this pipeline over recorded samples and tell the difference to what is stored
    #[arg(long, value_name = "FILE")]
    what_if: Option<PathBuf>,

    /// Over what the time series keep, instead of the journal
    #[arg(long, requires = "what_if", conflicts_with = "file")]
    series: bool,

    /// Over a file of the server's folder DATA_DIR/recordings
    #[arg(long, value_name = "NAME", requires = "what_if")]
    file: Option<String>,

    /// Not before this source time: RFC 3339, a date, or as in -15m
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true, requires = "what_if")]
    from: Option<Timestamp>,

    /// Before this source time
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true, requires = "what_if")]
    to: Option<Timestamp>,

    /// Only these vehicles; * and ? stand for many
    #[arg(long, value_name = "IDS", value_delimiter = ',', requires = "what_if")]
    vehicles: Vec<String>,

    /// Below which prefix the stored results are [default: as the pipeline says]
    #[arg(long, value_name = "PREFIX", requires = "what_if")]
    compare: Option<String>,

    /// All results and differences as JSON
    #[arg(long, requires = "what_if")]
    json: bool,
}

impl WhatIfArgs {
    /// Whether a pipeline is named.
    pub(super) const fn is_asked(&self) -> bool {
        self.what_if.is_some()
    }
}

pub(super) async fn run(rest: &Rest, args: &WhatIfArgs) -> Outcome {
    let Some(path) = &args.what_if else {
        return Err(Usage("start, list, set, stop or --what-if FILE is needed; see --help".into()).into());
    };
    let text = fs::read_to_string(path).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    let mut body = json!({"pipeline": text, "file": args.file, "from": args.from, "to": args.to, "compare": args.compare});
    if args.series {
        body["source"] = json!("series");
    }
    if !args.vehicles.is_empty() {
        body["vehicles"] = json!(args.vehicles);
    }
    let mut told = rest.call("POST", "/api/what-ifs", Some(body)).await?;
    let at = format!("/api/what-ifs/{}", told["id"].as_str().context("the answer has no id")?);
    let stop = super::signals::stop()?;
    while told["state"] == "running" {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => drop(rest.call("DELETE", &at, None).await?),
        }
        told = rest.call("GET", &format!("{at}?limit=0"), None).await?;
    }
    if let Some(error) = told["error"].as_str() {
        anyhow::bail!("{error}");
    }
    if args.json {
        told["given"] = all(rest, &at, told["results"].as_u64().unwrap_or(0)).await?;
        out!("{told:#}");
    } else {
        print(&told);
    }
    let comparison = &told["comparison"];
    let differ = ["changed", "onlyNew", "onlyStored"].iter().any(|name| comparison[name].as_u64() > Some(0));
    Ok(if differ { Exit::Partial } else { Exit::Done })
}

/// Every result, page by page.
async fn all(rest: &Rest, at: &str, count: u64) -> anyhow::Result<Value> {
    let mut given = Vec::new();
    for offset in (0..count as usize).step_by(PAGE) {
        let page = rest.call("GET", &format!("{at}?limit={PAGE}&offset={offset}"), None).await?;
        given.extend(page["given"].as_array().cloned().unwrap_or_default());
    }
    Ok(Value::Array(given))
}

fn print(told: &Value) {
    let comparison = &told["comparison"];
    let text = |value: &Value| if value.is_null() { "-".to_owned() } else { value.to_string() };
    let differences = comparison["differences"].as_array().map_or(&[][..], Vec::as_slice);
    if !differences.is_empty() {
        out!("{:<28} {:<16} {:<28} {:>16} {:>16}", "time", "vehicle", "signal", "stored", "would be");
    }
    for difference in differences.iter().take(LINES) {
        out!(
            "{:<28} {:<16} {:<28} {:>16} {:>16}",
            difference["time"].as_str().unwrap_or("-"),
            difference["vehicleId"].as_str().unwrap_or("-"),
            difference["signal"].as_str().unwrap_or("-"),
            text(&difference["stored"]),
            text(&difference["new"])
        );
    }
    if differences.len() > LINES {
        out!("...");
    }
    out!(
        "{} of {} samples taken, {} late, {} results; beside '{}': {} points the same, {} changed, {} only new, {} only stored",
        told["samplesTaken"],
        told["samplesRead"],
        told["late"],
        told["results"],
        comparison["prefix"].as_str().unwrap_or("-"),
        comparison["same"],
        comparison["changed"],
        comparison["onlyNew"],
        comparison["onlyStored"]
    );
}
