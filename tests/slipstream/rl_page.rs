//! The agents' page: in a real Chromium against the real binary (`tests/browser/agents.test.js`).

use crate::browser::{all_installed, install_packages, run};

#[test]
fn the_agents_page_works_in_chromium_against_the_binary() {
    if !all_installed(&["node", "npm", "chromium"]) {
        return;
    }
    install_packages("tests/browser");
    run("tests/browser", "node", &["--test", "agents.test.js"], &[("SLIPSTREAM_BIN", crate::cli::binary())]);
}
