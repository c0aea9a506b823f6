//! The quiet phase: everything is up, nothing new is sent; now everything must be where it was promised.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::{
    SoakOptions,
    report::{Growth, Report},
    server::{RETAIN_BYTES, SEGMENT_BYTES},
    setup::Theatre,
    stores::{self, Expected},
    subscriber::{Kind, Subscriber},
};

/// How often it is looked whether everything has arrived.
const POLL: Duration = Duration::from_millis(250);
/// Resident memory may grow by this much: histories that fill up, and the journal's records in memory.
const MORE_MEMORY: u64 = 192 << 20;
/// So many more files and sockets may be open: pooled connections come and go.
const MORE_DESCRIPTORS: u64 = 24;

/// Measures the unharmed server; the bounds for the end follow from it.
pub(super) fn base_line(theatre: &mut Theatre, report: &mut Report) {
    let server = &mut theatre.stage.server;
    let files = server.files();
    let (memory, descriptors) = server.process().map_or((0, 0), |p| (p.memory(), p.descriptors()));
    report.memory = Growth { base: memory, end: 0, most: memory + MORE_MEMORY };
    report.descriptors = Growth { base: descriptors, end: 0, most: descriptors + MORE_DESCRIPTORS };
    // As many segments as the journal may keep, and a damaged piece set aside for each torn tail.
    report.files = Growth { base: files, end: 0, most: files + RETAIN_BYTES / SEGMENT_BYTES + 8 };
}

/// Ends all faults, waits until all is delivered, and checks it.
pub(super) async fn check(theatre: &mut Theatre, options: &SoakOptions, report: &mut Report) -> Result<()> {
    theatre.stage.heal().await?;
    let deadline = Instant::now() + options.patience;
    let mut expected = finish_publishers(theatre, options.stop.is_cancelled(), deadline, report).await;
    let posted = theatre.posts.finish().await;
    check_records(theatre, &posted.records, report).await?;
    report.posted = posted.samples.len() as u64;
    let newest_posted = posted.samples.iter().max().copied();
    let numbers: HashSet<u64> = posted.samples.into_iter().collect();
    expected.push(Expected { stream: theatre.posts.stream.clone(), acknowledged: Some(numbers), last: posted.last });

    if let Some(last) = newest_posted {
        theatre.stage.clocks.check(&theatre.posts.stream, last, report).await?;
    }
    wait_for_stores(theatre, &expected, deadline).await;
    theatre.store.check(&expected, report).await?;
    wait_for_subscribers(theatre, &expected, deadline, report).await;
    measure(theatre, report);

    if let Some(died) = theatre.stage.server.died() {
        report.violate("server", "process", died);
    }
    if let Err(error) = theatre.stage.server.terminate().await {
        report.violate("server", "drain", error.to_string());
    }
    for line in theatre.stage.server.panics() {
        report.violate("server", "log", line);
    }
    stores::check_journal(&theatre.stage.server.data.join("journal"), &expected, report)
}

/// Closes every agent's input and waits until it has everything acknowledged.
async fn finish_publishers(theatre: &mut Theatre, early: bool, deadline: Instant, report: &mut Report) -> Vec<Expected> {
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    for agent in &mut theatre.agents {
        agent.close(left()).await;
    }
    let mut expected = Vec::new();
    for agent in &mut theatre.agents {
        let ended = agent.finish(left()).await;
        if !ended.complete {
            report.violate("relay", agent.stream.name.clone(), format!("not everything was acknowledged: {}", ended.said));
        }
        report.samples += agent.last();
        report.reconnects += ended.reconnects;
        report.resent += ended.resent;
        expected.push(Expected { stream: agent.stream.clone(), acknowledged: None, last: agent.last() });
    }
    let spooling = &mut theatre.stage.spooling;
    let last = spooling.last;
    let ended = spooling.finish(early, left()).await;
    // Stopped early it has sent a part: nothing of it must be there, and what is there must be right.
    let acknowledged = ended.is_none().then(HashSet::new);
    if let Some(ended) = ended {
        if !ended.complete {
            report.violate("relay", spooling.stream.name.clone(), format!("not everything was acknowledged: {}", ended.said));
        }
        report.samples += last;
        report.reconnects += ended.reconnects;
        report.resent += ended.resent;
    }
    expected.push(Expected { stream: spooling.stream.clone(), acknowledged, last });
    expected
}

async fn check_records(theatre: &Theatre, acknowledged: &[(String, String)], report: &mut Report) -> Result<()> {
    report.records = acknowledged.len() as u64;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, name) in theatre.posts.records().await? {
        found.entry(name).or_default().push(id);
    }
    for (id, name) in acknowledged {
        match found.get(name).map(Vec::as_slice) {
            Some([one]) if one == id => {}
            None | Some([]) => report.violate("lost", "records", format!("session {id} '{name}'")),
            Some(ids) => report.violate("doubled", "records", format!("session {id} '{name}' is there as {ids:?}")),
        }
    }
    Ok(())
}

/// Waits until the store has as much as it must; what is missing then is told by the check.
async fn wait_for_stores(theatre: &Theatre, expected: &[Expected], deadline: Instant) {
    for one in expected {
        for (k, vehicle) in one.stream.vehicles().enumerate() {
            let most = one.stream.count(k as u64, one.last);
            let wanted = one.acknowledged.as_ref().map_or(most, |numbers| numbers.len() as u64);
            while theatre.store.count(&vehicle).await.is_ok_and(|n| n < wanted) && Instant::now() < deadline {
                sleep(POLL).await;
            }
        }
    }
}

/// Waits until each subscriber that resumes has heard the last sample of every vehicle, then takes down
/// what each of them noticed.
async fn wait_for_subscribers(theatre: &Theatre, expected: &[Expected], deadline: Instant, report: &mut Report) {
    for subscriber in &theatre.stage.subscribers {
        let resumes = subscriber.kind == Kind::Named;
        for one in expected.iter().filter(|e| resumes && e.acknowledged.is_none() && !e.stream.spooled) {
            for (k, vehicle) in one.stream.vehicles().enumerate() {
                let Some(last) = one.stream.count(k as u64, one.last).checked_sub(1) else { continue };
                if !hears(subscriber, &vehicle, last, deadline).await {
                    let reached = subscriber.heard().reached(&vehicle);
                    report.violate("lost", subscriber.name.clone(), format!("{vehicle}: heard up to {reached:?}, the last is {last}"));
                }
            }
        }
        let heard = subscriber.heard();
        report.subscribers.insert(subscriber.name.clone(), heard.listened.clone());
        report.add(heard.violations.iter().cloned());
    }
}

async fn hears(subscriber: &Subscriber, vehicle: &str, last: u64, deadline: Instant) -> bool {
    loop {
        let reached = subscriber.heard().reached(vehicle);
        if reached >= Some(last) {
            return reached == Some(last);
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL).await;
    }
}

fn measure(theatre: &mut Theatre, report: &mut Report) {
    let server = &mut theatre.stage.server;
    report.files.end = server.files();
    if let Some(process) = server.process() {
        report.memory.end = process.memory();
        report.descriptors.end = process.descriptors();
    }
    for (what, growth) in [("memory", report.memory), ("descriptors", report.descriptors), ("files", report.files)] {
        if growth.end > growth.most {
            report.violate(
                "growth",
                what,
                format!("{} at the base line, {} at the end, at most {} allowed", growth.base, growth.end, growth.most),
            );
        }
    }
}
