//! `slipstream serve`

use clap::Args;

use super::Outcome;
use crate::config::{self, Flags};

#[derive(Args, Clone, Debug, Default)]
pub(super) struct ServeArgs {
    #[command(flatten, next_help_heading = "Settings")]
    pub(super) flags: Flags,
}

pub(super) fn run(args: &ServeArgs) -> Outcome {
    let config = config::resolve(&args.flags)?;
    super::logging::start(&config)?;
    anyhow::bail!("the server's wiring is not in this build yet")
}
