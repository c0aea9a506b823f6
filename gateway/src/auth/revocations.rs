//! Tokens and keys taken back before their end, and the connections that are open with them.
//!
//! The list is kept by the records and held in memory; [`keep_current`] takes up what other processes (the command line,
//! other servers on the same database) have added. Connections register with their [`Credential`]; a revocation cancels
//! those it covers at once.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use parking_lot::RwLock;
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use slipstream_ports::{Revocation, RevocationKind};
use slipstream_protocol::{ErrorCode, ProtocolError, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Credential;
use crate::app::Services;

/// Most revocations that are in force together. Beyond, the secret is to be changed.
const MOST: usize = 100_000;
/// How often those of other processes are taken up.
const PERIOD: Duration = Duration::from_secs(2);
/// How much clocks of servers on one database may differ.
const SKEW: Duration = Duration::from_secs(120);

/// When something was revoked, and until when that has to be remembered.
struct InForce {
    at: Timestamp,
    until: Option<Timestamp>,
}

/// What is revoked, and the connections there are.
#[derive(Default)]
pub struct Revocations {
    /// By kind and value.
    list: RwLock<HashMap<(RevocationKind, String), InForce>>,
    connections: DashMap<u64, (Credential, CancellationToken)>,
    next: AtomicU64,
    closed: Counter,
}

/// A connection's place among those that a revocation ends; given up on drop.
pub struct Registered {
    revocations: Arc<Revocations>,
    number: u64,
    /// Cancelled when its credential is revoked, and with the parent it was made from.
    pub stop: CancellationToken,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.revocations.connections.remove(&self.number);
    }
}

impl Revocations {
    /// Registers a connection; its token is a child of `parent`. One whose credential is revoked already is cancelled.
    pub fn register(self: &Arc<Self>, credential: &Credential, parent: &CancellationToken) -> Registered {
        let (number, stop) = (self.next.fetch_add(1, Ordering::Relaxed), parent.child_token());
        self.connections.insert(number, (credential.clone(), stop.clone()));
        // Looked up after the insertion: a revocation in between finds the connection, or is found here.
        if self.covers(credential) {
            stop.cancel();
        }
        Registered { revocations: self.clone(), number, stop }
    }

    /// Whether a credential is revoked.
    pub fn covers(&self, credential: &Credential) -> bool {
        let list = self.list.read();
        if list.is_empty() {
            return false;
        }
        let revoked = |kind, value: &str| list.get(&(kind, value.to_owned())).map(|revoked| revoked.at);
        revoked(RevocationKind::Token, &credential.id).is_some()
            || revoked(RevocationKind::Subject, &credential.claims.sub)
                // One that does not say when it was issued may be an old one.
                .is_some_and(|at| credential.issued_at.is_none_or(|issued| issued <= at))
    }

    /// Refuses a revoked credential.
    pub fn check(&self, credential: &Credential) -> Result<(), ProtocolError> {
        if !self.covers(credential) {
            return Ok(());
        }
        Err(ProtocolError::new(ErrorCode::Unauthorized, "the token was revoked; get a new one"))
    }

    /// Puts a revocation in force and ends the connections it covers; answers how many.
    pub fn add(&self, revocation: Revocation) -> usize {
        let key = (revocation.kind, revocation.value);
        {
            let mut list = self.list.write();
            let known = list.get(&key).is_some_and(|known| known.at >= revocation.at);
            if known {
                return 0;
            }
            list.insert(key, InForce { at: revocation.at, until: revocation.until });
        }
        // Only those that live on: cancelled ones are on their way out already.
        let covered = self.connections.iter().filter(|open| !open.1.is_cancelled() && self.covers(&open.0));
        let ended = covered.map(|open| open.1.cancel()).count();
        self.closed.inc_by(ended as u64);
        ended
    }

    /// Revocations in force.
    pub fn len(&self) -> usize {
        self.list.read().len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.list.read().is_empty()
    }

    /// Forgets those whose credentials have ended by themselves.
    fn forget(&self, now: Timestamp) {
        self.list.write().retain(|_, revoked| revoked.until.is_none_or(|until| until > now));
    }

    /// Makes them known to `registry`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let revoked = prometheus_client::metrics::gauge::ConstGauge::new(self.len() as i64);
        registry.register("revocations", "Tokens and subjects revoked and not ended by themselves yet", revoked);
        registry.register("revoked_connections", "Connections closed because their token or key was revoked", self.closed.clone());
    }
}

/// Keeps a revocation and puts it in force; answers how many connections it ended.
///
/// Fails with [`ErrorCode::Unavailable`] where [`MOST`] are in force.
pub async fn revoke(services: &Services, revocation: Revocation) -> Result<usize, ProtocolError> {
    if services.revocations.len() >= MOST {
        let message =
            format!("{MOST} revocations are in force; change JWT_SECRET, or delete jwt.secret under DATA_DIR, to end every token");
        return Err(ProtocolError::new(ErrorCode::Unavailable, message));
    }
    services.records.revoke(revocation.clone()).await.map_err(|error| crate::records::refusal(&error))?;
    Ok(services.revocations.add(revocation))
}

/// Takes up the revocations that the records have, now and again and again until `stop`.
pub async fn keep_current(services: Arc<Services>, stop: CancellationToken) {
    let mut since = Timestamp::from_micros(i64::MIN);
    let mut is_reported = false;
    loop {
        match services.records.revocations(since, services.clock.now()).await {
            Ok(found) => {
                is_reported = false;
                for revocation in found {
                    since = since.max(revocation.at.minus(SKEW));
                    services.revocations.add(revocation);
                }
            }
            Err(error) if !is_reported => {
                is_reported = true;
                tracing::warn!(%error, "the list of revoked tokens cannot be read; those revoked elsewhere meanwhile pass until it can");
            }
            Err(_) => {}
        }
        services.revocations.forget(services.clock.now());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_protocol::token::{Claims, Role};

    fn credential(sub: &str, id: &str, issued_s: Option<i64>) -> Credential {
        let claims = Claims { sub: sub.into(), exp: 9_000, iat: issued_s, role: Role::Viewer, channels: None, publish: None };
        let at = |s: i64| Timestamp::from_millis(s * 1_000);
        Credential { claims: claims.into(), id: id.into(), issued_at: issued_s.map(at), expires_at: at(9_000), not_before: None }
    }

    fn revocation(kind: RevocationKind, value: &str, at_s: i64) -> Revocation {
        let at = Timestamp::from_millis(at_s * 1_000);
        Revocation { kind, value: value.into(), at, until: Some(Timestamp::from_millis(9_000_000)), by: "ann".into() }
    }

    #[test]
    fn a_revoked_token_ends_its_connections_and_no_others() {
        let revocations = Arc::new(Revocations::default());
        let parent = CancellationToken::new();
        let one = revocations.register(&credential("ann", "t1", Some(10)), &parent);
        let other = revocations.register(&credential("ann", "t2", Some(10)), &parent);
        assert_eq!(revocations.add(revocation(RevocationKind::Token, "t1", 20)), 1);
        assert!(one.stop.is_cancelled() && !other.stop.is_cancelled() && !parent.is_cancelled());
        assert!(revocations.check(&credential("ann", "t1", Some(10))).is_err());
        assert!(revocations.register(&credential("ann", "t1", Some(10)), &parent).stop.is_cancelled(), "one that comes too late");
        drop((one, other));
        assert!(revocations.connections.is_empty());
    }

    #[test]
    fn a_revoked_subject_comes_back_with_a_token_issued_later() {
        let revocations = Revocations::default();
        revocations.add(revocation(RevocationKind::Subject, "ann", 20));
        for (sub, issued, covered) in [("ann", Some(19), true), ("ann", Some(21), false), ("ann", None, true), ("bert", Some(19), false)] {
            assert_eq!(revocations.covers(&credential(sub, "t", issued)), covered, "{sub} {issued:?}");
        }
        revocations.add(revocation(RevocationKind::Subject, "ann", 10));
        assert!(revocations.covers(&credential("ann", "t", Some(15))), "an older revocation takes nothing back");
        revocations.forget(Timestamp::from_millis(9_000_000));
        assert!(revocations.is_empty());
    }
}
