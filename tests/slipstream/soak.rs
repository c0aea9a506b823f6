//! The oracle, briefly: a server, relay agents, subscribers and databases of their own, broken at random
//! from a few seeds. `slipstream soak` runs it for longer.

use std::time::Duration;

use slipstream_gateway::soak::{self, Fault, SoakOptions};
use slipstream_protocol::Timestamp;
use slipstream_tests::gateway::now_s;

/// The seeds of the short run. `SLIPSTREAM_SOAK_SEEDS=7,8` takes others.
fn seeds() -> Vec<u64> {
    match std::env::var("SLIPSTREAM_SOAK_SEEDS") {
        Ok(given) => given.split(',').map(|seed| seed.trim().parse().expect("seeds are numbers")).collect(),
        Err(_) => vec![1, 2, 3],
    }
}

#[test]
fn what_is_acknowledged_survives_every_fault() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for seed in seeds() {
        let now = Timestamp::from_millis(now_s() * 1_000);
        let options = SoakOptions {
            length: Duration::from_secs(14),
            scale: 0.3,
            rate: 100.0,
            ..SoakOptions::new(crate::cli::binary().to_owned(), seed, now)
        };
        let report = runtime.block_on(soak::run(options, |_| ())).expect("the soak can be set up");
        println!("{report}\n");
        assert!(report.is_sound(), "{report}");
        assert!(report.samples > 1_000 && report.posted > 10 && report.records > 10, "nothing much was sent: {report}");
        assert!(report.faults.len() >= 5, "nothing much went wrong: {report}");
        if report.left_out.is_empty() {
            assert!(report.faults.len() < Fault::ALL.len() || report.found.contains_key("influxdb1"), "{report}");
        }
    }
}
