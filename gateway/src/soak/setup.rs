//! Everything a soak needs, started in order: databases, server, subscribers, publishers.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use slipstream_protocol::{Timestamp, WireFormat, server::AckLevel, token::Role};

use super::{
    SoakOptions, WARM,
    agents::{Agent, Sending},
    clocks::Clocks,
    databases::{self, Database},
    disk::SmallDisk,
    faults::Stage,
    identity::Stream,
    posts::Posts,
    proxy::Proxy,
    report::Report,
    server::Server,
    spooling::SpoolingAgent,
    stores::Store,
    subscriber::{Kind, Subscriber},
};

/// How often HTTP clients post.
const POST_EVERY: Duration = Duration::from_millis(150);
/// Bytes a sample may take under the data folder, journal and embedded store together; generous.
const SAMPLE_BYTES: f64 = 800.0;
/// Space beyond the samples', bytes.
const SPARE: u64 = 128 << 20;

/// All that runs.
pub(super) struct Theatre {
    pub(super) folder: PathBuf,
    pub(super) stage: Stage,
    pub(super) store: Store,
    pub(super) agents: Vec<Agent>,
    pub(super) posts: Posts,
    /// Held as long as they are needed.
    pub(super) databases: Vec<Database>,
}

fn folder(options: &SoakOptions) -> Result<PathBuf> {
    let folder = options.folder.clone().unwrap_or_else(|| {
        let name = format!("slipstream-soak-{}-{}", options.seed, std::process::id());
        std::env::temp_dir().join(name)
    });
    std::fs::create_dir_all(folder.join("data")).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder.canonicalize()?)
}

/// Starts everything.
pub(super) async fn set(options: &SoakOptions, report: &mut Report) -> Result<Theatre> {
    let folder = folder(options)?;
    let data = folder.join("data");
    // One more: the agent with a spool.
    let samples = options.rate * (options.relays + 1) as f64 * (options.length + options.patience).as_secs_f64();
    let disk = match SmallDisk::mount(&data, SPARE + (samples * SAMPLE_BYTES) as u64).await {
        Ok(disk) => Some(disk),
        Err(error) => {
            report.left_out.push(format!("a small disk: {error}"));
            None
        }
    };
    let secret = format!("the secret of soak {} {}", options.seed, std::process::id());
    let mut server = Server::new(&options.binary, &folder, data.clone(), &secret, options.now)?;

    let influxdb1 = databases::influxdb1(&options.databases, &folder).await?;
    let postgres = databases::postgres(&options.databases, &folder).await?;
    let database_name = format!("soak_{}_{}", options.seed, std::process::id());
    let (mut sink, mut database) = (None, None);
    let store = if let Some(influx) = &influxdb1 {
        let proxy = Proxy::start(influx.authority.clone()).await?;
        server.set("SLIPSTREAM_INFLUX1_URL", influx.through(proxy.addr));
        server.set("SLIPSTREAM_INFLUX1_DB", database_name.clone());
        sink = Some(proxy);
        Store::influxdb1(&influx.url, &database_name)?
    } else {
        Store::sqlite(&data.join(crate::series::SQLITE_FILE))
    };
    if let Some(postgres) = &postgres {
        let proxy = Proxy::start(postgres.authority.clone()).await?;
        server.set("DATABASE_URL", postgres.through(proxy.addr));
        database = Some(proxy);
    }
    server.start().await?;

    let streams: Vec<Stream> = (0..options.relays).map(|n| stream(options, format!("relay-{n}"), options.vehicles as u64)).collect();
    let (relays, listeners) = (Proxy::start(server.authority()).await?, Proxy::start(server.authority()).await?);
    let mut spooled = stream(options, "spooled".into(), options.vehicles as u64);
    spooled.spooled = true;
    let heard: Vec<Stream> = streams.iter().chain([&spooled]).cloned().collect();
    let subscribers = subscribers(&server, &listeners, &heard)?;
    let by = relays.addr.to_string();
    let spooling =
        SpoolingAgent::start(&options.binary, &folder, &by, &server.token(Role::Relay)?, spooled, options.rate, WARM + options.length)?;
    let agents = agents(options, &server, &relays, &folder, streams)?;
    let posted = stream(options, "posted".into(), 1);
    let clocks = Clocks::start(server.url(""), server.token(Role::Admin)?, options.now, &posted).await?;
    let posts = Posts::start(server.url(""), server.token(Role::Admin)?, posted, database_name, POST_EVERY)?;
    let stage = Stage { server, relays, listeners, sink, database, disk, subscribers, spooling, clocks };
    Ok(Theatre { folder, stage, store, agents, posts, databases: influxdb1.into_iter().chain(postgres).collect() })
}

fn stream(options: &SoakOptions, name: String, vehicles: u64) -> Stream {
    // In the past: what is sent at twice the pace still does not lie in the future. Whole milliseconds.
    let start = Timestamp::from_millis(options.now.millis() - 6 * 3_600_000);
    Stream { name, vehicles: vehicles.max(1), seed: options.seed, start, spooled: false }
}

fn subscribers(server: &Server, by: &Proxy, streams: &[Stream]) -> Result<Vec<Subscriber>> {
    let kinds = [
        (Kind::Named, WireFormat::Json),
        (Kind::Named, WireFormat::Rkyv),
        (Kind::Wildcard, WireFormat::Json),
        (Kind::Stalled, WireFormat::Rkyv),
    ];
    let authority = by.addr.to_string();
    let start = |(kind, format)| {
        let endpoint = server.endpoint(&authority, format)?;
        Ok(Subscriber::start(kind, endpoint, streams, server.crashes.clone()))
    };
    kinds.into_iter().map(start).collect()
}

fn agents(options: &SoakOptions, server: &Server, by: &Proxy, folder: &std::path::Path, streams: Vec<Stream>) -> Result<Vec<Agent>> {
    let token = server.token(Role::Relay)?;
    let start = |(n, stream): (usize, Stream)| {
        // Both formats; every third agent waits for the stores as well.
        let format = WireFormat::ALL[n % 2];
        let ack = if n % 3 == 2 { AckLevel::Stored } else { AckLevel::Durable };
        let sending = Sending { format, ack, rate: options.rate };
        Agent::start(&options.binary, folder, &by.addr.to_string(), &token, stream, &sending)
    };
    streams.into_iter().enumerate().map(start).collect()
}
