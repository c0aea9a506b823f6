//! One limit for many keys.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

/// Who is limited.
pub(super) type Key = u32;

/// Keys there are; two of a thousand that are active at once share one with a chance of 1 in 500, which
/// with limits so far above ordinary use does neither harm.
const KEYS: u64 = 1 << 18;

/// The key of a hash.
pub(super) fn key(hash: u64) -> Key {
    (hash % KEYS) as Key
}

/// A cell-rate limiter (GCRA) per key.
pub(super) struct Limiter {
    cells: DefaultKeyedRateLimiter<Key>,
    clock: DefaultClock,
    burst: NonZeroU32,
}

impl Limiter {
    /// `rate` a second, and after a pause as many at once, at least `burst`. `None` where `rate` is 0.
    pub(super) fn per_second(rate: u32, burst: u32) -> Option<Self> {
        let rate = NonZeroU32::new(rate)?;
        let burst = NonZeroU32::new(burst).map_or(rate, |burst| burst.max(rate));
        Some(Self::new(Quota::per_second(rate).allow_burst(burst), burst))
    }

    /// `rate` a minute, and after a pause as many at once. `None` where `rate` is 0.
    pub(super) fn per_minute(rate: u32) -> Option<Self> {
        let rate = NonZeroU32::new(rate)?;
        Some(Self::new(Quota::per_minute(rate), rate))
    }

    fn new(quota: Quota, burst: NonZeroU32) -> Self {
        let clock = DefaultClock::default();
        Self { cells: RateLimiter::dashmap_with_clock(quota, clock.clone()), clock, burst }
    }

    /// Takes `count` at once (at least one; at most as many as can ever be had at once), or tells how
    /// long until they may be taken.
    pub(super) fn take(&self, key: Key, count: u32) -> Result<(), Duration> {
        let count = NonZeroU32::new(count).map_or(NonZeroU32::MIN, |count| count.min(self.burst));
        match self.cells.check_key_n(&key, count) {
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            // More than the burst is never asked for.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Forgets keys that have all they could have again.
    pub(super) fn forget(&self) {
        self.cells.retain_recent();
        self.cells.shrink_to_fit();
    }

    /// Keys remembered.
    pub(super) fn remembered(&self) -> usize {
        self.cells.len()
    }
}
