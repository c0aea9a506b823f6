//! The real binary, from outside.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use slipstream_gateway::auth::Auth;
use slipstream_protocol::{Timestamp, VehicleId, token::Role};
use slipstream_tests::{gateway::now_s, servers::is_root};

/// The program: the one `SLIPSTREAM_BIN` names, else the one that was built with this test.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("SLIPSTREAM_BIN").map_or_else(|| env!("CARGO_BIN_EXE_slipstream-under-test").into(), Into::into))
}

/// The binary with its own data folder and none of this process's settings.
fn slipstream(data: &Path) -> Command {
    let mut command = Command::new(binary());
    for name in ["JWT_SECRET", "PORT", "LOG_LEVEL", "DATABASE_URL", "SLIPSTREAM_URL", "SLIPSTREAM_TOKEN", "SLIPSTREAM_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command.env("DATA_DIR", data).current_dir(data);
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    slipstream(data).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A started server; killed when a test fails.
struct Server {
    child: Child,
    first_line: String,
    url: String,
}

impl Server {
    /// `demo` on a free port: its first line tells the address.
    fn demo(data: &Path) -> Self {
        let arguments = ["demo", "--port", "0", "--bind", "127.0.0.1", "--cars", "3", "--rate", "20"];
        let mut child = slipstream(data).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first_line).unwrap();
        let url = first_line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        Self { url: format!("http://{url}"), child, first_line }
    }

    /// SIGTERM, then the exit code.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it drains in time");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already in the good case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_lists_every_command_with_examples_and_exit_codes() {
    let data = tempfile::tempdir().unwrap();
    let help = run(data.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for word in ["serve", "demo", "relay", "tail", "token", "user", "config", "completions", "Examples:", "Exit codes:"] {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
    for command in ["serve", "demo", "relay", "tail", "token", "config"] {
        let help = run(data.path(), &[command, "--help"]);
        assert!(help.status.success() && text(&help.stdout).contains("Examples:"), "{command}");
    }
    let version = run(data.path(), &["--version"]);
    let version = text(&version.stdout);
    let profile = version.trim().strip_prefix(concat!("slipstream ", env!("CARGO_PKG_VERSION"), " (")).and_then(|p| p.strip_suffix(')'));
    assert!(profile.is_some_and(|name| ["debug", "release", "dist"].contains(&name)), "{version}");
}

#[test]
fn a_minted_token_says_what_was_asked_and_verifies_with_the_same_secret() {
    let data = tempfile::tempdir().unwrap();
    let out = slipstream(data.path())
        .env("JWT_SECRET", "a secret of the tests")
        .args(["token", "--subject", "g3", "--role", "relay", "--publish", "ALB,HAM", "--channels", "telemetry:*", "--ttl", "2h"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let auth = Auth::new(b"a secret of the tests");
    let claims = auth.verify(text(&out.stdout).trim(), Timestamp::from_millis(now_s() * 1_000)).unwrap();
    assert_eq!((claims.sub.as_str(), claims.role), ("g3", Role::Relay));
    assert!(claims.may_publish(&VehicleId::new("HAM").unwrap()) && !claims.may_publish(&VehicleId::new("VER").unwrap()));
    assert!(!claims.may_hear(&"video:ALB".parse().unwrap()));
    assert!((claims.exp - now_s() - 7_200).abs() < 60);
}

#[test]
fn a_token_is_minted_with_an_existing_secret_alone() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("data");
    let token = |arguments: &[&str]| slipstream(data.path()).env("DATA_DIR", &folder).arg("token").args(arguments).output().unwrap();
    let refused = token(&["--role", "viewer"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for part in [folder.to_str().unwrap(), "--data-dir", "--new"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(refused.stdout.is_empty() && !folder.exists(), "nothing is left behind");
    assert!(token(&["--new"]).status.success() && token(&[]).status.success());
    for (arguments, says) in [
        (&["--role", "driver"][..], "--subject"),
        (&["--role", "driver", "--publish", "ALB"], "--subject"),
        (&["--role", "admin", "--channels", "telemetry:ALB"], "admin"),
        (&["--role", "viewer", "--publish", "ALB"], "viewer"),
    ] {
        let out = token(arguments);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert!(text(&out.stderr).contains(says) && out.stdout.is_empty(), "{arguments:?}: {}", text(&out.stderr));
    }
    assert!(token(&["--role", "driver", "--subject", "ALB"]).status.success());
}

#[test]
fn users_are_added_to_an_existing_database_alone() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("data");
    let user = |arguments: &[&str]| slipstream(data.path()).env("DATA_DIR", &folder).arg("user").args(arguments).output().unwrap();
    let refused = user(&["add", "ann@example.org", "--role", "admin"]);
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains(folder.to_str().unwrap()) && said.contains("--new"), "{said}");
    assert!(!folder.exists(), "nothing is left behind");
    let added = user(&["add", "Ann@example.org", "--role", "admin", "--new"]);
    assert!(text(&added.stdout).contains("ann@example.org is admin now; password: "), "{}{}", text(&added.stdout), text(&added.stderr));
    assert_eq!(user(&["add", "ann@example.org"]).status.code(), Some(1), "the email is taken");
    for bad in [&["add", "ann"][..], &["add", "b@example.org", "--role", "driver"], &["role", "nobody@example.org", "viewer"]] {
        assert_eq!(user(bad).status.code(), Some(2), "{bad:?}");
    }
    let invited = user(&["invite", "--role", "engineer"]);
    assert!(text(&invited.stdout).starts_with("sli_") && text(&invited.stderr).contains("/setup#"), "{}", text(&invited.stderr));
}

#[test]
fn the_configuration_is_printed_without_its_secrets() {
    let data = tempfile::tempdir().unwrap();
    let out = slipstream(data.path())
        .env("JWT_SECRET", "hunter2-hunter2-hunter2")
        .env("DATABASE_URL", "postgres://slip:hunter2@db/slip")
        .args(["config", "--port", "9123"])
        .output()
        .unwrap();
    let printed = text(&out.stdout);
    assert!(printed.contains("port = 9123") && printed.contains("***"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
    let list = text(&run(data.path(), &["config", "--list"]).stdout);
    assert!(list.contains("JWT_SECRET") && list.contains("drain_timeout"), "{list}");
}

#[test]
fn exit_codes_tell_usage_from_failure() {
    let data = tempfile::tempdir().unwrap();
    for (arguments, code, said) in [
        (&["nonsense"][..], 2, "nonsense"),
        (&["token", "--role", "king"], 2, "the roles are"),
        (&["config", "--set", "no.such=1"], 2, "no.such"),
        (&["relay"], 2, "FILE"),
        (&["relay", "x.csv", "--url", "ftp://x"], 2, "ftp://x"),
        (&["tail", "weather:1"], 2, "unknown kind"),
        (&["relay", "/no/such.csv"], 1, "/no/such.csv"),
        (&["relay", "--simulate", "1", "--url", "127.0.0.1:1", "--give-up-after", "1ms"], 1, "gave up"),
    ] {
        let out = run(data.path(), arguments);
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}

/// Runs with standard output and standard error going to a reader that has gone.
fn run_unread(data: &Path, arguments: &[&str]) -> Option<i32> {
    let unread = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    slipstream(data).args(arguments).stdin(Stdio::null()).stdout(unread()).stderr(unread()).status().unwrap().code()
}

#[test]
fn no_command_panics_once_its_reader_has_gone() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(
        data.path().join("p.toml"),
        "name = 'p'\n[[steps]]\nop = 'window'\nkind = 'tumbling'\nsize = '1s'\nof = {v = ['mean']}\n",
    )
    .unwrap();
    std::fs::write(data.path().join("d.csv"), "t_s,vehicle_id,v\n0,a,1\n9,a,1\n").unwrap();
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["config"], 0),
        (&["config", "--list"], 0),
        (&["completions", "bash"], 0),
        (&["pipeline", "operators"], 0),
        (&["rl", "play", "random"], 0),
        (&["rl", "eval", "random", "--episodes", "2"], 0),
        (&["nonsense"], 2),
        (&["rl", "eval", "no-such-file"], 1),
        (&["relay", "--simulate", "1", "--url", "127.0.0.1:1", "--give-up-after", "1ms"], 1),
        (&["tail", "telemetry:*", "--url", "127.0.0.1:1", "--give-up-after", "1ms"], 1),
    ] {
        assert_eq!(run_unread(data.path(), arguments), Some(code), "{arguments:?}");
    }
    let tried = run_unread(data.path(), &["pipeline", "try", "p.toml", "--data", "d.csv"]);
    assert!(matches!(tried, Some(0 | 2 | 3)), "{tried:?}");
}

#[test]
fn what_goes_wrong_is_said_once_and_in_the_users_words() {
    let data = tempfile::tempdir().unwrap();
    for (arguments, code, said) in [
        (&["rl", "eval", "no-such.zip"][..], 1, "there is no such file"),
        (&["rl", "train", "--out", "no/such/folder/x", "--steps", "1"], 2, "there is no folder no/such/folder"),
        (&["alarms", "list", "--url", "http://127.0.0.1:1"], 1, "is the server running?"),
        (&["replay", "list", "--url", "http://127.0.0.1:1", "--token", "x"], 1, "is the server running?"),
        (&["export", "x.csv", "--vehicle", "NOBODY"], 3, "nothing is stored there"),
        (&["export", "x.csv", "--from", "yesterday"], 2, "RFC 3339"),
        (&["import", "no-such.csv"], 1, "there is no such file"),
        (&["import", "."], 1, "it is a folder"),
        (&["relay", "no-such.csv"], 1, "there is no such file"),
        (&["user", "list", "--url", "http://127.0.0.1:1", "--token", "x"], 1, "is the server running?"),
        (&["token", "--new", "--ttl", "0s"], 2, "it would have ended already"),
        (&["token", "--new", "--ttl", "99999999d"], 2, "at most 100 years"),
        (&["tail", "telemetry:*", "--url", "127.0.0.1:1", "--give-up-after", "1s"], 1, "nothing listens there; trying again"),
        (&["relay", "--simulate", "1", "--url", "127.0.0.1:1", "--give-up-after", "1ms"], 1, "gave up"),
    ] {
        let out = run(data.path(), arguments);
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert_eq!(stderr.matches(said).count(), 1, "{arguments:?}: {stderr}");
        let last = stderr.lines().last().unwrap_or_default();
        assert!(!last.contains("os error"), "{arguments:?}: {stderr}");
    }
    assert_eq!(run(data.path(), &["export", "x.csv", "--from", "2026-02-18", "--to", "-15m"]).status.code(), Some(3), "dates are taken");
}

#[test]
fn a_misspelt_log_level_is_refused_and_an_empty_variable_is_an_unset_one() {
    let data = tempfile::tempdir().unwrap();
    let piped = run(data.path(), &["export", "-"]);
    assert!(String::from_utf8_lossy(&piped.stdout).starts_with("time,vehicle_id,") && !std::path::Path::new("-").exists(), "{piped:?}");
    let export = |name: &str, value: &str| slipstream(data.path()).env(name, value).args(["export", "x.csv"]).output().unwrap();
    let loud = export("LOG_LEVEL", "loud");
    assert_eq!(loud.status.code(), Some(2));
    assert!(text(&loud.stderr).contains("'loud' is no level"), "{}", text(&loud.stderr));
    let config = slipstream(data.path()).env("LOG_LEVEL", "loud").arg("config").output().unwrap();
    assert_eq!((config.status.code(), config.stdout.is_empty()), (Some(2), true), "what serve refuses");
    assert_eq!(export("LOG_LEVEL", "WARNING").status.code(), Some(3));
    for name in ["PORT", "RL_OPEN", "SLIPSTREAM_BIND", "LOG_LEVEL", "DATABASE_URL", "JWT_SECRET"] {
        assert_eq!(export(name, "").status.code(), Some(3), "{name}");
    }
}

#[test]
fn a_server_that_cannot_start_says_why_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let serve = |data: &Path| {
        let mut command = slipstream(home.path());
        command.env("DATA_DIR", data).args(["serve", "--bind", "127.0.0.1", "--port", &port]).output().unwrap()
    };
    let in_use = serve(&data);
    assert_eq!(in_use.status.code(), Some(1));
    assert!(text(&in_use.stderr).contains("another server has it"), "{}", text(&in_use.stderr));
    assert!(!data.exists(), "nothing is made for a server that cannot listen");
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named_with_what_to_do() {
    use std::os::unix::process::CommandExt as _;
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for arguments in
        [&["serve", "--port", "0"][..], &["token", "--new"], &["token"], &["user", "list"], &["import", "file"], &["journal", "verify"]]
    {
        let out = slipstream(data.path()).env("DATA_DIR", &file).args(arguments).output().unwrap();
        let stderr = text(&out.stderr);
        assert!(out.status.code() == Some(2) && stderr.contains("is a file: a folder is expected"), "{arguments:?}: {stderr}");
    }
    // Who may do everything finds no folder closed: as another user.
    if !is_root() {
        println!("skipped: only root can try as another user");
        return;
    }
    let folder = data.path().join("of-root");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(data.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let readable = data.path().join("slipstream");
    std::fs::copy(binary(), &readable).unwrap();
    for arguments in [&["serve", "--port", "0"][..], &["token", "--new"], &["import", "file"]] {
        let mut command = Command::new(&readable);
        command.env("DATA_DIR", &folder).current_dir(data.path()).uid(65_534).gid(65_534).args(arguments);
        let out = command.output().unwrap();
        let stderr = text(&out.stderr);
        assert!(out.status.code() == Some(1) && stderr.contains("is closed to this user (uid 65534)"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn users_are_managed_over_the_rest_door_of_a_server_elsewhere() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::demo(data.path());
    let token = text(&run(data.path(), &["token", "--role", "admin"]).stdout);
    let elsewhere = tempfile::tempdir().unwrap();
    let user = |arguments: &[&str]| {
        let at = ["--url", &server.url, "--token", token.trim()];
        let out = run(elsewhere.path(), &[&["user"][..], arguments, &at].concat());
        assert_eq!(out.status.code(), Some(0), "{arguments:?}: {}", text(&out.stderr));
        text(&out.stdout)
    };
    assert!(user(&["add", "ann@example.org", "--role", "engineer"]).contains("password:"));
    user(&["role", "ann@example.org", "viewer"]);
    assert!(user(&["password", "ann@example.org"]).contains("new password"));
    assert!(user(&["list"]).starts_with("viewer    ann@example.org  ann"));
    user(&["remove", "ann@example.org"]);
    assert_eq!(user(&["list"]), "");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "nothing is made here");
    server.terminate();
}

#[test]
fn completions_are_written_for_common_shells() {
    let data = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let out = run(data.path(), &["completions", shell]);
        assert!(out.status.success() && text(&out.stdout).contains("slipstream"), "{shell}");
    }
}

#[test]
fn the_demo_is_one_line_away_and_relay_and_tail_work_beside_it() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::demo(data.path());
    assert!(server.first_line.starts_with("Slipstream is live: http://127.0.0.1:") && server.first_line.contains("/?token="));

    let tail = run(data.path(), &["tail", "telemetry:*", "--url", &server.url, "--count", "20", "--json", "--for", "20s"]);
    let lines = text(&tail.stdout);
    assert_eq!(tail.status.code(), Some(0), "{}", text(&tail.stderr));
    assert!(lines.lines().filter(|l| l.contains("\"speed_mps\"")).count() >= 20, "{lines}");

    // A bad row and a bad cell are reported and cost nothing else.
    let table = "t_s,vehicle_id,speed_mps\n0,own,10\noops,own,11\n1,own,12\n";
    let arguments = ["relay", "-", "--url", &server.url, "--flat-out", "--quiet"];
    let mut relay =
        slipstream(data.path()).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    relay.stdin.take().unwrap().write_all(table.as_bytes()).unwrap();
    let out = relay.wait_with_output().unwrap();
    let report = text(&out.stdout);
    assert_eq!(out.status.code(), Some(3), "{report}{}", text(&out.stderr));
    assert!(report.contains("line 3: t_s"), "{report}");
    let acknowledged = report.lines().find(|l| l.starts_with("acknowledged")).unwrap();
    assert_eq!(acknowledged.split_whitespace().nth(1), Some("2"), "{report}");

    let rates = run(data.path(), &["tail", "telemetry:*", "--url", &server.url, "--rates", "--for", "2s"]);
    assert!(text(&rates.stdout).contains("msg/s"), "{}", text(&rates.stdout));
    assert_eq!(server.terminate(), Some(0), "a drain is no failure");
}
