//! The walls of the house, kept by comparing `cargo metadata` and the sources with the plan
//! (docs/book/understand/architecture.md): `protocol <- engine <- actors <- gateway`, nothing points back.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What each room may use. Adding a line here is a decision about the architecture.
const ROOMS: [(&str, &[&str]); 6] = [
    ("slipstream-protocol", &["base64", "bytes", "crc32fast", "itoa", "rkyv", "ryu", "serde", "serde_json", "thiserror"]),
    (
        "slipstream-engine",
        &[
            "cel",
            "crc32fast",
            "multiversion",
            "ndarray",
            "postcard",
            "rand",
            "rand_chacha",
            "rstar",
            "safetensors",
            "serde",
            "serde_json",
            "sha2",
            "slipstream-protocol",
            "smartcore",
            "thiserror",
        ],
    ),
    ("slipstream-ports", &["futures-util", "slipstream-engine", "slipstream-protocol", "thiserror"]),
    (
        "slipstream-journal",
        &[
            "bytes",
            "crc32fast",
            "crossbeam",
            "futures-util",
            "parking_lot",
            "rustix",
            "serde",
            "serde_json",
            "slipstream-ports",
            "slipstream-protocol",
            "thiserror",
            "tokio",
            "tracing",
        ],
    ),
    // For a car's computer: no SQL, no HTTP server, no actors.
    (
        "slipstream-relay",
        &[
            "base64",
            "bytes",
            "crc32fast",
            "csv",
            "encoding_rs",
            "flate2",
            "futures-util",
            "memchr",
            "parking_lot",
            "parquet",
            "rand",
            "rustls",
            "rustls-native-certs",
            "serde",
            "serde_json",
            "slipstream-engine",
            "slipstream-journal",
            "slipstream-ports",
            "slipstream-protocol",
            "thiserror",
            "tokio",
            "tokio-tungstenite",
            "tokio-util",
            "tracing",
            "uuid",
            "webpki-roots",
        ],
    ),
    (
        "slipstream-actors",
        &[
            "actix",
            "actix-rt",
            "arc-swap",
            "bytes",
            "crossbeam",
            "dashmap",
            "futures-util",
            "parking_lot",
            "serde",
            "slipstream-engine",
            "slipstream-ports",
            "slipstream-protocol",
            "thin-vec",
            "thiserror",
            "tokio",
            "tracing",
        ],
    ),
];

/// Longer than this a file is rarely one subject any more.
const MAX_LINES: usize = 500;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap()
}

fn dependencies(metadata: &Metadata, package: &str) -> BTreeSet<String> {
    let package = metadata.packages.iter().find(|p| p.name.as_str() == package).unwrap();
    package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal).map(|d| d.name.clone()).collect()
}

pub(crate) fn sources(room: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != "node_modules" {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn each_room_uses_only_what_the_plan_allows() {
    let metadata = metadata();
    for (room, allowed) in ROOMS {
        let unplanned: Vec<_> = dependencies(&metadata, room).into_iter().filter(|d| !allowed.contains(&d.as_str())).collect();
        assert!(unplanned.is_empty(), "{room} uses {unplanned:?}, which its wall keeps out");
    }
}

#[test]
fn only_the_actors_name_actix() {
    let metadata = metadata();
    for package in metadata.packages.iter().map(|p| p.name.to_string()).filter(|n| n != "slipstream-actors") {
        let named: Vec<_> = dependencies(&metadata, &package).into_iter().filter(|d| d.starts_with("actix")).collect();
        assert!(named.is_empty(), "{package} names {named:?}");
    }
}

#[test]
fn the_actors_have_no_sockets_and_no_files() {
    let metadata = metadata();
    let actors = metadata.packages.iter().find(|p| p.name.as_str() == "slipstream-actors").unwrap();
    let tokio = actors.dependencies.iter().find(|d| d.name == "tokio" && d.kind == DependencyKind::Normal).unwrap();
    for feature in ["net", "fs", "process", "full"] {
        assert!(!tokio.features.iter().any(|f| f == feature), "actors enable tokio's {feature}");
    }
    for path in sources("actors/src") {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["std::net", "std::fs", "serde_json::from", "reqwest", "sqlx"] {
            let tests = ["tests.rs", "harness.rs", "properties.rs"].iter().any(|end| path.to_string_lossy().ends_with(end));
            assert!(tests || !text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn nothing_sends_past_a_mailbox_bound() {
    for room in ["actors/src", "gateway/src"] {
        for path in sources(room) {
            assert!(!fs::read_to_string(&path).unwrap().contains(".do_send("), "{} uses do_send", path.display());
        }
    }
}

#[test]
fn no_file_outgrows_its_subject() {
    let long: Vec<_> = ["protocol", "engine", "actors", "gateway", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .filter_map(|path| {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            (lines > MAX_LINES).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "move a wall: {long:#?}");
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    for room in ["protocol", "engine", "actors", "gateway", "tests", "benches"] {
        for path in sources(room) {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let empty = ["utils", "util", "helpers", "helper", "common", "misc", "manager"];
            assert!(!empty.contains(&name.as_str()) && !name.ends_with("_v2"), "{}", path.display());
        }
    }
}
