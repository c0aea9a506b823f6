//! `slipstream soak`

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    Outcome, access,
    exit::Exit,
    print::{err, out},
    progress::Progress,
    relay::positive,
    token::duration,
};
use crate::{
    config::{self, Flags},
    soak::{self, Databases, Fault, Report, SoakOptions},
};

const EXAMPLES: &str = "\
Examples:
  slipstream soak                                five minutes of every fault, a new seed
  slipstream soak --minutes 60 --report soak.md
  slipstream soak --seed 7 --for 20s             the same faults as the run that printed seed 7
  slipstream soak --faults kill,torn-tail,cut    only these
  slipstream soak --postgres postgres://me@db:5432/soak --influxdb1 http://tsdb:8086

What it does: starts this binary as a server on a data folder of its own and as relay agents (one with a spool), with
subscribers, and the databases that are installed here; every sample carries its identity. Faults
come at random from the seed: kill -9, SIGTERM, SIGSTOP, stores away, disk full (as root: a small
tmpfs), torn journal tail, connections cut mid-frame, a reader that stalls, the clock set back, a relay agent with a
spool killed.
Then all is left in peace, and everything acknowledged must be stored once, in order, in every store
and in the journal; every subscriber has heard each publication once or was told of the gap; memory,
descriptors and files are back near the base line. Broken promises are printed with the sample's
identity, the exit code is then 1, and the folder with logs and data is kept.

The seed gives the same faults in the same order with the same lengths, not the same interleaving.
The first Ctrl-C goes on to the checks at once.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SoakArgs {
    /// Minutes of faults [default: 5]
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "length")]
    minutes: Option<f64>,

    /// The same as a length of time: 20s, 5m, 12h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,

    /// Gives the faults of an earlier run again [default: a new one, printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Relay agents; both wire formats, durable and stored acknowledgements
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    relays: u16,

    /// Vehicles of each agent
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    vehicles: u16,

    /// Samples a second of each agent
    #[arg(long, value_name = "HZ", default_value_t = 250.0, value_parser = positive)]
    rate: f64,

    /// Only these: kill, terminate, freeze, sink-away, database-away, disk-full, torn-tail, cut, stall, clock-back, clock-ahead,
    /// relay-kill, silent, body-flood
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = fault)]
    faults: Vec<Fault>,

    /// Pauses and lengths of faults are multiplied by this
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    scale: f64,

    /// Where the report goes: Markdown, or JSON where the name ends in .json
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// PostgreSQL for records [default: one of our own where it is installed]
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,

    /// InfluxDB 1.x without authentication for series [default: one of our own where it is installed]
    #[arg(long, value_name = "URL")]
    influxdb1: Option<String>,

    /// Start no database: what is not given is the embedded one
    #[arg(long)]
    embedded: bool,

    /// Folder for data and logs [default: a new one under the system's]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Keep the folder in any case
    #[arg(long)]
    keep: bool,

    /// Longest wait at the end for everything to arrive
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = duration)]
    patience: Duration,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,

    /// What is logged: error, warn, info, debug, trace, or a tracing filter
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log_level: String,
}

fn fault(text: &str) -> Result<Fault, String> {
    Fault::ALL.into_iter().find(|f| f.name() == text).ok_or_else(|| {
        let names = Fault::ALL.map(Fault::name).join(", ");
        format!("the faults are {names}")
    })
}

impl SoakArgs {
    fn length(&self) -> Duration {
        self.length.unwrap_or_else(|| Duration::from_secs_f64(self.minutes.unwrap_or(5.0) * 60.0))
    }

    fn options(&self) -> anyhow::Result<SoakOptions> {
        let seed = self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        Ok(SoakOptions {
            length: self.length(),
            relays: usize::from(self.relays),
            vehicles: usize::from(self.vehicles),
            rate: self.rate,
            faults: if self.faults.is_empty() { Fault::ALL.to_vec() } else { self.faults.clone() },
            databases: Databases { postgres: self.postgres.clone(), influxdb1: self.influxdb1.clone(), local: !self.embedded },
            scale: self.scale,
            folder: self.folder.clone(),
            keep: self.keep,
            patience: self.patience,
            ..SoakOptions::new(std::env::current_exe()?, seed, access::now())
        })
    }
}

pub(super) fn run(args: &SoakArgs) -> Outcome {
    let flags = Flags { log_level: Some(args.log_level.clone()), ..Flags::default() };
    super::logging::start(&config::resolve(&flags)?)?;
    let options = args.options()?;
    err!("soak: seed {}", options.seed);
    let (started, length) = (std::time::Instant::now(), options.length);
    let report = super::runtime()?.block_on(async {
        let options = SoakOptions { stop: super::signals::stop()?, ..options };
        let mut progress = Progress::new("soak", args.quiet);
        let outcome = soak::run(options, |report| {
            let fraction = started.elapsed().as_secs_f64() / length.as_secs_f64();
            progress.update(Some(fraction.min(1.0)), || words(report));
        });
        let outcome = outcome.await;
        progress.finish();
        outcome
    })?;
    out!("{report}");
    if let Some(path) = &args.report {
        let text = if path.extension().is_some_and(|e| e == "json") { report.to_json() } else { report.to_markdown() };
        std::fs::write(path, text)?;
    }
    if !report.is_sound() {
        anyhow::bail!("promises were broken; the same faults again: slipstream soak --seed {} --for {}s", report.seed, length.as_secs());
    }
    Ok(Exit::Done)
}

/// One line about where it stands.
fn words(report: &Report) -> String {
    report.faults.last().map_or_else(|| "all is up".to_owned(), |last| format!("{} faults, the last: {}", report.faults.len(), last.what))
}
