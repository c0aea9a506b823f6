//! The `slipstream` program, as the tests start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipstream_gateway::cli::main()
}
