//! What goes wrong: which faults there are, when they come, and how each is done.

use std::{path::Path, time::Duration};

use anyhow::Result;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    SoakOptions,
    clocks::Clocks,
    disk::{self, SmallDisk},
    health::{self, Journal},
    proxy::{Mode, Proxy},
    report::{Injected, Report},
    server::Server,
    spooling::SpoolingAgent,
    strangers,
    subscriber::{Kind, Subscriber},
};

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9` of the server, and a start.
    Kill,
    /// SIGTERM to the server, and a start.
    Terminate,
    /// SIGSTOP to the server, and SIGCONT.
    Freeze,
    /// The time-series store refuses, goes silent or breaks connections.
    SinkAway,
    /// The database of records does.
    DatabaseAway,
    /// The disk under the data folder is full.
    DiskFull,
    /// `kill -9`, and the journal's newest file ends in a torn write.
    TornTail,
    /// Connections of relay agents and subscribers are cut mid-frame.
    Cut,
    /// A subscriber reads nothing.
    Stall,
    /// The server's clock is set back.
    ClockBack,
    /// A vehicle whose clock is ahead of the server's.
    ClockAhead,
    /// `kill -9` of the relay agent with a spool, and a start.
    RelayKill,
    /// Strangers connect and send nothing, or half a request.
    Silent,
    /// Strangers send bodies that do not end.
    BodyFlood,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Kill,
        Self::Terminate,
        Self::Freeze,
        Self::SinkAway,
        Self::DatabaseAway,
        Self::DiskFull,
        Self::TornTail,
        Self::Cut,
        Self::Stall,
        Self::ClockBack,
        Self::ClockAhead,
        Self::RelayKill,
        Self::Silent,
        Self::BodyFlood,
    ];

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Freeze => "freeze",
            Self::SinkAway => "sink-away",
            Self::DatabaseAway => "database-away",
            Self::DiskFull => "disk-full",
            Self::TornTail => "torn-tail",
            Self::Cut => "cut",
            Self::Stall => "stall",
            Self::ClockBack => "clock-back",
            Self::ClockAhead => "clock-ahead",
            Self::RelayKill => "relay-kill",
            Self::Silent => "silent",
            Self::BodyFlood => "body-flood",
        }
    }
}

/// What faults work on.
pub(super) struct Stage {
    pub(super) server: Server,
    /// Between relay agents and the server.
    pub(super) relays: Proxy,
    /// Between subscribers and the server.
    pub(super) listeners: Proxy,
    pub(super) sink: Option<Proxy>,
    pub(super) database: Option<Proxy>,
    pub(super) disk: Option<SmallDisk>,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) spooling: SpoolingAgent,
    pub(super) clocks: Clocks,
}

impl Stage {
    /// Ends every fault that is under way.
    pub(super) async fn heal(&mut self) -> Result<()> {
        for proxy in [Some(&self.relays), Some(&self.listeners), self.sink.as_ref(), self.database.as_ref()].into_iter().flatten() {
            proxy.set(Mode::Pass);
        }
        if let Some(disk) = &self.disk {
            disk.free()?;
        }
        self.server.signal("CONT").await;
        if self.server.process().is_none() {
            self.server.start().await?;
        }
        Ok(())
    }

    /// Why `fault` cannot be injected on this machine.
    fn missing(&self, fault: Fault) -> Option<&'static str> {
        match fault {
            Fault::SinkAway if self.sink.is_none() => Some("no time-series server: the embedded store cannot go away"),
            Fault::DatabaseAway if self.database.is_none() => Some("no PostgreSQL: the embedded database cannot go away"),
            Fault::DiskFull if self.disk.is_none() => Some("a small disk cannot be mounted here"),
            _ => None,
        }
    }
}

/// How often a full disk is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// So many failed writes take long enough for a look at health to see them.
const WRITES_THAT_TELL: u64 = 20;

/// Draws and injects faults.
pub(super) struct Injector {
    rng: StdRng,
    kinds: Vec<Fault>,
    /// Drawn without return, so that a short run has every kind.
    bag: Vec<Fault>,
    /// Lengths are multiplied by it.
    scale: f64,
    started: Instant,
}

impl Injector {
    pub(super) fn new(options: &SoakOptions, stage: &Stage, report: &mut Report) -> Self {
        let mut kinds = Vec::new();
        for fault in &options.faults {
            match stage.missing(*fault) {
                None => kinds.push(*fault),
                Some(why) => report.left_out.push(format!("{}: {why}", fault.name())),
            }
        }
        Self { rng: StdRng::seed_from_u64(options.seed), kinds, bag: Vec::new(), scale: options.scale, started: Instant::now() }
    }

    /// Injects faults until `deadline` or a stop, with pauses between. An error is the server's fault.
    pub(super) async fn run(
        &mut self,
        stage: &mut Stage,
        report: &mut Report,
        deadline: Instant,
        stop: &CancellationToken,
        mut told: impl FnMut(&Report),
    ) -> Result<()> {
        while !self.kinds.is_empty() {
            let pause = self.millis(200..1_500);
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => break,
            }
            if Instant::now() >= deadline {
                break;
            }
            if let Some(died) = stage.server.died() {
                anyhow::bail!("{died}");
            }
            let fault = self.draw();
            let what = self.inject(fault, stage, report).await?;
            self.note(report, fault, &what);
            told(report);
        }
        Ok(())
    }

    fn note(&self, report: &mut Report, fault: Fault, what: &str) {
        let at_ms = self.started.elapsed().as_millis() as u64;
        tracing::info!(fault = fault.name(), what, "injected");
        report.faults.push(Injected { at_ms, what: format!("{}: {what}", fault.name()) });
    }

    fn draw(&mut self) -> Fault {
        if self.bag.is_empty() {
            self.bag.clone_from(&self.kinds);
            self.bag.shuffle(&mut self.rng);
        }
        self.bag.pop().unwrap_or(Fault::Kill)
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range)).mul_f64(self.scale)
    }

    async fn inject(&mut self, fault: Fault, stage: &mut Stage, report: &mut Report) -> Result<String> {
        Ok(match fault {
            Fault::Kill => {
                let away = self.millis(0..1_500);
                stage.server.kill().await;
                sleep(away).await;
                stage.server.start().await?;
                format!("back after {} ms", away.as_millis())
            }
            Fault::Terminate => {
                let away = self.millis(0..1_000);
                if let Err(error) = stage.server.terminate().await {
                    report.violate("server", "drain", error.to_string());
                }
                sleep(away).await;
                stage.server.start().await?;
                format!("back after {} ms", away.as_millis())
            }
            Fault::Freeze => {
                let length = self.millis(100..4_000);
                stage.server.signal("STOP").await;
                sleep(length).await;
                stage.server.signal("CONT").await;
                format!("for {} ms", length.as_millis())
            }
            Fault::TornTail => {
                stage.server.kill().await;
                let what = self.tear(&stage.server.data.join("journal"))?;
                stage.server.start().await?;
                what
            }
            Fault::SinkAway => self.away(stage, |s| s.sink.as_ref(), true).await?,
            Fault::DatabaseAway => self.away(stage, |s| s.database.as_ref(), false).await?,
            Fault::DiskFull => self.fill(stage, report).await?,
            Fault::Cut => self.cut(stage).await,
            Fault::Stall => {
                let length = self.millis(1_000..12_000);
                let slow: Vec<&Subscriber> = stage.subscribers.iter().filter(|s| s.kind == Kind::Stalled).collect();
                for subscriber in &slow {
                    subscriber.stall(length);
                }
                format!("{} reads nothing for {} ms", slow.first().map_or("nobody", |s| s.name.as_str()), length.as_millis())
            }
            Fault::ClockBack => {
                let by = self.millis(100..90_000);
                stage.server.step_back(by)?;
                format!("by {} ms", by.as_millis())
            }
            Fault::ClockAhead => {
                let lead = Duration::from_secs(self.rng.random_range(120..900));
                let count = self.rng.random_range(1..30);
                stage.clocks.send_ahead(lead, count).await
            }
            Fault::Silent => {
                let length = self.millis(500..4_000);
                strangers::silence(&stage.server, length, report).await
            }
            Fault::BodyFlood => {
                let length = self.millis(500..4_000);
                strangers::flood(&stage.server, length, report).await
            }
            Fault::RelayKill => {
                let away = self.millis(0..3_000);
                // Sometimes it has not seen the server for a while.
                let parted = self.rng.random_bool(0.5);
                if parted {
                    stage.relays.set(Mode::Refuse);
                    sleep(self.millis(100..1_000)).await;
                }
                let at_work = stage.spooling.kill(away).await?;
                stage.relays.set(Mode::Pass);
                let (was, parted) = (if at_work { "back" } else { "had ended" }, if parted { ", without a connection" } else { "" });
                format!("{was} after {} ms{parted}", away.as_millis())
            }
        })
    }

    fn tear(&mut self, journal: &Path) -> Result<String> {
        disk::tear(journal, &mut self.rng)
    }

    /// A store fails in one of its ways; sometimes the server is killed meanwhile.
    async fn away(&mut self, stage: &mut Stage, which: fn(&Stage) -> Option<&Proxy>, may_kill: bool) -> Result<String> {
        let length = self.millis(500..5_000);
        let mode = match self.rng.random_range(0..3) {
            0 => Mode::Refuse,
            1 => Mode::Silent,
            _ => Mode::CutAfter(self.rng.random_range(1..20_000)),
        };
        let kills = may_kill && self.rng.random_bool(0.3);
        let set = |stage: &Stage, mode| which(stage).into_iter().for_each(|proxy| proxy.set(mode));
        set(stage, mode);
        sleep(length / 2).await;
        if kills {
            stage.server.kill().await;
            stage.server.start().await?;
        }
        sleep(length / 2).await;
        set(stage, Mode::Pass);
        let meanwhile = if kills { ", the server killed meanwhile" } else { "" };
        Ok(format!("{mode:?} for {} ms{meanwhile}", length.as_millis()))
    }

    async fn fill(&mut self, stage: &mut Stage, report: &mut Report) -> Result<String> {
        let length = self.millis(300..4_000);
        let kills = self.rng.random_bool(0.3);
        let Some(disk) = &stage.disk else { return Ok("no disk".to_owned()) };
        let until = Instant::now() + length;
        let errors = |health: Option<Journal>| health.map_or(0, |h| h.write_errors);
        let before = errors(health::journal(&stage.server).await);
        let mut seen = false;
        disk.fill()?;
        // What the server gives up to make space is taken at once, so that its writes go on failing.
        while Instant::now() < until {
            sleep(LOOK).await;
            disk.fill_up()?;
            seen |= health::journal(&stage.server).await.is_some_and(|h| h.is_degraded && h.write_error.is_some());
        }
        let failed = errors(health::journal(&stage.server).await).saturating_sub(before);
        if failed >= WRITES_THAT_TELL && !seen {
            report.violate("server", "health", format!("{failed} writes failed on a full disk, and /health never said so"));
        }
        if kills {
            stage.server.kill().await;
        }
        disk.free()?;
        if kills {
            stage.server.start().await?;
        }
        if !health::writes_again(&stage.server).await {
            report.violate("server", "health", "the disk has space again, and /health still says that it takes no writes".to_owned());
        }
        Ok(format!("for {} ms, {failed} writes failed{}", length.as_millis(), if kills { ", then killed" } else { "" }))
    }

    async fn cut(&mut self, stage: &Stage) -> String {
        let (times, before) = (self.rng.random_range(1..5), stage.relays.cuts() + stage.listeners.cuts());
        for _ in 0..times {
            stage.relays.set(Mode::CutAfter(self.rng.random_range(1..30_000)));
            if self.rng.random_bool(0.5) {
                stage.listeners.set(Mode::CutAfter(self.rng.random_range(1..100_000)));
            }
            sleep(self.millis(50..500)).await;
            stage.relays.set(Mode::Pass);
            stage.listeners.set(Mode::Pass);
            sleep(self.millis(50..300)).await;
        }
        format!("{} connections, within a few kilobytes of their next", stage.relays.cuts() + stage.listeners.cuts() - before)
    }
}
