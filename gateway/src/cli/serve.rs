//! `slipstream serve`

use clap::Args;

use super::{Outcome, exit::Exit};
use crate::{
    app,
    config::{self, Flags},
};

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
    super::runtime()?.block_on(async {
        let stop = super::signals::stop()?;
        let server = app::start(config).await?;
        stop.cancelled().await;
        server.shutdown().await;
        Ok(Exit::Done)
    })
}
