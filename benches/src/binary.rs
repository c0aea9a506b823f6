//! Slipstream's own release binary.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// Where this run's binaries lie: `target`.
///
/// # Errors
/// Where the benchmark does not lie in `target/release/deps`.
pub fn target_dir() -> Result<PathBuf> {
    // target/release/deps/<benchmark>-<hash>
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(3).context("this benchmark lies in target/release/deps")?.to_owned())
}

/// The binary to measure: what `SLIPSTREAM_BENCH_BINARY` names, or the release binary of this `target`.
///
/// # Errors
/// Where there is none.
pub fn slipstream() -> Result<PathBuf> {
    let binary = match std::env::var_os("SLIPSTREAM_BENCH_BINARY") {
        Some(named) => PathBuf::from(named),
        None => target_dir()?.join("release/slipstream"),
    };
    ensure!(binary.is_file(), "{} is missing: cargo build --release -p slipstream-gateway", binary.display());
    Ok(binary)
}

/// Makes the release binary what the sources say.
///
/// # Errors
/// Where cargo fails.
pub fn build() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // What the outer cargo says of this crate would make build scripts run again, and half the dependencies with them.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_") || n.starts_with("CARGO_CRATE_")) {
            build.env_remove(name);
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this crate lies in the repository")?;
    build.args(["build", "--release", "-p", "slipstream-gateway", "--target-dir"]).arg(target_dir()?).current_dir(root);
    ensure!(build.status()?.success(), "{build:?} fails");
    Ok(())
}
