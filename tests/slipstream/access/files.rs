//! What the server writes is its owner's alone.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use serde_json::json;
use slipstream_protocol::token::Role;
use slipstream_tests::server_process::ServerProcess;

use crate::cli::binary;

/// Every file and folder below `folder`, itself included, with its permissions.
fn modes(folder: &Path, found: &mut Vec<(String, bool, u32)>) {
    let about = fs::symlink_metadata(folder).unwrap();
    found.push((folder.display().to_string(), about.is_dir(), about.mode() & 0o777));
    if about.is_dir() {
        for entry in fs::read_dir(folder).unwrap() {
            modes(&entry.unwrap().path(), found);
        }
    }
}

#[tokio::test]
async fn files_are_0600_in_folders_0700() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(binary(), dir.path(), &[]);
    let client = reqwest::Client::new();
    let post =
        |path: &str, body: serde_json::Value| client.post(server.url(path)).bearer_auth(server.token(Role::Admin)).json(&body).send();
    assert_eq!(post("/api/telemetry", json!({"driverId": "ALB", "data": {"n": 1}})).await.unwrap().status(), 201);
    let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let frame = json!({"driverId": "ALB", "sessionId": "p1", "timestamp": "2026-02-18T09:00:01Z", "frameData": pixel});
    assert_eq!(post("/api/video", frame).await.unwrap().status(), 201);
    let mut found = Vec::new();
    // While it runs: SQLite's -wal and -shm are there.
    modes(&dir.path().join("data"), &mut found);
    server.terminate();
    modes(&dir.path().join("data"), &mut found);
    for name in ["slipstream.db", "slipstream.db-wal", "slipstream.db-shm", "series.db", "snapshot.bin", "journal", "video"] {
        assert!(found.iter().any(|(path, ..)| path.ends_with(name)), "{name} is among {found:?}");
    }
    for (path, is_dir, mode) in found {
        assert_eq!(mode, if is_dir { 0o700 } else { 0o600 }, "{path}");
    }
}
