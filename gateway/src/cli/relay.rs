//! `slipstream relay`

use std::{path::PathBuf, time::Duration};

use clap::Args;
use slipstream_protocol::{PublisherId, SessionId, Timestamp, VehicleId, WireFormat, server::AckLevel, token::Role};

use super::{
    Outcome,
    access::{self, Access},
    exit::{Exit, Usage},
    print::out,
    progress::Progress,
    table::TableArgs,
    token::duration,
};
use crate::relay::{
    self, Endpoint, Outcome as Ended, Pace, RelayOptions, Report, Source, Spool, SpoolOptions,
    source::{ColumnMap, Format, ReadOptions, Simulation, Start},
    spool::{self, Origin},
};

const EXAMPLES: &str = "\
Examples:
  slipstream relay race.csv.gz                       at real pace, beginning now
  slipstream relay race.csv.gz --flat-out            as fast as the server takes it
  slipstream relay log.csv --map vehicle=Car,time=unix_s,speed_mps=Speed
  slipstream relay laps.csv --vehicle car-7 --session q1 --speed 10 --loop
  can2json | slipstream relay - --publisher car-7    JSON lines or CSV from standard input
  slipstream relay --simulate 20 --rate 60           simulated cars
  can2json | slipstream relay - --spool ./spool      nothing is lost while the server is away

Times: a column t_s counts seconds from --start. Times of day (tod_s, 09:00:05) keep their clock, on the
day of --start, in UTC; a clock that begins at 00:00:00 counts from --start. Dates and unix
times stay as they are, unless --start is given: then the first of them is put there. Without --start,
t_s and times of day begin now at real pace or slower, and count from 24 hours ago when faster, so that
the server does not refuse the end of the recording as lying in the future. The report says from when to when. Times ahead of the server's clock by more than its
limits.max_clock_skew are stored and shown, and make no newest state, laps or results of pipelines; beyond limits.max_future they
are refused.

Tables: a column per signal, or long tables of name and value (telemetry_name and telemetry_value,
signal and value); empty cells are no signal; bad rows are skipped and reported with their line.
Delimiter, header line, decimal commas and thousands are found out; a column of numbers in which some
cells are text is reported. JSON: one object a line, or one array.

A name given with --publisher stands for one numbered stream of the token's subject: what the server
has of it is never applied twice. Numbers then begin at the present microsecond, so that a later run goes on behind an
earlier one; give --first-seq 1 to have the repetition of a run recognised.

With --spool every sample is on the disk before it is sent and stays until it is acknowledged; the
same command goes on where it was, after a crash, too: what waits is sent, and a file is read on
behind what was taken of it. Samples that cannot be sent at once wait in a backlog, which drains in
order beside live data, as the publisher <name>.backlog. A full spool makes the source wait, or drops
the oldest where told so. With --flat-out there is no live data: all goes in order.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct RelayArgs {
    /// CSV or JSON lines, plain or gzip; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "simulate", conflicts_with = "simulate")]
    file: Option<PathBuf>,

    #[command(flatten, next_help_heading = "Server")]
    access: Access,

    #[command(flatten, next_help_heading = "Reading")]
    reading: Reading,

    #[command(flatten, next_help_heading = "Simulation")]
    simulation: SimulationArgs,

    #[command(flatten, next_help_heading = "Pace")]
    pace: PaceArgs,

    #[command(flatten, next_help_heading = "Sending")]
    sending: Sending,

    #[command(flatten, next_help_heading = "Spool")]
    spool: SpoolArgs,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Args, Clone, Debug)]
struct Reading {
    /// Which column means what: vehicle, time, session, fleet, name, value, or a signal's name
    #[arg(long, value_name = "WHAT=COLUMN,...", default_value = "")]
    map: ColumnMap,

    /// What the input holds: csv or jsonl [default: by name or first byte]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,

    /// Only these signals
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    signals: Vec<String>,

    /// All samples are this vehicle's
    #[arg(long, value_name = "ID")]
    vehicle: Option<VehicleId>,

    /// All samples are of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,

    /// By time instead of in file order (holds up to 1 GiB of the file in memory)
    #[arg(long)]
    sort: bool,

    /// Over and over, each round later than the one before
    #[arg(long = "loop")]
    repeat: bool,

    /// Long tables: one sample per row instead of one per vehicle and time
    #[arg(long)]
    no_merge: bool,

    #[command(flatten)]
    table: TableArgs,
}

#[derive(Args, Clone, Debug)]
struct SimulationArgs {
    /// Simulate so many cars instead of reading a file
    #[arg(long, value_name = "CARS")]
    simulate: Option<usize>,

    /// Samples per simulated car and second
    #[arg(long, value_name = "HZ", default_value_t = 60.0, value_parser = positive)]
    rate: f64,

    /// The same seed gives the same drive
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How long they drive, in the simulation's time [default: until stopped]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
#[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
struct PaceArgs {
    /// So many times as fast as recorded
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = positive)]
    speed: f64,

    /// As fast as the server takes it
    #[arg(long, conflicts_with = "speed")]
    flat_out: bool,

    /// When the recording begins, as RFC 3339, a date, or now: t_s counts from it, times of day keep their clock on its day,
    /// dates move there
    #[arg(long, value_name = "TIME", value_parser = start)]
    start: Option<StartAt>,

    /// A longer pause in the recording lasts so long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    max_gap: Duration,
}

#[derive(Args, Clone, Debug)]
struct Sending {
    /// Send JSON text frames
    #[arg(long, conflicts_with = "rkyv")]
    json: bool,

    /// Send rkyv binary frames (the default)
    #[arg(long)]
    rkyv: bool,

    /// What an acknowledgement promises: received, durable or stored
    #[arg(long, value_name = "LEVEL", default_value = "durable", value_parser = ack)]
    ack: AckLevel,

    /// Name of the numbered stream [default: a new one each run]
    #[arg(long, value_name = "ID")]
    publisher: Option<PublisherId>,

    /// Number of the first sample [default: 1, or the present microsecond with --publisher]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    first_seq: Option<u64>,

    /// Most samples in one frame
    #[arg(long, value_name = "SAMPLES", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,

    /// Longest a sample waits for its frame to fill
    #[arg(long, value_name = "DURATION", default_value = "5ms", value_parser = duration)]
    batch_delay: Duration,

    /// Most samples sent and not acknowledged
    #[arg(long, value_name = "SAMPLES", default_value_t = 16_384, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,

    /// Give up after so long without a connection [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    give_up_after: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
struct SpoolArgs {
    /// Keep samples in this folder until the server has them
    #[arg(long, value_name = "DIR", conflicts_with = "first_seq")]
    spool: Option<PathBuf>,

    /// Most that the spool holds: bytes, or with KiB, MiB, GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size, requires = "spool")]
    spool_max: u64,

    /// When the spool is full drop the oldest samples, and count them, instead of waiting
    #[arg(long, requires = "spool", conflicts_with = "flat_out")]
    spool_drop_oldest: bool,

    /// Most samples per second of the backlog [default: as fast as the server takes them]
    #[arg(long, value_name = "SAMPLES", value_parser = positive, requires = "spool")]
    drain_rate: Option<f64>,
}

impl SpoolArgs {
    fn options(&self) -> Option<SpoolOptions> {
        let dir = self.spool.as_ref()?;
        Some(SpoolOptions {
            max_bytes: self.spool_max,
            drop_oldest: self.spool_drop_oldest,
            drain_rate: self.drain_rate,
            ..SpoolOptions::new(dir)
        })
    }
}

fn size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("", 0)];
    let (number, shift) = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift))).unwrap_or((text, &0));
    let bytes = number.trim().parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    bytes.filter(|b| *b >= spool::MIN_BYTES).ok_or_else(|| "a whole number and KiB, MiB or GiB is expected, 1MiB at least".into())
}

#[derive(Clone, Copy, Debug)]
enum StartAt {
    Now,
    At(Timestamp),
}

fn start(text: &str) -> Result<StartAt, String> {
    if text == "now" {
        return Ok(StartAt::Now);
    }
    super::replay::time(text).map(StartAt::At)
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "csv" => Ok(Format::Csv),
        "jsonl" => Ok(Format::JsonLines),
        _ => Err("csv or jsonl is expected".into()),
    }
}

fn ack(text: &str) -> Result<AckLevel, String> {
    [AckLevel::Received, AckLevel::Durable, AckLevel::Stored]
        .into_iter()
        .find(|l| l.as_str() == text)
        .ok_or_else(|| "received, durable or stored is expected".into())
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n.is_finite() && n > 0.0 => Ok(n),
        _ => Err("a number above 0 is expected".into()),
    }
}

impl RelayArgs {
    fn pace(&self) -> Pace {
        if self.pace.flat_out { Pace::FlatOut } else { Pace::Times(self.pace.speed) }
    }

    fn start(&self, now: Timestamp) -> Start {
        match self.pace.start {
            Some(StartAt::Now) => Start::shifted(now).moving_clocks(),
            Some(StartAt::At(time)) => Start::shifted(time),
            None if matches!(self.pace(), Pace::Times(speed) if speed <= 1.0) => Start::at(now).moving_clocks(),
            None => Start::at(now.minus(Duration::from_secs(86_400))),
        }
    }

    fn source(&self, now: Timestamp) -> anyhow::Result<Source> {
        if let Some(cars) = self.simulation.simulate {
            return Ok(Source::simulated(&self.simulated(cars, now)?));
        }
        let options = ReadOptions {
            format: self.reading.format,
            map: self.reading.map.clone(),
            vehicle: self.reading.vehicle.clone(),
            session: self.reading.session.clone(),
            signals: self.reading.signals.clone(),
            sort: self.reading.sort,
            repeat: self.reading.repeat,
            merge: !self.reading.no_merge,
            ..ReadOptions::new(self.start(now))
        };
        let options = self.reading.table.told(options).map_err(Usage)?;
        let file = self.file.as_deref().ok_or_else(|| Usage("a file, - or --simulate is needed".into()))?;
        if file.as_os_str() != "-" {
            return Ok(Source::open(file, &options, access::now)?);
        }
        if options.repeat {
            return Err(Usage("standard input cannot be played over and over; leave --loop out".into()).into());
        }
        Ok(Source::stdin(&options, access::now)?)
    }

    fn simulated(&self, cars: usize, now: Timestamp) -> anyhow::Result<Simulation> {
        let session = match &self.reading.session {
            Some(session) => session.clone(),
            None => SessionId::new("simulation")?,
        };
        let rate_hz = self.simulation.rate;
        let start = self.start(now).at;
        let steps = self.simulation.length.map(|length| (length.as_secs_f64() * rate_hz).round() as u64);
        Ok(Simulation { seed: self.simulation.seed, cars, rate_hz, session, start, steps })
    }

    fn numbering(&self, now: Timestamp) -> anyhow::Result<(PublisherId, u64)> {
        let named = self.sending.publisher.is_some();
        let publisher = match &self.sending.publisher {
            Some(publisher) => publisher.clone(),
            None => PublisherId::new(&format!("relay-{}", uuid::Uuid::new_v4().simple()))?,
        };
        let default = if named { u64::try_from(now.micros()).unwrap_or(1).max(1) } else { 1 };
        Ok((publisher, self.sending.first_seq.unwrap_or(default)))
    }

    /// What tells the file and the samples it makes from others; `None` where it cannot be read twice.
    fn origin(&self) -> Option<Origin> {
        let file = self.file.as_deref().filter(|f| f.as_os_str() != "-")?;
        let reading = format!("{:?} {:?} {:?}", self.reading, self.pace.start, self.pace());
        let regular = std::fs::metadata(file).is_ok_and(|m| m.is_file());
        // What is wrong with the file is told when it is opened.
        if regular { Origin::file(file, reading).ok() } else { None }
    }

    fn options(&self, endpoint: Endpoint, publisher: PublisherId, first_seq: u64) -> anyhow::Result<RelayOptions> {
        Ok(RelayOptions {
            first_seq,
            ack: self.sending.ack,
            pace: self.pace(),
            max_gap: self.pace.max_gap,
            batch_size: usize::from(self.sending.batch),
            batch_delay: self.sending.batch_delay,
            window_samples: self.sending.window,
            give_up_after: self.sending.give_up_after,
            stop: super::signals::stop()?,
            ..RelayOptions::new(endpoint, publisher)
        })
    }
}

pub(super) fn run(args: &RelayArgs) -> Outcome {
    let config = args.access.config()?;
    super::logging::start(&config)?;
    let now = access::now();
    let format = if args.sending.json { WireFormat::Json } else { WireFormat::Rkyv };
    let endpoint = args.access.endpoint(&config, Role::Relay, format)?;
    let mut progress = Progress::new("relay", args.quiet);
    let report = super::runtime()?.block_on(async {
        let tell = |report: &Report| progress.update(report.fraction, || words(report));
        let Some(spool) = args.spool.options() else {
            let (publisher, first_seq) = args.numbering(now)?;
            let source = args.source(now)?;
            return anyhow::Ok(relay::run(args.options(endpoint, publisher, first_seq)?, source, tell).await);
        };
        let spool = Spool::open(spool, args.sending.publisher.clone(), now).await?;
        let resume = spool.resume(args.origin().as_ref(), now)?;
        let source = args.source(resume.started)?.without_first(resume.taken);
        let options = args.options(endpoint, spool.publisher().clone(), 1)?;
        Ok(relay::run_spooled(options, source, spool, tell).await)
    })?;
    progress.finish();
    outcome(&report)
}

/// One line about where it stands.
pub(super) fn words(report: &Report) -> String {
    let refused = report.refused_total();
    let mut words = format!("{} sent, {} acknowledged ({:.0}/s)", report.sent, report.acknowledged, report.rate());
    for (count, what) in
        [(refused, "refused"), (report.skipped, "skipped"), (report.unstored, "not stored"), (report.reconnects(), "reconnects")]
    {
        if count > 0 {
            words.extend([", ", &count.to_string(), " ", what]);
        }
    }
    if let Some(spool) = report.spool.filter(|s| s.spooled > 0) {
        words.extend(["; ", &spool.to_string(), if spool.full { "; the spool is full, the source waits" } else { "" }]);
    }
    words
}

fn outcome(report: &Report) -> Outcome {
    out!("{report}");
    if let Ended::Failed(reason) = &report.outcome {
        anyhow::bail!("{reason}");
    }
    let kept_back = report.spool.map_or(0, |s| s.dropped + s.waiting());
    let partial = report.refused_total() + report.skipped + report.flaws + report.unacknowledged + report.unstored + kept_back > 0;
    Ok(if partial { Exit::Partial } else { Exit::Done })
}
