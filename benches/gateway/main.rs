//! Slipstream's binary of the profile `dist` beside its peers: the same load, the same machine, in turn (A/B/A/B).
//!
//! `cargo bench --bench gateway [-- --quick] [-- --only <row>]`; see `docs/book/understand/benchmarks.md`.

mod feed;
mod report;
mod rows;
mod servers;
mod websocket;

use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use report::Report;
use slipstream_benches::binary;

/// The binary's own, for what is measured of its actors in this process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures Slipstream beside a Node server of PitBox's API and nats-server.
#[derive(Parser)]
#[command(name = "gateway")]
struct Options {
    /// One short round instead of three, and smaller crowds.
    #[arg(long)]
    quick: bool,
    /// Only rows whose name contains this: fan-out, post, latency, connections, vehicles, durable, recovery, stalled.
    #[arg(long)]
    only: Option<String>,
    /// Measure the binary as it lies there.
    #[arg(long)]
    no_build: bool,
    /// Only these servers, of slipstream, node, nats and postgres; for profiling.
    #[arg(long, value_delimiter = ',', default_value = "slipstream,node,nats,postgres")]
    servers: Vec<String>,
    /// Rounds; 0: three, or one with `--quick`.
    #[arg(long, default_value_t = 0)]
    rounds: usize,
    /// Seconds measured in each round; 0: five, or two with `--quick`.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
    /// Internal: how much memory so many vehicle actors take in a process of their own.
    #[arg(long, hide = true)]
    vehicles_in_process: Option<usize>,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long and how large.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Of one measurement.
    pub(crate) measure: Duration,
    /// Before each measurement.
    pub(crate) warm: Duration,
    pub(crate) subscribers: usize,
    pub(crate) idle_connections: usize,
    pub(crate) vehicles: usize,
    /// Samples in the journal that is recovered.
    pub(crate) journalled: usize,
    /// Subscribers that read nothing.
    pub(crate) stalled: usize,
    /// Names of the servers to measure.
    pub(crate) servers: Vec<String>,
}

impl Plan {
    /// Whether the server of this name is measured.
    pub(crate) fn measures(&self, server: &str) -> bool {
        self.servers.iter().any(|s| s == server)
    }

    fn of(options: &Options) -> Self {
        let or = |given: u64, full: u64, quick: u64| if given > 0 { given } else { [full, quick][usize::from(options.quick)] };
        Self {
            rounds: or(options.rounds as u64, 3, 1) as usize,
            measure: Duration::from_secs(or(options.seconds, 5, 2)),
            warm: Duration::from_secs(1),
            subscribers: 200,
            idle_connections: if options.quick { 1_000 } else { 5_000 },
            vehicles: if options.quick { 20_000 } else { 100_000 },
            journalled: if options.quick { 1_000_000 } else { 10_000_000 },
            stalled: if options.quick { 200 } else { 1_000 },
            servers: options.servers.clone(),
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(count) = options.vehicles_in_process {
        return rows::vehicles::in_process(count);
    }
    let plan = Plan::of(&options);
    if !options.no_build && plan.measures("slipstream") {
        binary::build()?;
    }
    let mut report = Report { machine: machine(), rows: Vec::new() };
    for line in &report.machine {
        println!("{line}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, rows::run(&plan, options.only.as_deref().unwrap_or(""), &mut report))?;
    println!("\n{}", report.summary());
    let file = binary::target_dir()?.join("gateway-bench.json");
    report.save(&file)?;
    println!("written: {}", file.display());
    Ok(())
}

/// On what, and with which versions.
fn machine() -> Vec<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).map_or("unknown", |l| l.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut lines = vec![
        format!("machine: {cores} x {model}, Linux {}, load before the run {}", kernel.trim(), load.split(' ').next().unwrap_or("?")),
        format!("slipstream: {}", binary::slipstream().and_then(|file| binary::version(&file)).unwrap_or_else(|error| error.to_string())),
    ];
    lines.extend(servers::versions());
    lines
}
