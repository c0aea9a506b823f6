//! The `slipstream` binary.

use std::process::ExitCode;

/// Idle vehicles give back small pieces that lie among others: an allocator that keeps sizes apart gets whole
/// pages back from that, the system's does not (`docs/book/understand/benchmarks.md`).
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    slipstream_gateway::cli::main()
}
