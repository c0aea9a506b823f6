//! SIGINT and SIGTERM: the first asks to finish, the second ends at once.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// How much longer than its bound a drain may take before the process ends without it.
const OVERTIME: Duration = Duration::from_secs(5);

/// A token that the first SIGINT or SIGTERM cancels.
///
/// Signals are waited for on a thread of their own: the second one ends the process whatever keeps the other threads busy.
pub(super) fn stop() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let wait = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if cancelled.is_cancelled() {
                std::process::exit(INTERRUPTED);
            }
            cancelled.cancel();
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(wait))?;
    Ok(token)
}

/// Drains a server, and ends the process where that takes far longer than its bound: whatever keeps it busy then would
/// keep it for ever. What was acknowledged is on the disk.
pub(super) async fn drain(server: crate::app::RunningServer) {
    let most = server.services().config.drain_timeout + OVERTIME;
    let watch = std::thread::Builder::new().name("drain".into()).spawn(move || {
        std::thread::sleep(most);
        tracing::error!(?most, "the drain did not come to its end; the server ends without it");
        std::process::exit(i32::from(super::exit::FAILED));
    });
    if let Err(error) = watch {
        tracing::warn!(%error, "nothing watches over the drain");
    }
    server.shutdown().await;
}
