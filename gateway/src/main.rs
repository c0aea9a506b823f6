//! The `slipstream` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipstream_gateway::cli::main()
}
