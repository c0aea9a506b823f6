//! `slipstream completions`

use clap::Args;
use clap_complete::Shell;

use super::print;

#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  slipstream completions bash > /etc/bash_completion.d/slipstream")]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, mut command: clap::Command) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "slipstream", &mut script);
    print::bytes(&script);
}
