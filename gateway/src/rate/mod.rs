//! How much one token and one address may ask for.
//!
//! Each limit is a keyed cell-rate limiter (`governor`): so much a second, and as much at once after a
//! pause. Keys are hashes with a secret seed into a fixed range, so what is remembered is bounded
//! however many tokens and addresses there are; those not heard of are forgotten now and then.
//! Why these limits and not others: `docs/adr/0008-overload.md`.

mod address;
mod limiter;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use dashmap::DashMap;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use address::ClientAddress;

use crate::app::Services;
use limiter::{Key, Limiter};

/// How often who has not been heard of is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// Limits; 0 turns one off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateConfig {
    /// Requests a second of one token.
    pub requests_per_token: u32,
    /// Requests a second of one address, with or without a token.
    pub requests_per_address: u32,
    /// New WebSocket connections a second of one address.
    pub connections_per_address: u32,
    /// Samples a second of one token on all its connections and requests; another message counts as one.
    pub samples_per_token: u32,
    /// Failed log-ins and refused tokens a minute of one address.
    pub failures_per_address: u32,
    /// Addresses of proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<std::net::IpAddr>,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            requests_per_token: 10_000,
            requests_per_address: 10_000,
            connections_per_address: 200,
            samples_per_token: 1_000_000,
            failures_per_address: 30,
            proxies: vec![std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()],
        }
    }
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`RateConfig::requests_per_token`].
    RequestsPerToken,
    /// [`RateConfig::requests_per_address`].
    RequestsPerAddress,
    /// [`RateConfig::connections_per_address`].
    ConnectionsPerAddress,
    /// [`RateConfig::samples_per_token`].
    SamplesPerToken,
    /// [`RateConfig::failures_per_address`].
    FailuresPerAddress,
}

impl Limit {
    /// Its key in the configuration, without the table; its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerToken => "requests_per_token",
            Self::RequestsPerAddress => "requests_per_address",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::SamplesPerToken => "samples_per_token",
            Self::FailuresPerAddress => "failures_per_address",
        }
    }

    const fn of_what(self) -> &'static str {
        match self {
            Self::RequestsPerToken => "requests with this token",
            Self::RequestsPerAddress => "requests from this address",
            Self::ConnectionsPerAddress => "new connections from this address",
            Self::SamplesPerToken => "samples with this token",
            Self::FailuresPerAddress => "failed log-ins or refused tokens from this address",
        }
    }
}

/// More than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many {} (rate.{}); come back in {} s", .limit.of_what(), .limit.as_str(), .wait.as_secs().max(1))]
pub struct Limited {
    /// Which limit.
    pub limit: Limit,
    /// How long until it may be tried again.
    pub wait: Duration,
}

impl Limited {
    /// Whether to try again without a change: after [`Self::wait`].
    pub const fn is_retryable(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

/// A token as the limits know it: by its subject.
#[derive(Clone, Copy, Debug)]
pub struct TokenKey(Key);

/// The limits of one server.
pub struct RateLimits {
    requests_per_token: Option<Limiter>,
    requests_per_address: Option<Limiter>,
    connections_per_address: Option<Limiter>,
    samples_per_token: Option<Limiter>,
    failures_per_address: Option<Limiter>,
    /// Addresses that failed too often, and until when they may not log in.
    shut_out: DashMap<Key, Instant>,
    hasher: RandomState,
    limited: Family<LimitLabel, Counter>,
}

impl RateLimits {
    /// Limits as configured; `max_batch` samples at once are always possible.
    pub fn new(config: &RateConfig, max_batch: usize) -> Self {
        let batch = u32::try_from(max_batch).unwrap_or(u32::MAX);
        Self {
            requests_per_token: Limiter::per_second(config.requests_per_token, 1),
            requests_per_address: Limiter::per_second(config.requests_per_address, 1),
            connections_per_address: Limiter::per_second(config.connections_per_address, 1),
            samples_per_token: Limiter::per_second(config.samples_per_token, batch),
            failures_per_address: Limiter::per_minute(config.failures_per_address),
            shut_out: DashMap::new(),
            hasher: RandomState::new(),
            limited: Family::default(),
        }
    }

    /// The key of the token of `subject`.
    pub fn token(&self, subject: &str) -> TokenKey {
        TokenKey(limiter::key(self.hasher.hash_one(subject)))
    }

    /// One more request of a token.
    pub fn request_of(&self, token: TokenKey) -> Result<(), Limited> {
        self.take(self.requests_per_token.as_ref(), Limit::RequestsPerToken, token.0, 1)
    }

    /// One more request from an address.
    pub fn request_from(&self, address: ClientAddress) -> Result<(), Limited> {
        let Some(key) = self.address(address) else { return Ok(()) };
        self.take(self.requests_per_address.as_ref(), Limit::RequestsPerAddress, key, 1)
    }

    /// One more WebSocket connection from an address.
    pub fn connection_from(&self, address: ClientAddress) -> Result<(), Limited> {
        let Some(key) = self.address(address) else { return Ok(()) };
        self.take(self.connections_per_address.as_ref(), Limit::ConnectionsPerAddress, key, 1)
    }

    /// `count` more samples of a token; none counts as one.
    pub fn samples_of(&self, token: TokenKey, count: usize) -> Result<(), Limited> {
        self.take(self.samples_per_token.as_ref(), Limit::SamplesPerToken, token.0, count)
    }

    /// Whether an address may try to log in: not while it is shut out for its failures.
    pub fn attempt_from(&self, address: ClientAddress) -> Result<(), Limited> {
        let Some(key) = self.address(address) else { return Ok(()) };
        let until = self.shut_out.get(&key).map(|until| *until);
        match until.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(wait) if !wait.is_zero() => Err(self.limited(Limit::FailuresPerAddress, wait)),
            _ => Ok(()),
        }
    }

    /// One more failed log-in or refused token from an address.
    pub fn failure_from(&self, address: ClientAddress) -> Result<(), Limited> {
        let Some(key) = self.address(address) else { return Ok(()) };
        let outcome = self.take(self.failures_per_address.as_ref(), Limit::FailuresPerAddress, key, 1);
        if let Err(limited) = &outcome {
            self.shut_out.insert(key, Instant::now() + limited.wait);
        }
        outcome
    }

    /// Forgets whoever has not been heard of for so long that it makes no difference.
    pub fn forget(&self) {
        for limiter in self.limiters() {
            limiter.forget();
        }
        let now = Instant::now();
        self.shut_out.retain(|_, until| *until > now);
    }

    /// Tokens and addresses remembered, once per limit.
    pub fn remembered(&self) -> usize {
        self.limiters().map(Limiter::remembered).sum::<usize>() + self.shut_out.len()
    }

    /// Makes its counter known to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("rate_limited", "Requests and connections refused, and messages made to wait, by limit", self.limited.clone());
    }

    fn take(&self, limiter: Option<&Limiter>, limit: Limit, key: Key, count: usize) -> Result<(), Limited> {
        let Some(limiter) = limiter else { return Ok(()) };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        limiter.take(key, count).map_err(|wait| self.limited(limit, wait))
    }

    fn limited(&self, limit: Limit, wait: Duration) -> Limited {
        self.limited.get_or_create(&LimitLabel { limit: limit.as_str() }).inc();
        Limited { limit, wait }
    }

    fn limiters(&self) -> impl Iterator<Item = &Limiter> {
        let tokens = [&self.requests_per_token, &self.samples_per_token];
        let addresses = [&self.requests_per_address, &self.connections_per_address, &self.failures_per_address];
        tokens.into_iter().chain(addresses).flatten()
    }

    fn address(&self, address: ClientAddress) -> Option<Key> {
        Some(limiter::key(self.hasher.hash_one(address.network()?)))
    }
}

/// Forgets until `stop`.
pub(crate) async fn keep_forgetting(services: Arc<Services>, stop: CancellationToken) {
    while tokio::time::timeout(FORGET_EVERY, stop.cancelled()).await.is_err() {
        services.rates.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RateConfig {
        RateConfig { requests_per_token: 3, samples_per_token: 2, failures_per_address: 2, ..RateConfig::default() }
    }

    fn from(text: &str) -> ClientAddress {
        ClientAddress::of(Some(text.parse().unwrap()), None, &[])
    }

    #[test]
    fn each_token_has_its_own_and_is_told_how_long_to_wait() {
        let limits = RateLimits::new(&config(), 1);
        let (one, other) = (limits.token("one"), limits.token("other"));
        for _ in 0..3 {
            limits.request_of(one).unwrap();
        }
        let limited = limits.request_of(one).unwrap_err();
        assert!(limited.limit == Limit::RequestsPerToken && limited.wait <= Duration::from_millis(334), "{limited:?}");
        assert!(limited.to_string().contains("rate.requests_per_token"), "{limited}");
        limits.request_of(other).unwrap();
    }

    #[test]
    fn a_whole_batch_is_always_possible_and_more_than_one_is_cut_down_to_it() {
        let limits = RateLimits::new(&config(), 500);
        limits.samples_of(limits.token("a"), 500).unwrap();
        assert!(limits.samples_of(limits.token("a"), 1).is_err());
        limits.samples_of(limits.token("b"), 5_000).unwrap();
    }

    #[test]
    fn who_fails_too_often_is_shut_out_and_nobody_else() {
        let limits = RateLimits::new(&config(), 1);
        let (bad, good) = (from("203.0.113.7"), from("203.0.113.8"));
        for _ in 0..2 {
            limits.attempt_from(bad).unwrap();
            limits.failure_from(bad).unwrap();
        }
        limits.attempt_from(bad).unwrap();
        assert!(limits.failure_from(bad).is_err());
        let wait = limits.attempt_from(bad).unwrap_err().wait;
        assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30), "{wait:?}");
        limits.attempt_from(good).unwrap();
    }

    #[test]
    fn this_machine_and_limits_turned_off_are_never_limited() {
        let limits = RateLimits::new(&RateConfig { connections_per_address: 1, requests_per_address: 0, ..config() }, 1);
        for _ in 0..1_000 {
            limits.connection_from(from("127.0.0.1")).unwrap();
            limits.request_from(from("203.0.113.7")).unwrap();
        }
        limits.connection_from(from("203.0.113.7")).unwrap();
        assert!(limits.connection_from(from("203.0.113.7")).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let limits = RateLimits::new(&RateConfig { requests_per_address: 1_000_000, ..config() }, 1);
        for n in 0..1_000_u32 {
            limits.request_from(from(&std::net::Ipv4Addr::from(0x0B00_0000 + n).to_string())).unwrap();
        }
        assert!(limits.remembered() > 900);
        std::thread::sleep(Duration::from_millis(5));
        limits.forget();
        assert_eq!(limits.remembered(), 0);
    }
}
