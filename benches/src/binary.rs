//! Slipstream's own binary, as it is shipped: built with the `dist` profile.

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

/// The binary to measure: what `SLIPSTREAM_BENCH_BINARY` names, or the `dist` binary of this `target`.
///
/// # Errors
/// Where there is none, or where it says that it was built to be built fast: its figures are not those of what is shipped.
pub fn slipstream() -> Result<PathBuf> {
    let binary = match std::env::var_os("SLIPSTREAM_BENCH_BINARY") {
        Some(named) => PathBuf::from(named),
        None => target_dir()?.join("dist/slipstream"),
    };
    ensure!(binary.is_file(), "{} is missing: cargo build --profile dist -p slipstream-gateway", binary.display());
    let version = version(&binary)?;
    let is_shipped = !["(release)", "(debug)"].iter().any(|profile| version.ends_with(profile));
    let is_meant = std::env::var_os("SLIPSTREAM_BENCH_ANY_PROFILE").is_some();
    ensure!(
        is_shipped || is_meant,
        "{} is {version}; measure the profile dist, or set SLIPSTREAM_BENCH_ANY_PROFILE=1 to compare profiles",
        binary.display()
    );
    Ok(binary)
}

/// What `binary` says of itself: name, version and profile.
///
/// # Errors
/// Where it does not run.
pub fn version(binary: &Path) -> Result<String> {
    let said = Command::new(binary).arg("--version").output().with_context(|| format!("{} does not run", binary.display()))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// Makes the `dist` binary what the sources say.
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
    build.args(["build", "--profile", "dist", "-p", "slipstream-gateway", "--target-dir"]).arg(target_dir()?).current_dir(root);
    ensure!(build.status()?.success(), "{build:?} fails");
    Ok(())
}
