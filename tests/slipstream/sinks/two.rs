//! Two time-series stores at once: `stored` means both, and each is fed at its own pace.

use std::{collections::BTreeSet, time::Duration};

use slipstream_tests::{
    server_process::ServerProcess,
    write_api::{Told, WriteApi},
};

use super::{Stream, eventually, numbers};
use crate::cli::binary;

/// The numbers a store has taken, in the order it took them.
fn taken(api: &WriteApi) -> Vec<u64> {
    api.writes().iter().filter(|w| w.status == 204).flat_map(|w| numbers(&w.lines)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_means_that_both_have_it_and_the_one_that_is_away_holds_up_nothing_else() {
    let (one, two) = (WriteApi::start().await, WriteApi::start().await);
    let data = tempfile::tempdir().unwrap();
    let (first, second) = (one.url(), two.url());
    let settings = [("SLIPSTREAM_INFLUX1_URL", &*first), ("SLIPSTREAM_INFLUX2_URL", &second), ("SLIPSTREAM_INFLUX2_TOKEN", "a token")];
    let mut server = ServerProcess::start(binary(), data.path(), &settings);
    let mut stored = Stream::open(&server, "garage", "stored").await;
    stored.send(30).await;
    stored.all_acknowledged().await;
    assert_eq!([taken(&one), taken(&two)], [(1..=30).collect::<Vec<_>>(), (1..=30).collect()], "acknowledged, so both have it");

    for (well, away) in [(&one, &two), (&two, &one)] {
        let sent = stored.sent;
        away.answers((0..8).map(|_| Told::status(503)));
        let mut durable = Stream::open(&server, &format!("pitwall-{sent}"), "durable").await;
        // With other numbers, so that every point has its own time.
        (durable.sent, durable.acknowledged) = (10_000 + sent, 10_000 + sent);
        durable.send(5).await;
        durable.all_acknowledged().await;
        stored.send(30).await;
        eventually("the one that is well has it", || async { taken(well).contains(&(sent + 30)) }).await;
        assert!(!taken(away).contains(&(sent + 1)), "the other is still away");
        stored.all_acknowledged().await;
        assert!(taken(away).contains(&(sent + 30)), "acknowledged, so the other has it, too");
    }

    // Killed while one lags: each goes on from its own place.
    two.answers((0..6).map(|_| Told::status(500)));
    let sent = stored.sent;
    stored.send(30).await;
    eventually("the first has it", || async { taken(&one).contains(&(sent + 30)) }).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.kill();
    server.start_again();
    let mut again = Stream::open(&server, "garage", "stored").await;
    (again.sent, again.acknowledged) = (sent, stored.acknowledged);
    again.send(30).await;
    again.all_acknowledged().await;
    for api in [&one, &two] {
        let all: BTreeSet<u64> = taken(api).into_iter().filter(|n| *n < 10_000).collect();
        assert_eq!(all, (1..=again.sent).collect(), "nothing is missing in either");
    }
    let of_second: Vec<u64> = taken(&two).into_iter().filter(|n| *n > sent && *n < 10_000).collect();
    assert_eq!(of_second, (sent + 1..=sent + 30).collect::<Vec<_>>(), "each once, in order, in the one that lagged");
}
