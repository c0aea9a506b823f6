//! `slipstream demo`

use clap::Args;
use slipstream_protocol::{PublisherId, SessionId, WireFormat, token::Role};
use tokio_util::sync::CancellationToken;

use super::{
    Outcome, access,
    exit::Exit,
    print::out,
    relay::{positive, words},
};
use crate::{
    app::{self, RunningServer},
    config::{self, Flags},
    relay::{self, Endpoint, Outcome as Ended, Pace, RelayOptions, Report, Source, source::Simulation},
};

const EXAMPLES: &str = "\
Examples:
  slipstream demo                          20 cars at 60 Hz, the live page on port 8080
  slipstream demo --cars 200 --rate 20
  slipstream demo --port 0                 any free port

The cars go through the same door as any relay agent: WebSocket, rkyv frames, durable
acknowledgements. The one line on standard output is the address of the live page; logs go to
standard error. Whoever has the address has its token, which lives 12 hours.";

/// Life of the page's token, in seconds: 12 hours.
const PAGE_LIFE_S: i64 = 12 * 3_600;
/// Life of the agent's token, in seconds: a year.
const AGENT_LIFE_S: i64 = 365 * 86_400;
/// The session the cars drive in.
const SESSION: &str = "demo";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArgs {
    /// How many cars
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = cars)]
    cars: usize,

    /// Samples per car and second
    #[arg(long, value_name = "HZ", default_value_t = 60.0, value_parser = positive)]
    rate: f64,

    /// The same seed gives the same drive
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten, next_help_heading = "Settings")]
    flags: Flags,
}

fn cars(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=100_000).contains(&n) => Ok(n),
        _ => Err("a number from 1 to 100000 is expected".into()),
    }
}

pub(super) fn run(args: &DemoArgs) -> Outcome {
    let mut config = config::resolve(&args.flags)?;
    // A demo is driven by whoever finds it.
    config.rl.open = true;
    super::logging::start(&config)?;
    app::raise_descriptor_limit();
    super::runtime()?.block_on(async {
        let stop = super::signals::stop()?;
        let server = app::start(config).await?;
        let driven = drive(args, &server, stop).await;
        super::signals::drain(server).await;
        let report = driven?;
        tracing::info!("the cars have stopped: {}", words(&report));
        if let Ended::Failed(reason) = report.outcome {
            anyhow::bail!("the relay agent gave up: {reason}");
        }
        Ok(Exit::Done)
    })
}

/// Prints the address and streams cars until stopped.
async fn drive(args: &DemoArgs, server: &RunningServer, stop: CancellationToken) -> anyhow::Result<Report> {
    let auth = &server.services().auth;
    let now = access::now();
    let page = access::mint(auth, "demo", Role::Engineer, PAGE_LIFE_S, now)?;
    let agent = access::mint(auth, "demo-relay", Role::Relay, AGENT_LIFE_S, now)?;
    out!("Slipstream is live: {}/?token={page}", server.url());
    let simulation =
        Simulation { seed: args.seed, cars: args.cars, rate_hz: args.rate, session: SessionId::new(SESSION)?, start: now, steps: None };
    let publisher = PublisherId::new(&format!("demo-{}", uuid::Uuid::new_v4().simple()))?;
    let endpoint = Endpoint::new(&server.url(), Some(agent), WireFormat::Rkyv)?;
    let options = RelayOptions { pace: Pace::Times(1.0), stop, ..RelayOptions::new(endpoint, publisher) };
    Ok(relay::run(options, Source::simulated(&simulation), |_| ()).await)
}
