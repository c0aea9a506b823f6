//! The live page: its modules in Node, its vendored library against the package, and all of it in a
//! real Chromium against the real binary (`tests/browser/`).

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

/// Whether all of `programs` are there; says so where they are not, and fails where they must be.
pub(crate) fn all_installed(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|p| !installed(p)).collect();
    if !missing.is_empty() {
        assert!(
            std::env::var("SLIPSTREAM_REQUIRE_SERVERS").as_deref() != Ok("1"),
            "not installed: {missing:?}, and SLIPSTREAM_REQUIRE_SERVERS=1"
        );
        eprintln!("skipped: not installed: {missing:?}");
    }
    missing.is_empty()
}

pub(crate) fn run(folder: &str, program: &str, arguments: &[&str], environment: &[(&str, &Path)]) {
    let output = Command::new(program).args(arguments).envs(environment.iter().copied()).current_dir(root().join(folder)).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?} in {folder}:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `npm ci` where the lock file says what; once for all tests.
pub(crate) fn install_packages(folder: &'static str) {
    static TESTS: OnceLock<()> = OnceLock::new();
    static CONSOLE: OnceLock<()> = OnceLock::new();
    let once = if folder == "tests/browser" { &TESTS } else { &CONSOLE };
    once.get_or_init(|| run(folder, "npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"], &[]));
}

#[test]
fn the_vendored_plotting_library_is_the_one_of_the_package() {
    if !all_installed(&["node", "npm"]) {
        return;
    }
    install_packages("gateway/console");
    run("gateway/console", "node", &["vendor.mjs", "--check"], &[]);
}

#[test]
fn the_pages_modules_do_what_they_say() {
    if !all_installed(&["node"]) {
        return;
    }
    run("tests/browser", "node", &["--test", "modules.test.js"], &[]);
}

#[test]
fn the_page_works_in_chromium_against_the_binary() {
    if !all_installed(&["node", "npm", "chromium"]) {
        return;
    }
    install_packages("tests/browser");
    run("tests/browser", "node", &["--test", "page.test.js"], &[("SLIPSTREAM_BIN", crate::cli::binary())]);
}
