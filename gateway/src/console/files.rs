//! The files of the page. A new page or module is one line here.

use std::sync::LazyLock;

use super::asset::Asset;

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../console/", $name)) as &[u8])),*]
    };
}

const FILES: &[(&str, &[u8])] = &embed![
    "css/base.css",
    "css/frame.css",
    "css/live.css",
    "css/pipelines.css",
    "css/rl.css",
    "icon.svg",
    "index.html",
    "js/align.js",
    "js/api.js",
    "js/backoff.js",
    "js/channels.js",
    "js/closing.js",
    "js/colors.js",
    "js/connection.js",
    "js/feed.js",
    "js/format.js",
    "js/frames.js",
    "js/freshness.js",
    "js/ground.js",
    "js/handle.js",
    "js/history.js",
    "js/inbox.js",
    "js/keys.js",
    "js/latency.js",
    "js/main.js",
    "js/map.js",
    "js/meanings.js",
    "js/notices.js",
    "js/picker.js",
    "js/pipelines/facts.js",
    "js/pipelines/graph.js",
    "js/pipelines/layout.js",
    "js/pipelines/list.js",
    "js/pipelines/main.js",
    "js/pipelines/poll.js",
    "js/pipelines/rates.js",
    "js/pipelines/results.js",
    "js/pipelines/shape.js",
    "js/place.js",
    "js/plots.js",
    "js/position.js",
    "js/results.js",
    "js/rl/bus.js",
    "js/rl/comparison.js",
    "js/rl/curve.js",
    "js/rl/episode.js",
    "js/rl/main.js",
    "js/rl/paths.js",
    "js/rl/road.js",
    "js/rl/stage.js",
    "js/rl/svg.js",
    "js/rl/training.js",
    "js/session.js",
    "js/setup.js",
    "js/signals.js",
    "js/status.js",
    "js/store.js",
    "js/theme.js",
    "js/timing.js",
    "js/token.js",
    "js/track.js",
    "pipelines.html",
    "rl.html",
    "setup.html",
    "vendor/uPlot.LICENSE",
    "vendor/uPlot.iife.min.js",
    "vendor/uPlot.min.css",
];

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| FILES.iter().map(|(name, body)| Asset::new(name, body)).collect());

/// Every file; hashed and packed on first use.
pub(super) fn all() -> impl Iterator<Item = &'static Asset> {
    ASSETS.iter()
}
