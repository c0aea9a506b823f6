//! The pipelines page: its modules in Node, and all of it in a real Chromium against the real binary (`tests/browser/`).

use crate::browser::{all_installed, install_packages, run};

#[test]
fn the_pages_modules_do_what_they_say() {
    if all_installed(&["node"]) {
        run("tests/browser", "node", &["--test", "pipelines_modules.test.js"], &[]);
    }
}

#[test]
fn the_page_works_in_chromium_against_the_binary() {
    if all_installed(&["node", "npm", "chromium"]) {
        install_packages("tests/browser");
        run("tests/browser", "node", &["--test", "pipelines.test.js"], &[("SLIPSTREAM_BIN", crate::cli::binary())]);
    }
}
