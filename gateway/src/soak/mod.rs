//! The oracle: does the server keep its promises while everything around it fails?
//!
//! [`run`] starts the real binary as server and as relay agents, with real subscribers and, where they
//! are installed, a real PostgreSQL and `InfluxDB`. Every sample carries its identity
//! ([`identity`]). [`faults`] breaks things at random from a seed; then, in a quiet phase, everything
//! that was acknowledged is looked for, past the server, in every store and in the journal ([`stores`]),
//! and what each subscriber heard is judged ([`heard`]). The seed gives the same schedule of faults
//! again, not the same interleaving.

mod agents;
mod clocks;
mod databases;
mod disk;
mod faults;
mod health;
mod heard;
mod identity;
mod posts;
mod process;
mod proxy;
mod quiet;
mod report;
mod server;
mod setup;
mod spooling;
mod stores;
mod strangers;
mod subscriber;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use slipstream_protocol::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub use databases::Databases;
pub use faults::Fault;
pub use report::{Growth, Injected, Listened, Report, Violation};

use faults::Injector;
use setup::Theatre;

/// How long everything runs unharmed before the base line is taken.
const WARM: Duration = Duration::from_millis(2_500);

/// What to soak, and how hard.
#[derive(Clone, Debug)]
pub struct SoakOptions {
    /// The `slipstream` binary.
    pub binary: PathBuf,
    /// Gives the same schedule of faults again.
    pub seed: u64,
    /// How long faults are injected; the quiet phase comes on top.
    pub length: Duration,
    /// Relay agents.
    pub relays: usize,
    /// Vehicles of each.
    pub vehicles: usize,
    /// Samples a second of each.
    pub rate: f64,
    /// Which databases to use.
    pub databases: Databases,
    /// Which faults to inject.
    pub faults: Vec<Fault>,
    /// Pauses and lengths of faults are multiplied by this.
    pub scale: f64,
    /// Longest wait in the quiet phase for everything to arrive.
    pub patience: Duration,
    /// Folder for data and logs; a new one under the system's where absent.
    pub folder: Option<PathBuf>,
    /// Keep the folder even where every promise was kept.
    pub keep: bool,
    /// The moment, for source times and tokens.
    pub now: Timestamp,
    /// Cancelled to go on to the quiet phase at once.
    pub stop: CancellationToken,
}

impl SoakOptions {
    /// A minute of every fault with four relay agents.
    pub fn new(binary: PathBuf, seed: u64, now: Timestamp) -> Self {
        Self {
            binary,
            seed,
            length: Duration::from_secs(60),
            relays: 4,
            vehicles: 3,
            rate: 250.0,
            databases: Databases { local: true, ..Databases::default() },
            faults: Fault::ALL.to_vec(),
            scale: 1.0,
            patience: Duration::from_secs(120),
            folder: None,
            keep: false,
            now,
            stop: CancellationToken::new(),
        }
    }
}

/// Runs a soak and tells what came of it. `told` hears the report as it grows.
///
/// Fails where the soak itself cannot be set up or looked into; a server that breaks its promises, or
/// does not come back, is a violation in the report.
pub async fn run(options: SoakOptions, mut told: impl FnMut(&Report)) -> Result<Report> {
    let mut report = Report { seed: options.seed, ..Report::default() };
    let mut theatre = setup::set(&options, &mut report).await?;
    told(&report);
    sleep(WARM).await;
    quiet::base_line(&mut theatre, &mut report);
    let started = Instant::now();
    let mut injector = Injector::new(&options, &theatre.stage, &mut report);
    let broken = injector.run(&mut theatre.stage, &mut report, started + options.length, &options.stop, &mut told).await;
    report.duration_ms = started.elapsed().as_millis() as u64;
    let quiet_since = Instant::now();
    let outcome = match broken {
        Ok(()) => quiet::check(&mut theatre, &options, &mut report).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        report.violate("server", "soak", format!("{error:#}"));
    }
    report.quiet_ms = quiet_since.elapsed().as_millis() as u64;
    end(theatre, &options, &mut report).await;
    Ok(report)
}

/// Ends every process, and removes the folder unless somebody wants to look into it.
async fn end(theatre: Theatre, options: &SoakOptions, report: &mut Report) {
    let Theatre { folder, mut stage, agents, posts, databases, .. } = theatre;
    stage.server.signal("CONT").await;
    drop((agents, posts));
    stage.server.kill().await;
    let keep = options.keep || !report.is_sound();
    if keep && stage.disk.is_some() {
        // The disk goes with its mount: what lies on it is copied beside it.
        let copied = folder.join("data-kept");
        let copying = tokio::process::Command::new("cp").arg("-r").arg(&stage.server.data).arg(&copied).status().await;
        if !copying.is_ok_and(|s| s.success()) {
            tracing::warn!(to = %copied.display(), "the data folder could not be copied");
        }
    }
    drop((stage, databases));
    if keep {
        report.kept = Some(folder.display().to_string());
    } else if let Err(error) = std::fs::remove_dir_all(&folder) {
        tracing::debug!(%error, folder = %folder.display(), "not removed");
    }
}
