//! The Socket.IO door and the REST routes beside it, driven by the real clients: `socket.io-client` of npm
//! and `python-socketio` of `PyPI`, over polling and WebSocket (`tests/socketio/`).

use std::{
    path::{Path, PathBuf},
    process::Output,
    sync::OnceLock,
};

use slipstream_protocol::token::Role;
use slipstream_tests::gateway::Gateway;
use tokio::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("socketio")
}

/// The reference models; says so where they are not there.
fn models() -> Option<PathBuf> {
    let root = std::env::var_os("SLIPSTREAM_DATA").map_or_else(|| folder().join("../../../shared"), PathBuf::from);
    let models = root.join("golden/daladala/models");
    if models.is_dir() {
        return Some(models);
    }
    println!("skipped: there are no models in {}", models.display());
    None
}

/// Whether `program` is there; says so where it is not, and fails where it must be.
fn is_installed(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    assert!(found || std::env::var("SLIPSTREAM_REQUIRE_SERVERS").as_deref() != Ok("1"), "{program} is not installed");
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

fn install(program: &Path, arguments: &[&str]) {
    let output = std::process::Command::new(program).args(arguments).current_dir(folder()).output().unwrap();
    assert!(output.status.success(), "{} {arguments:?}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
}

/// `npm ci` where the lock file says what; once.
fn node_packages() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| install(Path::new("npm"), &["ci", "--no-audit", "--no-fund", "--loglevel=error"]));
}

/// A Python of our own with what the client needs; once.
fn python() -> PathBuf {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    ONCE.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("socketio-venv");
        let python = venv.join("bin/python");
        if !venv.join("installed").exists() {
            install(Path::new("python3"), &["-m", "venv", venv.to_str().unwrap()]);
            install(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]);
            std::fs::write(venv.join("installed"), "").unwrap();
        }
        python
    })
    .clone()
}

async fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(folder()).kill_on_drop(true).output().await.unwrap()
}

fn is_well(output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.ends_with("well\n"), "{out}\n{err}");
}

async fn open_door(models: PathBuf) -> Gateway {
    Gateway::start_with(|config| {
        config.rl.open = true;
        config.rl.models = Some(models);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_npm_drives_the_bus_over_polling_and_websocket() {
    let Some(models) = models().filter(|_| is_installed("node") && is_installed("npm")) else { return };
    node_packages();
    for transport in ["polling", "websocket"] {
        let gateway = open_door(models.clone()).await;
        is_well(&run(Path::new("node"), &["bus.mjs", &gateway.url(""), transport]).await);
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_pypi_drives_the_bus_over_polling_and_websocket() {
    let Some(models) = models().filter(|_| is_installed("python3")) else { return };
    let python = python();
    for transport in ["polling", "websocket"] {
        let gateway = open_door(models.clone()).await;
        is_well(&run(&python, &["bus.py", &gateway.url(""), transport]).await);
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_door_opens_for_a_token_that_may_drive_only() {
    if !(is_installed("node") && is_installed("npm")) {
        return;
    }
    node_packages();
    let gateway = Gateway::start().await;
    let (engineer, viewer) = (gateway.token(Role::Engineer), gateway.token(Role::Viewer));
    is_well(&run(Path::new("node"), &["door.mjs", &gateway.url(""), &engineer, &viewer]).await);
    let status = reqwest::get(gateway.url("/api/ws-status")).await.unwrap().status();
    assert_eq!(status, 401);
    gateway.stop().await;
}

/// The script of the source system, as it stands there but for the address.
#[tokio::test(flavor = "multi_thread")]
async fn the_flow_of_the_source_systems_own_test_script_runs() {
    let Some(models) = models().filter(|_| is_installed("python3")) else { return };
    let seeds = models.join("../../../seeds");
    let Some(text) = std::fs::read_dir(&seeds).ok().and_then(|entries| {
        let mut seeds = entries.filter_map(Result::ok).filter(|e| e.file_name().to_string_lossy().starts_with("004_"));
        seeds.next().map(|e| std::fs::read_to_string(e.path()).unwrap())
    }) else {
        println!("skipped: there is no seed 004 in {}", seeds.display());
        return;
    };
    let script = text.split("```python\n").find(|part| part.contains("WEBSOCKET CONNECTION TEST")).unwrap();
    let gateway = open_door(models).await;
    let script = script.split("```").next().unwrap().replace("http://localhost:5000", &gateway.url(""));
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("test_websocket.py");
    std::fs::write(&path, script).unwrap();
    let output = Command::new(python()).arg(&path).env("PYTHONIOENCODING", "utf-8").output().await.unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.contains("DQN model loaded successfully"), "{out}");
    assert!(out.contains("Test Complete!") && !out.contains("Error:") && !out.contains("Failed"), "{out}");
    let view = gateway.services().bus.view().unwrap();
    assert_eq!((view.episode, view.counts.steps), (1, 10), "it started an episode and took ten steps");
    gateway.stop().await;
}
