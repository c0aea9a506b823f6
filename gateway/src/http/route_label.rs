//! A bounded set of names for paths, so that counters cannot be made to grow by asking for odd ones.

/// The route that `path` belongs to.
pub(super) fn of(path: &str) -> &'static str {
    let mut parts = path.trim_matches('/').split('/');
    match (parts.next().unwrap_or(""), parts.next().unwrap_or("")) {
        ("", _) => "/",
        ("health", "") => "/health",
        ("metrics", "") => "/metrics",
        ("ws", "") => "/ws",
        ("openapi.json" | "asyncapi.json" | "docs", _) => "/docs",
        ("api", resource) => RESOURCES.iter().find(|(name, _)| *name == resource).map_or("/api/other", |(_, label)| label),
        _ => "other",
    }
}

const RESOURCES: [(&str, &str); 31] = [
    ("pipelines", "/api/pipelines"),
    ("alarms", "/api/alarms"),
    ("telemetry", "/api/telemetry"),
    ("vehicles", "/api/vehicles"),
    ("sessions", "/api/sessions"),
    ("status", "/api/status"),
    ("health", "/api/health"),
    ("video", "/api/video"),
    ("ai", "/api/ai"),
    ("voice", "/api/voice"),
    ("auth", "/api/auth"),
    ("users", "/api/users"),
    ("invites", "/api/invites"),
    ("tokens", "/api/tokens"),
    ("drivers", "/api/drivers"),
    ("teams", "/api/teams"),
    ("tracks", "/api/tracks"),
    ("channels", "/api/channels"),
    ("keys", "/api/keys"),
    ("fleets", "/api/fleets"),
    ("replays", "/api/replays"),
    ("what-ifs", "/api/what-ifs"),
    ("rl", "/api/rl"),
    ("models", "/api/models"),
    ("load-model", "/api/load-model"),
    ("reset", "/api/reset"),
    ("step", "/api/step"),
    ("environment-info", "/api/environment-info"),
    ("current-state", "/api/current-state"),
    ("episode-data", "/api/episode-data"),
    ("ws-status", "/api/ws-status"),
];
