//! The limit of file descriptors: raised at the start, and the measure of how many connections there may be.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where the system sets no limit.
const UNLIMITED: u64 = 1 << 20;

/// Raises the soft limit to the hard one: the usual soft limit of 1,024 is one of `select`, which is not used here.
pub fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::debug!(?current, ?maximum, "the limit of file descriptors was raised"),
        Err(error) => tracing::warn!(%error, ?current, ?maximum, "the limit of file descriptors cannot be raised"),
    }
}

/// File descriptors this process may have.
pub(super) fn descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED);
    usize::try_from(limit).unwrap_or(usize::MAX)
}
