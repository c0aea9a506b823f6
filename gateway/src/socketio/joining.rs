//! Sessions that have not joined the namespace yet: few, and for a short time.
//!
//! A session is made before its token is looked at. Until it has joined it holds one of [`MOST`] places,
//! and one of [`MOST_OF_ADDRESS`] of its address. The place lies in the request that made the session,
//! which the session keeps: it is free again when the session joins or ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    http::{AddressPlace, PerAddress},
    rate::ClientAddress,
};

/// How long a session may take to join.
pub(super) const JOIN_WITHIN: Duration = Duration::from_secs(15);
/// Most sessions that have not joined.
const MOST: usize = 1_024;
/// Most of one address.
const MOST_OF_ADDRESS: usize = 64;

/// The places.
#[derive(Clone)]
pub(crate) struct Joining {
    taken: Arc<AtomicUsize>,
    by_address: Arc<PerAddress>,
}

/// A session's place, in the extensions of the request that made it.
#[derive(Clone)]
pub(super) struct Place(Arc<Mutex<Option<Held>>>);

struct Held {
    taken: Arc<AtomicUsize>,
    _address: AddressPlace,
}

impl Default for Joining {
    fn default() -> Self {
        Self { taken: Arc::default(), by_address: PerAddress::new(MOST_OF_ADDRESS) }
    }
}

impl Joining {
    /// A place for a new session; `None` where there is none.
    pub(super) fn enter(&self, address: ClientAddress) -> Option<Place> {
        let address = self.by_address.enter(address)?;
        let taken = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < MOST).then_some(taken + 1));
        taken.ok()?;
        Some(Place(Arc::new(Mutex::new(Some(Held { taken: self.taken.clone(), _address: address })))))
    }

    /// Sessions that have not joined.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

impl Place {
    /// The session has joined.
    pub(super) fn leave(&self) {
        drop(self.0.lock().take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> ClientAddress {
        ClientAddress::of(Some(text.parse().unwrap()), None, &[])
    }

    #[test]
    fn sessions_that_do_not_join_are_bounded_and_give_their_places_back() {
        let joining = Joining::default();
        let mut places: Vec<_> = (0..MOST_OF_ADDRESS).map(|_| joining.enter(from("203.0.113.7")).unwrap()).collect();
        assert!(joining.enter(from("203.0.113.7")).is_none(), "all of its address");
        places[0].clone().leave();
        places.push(joining.enter(from("203.0.113.7")).unwrap());
        places.extend((0..MOST - MOST_OF_ADDRESS).map(|_| joining.enter(from("127.0.0.1")).unwrap()));
        assert_eq!(joining.taken(), MOST);
        assert!(joining.enter(from("127.0.0.1")).is_none(), "all of them");
        drop(places);
        assert_eq!(joining.taken(), 0);
    }
}
