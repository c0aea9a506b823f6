//! `slipstream replay`

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use slipstream_protocol::{Timestamp, token::Role};

use super::{
    Outcome,
    access::{self, Access},
    exit::{Exit, Usage},
    print::{err, out},
    relay::positive,
    rest::Rest,
    what_if::{self, WhatIfArgs},
};
use crate::config::moment;

const EXAMPLES: &str = "\
Examples:
  slipstream replay start --from 2026-02-18T09:00:00Z --to 2026-02-18T09:30:00Z --speed 10
  slipstream replay start --file race.csv.gz --vehicles ALB,HAM    a file of DATA_DIR/recordings
  slipstream tail 'telemetry:*'                                    hear it, as telemetry:replay-1.ALB
  slipstream replay set replay-1 --pause
  slipstream replay set replay-1 --resume --speed 2 --seek 2026-02-18T09:10:00Z
  slipstream replay stop replay-1
  slipstream replay --what-if new.toml --series --from 2026-02-18T09:00:00Z    what it would have given

What is replayed is heard live, under names of its own, and not stored again. Without --file and
--series it comes from the server's journal, which keeps the newest (journal.retain_bytes).";

/// How often `start` looks how far the replay is.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReplayArgs {
    #[command(subcommand)]
    command: Option<ReplayCommand>,

    #[command(flatten)]
    what_if: WhatIfArgs,

    #[command(flatten, next_help_heading = "Server")]
    access: Access,
}

#[derive(Subcommand, Clone, Debug)]
enum ReplayCommand {
    /// Start a replay and follow it; Ctrl-C ends it
    Start(StartArgs),
    /// Tell which replays there are, and how far
    List,
    /// Pause, resume, change the speed, or seek
    Set(SetArgs),
    /// End a replay
    Stop {
        /// Its id
        id: String,
    },
}

#[derive(Args, Clone, Debug)]
struct StartArgs {
    /// A file of the server's folder DATA_DIR/recordings [default: the journal]
    #[arg(long, value_name = "NAME")]
    #[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
    file: Option<String>,

    /// Play what the time series keep, instead of the journal
    #[arg(long, conflicts_with = "file")]
    series: bool,

    /// Not before this source time: RFC 3339, a date, or as in -15m
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    from: Option<Timestamp>,

    /// Before this source time
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    to: Option<Timestamp>,

    /// Only these vehicles; * and ? stand for many
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    vehicles: Vec<String>,

    /// So many times as fast as recorded
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = positive)]
    speed: f64,

    /// Start it and do not wait for its end
    #[arg(long)]
    detach: bool,
}

#[derive(Args, Clone, Debug)]
struct SetArgs {
    /// Its id
    id: String,

    /// Wait
    #[arg(long, conflicts_with = "resume")]
    pause: bool,

    /// Go on
    #[arg(long)]
    resume: bool,

    /// So many times as fast as recorded
    #[arg(long, value_name = "N", value_parser = positive)]
    speed: Option<f64>,

    /// Go on at this source time: RFC 3339, a date, or as in -15m
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    seek: Option<Timestamp>,
}

/// A moment on the command line.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    moment::parse(text, access::now()).ok_or_else(|| format!("{} is expected", moment::EXPECTS))
}

pub(super) fn run(args: &ReplayArgs) -> Outcome {
    let server = Server(Rest::new(&args.access, Role::Engineer)?);
    super::runtime()?.block_on(async {
        match &args.command {
            None => what_if::run(&server.0, &args.what_if).await,
            Some(_) if args.what_if.is_asked() => Err(Usage("--what-if stands alone, without a command".into()).into()),
            Some(ReplayCommand::Start(start)) => server.start(start).await,
            Some(ReplayCommand::List) => {
                for replay in server.call("GET", "", None).await?.as_array().into_iter().flatten() {
                    out!("{}", line(replay));
                }
                Ok(Exit::Done)
            }
            Some(ReplayCommand::Set(set)) => server.set(set).await,
            Some(ReplayCommand::Stop { id }) => {
                out!("{}", line(&server.call("DELETE", id, None).await?));
                Ok(Exit::Done)
            }
        }
    })
}

/// The server's replays.
struct Server(Rest);

impl Server {
    async fn start(&self, args: &StartArgs) -> Outcome {
        let mut body = json!({"speed": args.speed, "file": args.file, "from": args.from, "to": args.to});
        if args.series {
            body["source"] = json!("series");
        }
        if !args.vehicles.is_empty() {
            body["vehicles"] = json!(args.vehicles);
        }
        let stop = super::signals::stop()?;
        let mut replay = self.call("POST", "", Some(body)).await?;
        let id = replay["id"].as_str().context("the answer has no id")?.to_owned();
        out!("{}", line(&replay));
        if args.detach {
            return Ok(Exit::Done);
        }
        while matches!(replay["state"].as_str(), Some("running" | "paused")) {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => replay = self.call("GET", &id, None).await?,
                () = stop.cancelled() => replay = self.call("DELETE", &id, None).await?,
            }
        }
        out!("{}", line(&replay));
        let problems: Vec<&str> = replay["problems"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for problem in &problems {
            out!("    {problem}");
        }
        match replay["error"].as_str() {
            Some(error) => anyhow::bail!("{error}"),
            None if replay["played"] == 0 && problems.is_empty() => {
                err!(
                    "nothing is recorded there: --from, --to and --vehicles leave no sample; `slipstream journal stats` tells what the journal has"
                );
                Ok(Exit::Partial)
            }
            None => Ok(if replay["skipped"] == 0 && problems.is_empty() { Exit::Done } else { Exit::Partial }),
        }
    }

    async fn set(&self, args: &SetArgs) -> Outcome {
        let paused = (args.pause || args.resume).then_some(args.pause);
        if paused.is_none() && args.speed.is_none() && args.seek.is_none() {
            return Err(Usage("--pause, --resume, --speed or --seek is needed".into()).into());
        }
        let body = json!({"paused": paused, "speed": args.speed, "position": args.seek});
        out!("{}", line(&self.call("PUT", &args.id, Some(body)).await?));
        Ok(Exit::Done)
    }

    /// Calls `/api/replays` or one of it.
    async fn call(&self, method: &str, id: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let path = if id.is_empty() { "/api/replays".to_owned() } else { format!("/api/replays/{id}") };
        self.0.call(method, &path, body).await
    }
}

/// One line about a replay.
fn line(replay: &Value) -> String {
    let text = |name: &str| replay[name].as_str().unwrap_or("-").to_owned();
    format!(
        "{:<12} {:<8} x{}  at {}  {} samples of {} vehicles, {} skipped",
        text("id"),
        text("state"),
        replay["speed"],
        text("position"),
        replay["played"],
        replay["vehicles"].as_array().map_or(0, Vec::len),
        replay["skipped"]
    )
}
