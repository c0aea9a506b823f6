//! The programs that answer: Slipstream's own binary, and a Python for each peer.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};

use slipstream_benches::{binary, cpu};

use crate::{
    Spent,
    fleet::SIGNALS,
    told::{self, Told},
    truth::Percentile,
};

/// The bound of `slipstream_engine`'s percentiles, as documented.
const SKETCH_ERROR: f64 = 1.0 / 256.0;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// The windows.
    Window,
    /// Reading and parsing the file, and nothing more.
    Read,
}

/// One of the programs.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// With the versions of what it is made of.
    pub(crate) version: String,
    pub(crate) percentile: Percentile,
    program: Program,
}

enum Program {
    Slipstream(PathBuf),
    Python { python: PathBuf, script: PathBuf },
}

/// Names, virtual environments, scripts, and what they mean by a percentile.
const PEERS: [(&str, &str, &str, Percentile); 3] = [
    ("bytewax", "bytewax", "bytewax_windows.py", Percentile::NearestRank),
    ("pathway", "pathway", "pathway_windows.py", Percentile::NearestRank),
    ("flink", "apache-flink", "flink_windows.py", Percentile::Interpolated),
];

impl Side {
    /// Slipstream, and those of `peers` that are installed; of the others it is said that they are not.
    pub(crate) fn all(peers: &[String]) -> Result<Vec<Self>> {
        let binary = binary::slipstream()?;
        let version = format!("Slipstream {}", env!("CARGO_PKG_VERSION"));
        let percentile = Percentile::Sketch(SKETCH_ERROR);
        let mut sides = vec![Self { name: "slipstream", version, percentile, program: Program::Slipstream(binary) }];
        for (name, environment, script, percentile) in PEERS {
            if !peers.iter().any(|peer| peer == name) {
                continue;
            }
            match peer(environment, script) {
                Ok((version, program)) => sides.push(Self { name, version, percentile, program }),
                Err(error) => println!("skipped: {name}: {error:#}"),
            }
        }
        Ok(sides)
    }

    pub(crate) const fn is_peer(&self) -> bool {
        matches!(self.program, Program::Python { .. })
    }

    /// Lets it do `task` over `input`, results to `target`.
    pub(crate) fn run(&self, task: Task, input: &Path, target: &Path) -> Result<Spent> {
        // Flink leaves what is there and adds to it.
        let _ = fs::remove_dir_all(target);
        let _ = fs::remove_file(target);
        let log = target.with_extension("log");
        let mut command = match &self.program {
            Program::Slipstream(binary) => slipstream(binary, task, input, target)?,
            Program::Python { python, script } => {
                let mut command = python_command(python, script);
                command.arg(if task == Task::Window { "window" } else { "read" }).arg(input).arg(target).stdout(Stdio::null());
                command
            }
        };
        command.stdin(Stdio::null()).stderr(File::create(&log)?);
        let (before, wall) = (cpu::seconds_of_ended_children()?, Instant::now());
        let status = command.status().with_context(|| format!("{command:?}"))?;
        let spent = Spent { cpu_s: cpu::seconds_of_ended_children()? - before, wall_s: wall.elapsed().as_secs_f64() };
        ensure!(status.success(), "{command:?} ended with {status}:\n{}", fs::read_to_string(&log)?);
        Ok(spent)
    }

    /// What it told.
    pub(crate) fn told(&self, target: &Path) -> Result<Told> {
        match self.program {
            Program::Slipstream(_) => told::json_lines(target),
            Program::Python { .. } => told::tables(target),
        }
    }
}

/// `slipstream pipeline try`, with the description beside the results.
fn slipstream(binary: &Path, task: Task, input: &Path, target: &Path) -> Result<Command> {
    let description = target.with_extension("json");
    let vehicles = if task == Task::Window { "*" } else { "none-of-these" };
    fs::write(&description, description_of(vehicles).to_string())?;
    let mut command = Command::new(binary);
    command.args(["pipeline", "try", "--file-order"]).arg(description).arg("--data").arg(input).stdout(File::create(target)?);
    Ok(command)
}

/// The question as a pipeline.
pub(crate) fn description_of(vehicles: &str) -> serde_json::Value {
    let of: serde_json::Map<_, _> =
        SIGNALS.iter().map(|signal| ((*signal).to_owned(), serde_json::json!(["mean", "max", "p95"]))).collect();
    serde_json::json!({
        "name": "windows",
        "source": {"vehicles": [vehicles]},
        "time": {"delay": "5s"},
        "steps": [{"op": "window", "kind": "tumbling", "size": "10s", "of": of}],
    })
}

fn peer(environment: &str, script: &str) -> Result<(String, Program)> {
    let folder = std::env::var("SLIPSTREAM_BENCH_PEERS").context("SLIPSTREAM_BENCH_PEERS names no folder of virtual environments")?;
    let python = Path::new(&folder).join(environment).join("bin/python");
    ensure!(python.is_file(), "there is no {}", python.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/pipelines").join(script);
    let output = python_command(&python, &script).arg("version").output()?;
    ensure!(output.status.success(), "it does not start:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok((String::from_utf8_lossy(&output.stdout).trim().to_owned(), Program::Python { python, script }))
}

fn python_command(python: &Path, script: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1").env("PATHWAY_THREADS", "1");
    command
}
