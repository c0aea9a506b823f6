//! README and book do what they say: the examples run in the order of the book against the real binary and print what is
//! shown, the frames are answered as shown, the tables name everything there is, and links and named paths lead somewhere.
//!
//! A block behind `<!-- tested -->` is run (`needs <program>`: where that is installed); the block
//! behind `<!-- output -->` holds lines of its output, in order, with `…` for what differs.

use std::{
    fmt::Write as _,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use slipstream_gateway::config::SETTINGS;
use slipstream_protocol::{CloseCode, ErrorCode, WireFormat, token::Role};
use slipstream_tests::gateway::Gateway;

/// Longest run of all examples together.
const PATIENCE: Duration = Duration::from_secs(240);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// README and the pages of the book, in the book's order.
pub(crate) fn pages() -> Vec<(PathBuf, String)> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, text)
    };
    let book = root().join("docs/book");
    let summary = fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    let listed = summary.lines().filter_map(|line| line.split("](").nth(1)?.strip_suffix(')'));
    let pages = listed.map(|page| read(book.join(page)));
    std::iter::once(read(root().join("README.md"))).chain(pages).collect()
}

/// All of it, one page behind the other.
pub(crate) fn text() -> String {
    pages().into_iter().map(|(_, text)| text + "\n").collect()
}

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// What the comment before it says, as in `tested`; empty where there is none.
    pub(crate) mark: String,
    pub(crate) body: String,
}

pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut mark, mut lines) = (Vec::new(), String::new(), text.lines());
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!-- ").and_then(|l| l.strip_suffix(" -->")) {
            comment.clone_into(&mut mark);
        } else if line.starts_with("```") {
            let body = lines.by_ref().take_while(|l| !l.starts_with("```")).fold(String::new(), |body, l| body + l + "\n");
            found.push(Block { mark: std::mem::take(&mut mark), body });
        } else {
            mark.clear();
        }
    }
    found
}

/// An example and the output shown behind it.
struct Example {
    script: String,
    shown: String,
}

fn installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut skipping = false;
    for block in blocks(text) {
        let needs = block.mark.strip_prefix("tested, needs ");
        if block.mark == "tested" || needs.is_some() {
            skipping = needs.is_some_and(|program| !installed(program));
            if skipping {
                println!("skipped: {} is not installed", needs.unwrap_or_default());
            } else {
                found.push(Example { script: block.body, shown: String::new() });
            }
        } else if block.mark == "output" && !skipping {
            found.last_mut().expect("output stands behind an example").shown = block.body;
        }
    }
    found
}

/// One shell for all of them, so that variables and jobs live on; the output of each goes to a file of its own.
fn script(examples: &[Example], port: u16) -> String {
    let mut script = String::from("set -euo pipefail\n");
    for (number, example) in examples.iter().enumerate() {
        let commands = example.script.replace("localhost:8080", &format!("localhost:{port}"));
        let _ = write!(script, "echo {number} > ../reached\n{{\n{commands}\n}} > ../out.{number} 2> ../err.{number}\n");
    }
    script
}

/// A shell and all it started; killed together.
struct Shell(Child);

impl Shell {
    fn run(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Its group: the server, where an example failed before it was stopped.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// The first line shown whose parts are not in `said`, each line behind the one before.
fn missing<'a>(shown: &'a str, mut said: &str) -> Option<&'a str> {
    for line in shown.lines() {
        for part in line.split('…') {
            let Some(at) = said.find(part) else { return Some(line) };
            said = &said[at + part.len()..];
        }
    }
    None
}

#[test]
fn the_examples_run_and_print_what_is_shown() {
    if !(installed("bash") && installed("curl")) {
        println!("skipped: bash and curl are needed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (home, programs): (PathBuf, PathBuf) = (folder.path().join("home"), folder.path().join("bin"));
    for dir in [&home, &programs] {
        fs::create_dir(dir).unwrap();
    }
    std::os::unix::fs::symlink(crate::cli::binary(), programs.join("slipstream")).unwrap();
    let port = slipstream_tests::port::free();
    let examples = examples(&text());
    assert!(examples.len() >= 12, "{} examples", examples.len());

    let mut bash = Command::new("bash");
    for setting in SETTINGS {
        bash.env_remove(setting.env);
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    bash.env_remove("SLIPSTREAM_URL").env_remove("SLIPSTREAM_TOKEN").env("PATH", path);
    bash.env("PORT", port.to_string()).env("SLIPSTREAM_BIND", "127.0.0.1").current_dir(&home);
    bash.args(["-c", &script(&examples, port)]).process_group(0).stdin(Stdio::null());
    // Not pipes: what runs on in the background would keep them open.
    let log = File::create(folder.path().join("log")).unwrap();
    bash.stdout(log.try_clone().unwrap()).stderr(log);
    let code = Shell(bash.spawn().unwrap()).run();

    let read = |name: String| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let reached: usize = read("reached".into()).trim().parse().unwrap();
    let told = |n: usize| format!("{}\nsaid:\n{}\nand:\n{}", examples[n].script, read(format!("out.{n}")), read(format!("err.{n}")));
    assert_eq!(code, Some(0), "the examples end well; the last one run was\n{}{}", told(reached), read("home/serve.log".into()));
    for (number, example) in examples.iter().enumerate() {
        let said = read(format!("out.{number}"));
        if let Some(line) = missing(&example.shown, &said) {
            panic!("{line}\nis not printed by\n{}", told(number));
        }
    }
}

/// Whether `heard` has all that `shown` has; `"…"` stands for any value.
fn is_like(shown: &Value, heard: &Value) -> bool {
    match (shown, heard) {
        (Value::String(text), heard) if text == "…" => !heard.is_null(),
        (Value::Object(shown), Value::Object(heard)) => {
            shown.iter().all(|(name, value)| heard.get(name).is_some_and(|h| is_like(value, h)))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (shown, heard) => shown == heard,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_frames_are_answered_as_shown() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(Role::Engineer, WireFormat::Json).await;
    let readme = text();
    let frames = blocks(&readme).into_iter().find(|b| b.mark == "tested frames").expect("the book shows frames");
    let mut heard = Vec::new();
    for line in frames.body.lines() {
        let (who, frame) = line.split_at(2);
        let frame: Value = serde_json::from_str(frame).unwrap_or_else(|e| panic!("{line}: {e}"));
        match who {
            "> " => client.send(frame).await,
            // An acknowledgement and a publication do not wait for each other.
            "< " => loop {
                if let Some(at) = heard.iter().position(|h| is_like(&frame, h)) {
                    heard.swap_remove(at);
                    break;
                }
                heard.push(client.message().await);
                assert!(heard.len() < 100, "{frame} is not heard, but {heard:?}");
            },
            _ => panic!("{line}"),
        }
    }
    gateway.stop().await;
}

/// Targets of the links in `text`, without those to other sites and within the page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(|target| target.split('#').next().unwrap_or_default()).filter(|target| !target.is_empty() && !target.contains(':'))
}

#[test]
fn every_link_leads_to_a_file_and_every_page_is_in_the_summary() {
    let pages = pages();
    let mut others: Vec<PathBuf> =
        ["CONTRIBUTING.md", "CHANGELOG.md", "docs/GLOSSARY.md", "docs/book/SUMMARY.md"].map(|p| root().join(p)).into();
    others.extend(fs::read_dir(root().join("docs/adr")).unwrap().map(|entry| entry.unwrap().path()));
    let others = others.into_iter().map(|path| (fs::read_to_string(&path).unwrap(), path)).map(|(text, path)| (path, text));
    for (path, text) in pages.iter().cloned().chain(others) {
        for link in links(&text) {
            assert!(path.parent().unwrap().join(link).exists(), "{}: there is no {link}", path.display());
        }
    }
    for folder in ["do", "run", "look-up", "understand"] {
        for entry in fs::read_dir(root().join("docs/book").join(folder)).unwrap() {
            let page = entry.unwrap().path();
            assert!(pages.iter().any(|(listed, _)| *listed == page), "{} is not in the summary", page.display());
        }
    }
    assert!(pages[0].1.lines().count() <= 150, "the README is a door, not the house");
}

#[test]
fn every_path_that_is_named_exists() {
    let rooms = ["protocol/", "engine/", "actors/", "gateway/", "tests/", "benches/", "docs/", "fuzz/", "models/", "packaging/"];
    let adr = fs::read_dir(root().join("docs/adr")).unwrap().map(|entry| entry.unwrap().path());
    let adr = adr.map(|path| (fs::read_to_string(&path).unwrap(), path)).map(|(text, path)| (path, text));
    let mut gone = Vec::new();
    for (path, text) in pages().into_iter().chain(adr) {
        for named in text.split('`').skip(1).step_by(2).filter(|named| rooms.iter().any(|room| named.starts_with(room))) {
            let is_path = named.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
            if is_path && !root().join(named).exists() {
                gone.push(format!("{}: {named}", path.strip_prefix(root()).unwrap_or(&path).display()));
            }
        }
    }
    assert!(gone.is_empty(), "named and not there:\n{}", gone.join("\n"));
}

#[test]
fn the_glossary_of_the_book_is_the_one_of_the_project() {
    let book = fs::read_to_string(root().join("docs/book/understand/glossary.md")).unwrap();
    assert_eq!(book, fs::read_to_string(root().join("docs/GLOSSARY.md")).unwrap());
}

/// Rows of the tables, without blanks around the cells.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().filter(|l| l.starts_with('|')).map(|l| l.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_setting_is_in_the_table_with_its_variable() {
    let readme = text();
    let rows = rows(&readme);
    for setting in SETTINGS {
        let (key, env) = (format!("`{}`", setting.key), format!("`{}`", setting.env));
        assert!(rows.iter().any(|r| r[0] == key && r[1] == env), "{key} {env} is not in the table");
    }
}

#[test]
fn every_error_and_close_code_is_in_its_table() {
    let readme = text();
    let rows = rows(&readme);
    for code in ErrorCode::ALL {
        let row = rows.iter().find(|r| r[0] == format!("`{code}`")).unwrap_or_else(|| panic!("{code} is not in the table"));
        assert_eq!(row[1], code.http_status().to_string(), "{code}");
        assert_eq!(row[3] == "yes", code.is_retryable(), "{code}");
    }
    for code in CloseCode::ALL {
        let row = rows.iter().find(|r| r[0] == code.code().to_string()).unwrap_or_else(|| panic!("{code:?} is not in the table"));
        assert_eq!(row[2].starts_with("yes"), code.should_reconnect(), "{code:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_and_every_metric_is_in_its_table() {
    let gateway = Gateway::start().await;
    let readme = text();
    let rows = rows(&readme);
    let document: Value = reqwest::get(gateway.url("/openapi.json")).await.unwrap().json().await.unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("`{} {path}`", method.to_uppercase());
            let row = rows.iter().find(|r| r[0] == name).unwrap_or_else(|| panic!("{name} is not in the table"));
            assert_eq!(row[1] == "anyone", operation["security"].as_array().unwrap().is_empty(), "{name}");
        }
    }

    // Labelled ones appear with their first event: a refusal and a close.
    let mut client = gateway.client(Role::Viewer, WireFormat::Json).await;
    client.send(serde_json::json!({"type": "nonsense"})).await;
    client.message_of("error").await;
    client.try_send_raw(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    client.closed().await;
    let asked = reqwest::Client::new().get(gateway.url("/metrics")).bearer_auth(gateway.token(Role::Viewer)).send().await;
    let metrics = asked.unwrap().text().await.unwrap();
    let mut told = 0;
    for (name, kind) in metrics.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split_once(' ')) {
        let whole = format!("`{name}{}`", if kind == "counter" { "_total" } else { "" });
        assert!(rows.iter().any(|r| r[0] == whole && r[1] == kind), "{whole}, a {kind}, is not in the table");
        told += 1;
    }
    assert!(told > 40, "{told}");
    gateway.stop().await;
}
