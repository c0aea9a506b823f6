//! Servers whose certificate a private authority has signed: relay, commands and sinks trust it where they are told to, and say
//! what to do where they are not.

use std::path::Path;

use serde_json::json;
use slipstream_protocol::token::Role;
use slipstream_tests::{
    authority::{Authority, TlsDoor},
    gateway::Gateway,
    server_process::ServerProcess,
    write_api::WriteApi,
};
use tokio::process::Command;

use crate::{cli::binary, process::wait_for};

const LOG: &str = "vehicle,timestamp,speed_mps\ncar-7,2026-02-18T09:00:00Z,10\ncar-7,2026-02-18T09:00:01Z,11\n";

/// The program with these arguments, and the authority's file where it is given one: exit code and standard error.
async fn run(folder: &Path, arguments: &[&str], authority: Option<(&str, &Path)>) -> (Option<i32>, String) {
    let mut command = Command::new(binary());
    for name in ["JWT_SECRET", "DATABASE_URL", "SLIPSTREAM_URL", "SLIPSTREAM_TOKEN", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
    command.args(arguments).env("DATA_DIR", folder).current_dir(folder);
    if let Some((name, path)) = authority {
        command.env(name, path);
    }
    let output = command.output().await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relay_and_commands_trust_the_authority_they_are_given_and_end_where_they_are_given_none() {
    let gateway = Gateway::start().await;
    let authority = Authority::new();
    let door = TlsDoor::open(&authority, gateway.server().addr).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log.csv"), LOG).unwrap();
    let (token, https, wss) = (gateway.token(Role::Admin), door.url("https"), door.url("wss"));
    let commands: [&[&str]; 4] = [
        &["relay", "log.csv", "--flat-out", "--url", &https, "--token", &token],
        &["relay", "log.csv", "--flat-out", "--publisher", "again", "--url", &wss, "--token", &token],
        &["tail", "telemetry:car-7", "--url", &https, "--token", &token],
        &["alarms", "list", "--url", &https, "--token", &token],
    ];
    for arguments in commands {
        let (code, told) = run(folder.path(), arguments, None).await;
        assert_eq!(code, Some(1), "{arguments:?}: {told}");
        assert!(told.contains("UnknownIssuer") && told.contains("SSL_CERT_FILE"), "{arguments:?}: {told}");
    }
    for arguments in [commands[0], commands[1], commands[3]] {
        let (code, told) = run(folder.path(), arguments, Some(("SSL_CERT_FILE", &authority.file()))).await;
        assert_eq!(code, Some(0), "{arguments:?}: {told}");
    }
    assert!(gateway.services().router.views().vehicle("car-7").is_some(), "the samples came through");
    // TLS asked of a port that speaks none.
    let plain = format!("https://{}", gateway.server().addr);
    let (code, told) = run(folder.path(), &["relay", "log.csv", "--url", &plain, "--token", &token], None).await;
    assert!(code == Some(1) && told.contains("over TLS"), "{told}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_behind_a_private_authority_is_written_where_it_is_trusted_and_tells_what_to_do_where_not() {
    let sink = WriteApi::start().await;
    let authority = Authority::new();
    let door = TlsDoor::open(&authority, sink.addr()).await;
    let file = authority.file();
    for (variable, url) in [("SLIPSTREAM_INFLUX2_URL", door.url("https")), ("SLIPSTREAM_INFLUX1_URL", door.url("https"))] {
        for trusted in [false, true] {
            let data = tempfile::tempdir().unwrap();
            let mut settings = vec![(variable, url.as_str()), ("RUST_BACKTRACE", "0")];
            if trusted {
                settings.push(("SSL_CERT_FILE", file.to_str().unwrap()));
            }
            let before = sink.writes().len();
            let server = ServerProcess::start(binary(), data.path(), &settings);
            let post = reqwest::Client::new().post(server.url("/api/telemetry")).bearer_auth(server.token(Role::Relay));
            let body = json!({"type": "telemetry", "driverId": "car-7", "data": {"speed_mps": 10.0}});
            assert!(post.json(&body).send().await.unwrap().status().is_success());
            if trusted {
                wait_for("a write", || (sink.writes().len() > before).then_some(()));
            } else {
                wait_for("the reason", || server.log().contains("SSL_CERT_FILE").then_some(()));
                assert_eq!(sink.writes().len(), before);
            }
        }
    }
}
