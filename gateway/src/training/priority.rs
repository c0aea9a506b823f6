//! Whoever learns or tries out policies yields to whatever else the machine does.

/// Nearly everything else comes first.
const NICENESS: i32 = 15;

/// Lowers the priority of the calling thread; live vehicles come first. Elsewhere than on Linux it would be
/// that of the whole process, and nothing is done.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}
