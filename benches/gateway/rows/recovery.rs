//! How long a start takes with 10 million samples in the journal and no snapshot, as after a kill.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result};
use slipstream_actors::ports::Journal as _;
use slipstream_gateway::journal::{ConsumerRole, EmbeddedJournal, JournalConfig};
use slipstream_protocol::{PublisherId, SampleBatch};

use crate::{Plan, feed::Feed, report::Row, servers};

/// Samples of one record.
const BATCH: usize = 64;
/// Records on their way to the disk at a time.
const AHEAD: usize = 512;

/// Measures the journal alone, and the whole server until it takes connections.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    if !plan.measures("slipstream") {
        return Ok(Vec::new());
    }
    let samples = plan.journalled;
    let folder = servers::folder()?;
    let config = JournalConfig { retain_bytes: u64::MAX, ..JournalConfig::new(folder.path().join("data/journal")) };
    fill(&config, samples).await?;

    let mut journal = Row::new("recovery-journal", format!("opening a journal of {samples} samples, no snapshot of publishers"), "s", None);
    for _ in 0..plan.rounds {
        // Without it every record is read, as where a kill came before the first was saved.
        let _ = std::fs::remove_file(config.dir.join("publishers"));
        let (opened, recovery) = EmbeddedJournal::open(config.clone())?;
        journal.add("slipstream", recovery.elapsed.as_secs_f64());
        opened.close();
    }
    let mut start =
        Row::new("recovery-start", format!("the server's start with {samples} journalled samples and no snapshot of its state"), "s", None);
    let started = Instant::now();
    let target = servers::slipstream_in(folder)?;
    start.add("slipstream", started.elapsed().as_secs_f64());
    start.note("until it takes connections; in service a snapshot is saved every minute, and a start reads what came since");
    drop(target);
    Ok(vec![journal, start])
}

async fn fill(config: &JournalConfig, samples: usize) -> Result<()> {
    let (journal, _) = EmbeddedJournal::open(config.clone())?;
    // They hold back removal, as stores do that have not got it yet.
    let _consumers = (journal.consumer("actors", ConsumerRole::Reader), journal.consumer("sqlite", ConsumerRole::Sink));
    let mut feed = Feed::new("car")?;
    let publisher = PublisherId::new("bench")?;
    let (mut seq, mut tickets) = (0, std::collections::VecDeque::new());
    for _ in 0..samples / BATCH {
        let mut batch = feed.next(BATCH).to_vec();
        for sample in &mut batch {
            seq += 1;
            sample.seq = Some(seq);
        }
        tickets.push_back(journal.append(&SampleBatch { publisher: Some(publisher.clone()), samples: batch }));
        if tickets.len() > AHEAD {
            tickets.pop_front().context("there is one")?.await?;
        }
    }
    for ticket in tickets {
        ticket.await?;
    }
    Arc::clone(&journal).close();
    Ok(())
}
