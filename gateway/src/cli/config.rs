//! `slipstream config`

use clap::Args;

use super::{
    Outcome,
    exit::Exit,
    logging,
    print::{self, out},
};
use crate::config::{self, Flags, SETTINGS};

const EXAMPLES: &str = "\
Examples:
  slipstream config                        the settings in force, as a slipstream.toml
  slipstream config --set ws.window=128    the same with a setting tried out
  slipstream config --list                 every setting, its variable and what it takes

Weak to strong: default, slipstream.toml, environment, flag.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConfigArgs {
    /// List every setting: key in the file, environment variable, what is expected
    #[arg(long)]
    list: bool,

    #[command(flatten, next_help_heading = "Settings")]
    flags: Flags,
}

pub(super) fn run(args: &ConfigArgs) -> Outcome {
    if args.list {
        let width = SETTINGS.iter().map(|s| s.key.len()).max().unwrap_or(0);
        let env_width = SETTINGS.iter().map(|s| s.env.len()).max().unwrap_or(0);
        for setting in SETTINGS {
            out!("{:width$}  {:env_width$}  {}", setting.key, setting.env, setting.expects);
        }
        return Ok(Exit::Done);
    }
    let config = config::resolve(&args.flags)?;
    logging::filter(&config.log_level)?;
    print::bytes(config.to_toml().as_bytes());
    Ok(Exit::Done)
}
