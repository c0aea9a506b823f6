//! A bounded set of names for paths, so that counters cannot be made to grow by asking for odd ones.

use std::{collections::HashMap, sync::LazyLock};

use super::operations;

/// The route that `path` belongs to.
pub(super) fn of(path: &str) -> &'static str {
    let mut parts = path.trim_matches('/').split('/');
    match (parts.next().unwrap_or(""), parts.next().unwrap_or("")) {
        ("", _) => "/",
        ("health", "") => "/health",
        ("metrics", "") => "/metrics",
        ("ws", "") => "/ws",
        ("openapi.json" | "asyncapi.json" | "docs", _) => "/docs",
        ("api", resource) => RESOURCES.get(resource).copied().unwrap_or("/api/other"),
        _ => "other",
    }
}

/// The first two parts of every operation's path: `telemetry` and `/api/telemetry`.
static RESOURCES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let resource = |path: &'static str| {
        let name = path.strip_prefix("/api/")?.split('/').next()?;
        Some((name, &path[.."/api/".len() + name.len()]))
    };
    operations().filter_map(|operation| resource(operation.path)).collect()
});
