//! What is shipped: tarball, installer, Debian package and service, made of the binary under test and tried in folders.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
    thread,
};

use tempfile::TempDir;

use crate::cli::binary;

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("packaging")
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Standard output of a command that must succeed.
fn said(command: &mut Command) -> String {
    let out = run(command);
    assert!(out.status.success(), "{command:?}\n{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// A release of the binary under test, made once.
fn release() -> &'static Path {
    static RELEASE: OnceLock<TempDir> = OnceLock::new();
    let folder = RELEASE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        said(Command::new(packaging().join("build")).arg("--fast").arg("--binary").arg(binary()).arg("--out").arg(folder.path()));
        folder
    });
    folder.path()
}

fn ending(folder: &Path, end: &str) -> PathBuf {
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(end));
    found.next().unwrap_or_else(|| panic!("no *{end} in {}", folder.display()))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o7777
}

fn install(from: &str, destination: &Path, more: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.arg(packaging().join("install.sh")).args(["--from", from, "--prefix", "/opt/slipstream"]).args(more);
    run(command.env("DESTDIR", destination))
}

/// Serves the files of `folder` over HTTP; answers its address. Lives as long as the process.
fn file_server(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
            lines.find(String::is_empty);
            let answer = fs::read(folder.join(path.trim_start_matches('/'))).map_or_else(
                |_| b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
                |body| {
                    [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes(), &body].concat()
                },
            );
            // A client that left early fails in its own test.
            let _ = stream.write_all(&answer);
        }
    });
    address
}

#[test]
fn a_download_is_installed_whole_and_leaves_without_a_trace() {
    if !is_installed("curl") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let out = install(&file_server(release().to_owned()), root.path(), &["--service"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let prefix = root.path().join("opt/slipstream");
    assert_eq!(said(Command::new(prefix.join("bin/slipstream")).arg("--version")), said(Command::new(binary()).arg("--version")));
    for file in ["man/man1/slipstream.1.gz", "bash-completion/completions/slipstream", "zsh/site-functions/_slipstream"] {
        assert!(prefix.join("share").join(file).is_file(), "{file}");
    }
    let unit = fs::read_to_string(root.path().join("etc/systemd/system/slipstream.service")).unwrap();
    assert!(unit.contains("ExecStart=/opt/slipstream/bin/slipstream serve"), "{unit}");
    assert_eq!(mode(&root.path().join("etc/slipstream/slipstream.env")), 0o600);

    fs::write(root.path().join("etc/slipstream/slipstream.env"), "JWT_SECRET=kept\n").unwrap();
    assert!(install(release().to_str().unwrap(), root.path(), &["--service"]).status.success(), "a second time, of a folder");
    assert!(install("", root.path(), &["--uninstall"]).status.success());
    let left = said(Command::new("find").arg(root.path()).args(["-type", "f", "-printf", "%P\n"]));
    let mut left: Vec<_> = left.lines().collect();
    left.sort_unstable();
    assert_eq!(left, ["etc/slipstream/slipstream.env", "etc/slipstream/slipstream.toml"]);
    assert_eq!(fs::read_to_string(root.path().join("etc/slipstream/slipstream.env")).unwrap(), "JWT_SECRET=kept\n");
}

#[test]
fn a_download_that_was_damaged_or_is_not_there_installs_nothing() {
    let damaged = tempfile::tempdir().unwrap();
    let tarball = ending(release(), ".tar.gz");
    fs::copy(release().join("SHA256SUMS"), damaged.path().join("SHA256SUMS")).unwrap();
    fs::write(damaged.path().join(tarball.file_name().unwrap()), b"something else").unwrap();
    let empty = tempfile::tempdir().unwrap();
    for (place, says) in [(damaged.path(), "is not what SHA256SUMS says"), (empty.path(), "cannot be fetched")] {
        let root = tempfile::tempdir().unwrap();
        let out = install(place.to_str().unwrap(), root.path(), &[]);
        assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains(says), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "{says}");
    }
}

#[test]
fn the_debian_package_installs_updates_and_leaves_its_settings() {
    if !is_installed("dpkg-deb") {
        return;
    }
    let package = ending(release(), ".deb");
    let (root, admin) = (tempfile::tempdir().unwrap(), "var/lib/dpkg");
    for folder in ["info", "updates", "triggers"] {
        fs::create_dir_all(root.path().join(admin).join(folder)).unwrap();
    }
    fs::write(root.path().join(admin).join("status"), "").unwrap();
    let dpkg = |arguments: &[&str]| {
        let mut command = Command::new("dpkg");
        command.arg("--root").arg(root.path()).args(["--force-depends", "--force-script-chrootless", "--force-not-root"]);
        said(command.args(["--log=/dev/null"]).args(arguments))
    };
    dpkg(&["--install", package.to_str().unwrap()]);
    let at = |path: &str| root.path().join(path);
    assert_eq!(said(Command::new(at("usr/bin/slipstream")).arg("--version")), said(Command::new(binary()).arg("--version")));
    assert_eq!((mode(&at("etc/slipstream/slipstream.env")), mode(&at("usr/bin/slipstream"))), (0o600, 0o755));
    for file in ["lib/systemd/system/slipstream.service", "usr/share/man/man1/slipstream.1.gz", "usr/share/doc/slipstream/copyright"] {
        assert!(at(file).is_file(), "{file}");
    }
    if is_installed("systemd-sysusers") {
        assert!(fs::read_to_string(at("etc/passwd")).unwrap().contains("slipstream:"), "the service's user");
    }

    fs::write(at("etc/slipstream/slipstream.toml"), "port = 9000\n").unwrap();
    fs::create_dir_all(at("var/lib/slipstream/journal")).unwrap();
    dpkg(&["--install", package.to_str().unwrap()]);
    dpkg(&["--remove", "slipstream"]);
    assert!(!at("usr/bin/slipstream").exists());
    assert_eq!(fs::read_to_string(at("etc/slipstream/slipstream.toml")).unwrap(), "port = 9000\n");
    dpkg(&["--purge", "slipstream"]);
    assert!(!at("etc/slipstream/slipstream.toml").exists() && at("var/lib/slipstream/journal").is_dir(), "data outlive a purge");
}

#[test]
fn the_manual_page_knows_every_command_and_is_well_formed() {
    let root = tempfile::tempdir().unwrap();
    said(Command::new("tar").arg("-xzf").arg(ending(release(), ".tar.gz")).arg("-C").arg(root.path()).arg("--strip-components=1"));
    let page = root.path().join("share/man/man1/slipstream.1.gz");
    let text = said(Command::new("gzip").arg("-dc").arg(&page));
    for command in ["RELAY", "TAIL", "TOKEN", "CONFIG", "COMPLETIONS"] {
        assert!(text.contains(&format!(".SH SLIPSTREAM {command}\n")), "{command}");
    }
    assert!(text.contains("slipstream.toml") && text.contains("DATA_DIR"));
    if is_installed("man") {
        let out = run(Command::new("man").args(["--warnings", "--local-file"]).arg(&page).env("LC_ALL", "C.UTF-8").env("MANPAGER", "cat"));
        assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn systemd_takes_the_unit_and_finds_it_hardened() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("slipstream.service");
    let text = fs::read_to_string(packaging().join("slipstream.service")).unwrap();
    fs::write(&unit, text.replace("/usr/bin/slipstream", binary().to_str().unwrap())).unwrap();
    let verified = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
    let complaint = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !complaint.contains("slipstream.service"), "{complaint}");
    // Tenths of 10, which is the worst.
    said(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=25"]).arg(&unit));
}

#[test]
fn the_health_check_asks_a_server_and_notes_when_there_is_none() {
    if !is_installed("bash") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("health"), "{}").unwrap();
    let check = |port: &str| run(Command::new(packaging().join("healthcheck")).env("PORT", port)).status.success();
    let address = file_server(folder.path().to_owned());
    assert!(check(address.rsplit(':').next().unwrap()));
    let sick = file_server(folder.path().join("nothing"));
    assert!(!check(sick.rsplit(':').next().unwrap()) && !check("1"));
}

#[test]
fn what_the_container_copies_is_there() {
    let text = fs::read_to_string(packaging().join("Dockerfile")).unwrap();
    let copied: Vec<_> = text.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")).collect();
    assert_eq!(copied.len(), 3, "{copied:?}");
    for line in copied {
        let source = line.split(' ').skip(1).find(|word| !word.starts_with("--")).unwrap();
        assert!(packaging().parent().unwrap().join(source).exists(), "{line}");
    }
    assert!(text.contains("\nUSER ") && text.contains("\nHEALTHCHECK "));
}

#[test]
fn what_is_shipped_is_optimised_whole() {
    let text = fs::read_to_string(packaging().parent().unwrap().join("Cargo.toml")).unwrap();
    let levels = |section: &str| -> Vec<(String, u8)> {
        let body = text.split_once(&format!("\n[{section}]\n")).unwrap_or_else(|| panic!("{section}")).1;
        let lines = body.lines().take_while(|line| !line.starts_with('['));
        lines.filter_map(|line| line.split_once(".opt-level = ")).map(|(name, level)| (name.to_owned(), level.parse().unwrap())).collect()
    };
    let (built, shipped) = (levels("profile.release.package"), levels("profile.dist.package"));
    assert!(built.contains(&("slipstream-engine".to_owned(), 3)) && shipped.iter().all(|(_, level)| *level == 3));
    let lowered: Vec<_> = built.iter().filter(|(_, level)| *level < 3).map(|(name, _)| name).collect();
    let raised: Vec<_> = shipped.iter().map(|(name, _)| name).collect();
    assert_eq!(lowered, raised, "profile.dist inherits what profile.release lowers");
}

#[test]
fn shell_scripts_pass_the_linter() {
    if !is_installed("shellcheck") {
        return;
    }
    let scripts = ["build", "install.sh", "healthcheck", "debian/postinst", "debian/prerm", "debian/postrm"];
    said(Command::new("shellcheck").args(scripts).current_dir(packaging()));
}
