//! Hands the name of the build profile to the sources: `slipstream --version` says it.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // <target>/<profile>/build/<package>-<hash>/out; the variable `PROFILE` says release for all profiles that inherit it.
    let out = env::var("OUT_DIR").unwrap_or_default();
    let folder = Path::new(&out).ancestors().find(|folder| folder.ends_with("build")).and_then(Path::parent);
    let profile = folder.and_then(Path::file_name).map_or_else(|| "unknown".into(), |name| name.to_string_lossy());
    println!("cargo:rustc-env=SLIPSTREAM_PROFILE={profile}");
}
