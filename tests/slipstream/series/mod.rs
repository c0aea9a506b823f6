//! Time-series stores: one suite, every implementation, real servers.

pub(crate) mod conformance;
mod servers;

use slipstream_actors::ports::SeriesStore as _;
use slipstream_gateway::series::{SQLITE_FILE, SqliteSeries};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_holds_what_a_store_promises() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteSeries::open(&folder.path().join("new").join(SQLITE_FILE)).await.unwrap();
    conformance::check(&store).await;
}

#[tokio::test]
async fn sqlite_keeps_what_was_written_when_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(SQLITE_FILE);
    let written = conformance::sample("kept", conformance::T0, &[("x", slipstream_protocol::SignalValue::Number(4.5))]);
    SqliteSeries::open(&file).await.unwrap().write(std::slice::from_ref(&written)).await.unwrap();
    let again = SqliteSeries::open(&file).await.unwrap();
    // The dictionary's memory is empty now: the series must be found, not made a second time.
    again.write(&[written]).await.unwrap();
    let answer = again.query(&conformance::everything("kept")).await.unwrap();
    assert_eq!(answer.series.len(), 1);
    assert_eq!(answer.series[0].points.len(), 1);
    assert_eq!(answer.series[0].points[0].value, Some(4.5));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(SQLITE_FILE);
    let notes = "this is somebody's notes, not a database\n".repeat(200);
    std::fs::write(&file, &notes).unwrap();
    let error = SqliteSeries::open(&file).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    assert!(error.to_string().contains("series.db"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), notes);
}
