//! The disk under a relay agent's spool is full: the source waits, and nothing is lost.

use std::fmt::Write as _;

use slipstream_tests::small_disk::SmallDisk;

use crate::process::{Process, Site, bytes_under, wait_for};

const ROWS: usize = 3_000;

fn relay(site: &Site) -> Process {
    site.start(&["relay", "table.csv", "--publisher", "garage", "--spool", "spool", "--quiet"])
}

fn exactly_once(site: &Site) {
    let mut stored: Vec<u64> = site.journalled().into_iter().map(|sample| sample.2).collect();
    stored.sort_unstable();
    assert!(stored.iter().copied().eq(0..ROWS as u64), "{} stored", stored.len());
}

#[test]
fn a_full_disk_under_the_spool_makes_the_source_wait_and_nothing_is_lost() {
    for killed in [false, true] {
        let site = Site::new();
        let Some(disk) = SmallDisk::mount(&site.path("spool")) else { return };
        let mut table = String::from("t_s,vehicle_id,n\n");
        for row in 0..ROWS {
            let _ = writeln!(table, "{:.4},car,{row}", row as f64 / 600.0);
        }
        std::fs::write(site.path("table.csv"), table).unwrap();
        let mut agent = relay(&site);
        wait_for("a backlog", || (bytes_under(&site.path("spool/backlog")) > 20_000).then_some(()));
        disk.fill();
        wait_for("the agent says that it waits", || agent.complained().contains("the spool cannot be written").then_some(()));
        assert!(!agent.has_ended(), "{}", agent.complained());
        if killed {
            agent.kill();
            disk.free();
            agent = relay(&site);
        }
        // What it has is taken from it whether or not there is room for more.
        let server = site.serve();
        wait_for("what it has", || (!site.journalled().is_empty()).then_some(()));
        if !killed {
            assert!(!agent.has_ended(), "{}", agent.complained());
            disk.free();
        }
        let (status, report, log) = agent.end();
        assert_eq!(status.code(), Some(0), "{report}\n{log}");
        assert!(report.contains(" 0 dropped, 0 waiting"), "{report}");
        exactly_once(&site);
        drop(server);
    }
}
