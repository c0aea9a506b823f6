//! How many TCP connections may be open, of one address and altogether.
//!
//! The total stays below the limit of file descriptors, so that stores and journal have theirs. At the
//! total the connection that has waited longest for its first request makes space, also one of those beyond the total;
//! where all have sent one, a connection that is kept open between two requests, the quietest of those looked at.
//! Where every connection is at work, a few more are let in, for `/health` alone. Where these are taken, too, a newcomer
//! waits until one that was asked to has made space; it is closed at once only where all of them are at work.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};

use super::Activity;
use crate::{config::LimitsConfig, rate::ClientAddress};

/// Descriptors kept for everything else: this share of the limit, and at least so many.
const KEPT_SHARE: usize = 8;
const KEPT_LEAST: usize = 64;
/// Longest wait for a connection that was asked to give way.
const LEAVING_FOR: Duration = Duration::from_millis(500);
/// A connection that was busy more recently is not asked to give way between two requests.
const LEAST_QUIET: Duration = Duration::from_millis(100);
/// Most connections looked at for the quietest one: a flood must not make each newcomer cost more.
const LOOKED_AT: usize = 256;
/// Most connections where no number is configured, however many descriptors there are.
const MOST_BY_DEFAULT: usize = 65_536;

/// Why a connection was not taken, or ended by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its address has as many as it may.
    Address,
    /// All places are taken by connections at work.
    Total,
    /// There were no descriptors left.
    Descriptors,
    /// It gave way to a newer one before it had sent a request.
    GaveWay,
    /// It sent no whole request head in time.
    NoHead,
    /// Nothing happened on it for long.
    Idle,
    /// It did not take what was sent to it.
    Stalled,
    /// It went on sending a body that was refused.
    Unread,
}

impl Ended {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Total => "total",
            Self::Descriptors => "descriptors",
            Self::GaveWay => "gave_way",
            Self::NoHead => "no_head",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Unread => "unread",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Counts what is there of each address.
#[derive(Debug, Default)]
pub(crate) struct PerAddress {
    /// Most of one address; 0: no bound.
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One of the places of an address; given back on drop.
#[derive(Debug)]
pub(crate) struct AddressPlace(Option<(Arc<PerAddress>, IpAddr)>);

impl PerAddress {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    /// A place for one more of `address`; `None` where it has all its places. This machine has no bound.
    pub(crate) fn enter(self: &Arc<Self>, address: ClientAddress) -> Option<AddressPlace> {
        let Some(network) = address.network().filter(|_| self.most > 0) else { return Some(AddressPlace(None)) };
        let mut counts = self.counts.lock();
        let count = counts.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(AddressPlace(Some((self.clone(), network))))
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let Some((shared, network)) = self.0.take() else { return };
        let mut counts = shared.counts.lock();
        if let Some(count) = counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&network);
            }
        }
    }
}

/// Every TCP connection of the server.
pub(crate) struct OpenConnections {
    total: usize,
    spare: usize,
    by_address: Arc<PerAddress>,
    proxies: Vec<IpAddr>,
    state: Mutex<State>,
    /// A connection has ended.
    freed: Notify,
    /// Bytes of refused bodies that were read and thrown away.
    discarded: Counter,
    ended: Family<ReasonLabel, Counter>,
}

#[derive(Default)]
struct State {
    open: usize,
    next: u64,
    /// Connections that have sent no request yet, oldest first.
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// Connections that have sent one and speak HTTP still.
    begun: BTreeMap<u64, Begun>,
    /// The connection from which on the next quiet one is looked for.
    cursor: u64,
    /// Those that were asked to give way and are still there.
    leaving: BTreeSet<u64>,
}

struct Begun {
    activity: Arc<Activity>,
    give_way: Arc<Notify>,
}

impl State {
    /// Asks a connection to give way: the one that has waited longest for its first request, or else one that is quiet
    /// between two. Returns whether there was one.
    fn make_space(&mut self) -> bool {
        let waited_longest = self.waiting.pop_first();
        let Some((number, give_way)) = waited_longest.or_else(|| self.take_quiet()) else { return false };
        give_way.notify_one();
        self.leaving.insert(number);
        true
    }

    /// The quietest of the next [`LOOKED_AT`] connections, where one has been quiet for [`LEAST_QUIET`].
    fn take_quiet(&mut self) -> Option<(u64, Arc<Notify>)> {
        let from_cursor = self.begun.range(self.cursor..).chain(self.begun.range(..self.cursor));
        let mut quietest = None;
        let mut last = self.cursor;
        for (number, begun) in from_cursor.take(LOOKED_AT) {
            last = *number;
            let quiet = begun.activity.quiet().filter(|quiet| *quiet >= LEAST_QUIET);
            quietest = quietest.max(quiet.map(|quiet| (quiet, *number)));
        }
        self.cursor = last + 1;
        let (_, number) = quietest?;
        let begun = self.begun.remove(&number)?;
        Some((number, begun.give_way))
    }
}

/// One connection; it is counted until this is dropped.
pub(crate) struct OpenConnection {
    shared: Arc<OpenConnections>,
    _place: Option<AddressPlace>,
    number: u64,
    /// Whether it is let in for `/health` alone.
    pub(crate) crowded: bool,
    /// Tells it to give way.
    pub(crate) give_way: Arc<Notify>,
}

/// Whether there is a place.
enum Entered {
    In(OpenConnection),
    /// One that was asked to give way is about to.
    Soon,
    /// All are at work.
    Full,
}

impl OpenConnections {
    /// Bounds as configured, under a limit of `descriptors`.
    pub(crate) fn new(limits: &LimitsConfig, proxies: &[IpAddr], descriptors: usize) -> Arc<Self> {
        let kept = (descriptors / KEPT_SHARE).max(KEPT_LEAST);
        let possible = descriptors.saturating_sub(kept).max(1);
        let total = match limits.max_connections {
            0 => possible.min(MOST_BY_DEFAULT),
            most => most.min(possible),
        };
        Arc::new(Self {
            total,
            spare: kept / 4,
            by_address: PerAddress::new(limits.max_connections_per_address),
            proxies: proxies.to_vec(),
            state: Mutex::default(),
            freed: Notify::new(),
            discarded: Counter::default(),
            ended: Family::default(),
        })
    }

    /// Lets a connection in, or says why not. Waits while there is no space and a connection that was asked to give way is about to
    /// leave it.
    pub(crate) async fn enter(self: &Arc<Self>, peer: IpAddr) -> Result<OpenConnection, Ended> {
        // A proxy's connections are those of many; it forwards whose they are with each request.
        let is_proxy = self.proxies.contains(&peer.to_canonical());
        let address = if is_proxy { ClientAddress::default() } else { ClientAddress::of(Some(peer), None, &[]) };
        let mut place = Some(self.by_address.enter(address).ok_or(Ended::Address).inspect_err(|why| self.count(*why))?);
        let deadline = Instant::now() + LEAVING_FOR;
        loop {
            let freed = self.freed.notified();
            match self.try_enter(&mut place) {
                Entered::In(open) => return Ok(open),
                Entered::Soon if timeout_at(deadline, freed).await.is_ok() => {}
                Entered::Soon | Entered::Full => {
                    self.count(Ended::Total);
                    return Err(Ended::Total);
                }
            }
        }
    }

    fn try_enter(self: &Arc<Self>, place: &mut Option<AddressPlace>) -> Entered {
        let mut state = self.state.lock();
        let mut crowded = false;
        if state.open >= self.total {
            if state.open >= self.total + self.spare {
                let soon = !state.leaving.is_empty() || state.make_space();
                return if soon { Entered::Soon } else { Entered::Full };
            }
            // Beyond the total nobody but one that has sent nothing makes space.
            crowded = state.open - state.leaving.len() >= self.total && !state.make_space();
        }
        let give_way = Arc::<Notify>::default();
        state.open += 1;
        state.next += 1;
        let number = state.next;
        state.waiting.insert(number, give_way.clone());
        drop(state);
        Entered::In(OpenConnection { shared: self.clone(), _place: place.take(), number, crowded, give_way })
    }

    /// Has the connection that waited longest for its first request give way, if there is one: descriptors ran out.
    pub(crate) fn make_space(&self) {
        self.count(Ended::Descriptors);
        self.state.lock().make_space();
    }

    /// A connection that was asked to give way leaves its descriptor, at the latest after a moment.
    pub(crate) async fn until_freed(&self, longest: Duration) {
        let _ = timeout(longest, self.freed.notified()).await;
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.state.lock().open
    }

    /// Most that may be open.
    pub(crate) const fn most(&self) -> usize {
        self.total
    }

    /// Connections that have not sent a whole request yet.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Counts a connection that was refused or ended.
    pub(crate) fn count(&self, why: Ended) {
        self.ended.get_or_create(&ReasonLabel { reason: why.as_str() }).inc();
    }

    /// How many were refused or ended for this reason.
    #[cfg(test)]
    pub(crate) fn counted(&self, why: Ended) -> u64 {
        self.ended.get_or_create(&ReasonLabel { reason: why.as_str() }).get()
    }

    /// Makes its counter known to `registry`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "TCP connections refused, or ended by the server for lack of a request, of activity or of a reader, by reason";
        registry.register("tcp_ended", help, self.ended.clone());
        let help = "Bytes of refused bodies that were read and thrown away, so that their senders could read the answer";
        registry.register("tcp_discarded_bytes", help, self.discarded.clone());
    }
}

impl OpenConnection {
    /// A request has arrived, so it gives way to no other while that is under way.
    pub(crate) fn has_begun(&self, activity: &Arc<Activity>) {
        let mut state = self.shared.state.lock();
        state.waiting.remove(&self.number);
        state.leaving.remove(&self.number);
        state.begun.insert(self.number, Begun { activity: activity.clone(), give_way: self.give_way.clone() });
    }

    /// It speaks another protocol than HTTP from now on, or ends: nothing asks it to give way any more.
    pub(super) fn leaves_http(&self) {
        self.shared.state.lock().begun.remove(&self.number);
    }

    /// Counts bytes that were thrown away.
    pub(super) fn discarded(&self, bytes: usize) {
        self.shared.discarded.inc_by(bytes as u64);
    }

    /// Counts why it ends.
    pub(crate) fn count(&self, why: Ended) {
        self.shared.count(why);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.open -= 1;
        state.waiting.remove(&self.number);
        state.begun.remove(&self.number);
        state.leaving.remove(&self.number);
        drop(state);
        self.shared.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::{super::activity::Handling, *};

    fn bounds(total: usize, per_address: usize, descriptors: usize) -> Arc<OpenConnections> {
        let limits = crate::config::Config::default().limits;
        let limits = LimitsConfig { max_connections: total, max_connections_per_address: per_address, ..limits };
        OpenConnections::new(&limits, &["10.0.0.9".parse().unwrap()], descriptors)
    }

    fn from(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_total_leaves_descriptors_for_the_stores() {
        assert_eq!(bounds(0, 0, 1_024).most(), 896);
        assert_eq!(bounds(0, 0, 300).most(), 236);
        assert_eq!(bounds(5_000, 0, 1_024).most(), 896, "no more than there are descriptors for");
        assert_eq!(bounds(100, 0, 1_024).most(), 100);
        assert_eq!(bounds(0, 0, 1 << 20).most(), MOST_BY_DEFAULT);
    }

    fn enter(open: &Arc<OpenConnections>, peer: &str) -> Result<OpenConnection, Ended> {
        open.enter(from(peer)).now_or_never().expect("nobody was asked to give way")
    }

    #[tokio::test]
    async fn the_oldest_connection_without_a_request_gives_way_and_one_at_work_does_not() {
        let open = bounds(3, 0, 1_024);
        let [first, second, third] = [0; 3].map(|_| enter(&open, "127.0.0.1").unwrap());
        let working = Activity::new();
        let _request = Handling::begin(&working);
        first.has_begun(&working);
        let fourth = enter(&open, "127.0.0.1").unwrap();
        assert!(!fourth.crowded && second.give_way.notified().now_or_never().is_some(), "the oldest that waits");
        assert!(first.give_way.notified().now_or_never().is_none());
        drop(second);
        third.has_begun(&working);
        fourth.has_begun(&working);
        let last: Vec<_> = (0..open.spare)
            .map(|_| {
                let crowded = enter(&open, "127.0.0.1").unwrap();
                crowded.has_begun(&working);
                crowded
            })
            .collect();
        assert!(last.iter().all(|c| c.crowded), "all are at work");
        assert_eq!(enter(&open, "127.0.0.1").err(), Some(Ended::Total));
        assert_eq!(open.counted(Ended::Total), 1);
        drop((last, fourth));
        assert!(!enter(&open, "127.0.0.1").unwrap().crowded);
        drop((first, third));
        assert_eq!((open.open(), open.waiting()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn of_connections_kept_open_between_requests_the_quietest_gives_way_and_one_of_another_protocol_does_not() {
        let open = bounds(3, 0, 1_024);
        let kept: Vec<_> = (0..3).map(|_| (enter(&open, "127.0.0.1").unwrap(), Activity::new())).collect();
        for (connection, activity) in &kept {
            connection.has_begun(activity);
        }
        kept[0].0.leaves_http();
        assert!(enter(&open, "127.0.0.1").unwrap().crowded, "all were busy a moment ago");
        tokio::time::advance(Duration::from_secs(5)).await;
        kept[1].1.note();
        tokio::time::advance(LEAST_QUIET).await;
        let newcomer = enter(&open, "127.0.0.1").unwrap();
        assert!(!newcomer.crowded);
        let asked: Vec<_> = kept.iter().map(|(connection, _)| connection.give_way.notified().now_or_never().is_some()).collect();
        assert_eq!(asked, [false, false, true]);
    }

    #[tokio::test]
    async fn a_newcomer_waits_for_one_that_has_sent_nothing_also_beyond_the_total() {
        let open = bounds(3, 0, 1_024);
        let at_work: Vec<_> = (0..3).map(|_| enter(&open, "127.0.0.1").unwrap()).collect();
        let working = Activity::new();
        let _request = Handling::begin(&working);
        for connection in &at_work {
            connection.has_begun(&working);
        }
        let mut silent = std::collections::VecDeque::new();
        while open.open() < 3 + open.spare {
            silent.push_back(enter(&open, "127.0.0.1").unwrap());
        }
        for _ in 0..3 * open.spare {
            let newcomer = tokio::spawn({
                let open = open.clone();
                async move { open.enter(from("127.0.0.1")).await }
            });
            let oldest = silent.pop_front().unwrap();
            oldest.give_way.notified().await;
            assert!(!newcomer.is_finished());
            drop(oldest);
            silent.push_back(newcomer.await.unwrap().unwrap());
        }
        assert_eq!(open.counted(Ended::Total), 0);
    }

    #[tokio::test]
    async fn an_address_has_its_bound_and_this_machine_and_proxies_have_none() {
        let open = bounds(0, 2, 1_024);
        let mine: Vec<_> = (0..2).map(|_| enter(&open, "203.0.113.7").unwrap()).collect();
        assert_eq!(enter(&open, "203.0.113.7").err(), Some(Ended::Address));
        assert!(enter(&open, "203.0.113.8").is_ok());
        for address in ["127.0.0.1", "10.0.0.9"] {
            let many: Vec<_> = (0..10).map(|_| enter(&open, address)).collect();
            assert!(many.iter().all(Result::is_ok), "{address}");
        }
        drop(mine);
        assert!(enter(&open, "203.0.113.7").is_ok());
        assert!(open.by_address.counts.lock().is_empty(), "addresses are forgotten");
    }
}
