//! The relay agent's spool, with the real binary: what the server was away for, or the relay was
//! killed over, is stored exactly once; what is dropped is counted.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::process::{Process, Site, by_vehicle, bytes_under, wait_for};

/// A table of `rows` rows, `hz` a second, of `vehicles` vehicles in turn; `n` counts the rows of each.
fn table(site: &Site, vehicles: usize, rows: usize, hz: f64) -> usize {
    let mut table = String::from("t_s,vehicle_id,n,speed_mps\n");
    for row in 0..rows {
        let _ = writeln!(table, "{:.4},car-{},{},{}.5", row as f64 / hz, row % vehicles, row / vehicles, row % 90);
    }
    std::fs::write(site.path("table.csv"), table).unwrap();
    rows
}

fn relay(site: &Site, arguments: &[&str]) -> Process {
    let always = ["relay", "table.csv", "--publisher", "garage", "--spool", "spool", "--quiet"];
    site.start(&[&always[..], arguments].concat())
}

/// What the final report says of the spool.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    acknowledged: u64,
    spooled: u64,
    drained: u64,
    dropped: u64,
    waiting: u64,
}

impl Told {
    fn of(report: &str) -> Self {
        let line = |start: &str| report.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {report}"));
        let acknowledged = line("acknowledged").split_whitespace().nth(1).unwrap().parse().unwrap();
        let spool: Vec<&str> = line("spool").trim_start_matches("spool").trim().split(", ").collect();
        let count = |what: &str| spool.iter().find_map(|part| part.strip_suffix(what)?.trim().parse().ok()).unwrap();
        let told = Self {
            acknowledged,
            spooled: count("spooled"),
            drained: count("drained"),
            dropped: count("dropped"),
            waiting: count("waiting"),
        };
        assert_eq!(told.spooled, told.drained + told.dropped + told.waiting, "{report}");
        told
    }
}

/// Waits for an end without a failure and without anything left.
fn complete(relay: Process) -> Told {
    let (status, report, log) = relay.end();
    assert_eq!(status.code(), Some(0), "{report}\n{log}");
    Told::of(&report)
}

/// Every row is in the server's journal exactly once.
fn assert_stored_once(site: &Site, vehicles: usize, rows: usize) {
    let stored = by_vehicle(&site.journalled());
    assert_eq!(stored.len(), vehicles);
    for (vehicle, mut numbers) in stored {
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..(rows / vehicles) as u64), "{vehicle}: {} numbers", numbers.len());
    }
}

/// How many samples of `vehicle` the time-series store has.
fn series(site: &Site, vehicle: &str) -> usize {
    let path = format!("/api/telemetry/{vehicle}?from=-2d&signals=n&limit=100000");
    site.get(&path).and_then(|answer| Some(answer["data"]["series"][0]["points"].as_array()?.len())).unwrap_or(0)
}

#[test]
fn what_the_server_was_away_for_is_stored_once_and_does_not_hide_the_newest() {
    let site = Site::new();
    let rows = table(&site, 2, 1_000, 200.0);
    let relay = relay(&site, &[]);
    wait_for("a backlog", || (bytes_under(&site.path("spool/backlog")) > 20_000).then_some(()));
    let server = site.serve();
    let told = complete(relay);
    assert_eq!(told.acknowledged, rows as u64);
    assert!(told.spooled > 0 && told.drained == told.spooled, "{told:?}");
    assert!(told.spooled < rows as u64, "what came live was sent live: {told:?}");
    assert_stored_once(&site, 2, rows);
    for vehicle in ["car-0", "car-1"] {
        wait_for("the series", || (series(&site, vehicle) == rows / 2).then_some(()));
        let latest = site.get(&format!("/api/telemetry/{vehicle}/latest")).unwrap();
        assert_eq!(latest["data"]["data"]["n"], (rows / 2 - 1) as f64, "{latest}");
    }
    drop(server);
}

#[test]
fn live_data_is_not_held_up_by_the_backlog_and_each_drains_in_order() {
    let site = Site::new();
    // The backlog takes seconds to drain at this rate, and the table goes on for seconds more.
    let rows = table(&site, 1, 2_400, 200.0);
    let relay = relay(&site, &["--drain-rate", "80"]);
    wait_for("a backlog", || (bytes_under(&site.path("spool/backlog")) > 30_000).then_some(()));
    let server = site.serve();
    let told = complete(relay);
    assert_stored_once(&site, 1, rows);
    let stored = site.journalled();
    let is_backlog = |s: &&(String, String, u64)| s.0.ends_with(".backlog");
    let numbers = |backlog: bool| stored.iter().filter(|s| is_backlog(s) == backlog).map(|s| s.2).collect::<Vec<_>>();
    assert!(numbers(true).is_sorted() && numbers(false).is_sorted(), "each stream is in order");
    assert_eq!(numbers(true).len() as u64, told.drained);
    let first = stored.iter().position(|s| is_backlog(&s)).unwrap();
    let last = stored.iter().rposition(|s| is_backlog(&s)).unwrap();
    let between = stored[first..last].iter().filter(|s| !is_backlog(s)).count();
    assert!(between > 20, "{between} live samples came while {} drained", told.drained);
    drop(server);
}

#[test]
fn a_relay_killed_again_and_again_goes_on_where_it_was() {
    // Slow enough, both, that a stalled machine does not let it end before it is killed.
    for pace in [&["--flat-out", "--drain-rate", "30000"][..], &["--speed", "4", "--start", "now"]] {
        let flat_out = pace[0] == "--flat-out";
        let site = Site::new();
        let rows = table(&site, 3, if flat_out { 180_000 } else { 12_000 }, 500.0);
        let server = site.serve();
        let mut kills = 0;
        for part in 1..=3 {
            let mut relay = relay(&site, pace);
            let enough = rows * part / 30;
            wait_for("samples", || (relay.has_ended() || site.journalled().len() > enough).then_some(()));
            kills += u32::from(!relay.has_ended());
            relay.kill();
        }
        assert!(kills >= 2, "the relay was under way when it was killed");
        let told = complete(relay(&site, if flat_out { &pace[..1] } else { pace }));
        assert!(told.acknowledged < rows as u64, "what was taken before is not sent again: {told:?}");
        assert_stored_once(&site, 3, rows);
        if flat_out {
            for (vehicle, numbers) in by_vehicle(&site.journalled()) {
                assert!(numbers.is_sorted(), "{vehicle} is in order");
            }
        }
        drop(server);
    }
}

#[test]
fn killing_both_ends_in_turn_loses_nothing_and_doubles_nothing() {
    let site = Site::new();
    let rows = table(&site, 2, 3_000, 400.0);
    let mut server = None;
    for round in 1..=3 {
        let mut agent = relay(&site, &["--start", "now"]);
        wait_for("a backlog", || (agent.has_ended() || bytes_under(&site.path("spool/backlog")) > 15_000 * round).then_some(()));
        server = Some(site.serve());
        let before = site.journalled().len();
        wait_for("samples", || (agent.has_ended() || site.journalled().len() > before + 200).then_some(()));
        server.take().unwrap().kill();
        agent.kill();
    }
    let server = server.unwrap_or_else(|| site.serve());
    complete(relay(&site, &["--start", "now"]));
    assert_stored_once(&site, 2, rows);
    drop(server);
}

#[test]
fn a_full_spool_makes_the_source_wait_and_loses_nothing() {
    let site = Site::new();
    let rows = table(&site, 4, 120_000, 1_000.0);
    let relay = relay(&site, &["--flat-out", "--spool-max", "1MiB"]);
    wait_for("a word about it", || relay.complained().contains("the spool is full and the source waits").then_some(()));
    let bytes = bytes_under(&site.path("spool"));
    assert!(bytes < 3 << 19, "{bytes} bytes are on the disk");
    let server = site.serve();
    let told = complete(relay);
    assert_eq!((told.acknowledged, told.dropped), (rows as u64, 0));
    assert_stored_once(&site, 4, rows);
    drop(server);
}

#[test]
fn a_full_spool_that_may_drop_drops_the_oldest_and_counts_them() {
    let site = Site::new();
    let rows = table(&site, 1, 120_000, 100.0);
    let pace = ["--speed", "1000", "--spool-max", "1MiB", "--spool-drop-oldest"];
    let relay = relay(&site, &pace);
    wait_for("drops", || relay.complained().contains("the oldest samples are dropped").then_some(()));
    let server = site.serve();
    let (status, report, log) = relay.end();
    assert_eq!(status.code(), Some(3), "{report}\n{log}");
    let told = Told::of(&report);
    assert!(told.dropped > 0 && told.waiting == 0, "{report}");
    assert_eq!(told.acknowledged + told.dropped, rows as u64, "{report}");
    let stored: Vec<u64> = site.journalled().into_iter().map(|s| s.2).collect();
    let once: BTreeSet<u64> = stored.iter().copied().collect();
    assert_eq!((stored.len(), once.len()), (told.acknowledged as usize, told.acknowledged as usize));
    assert!(once.contains(&(rows as u64 - 1)), "the newest is there");
    drop(server);
}

#[test]
fn a_stop_keeps_what_waits_for_the_next_run_and_a_finished_file_may_be_sent_again() {
    let site = Site::new();
    let rows = table(&site, 1, 500, 100.0);
    let agent = relay(&site, &["--flat-out", "--start", "2026-01-01T00:00:00Z"]);
    wait_for("the table in the spool", || (bytes_under(&site.path("spool/backlog")) > 10_000).then_some(()));
    agent.terminate();
    let (status, report, log) = agent.end();
    assert_eq!(status.code(), Some(3), "{report}\n{log}");
    assert_eq!(Told::of(&report).waiting, rows as u64);
    let server = site.serve();
    for round in 1..=2 {
        let told = complete(relay(&site, &["--flat-out", "--start", "2026-01-01T00:00:00Z"]));
        assert_eq!((told.acknowledged, site.journalled().len()), (rows as u64, round * rows));
    }
    drop(server);
}

#[test]
fn a_spool_serves_one_relay_and_one_publisher() {
    let site = Site::new();
    table(&site, 1, 10, 1.0);
    let first = relay(&site, &[]);
    wait_for("the spool", || site.path("spool/book").exists().then_some(()));
    for (arguments, said) in [
        (&["relay", "table.csv", "--spool", "spool"][..], "in use by another process"),
        (&["relay", "table.csv", "--spool", "spool", "--publisher", "other"], "holds the stream of publisher 'garage'"),
        (&["relay", "table.csv", "--spool", "other", "--spool-max", "1KiB"], "1MiB at least"),
        (&["relay", "table.csv", "--spool-max", "1GiB"], "--spool"),
    ] {
        let (status, _, log) = site.start(arguments).end();
        assert!(!status.success() && log.contains(said), "{arguments:?}: {log}");
    }
    first.kill();
}
