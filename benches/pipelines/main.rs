//! Windows over event time beside Bytewax, Pathway and Flink: the same file, the same question, in turn.
//!
//! `cargo bench --bench pipelines [-- --quick]`. The file has 1,000 vehicles' samples of 12 signals each, in order of arrival,
//! which is up to 5 s behind the time they were measured. The question: mean, maximum and 95th percentile of every signal for
//! each vehicle and 10 s. An event is one sample with its 12 signals. Every side is a process of its own that reads the file, parses
//! it, and writes results to a file; what it told is compared with a calculation that sorts everything. A peer whose virtual
//! environment is not in the folder that `SLIPSTREAM_BENCH_PEERS` names is skipped, and that is said.

mod engine;
mod fleet;
mod report;
mod sides;
mod told;
mod truth;

use anyhow::Result;
use clap::Parser;

use fleet::Fleet;
use report::Report;
use sides::{Side, Task};
use truth::Truth;

/// Measures Slipstream's pipelines beside stream processors for Python and the JVM.
#[derive(Parser)]
#[command(name = "pipelines")]
struct Options {
    /// A fifth of the file, one round.
    #[arg(long)]
    quick: bool,
    /// Only these peers, of bytewax, pathway and flink; `none` for profiling.
    #[arg(long, value_delimiter = ',', default_value = "bytewax,pathway,flink")]
    peers: Vec<String>,
    /// Rounds of Slipstream; peers have one (they take minutes).
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How much of the vehicles' time the file covers, s.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Measure the binary as it lies there.
    #[arg(long)]
    no_build: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one side took for one task.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Processor seconds of the process and all it started, user and system.
    pub(crate) cpu_s: f64,
    /// Seconds by the clock on the wall.
    pub(crate) wall_s: f64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if !options.no_build {
        slipstream_benches::binary::build()?;
    }
    let fleet = Fleet::generate(if options.quick { 12 } else { options.seconds });
    let folder = tempfile::Builder::new().prefix("slipstream-windows-").tempdir()?;
    let (file, few) = (folder.path().join("samples.csv"), folder.path().join("few.csv"));
    let bytes = fleet.write(&file, fleet.len())?;
    fleet.write(&few, fleet::VEHICLES)?;
    println!("{} events of {} signals, {} vehicles, {bytes} bytes of CSV", fleet.len(), fleet::SIGNALS.len(), fleet::VEHICLES);
    let truth = Truth::of(&fleet);
    let mut report = Report::new(fleet.len());
    for side in Side::all(&options.peers)? {
        let rounds = if side.is_peer() || options.quick { 1 } else { options.rounds };
        let target = folder.path().join(format!("{}-told", side.name));
        let agreement = {
            let run = side.run(Task::Window, &file, &target)?;
            let agreement = truth.compare(&side.told(&target)?, side.percentile)?;
            println!("{}: {} windows as they should be, wall {:.1} s", side.version, agreement.windows, run.wall_s);
            report.whole(&side, run);
            agreement
        };
        for _ in 1..rounds {
            report.whole(&side, side.run(Task::Window, &file, &target)?);
        }
        for _ in 0..rounds {
            report.reading(&side, side.run(Task::Read, &file, &target)?);
            report.start(&side, side.run(Task::Window, &few, &target)?);
        }
        report.agreed(&side, agreement);
    }
    print!("\n{}", report.table());
    println!("\n{}", engine::measure(&fleet)?);
    Ok(())
}
