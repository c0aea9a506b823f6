//! `slipstream rl convert`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use slipstream_engine::rl::{EnvironmentKind, Policy as _, policy};

use super::environment;
use crate::cli::print::out;
use crate::{
    cli::{Outcome, exit::Exit},
    training::{read_network, write_file},
};

#[derive(Args, Clone, Debug)]
pub(super) struct ConvertArgs {
    /// A Stable-Baselines3 .zip, a PyTorch .pth of dense layers, or ONNX
    #[arg(value_name = "FROM")]
    from: PathBuf,

    /// Where to: .safetensors
    #[arg(value_name = "TO")]
    to: PathBuf,

    /// Note the environment it was trained in; it is refused where it does not fit
    #[arg(long = "env", value_name = "NAME", value_parser = environment)]
    environment: Option<EnvironmentKind>,
}

pub(super) fn run(args: &ConvertArgs) -> Outcome {
    let bytes = std::fs::read(&args.from).with_context(|| format!("{} cannot be read", args.from.display()))?;
    let mut trained = read_network(&args.from, &bytes).with_context(|| format!("{} gives no policy", args.from.display()))?;
    if let Some(kind) = args.environment {
        use slipstream_engine::rl::Environment as _;
        let environment = kind.environment();
        trained.fits(environment.observation_len(), environment.action_count())?;
        trained = trained.trained_in(kind.name());
    }
    write_file(&args.to, &policy::to_safetensors(&trained)).with_context(|| format!("{} cannot be written", args.to.display()))?;
    let what = trained.description();
    out!("{} {}, version {}, written to {}", what.algorithm, what.architecture, what.version, args.to.display());
    Ok(Exit::Done)
}
