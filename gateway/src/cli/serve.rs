//! `slipstream serve`

use std::time::Duration;

use clap::Args;

use super::{Outcome, exit::Exit};
use crate::{
    app,
    config::{self, Flags},
};

/// How long what still runs after the drain may take to end.
const AFTERWARDS: Duration = Duration::from_secs(1);

const ABOUT: &str = "\
Examples:
  slipstream serve                                  embedded storage under ./data, port 8080
  PORT=9000 DATA_DIR=/var/lib/slipstream slipstream serve
  slipstream serve --database-url postgres://slipstream@localhost/slipstream

SIGTERM and SIGINT drain: nothing more is accepted, what was acknowledged is kept, subscribers get
what waits for them and are told to come back. A second signal ends at once.";

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = ABOUT)]
pub(super) struct ServeArgs {
    #[command(flatten, next_help_heading = "Settings")]
    pub(super) flags: Flags,
}

pub(super) fn run(args: &ServeArgs) -> Outcome {
    let config = config::resolve(&args.flags)?;
    super::logging::start(&config)?;
    app::follow_clock_offset();
    app::raise_descriptor_limit();
    let runtime = super::runtime()?;
    let outcome = runtime.block_on(async {
        let stop = super::signals::stop()?;
        let server = app::start(config).await?;
        stop.cancelled().await;
        super::signals::drain(server).await;
        Ok(Exit::Done)
    });
    // Tasks that wait for a client or a disk must not keep the process.
    runtime.shutdown_timeout(AFTERWARDS);
    outcome
}
